//! The lock of a real log: asked for no oftener than its holders can be told apart in time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use backstop_file_lock::{Lock, RaiseError};

use crate::storage::Tenure;

/// How old an answer of the file system may be for a write that is not acknowledged as durable. To ask takes longer than
/// the write itself.
const LEASE: Duration = Duration::from_millis(10);

/// A lock file that is held.
///
/// Time is the machine's own: another process is waited for, and no virtual clock makes that one hurry.
#[derive(Debug)]
pub(super) struct DirTenure {
    lock: Lock,
    since: Instant,
    /// When the file system was asked last and said yes, in nanoseconds after `since`.
    asked: AtomicU64,
}

impl DirTenure {
    pub(super) fn new(lock: Lock) -> Self {
        Self { lock, since: now(), asked: AtomicU64::new(0) }
    }

    fn age(&self) -> u64 {
        u64::try_from(now().saturating_duration_since(self.since).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Tenure for DirTenure {
    fn still_held(&self) -> bool {
        // Before the question: the answer is at least so old.
        let asked = self.age();
        let held = self.lock.still_held();
        if held {
            // Relaxed: guards no other memory. Two at once may set it back a little, which makes for one question more.
            self.asked.store(asked, Ordering::Relaxed);
        }
        held
    }

    fn held_lately(&self) -> bool {
        let age = self.age().saturating_sub(self.asked.load(Ordering::Relaxed));
        u128::from(age) < LEASE.as_nanos() || self.still_held()
    }

    fn fence(&self) -> u64 {
        self.lock.fence()
    }

    fn raise_fence_above(&mut self, floor: u64) -> Result<(), RaiseError> {
        if self.lock.fence() > floor {
            return Ok(());
        }
        self.lock.raise_fence_above(floor)?;
        // WAL-5: whoever held the file that was deleted may rest on its last answer for so long, and writes where this one
        // is going to write.
        let begun = now();
        while let Some(left) = LEASE.checked_sub(now().saturating_duration_since(begun)).filter(|left| !left.is_zero())
        {
            thread::park_timeout(left);
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "see DirTenure: real processes are waited for")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
