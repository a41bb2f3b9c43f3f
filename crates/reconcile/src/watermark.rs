//! Since when the book is as it is, on this process's clock: what changed more recently than the broker's lag is not judged
//! (REC-3).

use std::collections::VecDeque;
use std::time::Duration;

use backstop_clock::Mono;

/// When the book had come to which change. A restart knows of before only what the records say, and without them everything is
/// fresh then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watermark {
    lag: Duration,
    seen: VecDeque<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    revision: u64,
    at: Mono,
    /// For how long it had been so by then.
    rested: Duration,
}

impl Watermark {
    /// As of change number `revision`, which was made `rested` ago. A book that never changed has nothing to lag.
    pub(crate) fn new(lag: Duration, revision: u64, now: Mono, rested: Duration) -> Self {
        let rested = if revision == 0 { lag } else { rested.min(lag) };
        Self { lag, seen: VecDeque::from([Seen { revision, at: now, rested }]) }
    }

    /// Notes that the book had come to change number `revision` by `now`.
    pub(crate) fn observe(&mut self, revision: u64, now: Mono) {
        if self.seen.back().is_none_or(|newest| newest.revision < revision) {
            self.seen.push_back(Seen { revision, at: now, rested: Duration::ZERO });
        }
        // All but the newest of those that are settled say nothing more.
        while self.seen.get(1).is_some_and(|seen| now.since(seen.at) > self.lag.saturating_mul(2)) {
            self.seen.pop_front();
        }
    }

    /// The newest change that an answer has to show that was asked for at `asked`. `None`: not even the first.
    pub(crate) fn settled(&self, asked: Mono) -> Option<u64> {
        self.before(asked, self.lag)
    }

    /// The newest change that was there when an answer was asked for.
    pub(crate) fn asked_after(&self, asked: Mono) -> Option<u64> {
        self.before(asked, Duration::ZERO)
    }

    fn before(&self, asked: Mono, by: Duration) -> Option<u64> {
        let old = |seen: &&Seen| asked >= seen.at && asked.since(seen.at).saturating_add(seen.rested) >= by;
        self.seen.iter().rev().find(old).map(|seen| seen.revision)
    }
}

#[cfg(test)]
mod tests;
