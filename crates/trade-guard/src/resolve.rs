//! Settling what nobody knew: by evidence, or by a person.

use crate::guard::TradeGuard;
use crate::node::{End, NotTaken};
use crate::permit::{Attempt, Permit};
use crate::store::{Event, Grounds, StoreError, Verdict};

/// Why an attempt was not resolved. The key is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The key has no such attempt without an end: it was resolved before, or never made.
    #[error("attempt {} for {} is not unresolved; look at what is", .attempt.number, .attempt.key)]
    NotUnresolved {
        /// Which one was to be resolved.
        attempt: Attempt,
    },
    /// Somebody is inside, or is just resolving it.
    #[error("{} is in progress; only what has lost its permit is resolved", .attempt.key)]
    InProgress {
        /// Which one was to be resolved.
        attempt: Attempt,
    },
    /// A later attempt is unresolved: what is known of the one says nothing of the other.
    #[error("attempt {} for {} is not unresolved; attempt {found} is", .attempt.number, .attempt.key)]
    LaterAttempt {
        /// Which one was to be resolved.
        attempt: Attempt,
        /// Which one could be.
        found: u64,
    },
    /// It could not be written down.
    #[error("the resolution of attempt {} for {} could not be written down", .attempt.number, .attempt.key)]
    Store {
        /// Which one was to be resolved.
        attempt: Attempt,
        /// Why. After [`StoreError::Failed`] the resolution may be found at the next opening.
        source: StoreError,
    },
}

impl TradeGuard {
    /// Settles an attempt that is unresolved, also one of a session that is over. While this writes, others are told that
    /// it is in progress.
    ///
    /// # Errors
    /// [`ResolveError`].
    ///
    /// # Durability
    /// With a claim store, verdict and grounds are on disk when this returns; the calling thread waits for that.
    pub fn resolve(&self, attempt: Attempt, verdict: Verdict, grounds: &Grounds) -> Result<(), ResolveError> {
        let permit = self.take_up(attempt)?;
        if let Some((keeper, record)) = permit.record(resolved(verdict, grounds)) {
            keeper.store.append(&record).map_err(|source| ResolveError::Store { attempt, source })?;
        }
        settle(permit, verdict);
        Ok(())
    }

    /// As [`resolve`](TradeGuard::resolve), for tasks: does not hold up a runtime's worker, and needs no runtime.
    ///
    /// # Errors
    /// As [`resolve`](TradeGuard::resolve).
    ///
    /// # Cancel safety
    /// Dropped, it is unresolved still in this process; a resolution that is on disk by then counts after a restart.
    pub async fn resolve_async(
        &self,
        attempt: Attempt,
        verdict: Verdict,
        grounds: &Grounds,
    ) -> Result<(), ResolveError> {
        let permit = self.take_up(attempt)?;
        if let Some((keeper, record)) = permit.record(resolved(verdict, grounds)) {
            let written = keeper.store.append_async(&record).await;
            written.map_err(|source| ResolveError::Store { attempt, source })?;
        }
        settle(permit, verdict);
        Ok(())
    }

    /// Goes inside as if it had made the attempt. Dropped without a verdict, it is unresolved again.
    fn take_up(&self, attempt: Attempt) -> Result<Permit<'static>, ResolveError> {
        let node = self.node(&attempt.key).ok_or(ResolveError::NotUnresolved { attempt })?;
        match node.take_up(attempt.number) {
            Ok(()) => Ok(Permit::owned(node)),
            Err(NotTaken::Settled) => Err(ResolveError::NotUnresolved { attempt }),
            Err(NotTaken::InProgress) => Err(ResolveError::InProgress { attempt }),
            Err(NotTaken::Later(found)) => Err(ResolveError::LaterAttempt { attempt, found }),
        }
    }
}

fn resolved(verdict: Verdict, grounds: &Grounds) -> Event {
    Event::Resolved { verdict, grounds: grounds.clone() }
}

fn settle(permit: Permit<'_>, verdict: Verdict) {
    permit.settle(match verdict {
        Verdict::Executed => End::Executed,
        Verdict::NotExecuted => End::NotExecuted,
    });
}
