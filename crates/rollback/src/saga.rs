//! Compensations of outside effects: what was done at a broker is taken back by doing something else there, at least once,
//! also after a crash (TXN-5).
//!
//! The machine is here; it does nothing by itself. [`run`](crate::run) drives it, a journal keeps its records.

mod journal;
mod record;
mod run;
#[cfg(feature = "wal")]
mod wal;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

pub use self::journal::{Appending, JournalError, MemoryJournal, SagaJournal};
pub use self::record::{End, Impossible, SagaRecord, StepPlan};
pub use self::run::{Doing, Effects, Finished, Interrupted, Outcome, run};
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
/// sell the long leg of a spread while the short one could not be bought back makes it worse. As text it says where it
/// stands, and what a person has to do.
///
/// There is one value of each: two who run the same saga would take it back twice at the same time.
///
/// ```compile_fail,E0382
/// # use backstop_rollback::*;
/// # async fn twice(saga: Saga, retry: Retry, legs: &mut dyn Effects, others: &mut dyn Effects, journal: &dyn SagaJournal) {
/// let one = run(saga, retry, legs, journal);
/// let other = run(saga, retry, others, journal);
/// # }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Saga {
    name: String,
    plans: Vec<StepPlan>,
    progress: Progress,
    /// Why it cannot go on, if it was stopped in the middle.
    stopped: Option<String>,
    /// How often the present compensation has failed in this process.
    failed: u32,
    /// The pause after that is over.
    rested: bool,
}

/// What the records amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Progress {
    /// Of each step.
    states: Vec<StepState>,
    /// Why it is taken back.
    cause: Option<String>,
    unresolved: Option<String>,
    end: Option<End>,
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

impl Progress {
    /// With a record more; `None` if it cannot follow.
    fn after(&self, record: &SagaRecord) -> Option<Self> {
        if self.end.is_some() {
            return None;
        }
        let goes_back = self.cause.is_some();
        let is_compensating = |state: &StepState| matches!(state, StepState::Compensating { .. });
        let mut next = self.clone();
        match record {
            SagaRecord::Begun { .. } => return None,
            SagaRecord::Acting { step, .. } => {
                let first = self.states.iter().position(|state| *state != StepState::Acted);
                let is_next = !goes_back && first == Some(*step);
                next.step(*step, StepState::Acting, |before| is_next && *before == StepState::Pending)?;
            }
            SagaRecord::Acted { step, .. } => {
                next.step(*step, StepState::Acted, |before| *before == StepState::Acting)?;
            }
            SagaRecord::Refused { step, reason, .. } => {
                let refused = StepState::Refused { reason: reason.clone() };
                next.step(*step, refused, |before| *before == StepState::Acting)?;
                next.cause.get_or_insert_with(|| reason.clone());
            }
            SagaRecord::Doubted { step, reason, .. } => {
                let in_doubt = StepState::InDoubt { reason: reason.clone() };
                next.step(*step, in_doubt, |before| *before == StepState::Acting)?;
                next.cause.get_or_insert_with(|| reason.clone());
            }
            SagaRecord::Abandoned { reason, .. } => {
                next.cause.get_or_insert_with(|| reason.clone());
            }
            SagaRecord::Compensating { step, .. } => {
                let compensating = StepState::Compensating { error: None };
                let is_next = goes_back && self.last_that_may_be_done() == Some(*step);
                next.step(*step, compensating, |_| is_next)?;
            }
            SagaRecord::CompensationFailed { step, reason, .. } => {
                let compensating = StepState::Compensating { error: Some(reason.clone()) };
                next.step(*step, compensating, is_compensating)?;
            }
            SagaRecord::Compensated { step, .. } | SagaRecord::SettledByHand { step, .. } => {
                next.step(*step, StepState::Compensated, is_compensating)?;
                next.unresolved = None;
            }
            SagaRecord::Unresolved { reason, .. } => {
                self.states.iter().any(is_compensating).then_some(())?;
                next.unresolved = Some(reason.clone());
            }
            SagaRecord::Ended { end, .. } => {
                let is_so = match end {
                    End::Completed => !goes_back && self.states.iter().all(|state| *state == StepState::Acted),
                    End::RolledBack => goes_back && self.last_that_may_be_done().is_none(),
                };
                is_so.then_some(())?;
                next.end = Some(*end);
            }
        }
        Some(next)
    }

