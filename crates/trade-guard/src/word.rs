//! All that is decided on, in one machine word, so that one compare-and-swap decides.
//!
//! ```text
//! bits   0.. 2  phase
//!        2..18  executed entries
//!       18..24  who came in last, as an index of the guard's callers
//!       24..64  when, in milliseconds of the guard's monotonic clock
//! ```
//!
//! | phase | who may change the word | to |
//! |---|---|---|
//! | free | anybody, by compare-and-swap | in progress, retired |
//! | in progress | the one who made it so, by a store | free, unresolved |
//! | unresolved | anybody, by compare-and-swap | in progress: the one who resolves it |
//! | retired | nobody | |

use std::time::Duration;

use backstop_clock::Mono;

const PHASE: u64 = 0b11;
const EXECUTED_AT: u32 = 2;
const CALLER_AT: u32 = 18;
const SINCE_AT: u32 = 24;
/// How many callers fit.
pub(crate) const CALLERS: usize = 1 << (SINCE_AT - CALLER_AT);
const SINCE_MAX: u64 = (1 << (64 - SINCE_AT)) - 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Free,
    InProgress,
    Unresolved,
    /// The guard has let go of it: its session is over.
    Retired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    /// Nobody inside, so many executed.
    #[inline]
    pub(crate) fn free(executed: u16) -> Self {
        Self(u64::from(executed) << EXECUTED_AT)
    }

    #[inline]
    pub(crate) fn phase(self) -> Phase {
        match self.0 & PHASE {
            0 => Phase::Free,
            1 => Phase::InProgress,
            2 => Phase::Unresolved,
            _ => Phase::Retired,
        }
    }

    #[inline]
    pub(crate) fn executed(self) -> u16 {
        u16::try_from(self.0 >> EXECUTED_AT & 0xffff).unwrap_or(u16::MAX)
    }

    pub(crate) fn caller(self) -> u8 {
        u8::try_from(self.0 >> CALLER_AT & (CALLERS as u64 - 1)).unwrap_or(0)
    }

    pub(crate) fn since(self) -> Mono {
        Mono::from_origin(Duration::from_millis(self.0 >> SINCE_AT))
    }

    /// The same with somebody inside.
    #[inline]
    pub(crate) fn entered(self, caller: u8, now: Mono) -> Self {
        let elapsed = now.since(Mono::ORIGIN);
        let millis = elapsed.as_secs().saturating_mul(1000).saturating_add(u64::from(elapsed.subsec_millis()));
        let since = millis.min(SINCE_MAX);
        let caller = u64::from(caller) & (CALLERS as u64 - 1);
        Self(since << SINCE_AT | caller << CALLER_AT | u64::from(self.executed()) << EXECUTED_AT).in_phase(1)
    }

    /// The same, resolved or ended: nobody inside, and one more executed, or not.
    #[inline]
    pub(crate) fn ended(self, executed: bool) -> Self {
        // Never above the limit, which fits: whoever is inside found room.
        let count = self.executed().saturating_add(u16::from(executed));
        Self(self.0 & !(0xffff << EXECUTED_AT) | u64::from(count) << EXECUTED_AT).in_phase(0)
    }

    #[inline]
    pub(crate) fn unresolved(self) -> Self {
        self.in_phase(2)
    }

    /// Taken by whoever resolves it; caller and time stay those of the attempt.
    pub(crate) fn taken_up(self) -> Self {
        self.in_phase(1)
    }

    pub(crate) fn retired(self) -> Self {
        self.in_phase(3)
    }

    #[inline]
    fn in_phase(self, phase: u64) -> Self {
        Self(self.0 & !PHASE | phase)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
