//! Drives a saga: writes down, then does.

use std::any::Any;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use super::journal::{JournalError, SagaJournal};
use super::record::{End, Impossible, SagaRecord, StepPlan};
use super::{Next, Retry, Saga, check_plan};

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

/// What a saga does outside. Both are asked for again with the same key, and must then do nothing that was done already. One
/// that panics has ended in doubt.
pub trait Effects: Send {
    /// Does a step.
    fn act<'a>(&'a mut self, step: &'a StepPlan) -> Doing<'a>;

    /// Takes a step back, which may have been done, may be on its way, or may never have been done.
    fn compensate<'a>(&'a mut self, step: &'a StepPlan) -> Doing<'a>;

    /// Waits before a compensation is tried again.
    fn pause(&mut self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

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
    /// A compensation could not be done. The saga holds both errors, and what a person has to do. It stays listed until it
    /// is [settled](Saga::settle_by_hand); to [`run`] it again tries anew, and so does the next process.
    Unresolved(Saga),
}

/// A journal did not take a record, so nothing more was done. What may be open stands in the saga; run it again, or open the
/// journal again and run what that gives back: it is taken back.
#[derive(Debug, thiserror::Error)]
#[error("stopped where nothing can be written down: {saga}")]
pub struct Interrupted {
    /// As far as it came.
    pub saga: Box<Saga>,
    /// Why.
    pub source: JournalError,
}

/// Runs a saga to its end: a new one, or one that a journal gave back, which is taken back.
///
/// Each step is on record before it is done, and so is each compensation (TXN-5). When the journal has no room for another
/// step, what was done before it is taken back, as far as it takes the records of that.
///
/// # Errors
/// [`Interrupted`]; then nothing more is done.
///
/// # Cancel safety
/// Dropped, what was begun goes on outside and stays on record: the next process takes it back. Run it in a task of its own.
pub async fn run(
    mut saga: Saga,
    retry: Retry,
    effects: &mut dyn Effects,
    journal: &dyn SagaJournal,
) -> Result<Finished, Interrupted> {
    saga.try_anew();
    loop {
        let record = match saga.next(retry) {
            Next::Record(record) => record,
            Next::Act(step) => {
                let (Some(plan), name) = (saga.plan(step), saga.name().to_owned()) else { continue };
                match outcome_of(|| effects.act(plan)).await {
                    Outcome::Done => SagaRecord::Acted { saga: name, step },
                    Outcome::NotDone { reason } => SagaRecord::Refused { saga: name, step, reason },
                    Outcome::Unknown { reason } => SagaRecord::Doubted { saga: name, step, reason },
                }
            }
            Next::Compensate(step) => {
                let (Some(plan), name) = (saga.plan(step), saga.name().to_owned()) else { continue };
                match outcome_of(|| effects.compensate(plan)).await {
                    Outcome::Done => SagaRecord::Compensated { saga: name, step },
                    Outcome::NotDone { reason } | Outcome::Unknown { reason } => {
                        saga.compensation_failed();
                        SagaRecord::CompensationFailed { saga: name, step, reason }
                    }
                }
            }
            Next::Pause(length) => {
                // One that panics is over: that is no reason to leave something open.
                let _over = caught(|| effects.pause(length)).await;
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
        let written = journal.append(&record).await;
        if let Err(source) = written.and_then(|()| saga.note(&record).map_err(Into::into)) {
            let why = format!("its journal did not take a record: {}", with_causes(&source));
            saga.stop(why);
            // WAL-8: a disk without room for another step may have room for what takes back those before it.
            if matches!((&record, &source), (SagaRecord::Acting { .. }, JournalError::Failed(_))) {
                continue;
            }
            return Err(Interrupted { saga: Box::new(saga), source });
        }
    }
}

fn with_causes(error: &dyn Error) -> String {
    iter::successors(error.source(), |&cause| cause.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// TXN-5: nobody knows how far an effect came that panicked, so it counts as one in doubt.
async fn outcome_of<'a>(begin: impl FnOnce() -> Doing<'a>) -> Outcome {
    caught(begin).await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
        Outcome::Unknown { reason: format!("it panicked: {text}") }
    })
}

async fn caught<'a, T>(
    begin: impl FnOnce() -> Pin<Box<dyn Future<Output = T> + Send + 'a>>,
) -> Result<T, Box<dyn Any + Send>> {
    let mut doing = catch_unwind(AssertUnwindSafe(begin))?;
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| doing.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

impl Saga {
    /// Begins a saga. Once this returns it is on record; nothing is done before [`run`].
    ///
    /// # Errors
    /// [`JournalError`], also if its name or a key is in use, or a text is blank.
    ///
    /// # Cancel safety
    /// Dropped, it may be on record: a journal that is opened again gives it back, with nothing to take back.
    pub async fn begin(
        name: impl Into<String>,
        steps: Vec<StepPlan>,
        journal: &dyn SagaJournal,
    ) -> Result<Self, JournalError> {
        let name = name.into();
        check_plan(&name, &steps)?;
        journal.append(&SagaRecord::Begun { saga: name.clone(), steps: steps.clone() }).await?;
        Ok(Self::new(name, steps))
    }

    /// A person has taken back the step that could not be, or has seen that there is nothing to take back: the first that
    /// [may be open](Saga::may_be_open). Who and how that is known is on record then; [`run`] goes on with the steps before it.
    ///
    /// # Errors
    /// [`JournalError`], also if taking that step back has not begun, and if who or why is blank.
    ///
    /// # Cancel safety
    /// Dropped, it is on record or not.
    pub async fn settle_by_hand(
        &mut self,
        by: impl Into<String>,
        reason: impl Into<String>,
        journal: &dyn SagaJournal,
    ) -> Result<(), JournalError> {
        let step = self.progress.last_that_may_be_done().unwrap_or(usize::MAX);
        let (by, reason) = (by.into(), reason.into());
        if by.trim().is_empty() || reason.trim().is_empty() {
            let what = "who settled it by hand, and how that is known";
            return Err(Impossible::Blank { saga: self.name.clone(), what }.into());
        }
        let record = SagaRecord::SettledByHand { saga: self.name.clone(), step, by, reason };
        // Before it is written: what is refused is not on record.
        self.after(&record)?;
        journal.append(&record).await?;
        Ok(self.note(&record)?)
    }
}
