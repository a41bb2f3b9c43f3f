//! What the server says of its request budget, handed on as data. Nothing here waits.

use std::time::Duration;

use backstop_clock::Timestamp;
use reqwest::header::HeaderMap;

use crate::number;

/// A window is one minute long, and starts with its first request. A longer wait is a misread unit.
const LONGEST_WINDOW: Duration = Duration::from_secs(61);
/// `Retry-After` is not documented; where it comes, it may ask for more than a window.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The three budgets that Tradier counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RateClass {
    Standard,
    MarketData,
    Trading,
}

/// What the server said last of one budget. It is per token, so other processes may have used it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests per window.
    pub allowed: Option<u32>,
    /// Used in this window, the answered call included.
    pub used: Option<u32>,
    /// Left in this window.
    pub available: Option<u32>,
    /// When the window ends: at most 61 s after the answer, whatever the server wrote.
    pub expiry: Option<Timestamp>,
}

/// What the server said last, per budget. `None`: it has not said anything yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimits {
    /// Reads of accounts, orders and the user.
    pub standard: Option<RateLimit>,
    /// Everything under `/markets`.
    pub market_data: Option<RateLimit>,
    /// Placing and canceling orders.
    pub trading: Option<RateLimit>,
}

impl RateLimits {
    pub(crate) fn note(&mut self, class: RateClass, limit: RateLimit) {
        let slot = match class {
            RateClass::Standard => &mut self.standard,
            RateClass::MarketData => &mut self.market_data,
            RateClass::Trading => &mut self.trading,
        };
        *slot = Some(limit);
    }
}

/// The four headers, if any of them can be read.
pub(crate) fn limit(headers: &HeaderMap, now: Timestamp) -> Option<RateLimit> {
    let count = |name| header(headers, name)?.parse().ok();
    let limit = RateLimit {
        allowed: count("x-ratelimit-allowed"),
        used: count("x-ratelimit-used"),
        available: count("x-ratelimit-available"),
        expiry: header(headers, "x-ratelimit-expiry").and_then(|text| window_end(text, now)),
    };
    let said = limit.allowed.is_some() || limit.used.is_some() || limit.available.is_some() || limit.expiry.is_some();
    said.then_some(limit)
}

/// How long to keep quiet after a refusal, by the headers.
pub(crate) fn pause(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let after: Option<u64> = header(headers, "retry-after").and_then(|text| text.parse().ok());
    let retry = after.and_then(|seconds| now.checked_add(Duration::from_secs(seconds).min(LONGEST_PAUSE)).ok());
    retry.max(header(headers, "x-ratelimit-expiry").and_then(|text| window_end(text, now)))
}

/// The reset time at the end of a `Quota Violation` text.
pub(crate) fn reset_in_text(text: &str, now: Timestamp) -> Option<Timestamp> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let start = digits.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    digits.get(start..).filter(|number| number.len() >= 10).and_then(|number| window_end(number, now))
}

/// Documented in milliseconds; some clients read seconds. Above 10^11 it is milliseconds.
fn window_end(text: &str, now: Timestamp) -> Option<Timestamp> {
    let number = number::decimal(text.trim())?;
    let end = if number > 100_000_000_000_i64.into() { number::millis(number) } else { number::seconds(number) };
    Some(end?.min(now.checked_add(LONGEST_WINDOW).ok()?))
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests;
