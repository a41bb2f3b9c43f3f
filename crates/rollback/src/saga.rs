//! Compensations of outside effects: what was done at a broker is taken back by doing something else there, at least once,
//! also after a crash (TXN-5).
//!
//! The machine is here; it does nothing by itself. [`run`](crate::run) drives it, a journal keeps its records.

mod record;
mod run;
#[cfg(feature = "wal")]
mod wal;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::record::{End, Impossible, SagaRecord, StepPlan};
pub use self::run::{Appending, Doing, Effects, Finished, JournalError, MemoryJournal, Outcome, SagaJournal, run};
#[cfg(feature = "wal")]
pub use self::wal::{SagaLog, SagaOpenError};

/// How often a compensation is tried, and with what pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Retry {
    /// So often in one process; at least once.
    pub attempts: u32,
    /// The first pause. Each is twice the one before.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Retry {
    fn pause(self, failed: u32) -> Duration {
        let doublings = failed.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

/// How far a step has come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepState {
    /// Not begun.
    Pending,
    /// It is on record that it is to be done; whether it was is not.
    Acting,
    /// Done.
    Acted,
    /// Certainly not done.
    Refused {
        /// Why.
        reason: String,
    },
    /// It may have been done.
    InDoubt {
        /// Why that is not known.
        reason: String,
    },
    /// It is on record that it is to be taken back.
    Compensating {
        /// What was wrong the last time, if it was tried.
        error: Option<String>,
    },
    /// Taken back.
    Compensated,
}

/// A sequence of steps with outside effects, that are all done or all taken back: in reverse, each at least once.
///
/// A step that may have been done is taken back like one that was. One that cannot be taken back stops those before it: to
/// sell the long leg of a spread while the short one could not be bought back makes it worse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saga {
    name: String,
    steps: Vec<(StepPlan, StepState)>,
    /// Why it is taken back.
    cause: Option<String>,
    unresolved: Option<String>,
    end: Option<End>,
    /// Read back from a journal: nobody knows what was going on when that was written.
    restored: bool,
    /// How often the present compensation has failed in this process.
    failed: u32,
    /// The pause after that is over.
    rested: bool,
}

/// What is to be done next. What [`Next::Record`] holds must be durable before it is [noted](Saga::note).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    Record(SagaRecord),
    Act(usize),
    Compensate(usize),
    Pause(Duration),
    Unresolved,
    Ended(End),
}

