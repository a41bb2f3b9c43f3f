//! How many requests a minute are answered: a window that begins with the first request, one per class.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use backstop_clock::Timestamp;
use parking_lot::Mutex;

use crate::calendar::later;
use crate::config::RateLimits;

const WINDOW: Duration = Duration::from_mins(1);

/// The windows of one token.
#[derive(Debug)]
pub(super) struct Quota {
    limits: RateLimits,
    windows: Mutex<[Window; 3]>,
    refused: AtomicU64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    /// `None` before the first request.
    ends: Option<Timestamp>,
    used: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Standard,
    MarketData,
    Trading,
}

impl Class {
    pub(super) fn of(method: &Method, path: &str) -> Self {
        if path.starts_with("/v1/markets") {
            Self::MarketData
        } else if method != Method::GET && path.contains("/orders") {
            Self::Trading
        } else {
            Self::Standard
        }
    }
}

/// How a window stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) allowed: u32,
    pub(super) used: u32,
    pub(super) ends: Timestamp,
    pub(super) granted: bool,
}

impl Quota {
    pub(super) fn new(limits: RateLimits) -> Self {
        Self { limits, windows: Mutex::default(), refused: AtomicU64::new(0) }
    }

    pub(super) fn take(&self, class: Class, now: Timestamp) -> Standing {
        let mut windows = self.windows.lock();
        let [standard, market_data, trading] = &mut *windows;
        let (window, allowed) = match class {
            Class::Standard => (standard, self.limits.standard),
            Class::MarketData => (market_data, self.limits.market_data),
            Class::Trading => (trading, self.limits.trading),
        };
        if window.ends.is_none_or(|ends| now >= ends) {
            *window = Window { ends: Some(later(now, WINDOW)), used: 0 };
        }
        let granted = window.used < allowed;
        if granted {
            window.used += 1;
        } else {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        Standing { allowed, used: window.used, ends: window.ends.unwrap_or(now), granted }
    }
}

impl Quota {
    /// How many requests were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Standing {
    /// Writes the headers that are not there: a fault may have told its own story.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        let mut put = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.entry(HeaderName::from_static(name)).or_insert(value);
            }
        };
        put("x-ratelimit-allowed", self.allowed.to_string());
        put("x-ratelimit-used", self.used.to_string());
        put("x-ratelimit-available", self.allowed.saturating_sub(self.used).to_string());
        put("x-ratelimit-expiry", self.ends.as_millisecond().to_string());
    }
}

#[cfg(test)]
mod tests;
