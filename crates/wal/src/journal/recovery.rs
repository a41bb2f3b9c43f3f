//! What was in the air when the last writer stopped, and what becomes of it.

use std::collections::VecDeque;

use super::{Journal, OperationId, Schema, WriteError};
use crate::operation::State;

/// What is known of an operation by now.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: these are the ends that there are, or none")]
pub enum Verdict<F> {
    /// It has happened, with these facts.
    Completed(Vec<F>),
    /// It has not happened, or has been undone, with these facts.
    RolledBack(Vec<F>),
    /// Nobody can tell yet. It stays open.
    Unresolved,
}

/// How many operations were in the air, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// How many have happened.
    pub completed: u64,
    /// How many have not, or have been undone.
    pub rolled_back: u64,
    /// How many are still open.
    pub unresolved: u64,
}

/// The operations that were not at rest when the journal was opened, each to be looked at once, in the order in which
/// they were begun (WAL-7).
#[must_use = "what was in the air stays open until it is settled"]
#[derive(Debug)]
pub struct Recovery<S: Schema> {
    left: VecDeque<(OperationId, State, S::Kind)>,
    counts: Recovered,
}

/// An operation that was in the air.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unsettled<S: Schema> {
    /// Its number.
    pub id: OperationId,
    /// Pending: nothing of it has happened. In progress: it may have.
    pub state: State,
    /// What it is.
    pub kind: S::Kind,
}

impl<S: Schema> Recovery<S> {
    pub(super) fn new(open: Vec<(OperationId, State, S::Kind)>) -> Self {
        Self { left: open.into(), counts: Recovered::default() }
    }

    /// How many are left to be looked at.
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// The next one. It counts as looked at, and unresolved until [`settle`](Recovery::settle)d: for handlers that ask
    /// somebody and wait, or are async.
    pub fn take(&mut self) -> Option<Unsettled<S>> {
        let (id, state, kind) = self.left.pop_front()?;
        self.counts.unresolved += 1;
        Some(Unsettled { id, state, kind })
    }

    /// Writes down what became of one that was taken. It is on disk when this returns.
    ///
    /// # Errors
    /// [`WriteError`]; then it stays open.
    #[expect(clippy::needless_pass_by_value, reason = "settled once: the value is spent")]
    pub fn settle(
        &mut self,
        journal: &Journal<S>,
        unsettled: Unsettled<S>,
        verdict: Verdict<S::Fact>,
    ) -> Result<(), WriteError> {
        if let Some((path, facts)) = way_to(unsettled.state, &verdict) {
            journal.advance(unsettled.id, path, facts)?;
        }
        self.count(&verdict);
        Ok(())
    }

    /// As [`settle`](Recovery::settle), for tasks.
    ///
    /// # Errors
    /// As [`settle`](Recovery::settle).
    ///
    /// # Cancel safety
    /// As of [the journal](Journal#cancel-safety): it may be settled and counts as unresolved all the same.
    pub async fn settle_async(
        &mut self,
        journal: &Journal<S>,
        unsettled: Unsettled<S>,
        verdict: Verdict<S::Fact>,
    ) -> Result<(), WriteError> {
        if let Some((path, facts)) = way_to(unsettled.state, &verdict) {
            journal.advance_async(unsettled.id, path, facts).await?;
        }
        self.count(&verdict);
        Ok(())
    }

    fn count(&mut self, verdict: &Verdict<S::Fact>) {
        let count = match verdict {
            Verdict::Completed(_) => &mut self.counts.completed,
            Verdict::RolledBack(_) => &mut self.counts.rolled_back,
            Verdict::Unresolved => return,
        };
        *count += 1;
        self.counts.unresolved -= 1;
    }

    /// What became of those looked at so far.
    pub fn counts(&self) -> Recovered {
        self.counts
    }

    /// Asks `handler` about each one that is left and writes down what it says.
    ///
    /// # Errors
    /// [`WriteError`]; what was not settled stays open until the journal is opened again.
    pub fn run(
        mut self,
        journal: &Journal<S>,
        mut handler: impl FnMut(&Unsettled<S>) -> Verdict<S::Fact>,
    ) -> Result<Recovered, WriteError> {
        while let Some(unsettled) = self.take() {
            let verdict = handler(&unsettled);
            self.settle(journal, unsettled, verdict)?;
        }
        Ok(self.counts)
    }
}

/// The moves that a verdict asks for, and the facts that come of it; `None` for none. A pending operation goes the whole
/// way, in one batch.
fn way_to<F>(from: State, verdict: &Verdict<F>) -> Option<(&'static [State], &[F])> {
    const COMPLETED: [State; 2] = [State::InProgress, State::Completed];
    const ROLLED_BACK: [State; 2] = [State::InProgress, State::RolledBack];
    let (way, facts): (&'static [State], _) = match verdict {
        Verdict::Completed(facts) => (&COMPLETED, facts),
        Verdict::RolledBack(facts) => (&ROLLED_BACK, facts),
        Verdict::Unresolved => return None,
    };
    let done = usize::from(from != State::Pending);
    Some((way.get(done..).unwrap_or_default(), facts))
}