    fn step(&mut self, step: usize, to: StepState, from: impl Fn(&StepState) -> bool) -> Option<()> {
        let state = self.states.get_mut(step)?;
        from(state).then(|| *state = to)
    }

    fn last_that_may_be_done(&self) -> Option<usize> {
        self.states.iter().rposition(may_have_been_done)
    }
}

impl Saga {
    pub(crate) fn new(name: String, plans: Vec<StepPlan>) -> Self {
        let states = plans.iter().map(|_| StepState::Pending).collect();
        let progress = Progress { states, cause: None, unresolved: None, end: None };
        Self { name, plans, progress, stopped: None, failed: 0, rested: false }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its steps, and how far each has come.
    pub fn steps(&self) -> impl Iterator<Item = (&StepPlan, &StepState)> {
        self.plans.iter().zip(&self.progress.states)
    }

    /// What may be open outside, in the order in which it is to be taken back: the last step first.
    pub fn may_be_open(&self) -> impl Iterator<Item = &StepPlan> {
        let open = self.plans.iter().zip(&self.progress.states).filter(|(_, state)| may_have_been_done(state));
        open.map(|(plan, _)| plan).rev()
    }

    /// Why it is taken back, if it is.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.progress.cause.as_deref()
    }

    /// Why a compensation could not be done, if it is left to a person. What there is to do stands in the plan of the first
    /// step that [may be open](Saga::may_be_open).
    #[must_use]
    pub fn unresolved(&self) -> Option<&str> {
        self.progress.unresolved.as_deref()
    }

    pub(crate) fn plan(&self, step: usize) -> Option<&StepPlan> {
        self.plans.get(step)
    }

    /// Takes a record in: of this process, or read back. One that cannot follow leaves no trace.
    pub(crate) fn note(&mut self, record: &SagaRecord) -> Result<(), Impossible> {
        self.progress = self.after(record)?;
        if !matches!(record, SagaRecord::CompensationFailed { .. } | SagaRecord::Unresolved { .. }) {
            self.failed = 0;
        }
        Ok(())
    }

    fn after(&self, record: &SagaRecord) -> Result<Progress, Impossible> {
        let next = if record.saga() == self.name { self.progress.after(record) } else { None };
        next.ok_or_else(|| Impossible::of(record))
    }

    /// The same, to be taken up again: whatever was going on is in doubt, and is tried anew.
    fn restored(&self) -> Self {
        let (name, plans, progress) = (self.name.clone(), self.plans.clone(), self.progress.clone());
        let stopped = Some("the process that ran it ended".to_owned());
        let mut saga = Self { name, plans, progress, stopped, failed: 0, rested: false };
        saga.try_anew();
        saga
    }

    /// What could not be done before may be possible now.
    pub(crate) fn try_anew(&mut self) {
        self.progress.unresolved = None;
        self.failed = 0;
    }

