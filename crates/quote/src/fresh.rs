//! The proof that something may be traded on, and until when.

use std::time::Duration;

use backstop_clock::{Clock, Mono, Timestamp};

use crate::units::{duration, nanos, of_mono, of_wall};

/// The moment of a judgement, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For ages.
    pub mono: Mono,
    /// To notice that the machine slept, or that a clock was set.
    pub wall: Timestamp,
}

impl Now {
    /// What `clock` shows.
    pub fn of(clock: &(impl Clock + ?Sized)) -> Self {
        Self { mono: clock.mono(), wall: clock.wall() }
    }
}

/// Proof that `T` passed every check of a policy (QUOTE-1), and until when it may be used (QUOTE-5).
///
/// Only a [`Feed`](crate::Feed) makes one. Not `Clone`, not to be read from a file, no public constructor: it cannot be
/// copied past its deadline or made up.
///
/// ```compile_fail,E0451
/// # use backstop_quote::{Fresh, Now, Quote};
/// # fn forge(quote: Quote, now: Now) -> Fresh<Quote> {
/// Fresh { value: quote, until: now.mono, judged: now, max_step: std::time::Duration::MAX }
/// # }
/// ```
///
/// The same without the forgery compiles:
///
/// ```
/// # use backstop_quote::{Expired, Fresh, Now, Quote};
/// # fn spend(fresh: &Fresh<Quote>, now: Now) -> Result<&Quote, Expired> {
/// fresh.at(now)
/// # }
/// ```
#[must_use = "a proof of freshness that nobody asks for its deadline proves nothing at the moment of the submit"]
#[derive(Debug)]
pub struct Fresh<T> {
    value: T,
    until: Mono,
    judged: Now,
    max_step: Duration,
}

impl<T> Fresh<T> {
    /// For the checks of a feed, and nothing else.
    pub(crate) fn proven(value: T, until: Mono, judged: Now, max_step: Duration) -> Self {
        Self { value, until, judged, max_step }
    }

    /// The last moment at which it may be used.
    pub fn until(&self) -> Mono {
        self.until
    }

    /// What was proven, if it still holds at `now`. Ask it right before the order leaves, after all waiting.
    ///
    /// # Errors
    /// [`Expired`]. It never holds again after that: judge a new quote.
    pub fn at(&self, now: Now) -> Result<&T, Expired> {
        // QUOTE-5: at the deadline it still holds, after it never.
        let over = now.mono.since(self.until);
        if !over.is_zero() {
            return Err(Expired::TooLate { over });
        }
        if let Some(by) = clock_step(self.judged.mono, self.judged.wall, now, self.max_step) {
            return Err(Expired::ClockStep { by });
        }
        Ok(&self.value)
    }
}

/// By how much the two clocks disagree on the time from a reading to `now`, where that is more than `max`: the machine
/// slept, or a clock was set.
pub(crate) fn clock_step(mono: Mono, wall: Timestamp, now: Now, max: Duration) -> Option<Duration> {
    let by_mono = of_mono(now.mono).saturating_sub(of_mono(mono));
    let by_wall = of_wall(now.wall).saturating_sub(of_wall(wall));
    let step = by_wall.saturating_sub(by_mono).saturating_abs();
    (step > nanos(max)).then(|| duration(step))
}

/// Why a proof of freshness holds no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Expired {
    /// Its deadline has passed.
    #[error("the quotes grew too old {over:?} ago, while the order waited; look again")]
    TooLate {
        /// How long ago.
        over: Duration,
    },
    /// The wall clock and the monotonic one moved apart: the machine slept, or a clock was set.
    #[error("wall clock and monotonic clock moved {by:?} apart since the quotes were judged; look again")]
    ClockStep {
        /// By how much.
        by: Duration,
    },
}

#[cfg(test)]
mod tests;
