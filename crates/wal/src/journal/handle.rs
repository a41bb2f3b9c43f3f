//! Handles of operations: each has only the moves that there are.

use std::fmt;

use super::{Journal, Schema, WriteError};
use crate::operation::State;

/// Which operation of a journal. Later ones have greater numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub(super) u64);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An operation that is written down and not started. Dropped, it stays pending until the next recovery.
///
/// It cannot be brought to rest before it was started (WAL-7):
///
/// ```compile_fail,E0599
/// # use backstop_wal::{Pending, Schema, WriteError};
/// fn illegal<S: Schema>(pending: Pending<'_, S>) -> Result<(), WriteError> {
///     pending.complete(&[])
/// }
/// ```
///
/// ```
/// # use backstop_wal::{Pending, Schema, WriteError};
/// fn legal<S: Schema>(pending: Pending<'_, S>) -> Result<(), WriteError> {
///     pending.start()?.complete(&[])
/// }
/// ```
#[must_use = "an operation that is dropped stays open until the next recovery"]
#[derive(Debug)]
pub struct Pending<'a, S: Schema> {
    journal: &'a Journal<S>,
    id: OperationId,
    kind: S::Kind,
}

impl<'a, S: Schema> Pending<'a, S> {
    pub(super) fn new(journal: &'a Journal<S>, id: OperationId, kind: S::Kind) -> Self {
        Self { journal, id, kind }
    }

    /// Its number.
    pub fn id(&self) -> OperationId {
        self.id
    }

    /// What it is.
    pub fn kind(&self) -> &S::Kind {
        &self.kind
    }

    /// Writes down that it is being done from now on. It is on disk when this returns.
    ///
    /// # Errors
    /// [`WriteError`]; then it must not be done, and the next recovery looks at it.
    pub fn start(self) -> Result<InProgress<'a, S>, WriteError> {
        self.journal.advance(self.id, &[State::InProgress], &[])?;
        Ok(InProgress { journal: self.journal, id: self.id, kind: self.kind })
    }

    /// As [`start`](Pending::start), for tasks.
    ///
    /// # Errors
    /// As [`start`](Pending::start).
    ///
    /// # Cancel safety
    /// As of [the journal](Journal#cancel-safety): the handle is gone, and the next recovery finds it pending or in
    /// progress.
    pub async fn start_async(self) -> Result<InProgress<'a, S>, WriteError> {
        self.journal.advance_async(self.id, &[State::InProgress], &[]).await?;
        Ok(InProgress { journal: self.journal, id: self.id, kind: self.kind })
    }
}

/// An operation that may have happened. Dropped, it stays in progress until the next recovery.
#[must_use = "an operation that is dropped stays open until the next recovery"]
#[derive(Debug)]
pub struct InProgress<'a, S: Schema> {
    journal: &'a Journal<S>,
    id: OperationId,
    kind: S::Kind,
}

impl<'a, S: Schema> InProgress<'a, S> {
    /// Its number.
    pub fn id(&self) -> OperationId {
        self.id
    }

    /// What it is.
    pub fn kind(&self) -> &S::Kind {
        &self.kind
    }

    /// It has happened, and these facts with it, all or none of which are on disk.
    ///
    /// # Errors
    /// [`WriteError`]; the next recovery looks at it.
    pub fn complete(self, facts: &[S::Fact]) -> Result<(), WriteError> {
        self.journal.advance(self.id, &[State::Completed], facts)
    }

    /// As [`complete`](InProgress::complete), for tasks.
    ///
    /// # Errors
    /// As [`complete`](InProgress::complete).
    ///
    /// # Cancel safety
    /// As of [the journal](Journal#cancel-safety): the handle is gone; it is at rest with all its facts, or the next
    /// recovery looks at it.
    pub async fn complete_async(self, facts: &[S::Fact]) -> Result<(), WriteError> {
        self.journal.advance_async(self.id, &[State::Completed], facts).await
    }

    /// It has not happened; these facts come of it.
    ///
    /// # Errors
    /// [`WriteError`]; the next recovery looks at it.
    pub fn fail(self, facts: &[S::Fact]) -> Result<Failed<'a, S>, WriteError> {
        let failed = Failed { journal: self.journal, id: self.id };
        self.journal.advance(self.id, &[State::Failed], facts)?;
        Ok(failed)
    }

    /// As [`fail`](InProgress::fail), for tasks.
    ///
    /// # Errors
    /// As [`fail`](InProgress::fail).
    ///
    /// # Cancel safety
    /// As of [`complete_async`](InProgress::complete_async).
    pub async fn fail_async(self, facts: &[S::Fact]) -> Result<Failed<'a, S>, WriteError> {
        // Made first: dropped with this future, it sees to it that nobody waits for a roll-back.
        let failed = Failed { journal: self.journal, id: self.id };
        self.journal.advance_async(self.id, &[State::Failed], facts).await?;
        Ok(failed)
    }

    /// What it did has been undone; these facts come of it.
    ///
    /// # Errors
    /// [`WriteError`]; the next recovery looks at it.
    pub fn roll_back(self, facts: &[S::Fact]) -> Result<(), WriteError> {
        self.journal.advance(self.id, &[State::RolledBack], facts)
    }

    /// As [`roll_back`](InProgress::roll_back), for tasks.
    ///
    /// # Errors
    /// As [`roll_back`](InProgress::roll_back).
    ///
    /// # Cancel safety
    /// As of [`complete_async`](InProgress::complete_async).
    pub async fn roll_back_async(self, facts: &[S::Fact]) -> Result<(), WriteError> {
        self.journal.advance_async(self.id, &[State::RolledBack], facts).await
    }
}

/// An operation that failed and may still be rolled back. It is at rest: no recovery looks at it.
#[derive(Debug)]
pub struct Failed<'a, S: Schema> {
    journal: &'a Journal<S>,
    id: OperationId,
}

impl<S: Schema> Failed<'_, S> {
    /// What it did before it failed has been undone; these facts come of it.
    ///
    /// # Errors
    /// [`WriteError`]; then it may count as failed or as rolled back.
    pub fn roll_back(self, facts: &[S::Fact]) -> Result<(), WriteError> {
        self.journal.advance(self.id, &[State::RolledBack], facts)
    }

    /// As [`roll_back`](Failed::roll_back), for tasks.
    ///
    /// # Errors
    /// As [`roll_back`](Failed::roll_back).
    ///
    /// # Cancel safety
    /// As of [the journal](Journal#cancel-safety): it counts as failed or as rolled back.
    pub async fn roll_back_async(self, facts: &[S::Fact]) -> Result<(), WriteError> {
        self.journal.advance_async(self.id, &[State::RolledBack], facts).await
    }
}

impl<S: Schema> Drop for Failed<'_, S> {
    /// Nobody can roll it back any more.
    fn drop(&mut self) {
        self.journal.forget_failed(self.id);
    }
}
