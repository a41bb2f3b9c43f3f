//! Drives a saga: writes down, then does.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::record::{End, Impossible, SagaRecord, StepPlan};
use super::{Next, Retry, Saga, Sagas};
use crate::sync::Mutex;

/// How an effect, or taking one back, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "law 1: done, not done, unknown")]
pub enum Outcome {
    /// It is done; also if it had been done before under the same key.
    Done,
    /// It is certainly not done.
    NotDone {
        /// Why.
        reason: String,
    },
    /// Nobody knows.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// An effect on its way.
pub type Doing<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// What a saga does outside. Both are asked for again with the same key, and must then do nothing that was done already.
pub trait Effects: Send {
    /// Does a step.
    fn act<'a>(&'a mut self, step: &'a StepPlan) -> Doing<'a>;

    /// Takes a step back, which may have been done, may be on its way, or may never have been done.
    fn compensate<'a>(&'a mut self, step: &'a StepPlan) -> Doing<'a>;

    /// Waits before a compensation is tried again.
    fn pause(&mut self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Where the records of sagas are kept.
///
/// Implementors guarantee that a record is durable, as they understand it, when its future ends in `Ok`, and that records
/// are read back in order.
pub trait SagaJournal: Send + Sync + fmt::Debug {
    /// Writes a record down.
    ///
    /// # Cancel safety
    /// Dropped, the record is there whole or not at all.
    fn append<'a>(&'a self, record: &'a SagaRecord) -> Appending<'a>;
}

/// A record on its way into a journal.
pub type Appending<'a> = Pin<Box<dyn Future<Output = Result<(), JournalError>> + Send + 'a>>;

/// A journal did not take a record. Nothing was done that is not on record; whoever opens the journal again takes the saga
/// back.
#[derive(Debug, thiserror::Error)]
#[error(
    "the journal of sagas failed; nothing was done that is not on record: open it again, which takes the saga back"
)]
pub struct JournalError(#[source] pub Box<dyn Error + Send + Sync>);

/// How a run ended.
#[derive(Debug)]
#[must_use = "one that is unresolved has left something open at the broker"]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Finished {
    /// All steps were done.
    Completed,
    /// All that may have been done was taken back.
    RolledBack {
        /// What began it.
        cause: String,
    },
    /// A compensation could not be done. The saga holds both errors, and what a person has to do; it is tried anew by the
    /// next process, and stays listed until it is settled.
    Unresolved(Saga),
}

/// Runs a saga to its end: a new one, or one that a journal gave back, which is taken back.
///
/// Each step is on record before it is done, and so is each compensation (TXN-5).
///
/// # Errors
/// [`JournalError`]; then nothing more is done.
///
/// # Cancel safety
/// Dropped, what was begun goes on outside and stays on record: the next process takes it back. Run it in a task of its own.
pub async fn run(
    mut saga: Saga,
    retry: Retry,
    effects: &mut dyn Effects,
    journal: &dyn SagaJournal,
) -> Result<Finished, JournalError> {
    loop {
        let record = match saga.next(retry) {
            Next::Record(record) => record,
            Next::Act(step) => {
                let (Some(plan), name) = (saga.plan(step), saga.name().to_owned()) else { continue };
                match effects.act(plan).await {
                    Outcome::Done => SagaRecord::Acted { saga: name, step },
                    Outcome::NotDone { reason } => SagaRecord::Refused { saga: name, step, reason },
                    Outcome::Unknown { reason } => SagaRecord::Doubted { saga: name, step, reason },
                }
            }
            Next::Compensate(step) => {
                let (Some(plan), name) = (saga.plan(step), saga.name().to_owned()) else { continue };
                match effects.compensate(plan).await {
                    Outcome::Done => SagaRecord::Compensated { saga: name, step },
                    Outcome::NotDone { reason } | Outcome::Unknown { reason } => {
                        saga.compensation_failed();
                        SagaRecord::CompensationFailed { saga: name, step, reason }
                    }
                }
            }
            Next::Pause(length) => {
                effects.pause(length).await;
                saga.rested();
                continue;
            }
            Next::Unresolved => return Ok(Finished::Unresolved(saga)),
            Next::Ended(End::Completed) => return Ok(Finished::Completed),
            Next::Ended(End::RolledBack) => {
                let cause = saga.cause().unwrap_or_default().to_owned();
                return Ok(Finished::RolledBack { cause });
            }
        };
        journal.append(&record).await?;
        saga.note(&record).map_err(|impossible| JournalError(Box::new(impossible)))?;
    }
}

impl Saga {
    /// Begins a saga. Once this returns it is on record; nothing is done before [`run`].
    ///
    /// # Errors
    /// [`JournalError`], also if the name is in use.
    ///
    /// # Cancel safety
    /// Dropped, it may be on record: a journal that is opened again gives it back, with nothing to take back.
    pub async fn begin(
        name: impl Into<String>,
        steps: Vec<StepPlan>,
        journal: &dyn SagaJournal,
    ) -> Result<Self, JournalError> {
        let name = name.into();
        journal.append(&SagaRecord::Begun { saga: name.clone(), steps: steps.clone() }).await?;
        Ok(Self::new(name, steps))
    }

    /// A person has taken back the step at which an unresolved saga stands, or has seen that there is nothing to take back.
    /// Who and how that is known is on record then; [`run`] goes on with the steps before it.
    ///
    /// # Errors
    /// [`JournalError`], also if it is not unresolved.
    ///
    /// # Cancel safety
    /// Dropped, it is on record or not.
    pub async fn settle_by_hand(
        &mut self,
        by: impl Into<String>,
        reason: impl Into<String>,
        journal: &dyn SagaJournal,
    ) -> Result<(), JournalError> {
        let step = self.steps.iter().rposition(|(_, state)| super::may_have_been_done(state)).unwrap_or(usize::MAX);
        let (by, reason) = (by.into(), reason.into());
        let record = SagaRecord::SettledByHand { saga: self.name.clone(), step, by, reason };
        // Before it is written: what is refused is not on record.
        self.clone().note(&record).map_err(|impossible| JournalError(Box::new(impossible)))?;
        journal.append(&record).await?;
        self.note(&record).map_err(|impossible| JournalError(Box::new(impossible)))
    }
}

/// A journal in memory: for tests, and for what may be forgotten when the process ends.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Sagas>);

impl MemoryJournal {
    /// Those that are not at rest, as if the process had ended.
    pub fn unfinished(&self) -> Vec<Saga> {
        self.0.lock().restored()
    }
}

impl SagaJournal for MemoryJournal {
    fn append<'a>(&'a self, record: &'a SagaRecord) -> Appending<'a> {
        let noted = self.0.lock().note(record);
        Box::pin(std::future::ready(noted.map_err(|impossible: Impossible| JournalError(Box::new(impossible)))))
    }
}