impl Saga {
    pub(crate) fn new(name: String, plans: Vec<StepPlan>) -> Self {
        let steps = plans.into_iter().map(|plan| (plan, StepState::Pending)).collect();
        let (cause, unresolved, end) = (None, None, None);
        Self { name, steps, cause, unresolved, end, restored: false, failed: 0, rested: false }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its steps, and how far each has come.
    pub fn steps(&self) -> impl Iterator<Item = (&StepPlan, &StepState)> {
        self.steps.iter().map(|(plan, state)| (plan, state))
    }

    /// Why it is taken back, if it is.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Why a compensation could not be done, if it is left to a person. What there is to do stands in the plan of the last
    /// step that is [`StepState::Compensating`].
    #[must_use]
    pub fn unresolved(&self) -> Option<&str> {
        self.unresolved.as_deref()
    }

    pub(crate) fn end(&self) -> Option<End> {
        self.end
    }

    pub(crate) fn plan(&self, step: usize) -> Option<&StepPlan> {
        self.steps.get(step).map(|(plan, _)| plan)
    }

    /// Takes a record in: of this process, or read back.
    pub(crate) fn note(&mut self, record: &SagaRecord) -> Result<(), Impossible> {
        let impossible = || Impossible { saga: record.saga().to_owned(), record: format!("{record:?}") };
        if self.end.is_some() || record.saga() != self.name {
            return Err(impossible());
        }
        match record {
            SagaRecord::Begun { .. } => return Err(impossible()),
            SagaRecord::Acting { step, .. } => {
                self.step_to(*step, StepState::Acting, |before, goes_back| !goes_back && *before == StepState::Pending)
            }
            SagaRecord::Acted { step, .. } => {
                self.step_to(*step, StepState::Acted, |before, _| *before == StepState::Acting)
            }
            SagaRecord::Refused { step, reason, .. } => {
                self.cause = Some(reason.clone());
                let refused = StepState::Refused { reason: reason.clone() };
                self.step_to(*step, refused, |before, _| *before == StepState::Acting)
            }
            SagaRecord::Doubted { step, reason, .. } => {
                self.cause = Some(reason.clone());
                let in_doubt = StepState::InDoubt { reason: reason.clone() };
                self.step_to(*step, in_doubt, |before, _| *before == StepState::Acting)
            }
            SagaRecord::Abandoned { reason, .. } => {
                self.cause.get_or_insert_with(|| reason.clone());
                Some(())
            }
            SagaRecord::Compensating { step, .. } => {
                self.failed = 0;
                let compensating = StepState::Compensating { error: None };
                self.step_to(*step, compensating, |before, goes_back| goes_back && may_have_been_done(before))
            }
            SagaRecord::CompensationFailed { step, reason, .. } => {
                let compensating = StepState::Compensating { error: Some(reason.clone()) };
                self.step_to(*step, compensating, |before, _| matches!(before, StepState::Compensating { .. }))
            }
            SagaRecord::Compensated { step, .. } | SagaRecord::SettledByHand { step, .. } => {
                self.unresolved = None;
                self.failed = 0;
                self.step_to(*step, StepState::Compensated, |before, _| {
                    matches!(before, StepState::Compensating { .. })
                })
            }
            SagaRecord::Unresolved { reason, .. } => {
                self.unresolved = Some(reason.clone());
                Some(())
            }
            SagaRecord::Ended { end, .. } => {
                let is_so = match end {
                    End::Completed => self.steps.iter().all(|(_, state)| *state == StepState::Acted),
                    End::RolledBack => !self.steps.iter().any(|(_, state)| may_have_been_done(state)),
                };
                is_so.then(|| self.end = Some(*end))
            }
        }
        .ok_or_else(impossible)
    }

    fn step_to(&mut self, step: usize, to: StepState, from: impl Fn(&StepState, bool) -> bool) -> Option<()> {
        let goes_back = self.cause.is_some();
        let (_, state) = self.steps.get_mut(step)?;
        from(state, goes_back).then(|| *state = to)
    }

    /// It was read back: whatever was going on is in doubt, and is tried anew.
    pub(crate) fn restore(&mut self) {
        self.restored = true;
        self.unresolved = None;
        self.failed = 0;
    }

    pub(crate) fn compensation_failed(&mut self) {
        self.failed = self.failed.saturating_add(1);
        self.rested = false;
    }

    pub(crate) fn rested(&mut self) {
        self.rested = true;
    }

    /// The one thing to do next.
    pub(crate) fn next(&self, retry: Retry) -> Next {
        let saga = || self.name.clone();
        if let Some(end) = self.end {
            return Next::Ended(end);
        }
        if self.cause.is_none() {
            let first = self.steps.iter().position(|(_, state)| *state != StepState::Acted);
            return match first {
                None => Next::Record(SagaRecord::Ended { saga: saga(), end: End::Completed }),
                // What the world was when it began is gone: it is taken back, not gone on with.
                Some(_) if self.restored => {
                    let reason = "the process that ran it ended".to_owned();
                    Next::Record(SagaRecord::Abandoned { saga: saga(), reason })
                }
                Some(step) => match self.steps.get(step) {
                    Some((_, StepState::Acting)) => Next::Act(step),
                    _ => Next::Record(SagaRecord::Acting { saga: saga(), step }),
                },
            };
        }
        // TXN-5: in reverse.
        let Some(step) = self.steps.iter().rposition(|(_, state)| may_have_been_done(state)) else {
            return Next::Record(SagaRecord::Ended { saga: saga(), end: End::RolledBack });
        };
        match self.steps.get(step) {
            Some((_, StepState::Compensating { .. })) if self.unresolved.is_some() => Next::Unresolved,
            Some((_, StepState::Compensating { error })) if self.failed >= retry.attempts.max(1) => {
                Next::Record(SagaRecord::Unresolved { saga: saga(), reason: error.clone().unwrap_or_default() })
            }
            Some((_, StepState::Compensating { .. })) if self.failed > 0 && !self.rested => {
                Next::Pause(retry.pause(self.failed))
            }
            Some((_, StepState::Compensating { .. })) => Next::Compensate(step),
            _ => Next::Record(SagaRecord::Compensating { saga: saga(), step }),
        }
    }
}

/// Whether there may be something to take back.
fn may_have_been_done(state: &StepState) -> bool {
    match state {
        StepState::Acting | StepState::Acted | StepState::InDoubt { .. } | StepState::Compensating { .. } => true,
        StepState::Pending | StepState::Refused { .. } | StepState::Compensated => false,
    }
}

/// All that are not at rest, by name: the fold of the records.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sagas(BTreeMap<String, Saga>);

impl Sagas {
    pub(crate) fn note(&mut self, record: &SagaRecord) -> Result<(), Impossible> {
        let name = record.saga();
        if let SagaRecord::Begun { steps, .. } = record {
            if self.0.contains_key(name) {
                return Err(Impossible { saga: name.to_owned(), record: format!("{record:?}") });
            }
            self.0.insert(name.to_owned(), Saga::new(name.to_owned(), steps.clone()));
            return Ok(());
        }
        let Some(saga) = self.0.get_mut(name) else {
            return Err(Impossible { saga: name.to_owned(), record: format!("{record:?}") });
        };
        saga.note(record)?;
        if saga.end().is_some() {
            self.0.remove(name);
        }
        Ok(())
    }

    /// As they are to be taken up again.
    pub(crate) fn restored(&self) -> Vec<Saga> {
        let mut all: Vec<_> = self.0.values().cloned().collect();
        all.iter_mut().for_each(Saga::restore);
        all
    }

    /// Whether a record can follow.
    #[cfg(feature = "wal")]
    pub(crate) fn check(&self, record: &SagaRecord) -> Result<(), Impossible> {
        let of_it = self.0.get(record.saga()).map(|saga| (record.saga().to_owned(), saga.clone()));
        Self(of_it.into_iter().collect()).note(record)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
