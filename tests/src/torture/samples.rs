//! Descriptors and memory of processes, as `/proc` tells them, and whether they grow.

use std::fmt;
use std::fs;

use serde::Serialize;

use super::judge::{Violation, violation};

/// What a process had at most during one stretch of its life, or of those of its successors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Peak {
    pub(super) fds: u64,
    pub(super) rss_kib: u64,
    pub(super) hwm_kib: u64,
    /// How many orders there were: what is remembered of each takes its place.
    pub(super) orders: u64,
}

impl Peak {
    /// Looks at a process; one that is gone has nothing.
    pub(super) fn sample(&mut self, pid: u32) {
        let fds = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        self.fds = self.fds.max(fds as u64);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        self.rss_kib = self.rss_kib.max(kib("VmRSS:"));
        self.hwm_kib = self.hwm_kib.max(kib("VmHWM:"));
    }

    fn with(self, other: Self) -> Self {
        Self {
            fds: self.fds.max(other.fds),
            rss_kib: self.rss_kib.max(other.rss_kib),
            hwm_kib: self.hwm_kib.max(other.hwm_kib),
            orders: self.orders.max(other.orders),
        }
    }
}

/// How much more there may be in the last quarter of a torture than in the first one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// Descriptors at any time. A bot has about thirty, of which half are connections.
    most_fds: u64,
    more_fds: u64,
    more_kib: u64,
    kib_an_order: u64,
}

impl Bound {
    pub(super) const BOT: Self = Self { most_fds: 96, more_fds: 16, more_kib: 12 << 10, kib_an_order: 8 };
    /// Which remembers each order and each request for good, and writes all of them as one text.
    pub(super) const SIMULATOR: Self = Self { most_fds: 160, more_fds: 32, more_kib: 16 << 10, kib_an_order: 24 };
}

/// First and last quarter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Trend {
    first: Peak,
    last: Peak,
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        write!(f, "descriptors {} at first, {} at last; ", first.fds, last.fds)?;
        write!(
            f,
            "memory {} KiB at first, {} KiB at last; orders {}, {}",
            first.hwm_kib, last.hwm_kib, first.orders, last.orders
        )
    }
}

/// What became more than `bound` allows.
pub(super) fn judge(who: &str, peaks: &[Peak], bound: Bound) -> (Trend, Vec<Violation>) {
    let quarter = peaks.len().div_ceil(4);
    let top = |part: &[Peak]| part.iter().copied().fold(Peak::default(), Peak::with);
    let trend = Trend {
        first: top(peaks.get(..quarter).unwrap_or_default()),
        last: top(peaks.get(peaks.len() - quarter..).unwrap_or_default()),
    };
    let Trend { first, last } = trend;
    let mut found = Vec::new();
    let most = top(peaks).fds;
    if most > bound.most_fds || last.fds > first.fds + bound.more_fds {
        let text = format!("{who}: {} descriptors at first, {} at last, {most} at most", first.fds, last.fds);
        found.push(violation("descriptors", text));
    }
    let allowed = bound.more_kib + bound.kib_an_order * last.orders.saturating_sub(first.orders);
    if last.hwm_kib > first.hwm_kib + allowed {
        let text = format!("{who}: {} KiB at first, {} KiB at last", first.hwm_kib, last.hwm_kib);
        found.push(violation("memory", text));
    }
    (trend, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peaks(of: impl Fn(u64) -> Peak) -> Vec<Peak> {
        (0..40).map(of).collect()
    }

    #[track_caller]
    fn check(of: impl Fn(u64) -> Peak, ids: &[&str]) {
        let found: Vec<&str> = judge("a bot", &peaks(of), Bound::BOT).1.iter().map(|v| v.id).collect();
        assert_eq!(found, ids);
    }

    #[test]
    fn what_grows_with_time_is_found_and_what_orders_explain_is_not() {
        let steady = Peak { fds: 28, rss_kib: 30_000, hwm_kib: 30_000, orders: 0 };
        check(|_| steady, &[]);
        check(|life| Peak { fds: 28 + life, ..steady }, &["descriptors"]);
        check(|life| Peak { fds: if life == 20 { 97 } else { 28 }, ..steady }, &["descriptors"]);
        check(|life| Peak { hwm_kib: 30_000 + 600 * life, ..steady }, &["memory"]);
        check(|life| Peak { hwm_kib: 30_000 + 600 * life, orders: 60 * life, ..steady }, &[]);
    }

    #[test]
    fn a_process_is_seen_and_one_that_is_gone_has_nothing() {
        let mut peak = Peak::default();
        peak.sample(std::process::id());
        assert!(peak.fds > 2 && peak.rss_kib > 100 && peak.hwm_kib >= peak.rss_kib, "{peak:?}");
        let mut none = Peak::default();
        none.sample(u32::MAX);
        assert_eq!(none, Peak::default());
    }
}
