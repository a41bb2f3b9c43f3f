//! Since when the book is as it is, on this process's clock: what changed more recently than the broker's lag is not judged
//! (REC-3).

use std::collections::VecDeque;
use std::time::Duration;

use backstop_clock::Mono;

/// When the book had come to which change. A restart knows nothing of before, so that then everything is fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watermark {
    lag: Duration,
    seen: VecDeque<(u64, Mono)>,
}

impl Watermark {
    /// As of change number `revision`, which may have been made just now.
    pub(crate) fn new(lag: Duration, revision: u64, now: Mono) -> Self {
        Self { lag, seen: VecDeque::from([(revision, now)]) }
    }

    /// Notes that the book had come to change number `revision` by `now`.
    pub(crate) fn observe(&mut self, revision: u64, now: Mono) {
        if self.seen.back().is_none_or(|(newest, _)| *newest < revision) {
            self.seen.push_back((revision, now));
        }
        // All but the newest of those that are settled say nothing more.
        while self.seen.get(1).is_some_and(|(_, at)| now.since(*at) > self.lag.saturating_mul(2)) {
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
        let old = |at: Mono| asked >= at && asked.since(at) >= by;
        self.seen.iter().rev().find(|(_, at)| old(*at)).map(|(revision, _)| *revision)
    }
}

#[cfg(test)]
mod tests;