    pub(crate) fn stop(&mut self, why: String) {
        self.stopped = Some(why);
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
        let Progress { states, cause, unresolved, end } = &self.progress;
        if let Some(end) = end {
            return Next::Ended(*end);
        }
        if cause.is_none() {
            let first = states.iter().position(|state| *state != StepState::Acted);
            return match first {
                None => Next::Record(SagaRecord::Ended { saga: saga(), end: End::Completed }),
                // What the world was when it began is gone once it was stopped: it is taken back, not gone on with.
                Some(step) => match (&self.stopped, states.get(step)) {
                    (Some(why), _) => Next::Record(SagaRecord::Abandoned { saga: saga(), reason: why.clone() }),
                    (None, Some(StepState::Acting)) => Next::Act(step),
                    (None, _) => Next::Record(SagaRecord::Acting { saga: saga(), step }),
                },
            };
        }
        // TXN-5: in reverse.
        let Some(step) = self.progress.last_that_may_be_done() else {
            return Next::Record(SagaRecord::Ended { saga: saga(), end: End::RolledBack });
        };
        match states.get(step) {
            Some(StepState::Compensating { .. }) if unresolved.is_some() => Next::Unresolved,
            Some(StepState::Compensating { error }) if self.failed >= retry.attempts.max(1) => {
                Next::Record(SagaRecord::Unresolved { saga: saga(), reason: error.clone().unwrap_or_default() })
            }
            Some(StepState::Compensating { .. }) if self.failed > 0 && !self.rested => {
                Next::Pause(retry.pause(self.failed))
            }
            Some(StepState::Compensating { .. }) => Next::Compensate(step),
            _ => Next::Record(SagaRecord::Compensating { saga: saga(), step }),
        }
    }
}

/// Where it stands, and what a person has to do who takes over.
impl fmt::Display for Saga {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "saga {}", self.name)?;
        if let Some(cause) = self.cause() {
            write!(f, ", taken back because {cause}")?;
        }
        if let Some(error) = self.unresolved() {
            write!(f, ", cannot be taken back: {error}")?;
        }
        for (number, plan) in self.may_be_open().enumerate() {
            write!(f, "; by hand {}: {} ({})", number + 1, plan.by_hand, plan.key)?;
        }
        Ok(())
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
#[derive(Debug, Default)]
pub(crate) struct Sagas(BTreeMap<String, Saga>);

impl Sagas {
    pub(crate) fn note(&mut self, record: &SagaRecord) -> Result<(), Impossible> {
        let name = record.saga();
        if let SagaRecord::Begun { steps, .. } = record {
            if self.0.contains_key(name) {
                return Err(Impossible::of(record));
            }
            self.0.insert(name.to_owned(), Saga::new(name.to_owned(), steps.clone()));
            return Ok(());
        }
        let Some(saga) = self.0.get_mut(name) else { return Err(Impossible::of(record)) };
        saga.note(record)?;
        if saga.progress.end.is_some() {
            self.0.remove(name);
        }
        Ok(())
    }

    /// As they are to be taken up again.
    pub(crate) fn restored(&self) -> Vec<Saga> {
        self.0.values().map(Saga::restored).collect()
    }

    /// Whether a record can be written: more is asked of a new one than of what is read back.
    pub(crate) fn check(&self, record: &SagaRecord) -> Result<(), Impossible> {
        let saga = self.0.get(record.saga());
        if let SagaRecord::Begun { saga: name, steps } = record {
            if saga.is_some() {
                return Err(Impossible::NameInUse { saga: name.clone() });
            }
            check_plan(name, steps)?;
            let used: BTreeSet<&str> = self.0.values().flat_map(|saga| &saga.plans).map(|plan| &*plan.key).collect();
            return match steps.iter().find(|plan| used.contains(&*plan.key)) {
                Some(plan) => Err(Impossible::KeyInUse { saga: name.clone(), key: plan.key.clone() }),
                None => Ok(()),
            };
        }
        saga.ok_or_else(|| Impossible::of(record))?.after(record).map(drop)
    }
}

/// Two steps with one key are one effect: the second would count as done without anything having happened.
fn check_plan(name: &str, steps: &[StepPlan]) -> Result<(), Impossible> {
    let blank = |what| Err(Impossible::Blank { saga: name.to_owned(), what });
    if name.trim().is_empty() {
        return blank("its name");
    }
    let mut keys = BTreeSet::new();
    for StepPlan { key, by_hand } in steps {
        if key.trim().is_empty() {
            return blank("the key of a step");
        }
        if by_hand.trim().is_empty() {
            return blank("what a person has to do when a step cannot be taken back");
        }
        if !keys.insert(key) {
            return Err(Impossible::KeyInUse { saga: name.to_owned(), key: key.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
