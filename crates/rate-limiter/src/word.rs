//! What a server says of its own count, in the headers of an answer (RATE-4).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Numbers above this count milliseconds: as seconds they would be in the year 5138.
const MILLISECONDS_ABOVE: i64 = 100_000_000_000;
/// `Retry-After` may ask for more than a window, but not for a day by a slip.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// What a server said with one answer: how many requests are left in its window, and for how long that holds.
///
/// It can only tighten the budget, until it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerWord {
    pub(crate) left: Option<u64>,
    pub(crate) used: Option<u64>,
    /// Until the server's window ends, by its own date where there is one.
    pub(crate) lasts: Option<Duration>,
    /// The same by the clock here.
    pub(crate) lasts_here: Option<Duration>,
    /// How long it wants to be left alone.
    pub(crate) pause: Option<Duration>,
    pub(crate) refusal: bool,
}

impl ServerWord {
    /// The server lets `left` more requests pass for so long, and has counted `used`.
    pub const fn new(used: u32, left: u32, lasts: Duration) -> Self {
        Self {
            left: Some(left as u64),
            used: Some(used as u64),
            lasts: Some(lasts),
            lasts_here: None,
            pause: None,
            refusal: false,
        }
    }

    /// Reads `X-Ratelimit-Allowed`, `-Used`, `-Available` and `-Expiry`, and `Retry-After` in seconds or as a date.
    ///
    /// `header` returns the text of a header by its name in lower case; `wall` is the time of day here.
    ///
    /// The expiry is a moment, in seconds or in milliseconds since 1970: what is above 10^11 is milliseconds. Where the
    /// answer has a `Date`, the time is taken from that to the expiry, by the server's own clock, and ours may be wrong. What
    /// cannot be read counts as not said.
    pub fn read<'h>(header: impl Fn(&str) -> Option<&'h str>, wall: Timestamp) -> Self {
        let text = |name: &str| header(name).map(str::trim);
        let count = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
        let date = |text: &str| jiff::fmt::rfc2822::parse(text).map(|date| date.timestamp()).ok();
        let server_now = text("date").and_then(date).unwrap_or(wall);
        let until = |moment: Timestamp| positive(moment.duration_since(server_now));
        let here = |moment: Timestamp| positive(moment.duration_since(wall));
        let used = count("x-ratelimit-used");
        let allowed = count("x-ratelimit-allowed");
        let available = count("x-ratelimit-available");
        // The tighter of the two ways to say it.
        let rest = allowed.zip(used).map(|(allowed, used)| allowed.saturating_sub(used));
        let left = [available, rest].into_iter().flatten().min();
        let expiry = text("x-ratelimit-expiry").and_then(|text| text.parse().ok()).and_then(moment);
        let retry = text("retry-after").and_then(|text| {
            let seconds = text.parse().map(Duration::from_secs).ok();
            seconds.or_else(|| date(text).map(until))
        });
        let used = used.or_else(|| allowed.zip(left).map(|(allowed, left)| allowed.saturating_sub(left)));
        let pause = retry.map(|pause| pause.min(LONGEST_PAUSE));
        Self { left, used, lasts: expiry.map(until), lasts_here: expiry.map(here), pause, refusal: false }
    }

    /// The same, when the answer was a refusal for too many requests (429, or whatever the server uses): nothing is left.
    #[must_use]
    pub const fn refused(self) -> Self {
        Self { refusal: true, ..self }
    }

    /// So many more requests, for so long, after the one that was answered; `None` if it says nothing of that. No window
    /// that ends is longer than `longest`.
    pub(crate) fn limit(&self, longest: Duration) -> Option<(u64, Duration)> {
        // A second more, because dates have whole seconds. What is longer is a misread unit or a wrong clock: the date may be
        // that of something in between.
        let longest_seen = longest.saturating_add(Duration::from_secs(1));
        let credible = |lasts: &Duration| *lasts <= longest_seen;
        let lasts = self.lasts.filter(credible).or(self.lasts_here.filter(credible));
        let lasts = lasts.or(self.lasts.map(|_| longest_seen));
        if self.refusal {
            // Law 5: a refusal that does not say for how long lasts a whole window; neither does one until a moment that is
            // over. A pause comes in whole seconds: none may be nearly one.
            let ahead = lasts.filter(|lasts| !lasts.is_zero());
            let said = ahead.max(self.pause.map(|pause| pause.max(Duration::from_secs(1))));
            return Some((0, said.unwrap_or(longest)));
        }
        if self.pause.is_some() {
            return Some((0, lasts.max(self.pause).unwrap_or(longest)));
        }
        self.left.map(|left| (left, lasts.unwrap_or(longest)))
    }
}

fn moment(number: i64) -> Option<Timestamp> {
    if number > MILLISECONDS_ABOVE {
        Timestamp::from_millisecond(number).ok()
    } else {
        Timestamp::from_second(number).ok()
    }
}

fn positive(span: SignedDuration) -> Duration {
    Duration::try_from(span).unwrap_or_default()
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
