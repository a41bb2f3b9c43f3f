//! The kill switch as the desk asks it, follows it and pulls it by itself (HALT-1, HALT-2).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::tasks::Running;
use super::{Desk, Inner};
use crate::record::Record;
use crate::state::State;
use crate::switch::{Asked, Level, Pull, PullId, Pulled, Standing, SwitchError};
use crate::told::told;

/// Who pulls when nobody does.
const DESK: &str = "the desk";

/// This many submits in a row that end in doubt are no bad luck.
const DOUBTS_IN_A_ROW: u32 = 5;

impl Desk {
    /// Halts: no entry passes from now on, in this process and every later one, until somebody [resumes](Desk::resume).
    /// Exits and cancels pass, and entries that work are canceled.
    ///
    /// # Errors
    /// [`SwitchError`]: this process is halted all the same; another may not know.
    ///
    /// # Durability
    /// The halt is on disk when this returns `Ok`.
    ///
    /// # Cancel safety
    /// Entries are halted from the first poll on, and the halt is written although the future is dropped.
    pub async fn halt(&self, by: &str, reason: &str) -> Result<Pulled, SwitchError> {
        self.inner.pull(Level::Halt, by, reason).await
    }

    /// Freezes: no order passes from now on, not even an exit. Entries that work are canceled, exits are left alone.
    ///
    /// # Errors
    /// As [`halt`](Desk::halt).
    ///
    /// # Durability
    /// As [`halt`](Desk::halt).
    ///
    /// # Cancel safety
    /// As [`halt`](Desk::halt).
    pub async fn freeze(&self, by: &str, reason: &str) -> Result<Pulled, SwitchError> {
        self.inner.pull(Level::Freeze, by, reason).await
    }

    /// Takes back every halt and freeze that stands, and returns them. Somebody answers for it by name.
    ///
    /// # Errors
    /// [`SwitchError`]; what stood, stands.
    ///
    /// # Cancel safety
    /// Dropped, it may have happened or not.
    pub async fn resume(&self, by: &str, reason: &str) -> Result<BTreeMap<PullId, Pull>, SwitchError> {
        let (inner, by, reason) = (Arc::clone(&self.inner), by.to_owned(), reason.to_owned());
        let resumed = blocking(move || inner.switch.resume(&by, &reason, inner.clock.wall())).await;
        self.inner.note_switch().await;
        resumed
    }

    /// How the kill switch stands now. What is new of it goes into the records.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ask_switch(&self) -> Standing {
        self.inner.note_switch().await
    }
}

impl Inner {
    /// HALT-1: asked last before each submit, from the disk. `least` is what it takes to stop this one.
    pub(super) fn check_switch(&self, least: Level) -> Result<(), Pull> {
        let standing = self.switch.standing();
        match standing.strongest() {
            Some(pull) if pull.level >= least => Err(pull.clone()),
            _ => Ok(()),
        }
    }

    pub(super) async fn pull(self: &Arc<Self>, level: Level, by: &str, reason: &str) -> Result<Pulled, SwitchError> {
        let asked = self.ask(level, by, reason);
        // In a task of its own, so that it is written although the caller is dropped.
        let (inner, running) = (Arc::clone(self), Running::new(self));
        let written = tokio::spawn(async move {
            let _running = running;
            let written = inner.write_pull(asked).await;
            inner.note_switch().await;
            written
        });
        written.await.unwrap_or(Err(SwitchError::Interrupted))
    }

    fn ask(&self, level: Level, by: &str, reason: &str) -> Asked {
        let since = Some(self.clock.wall());
        self.switch.ask(Pull { level, by: by.to_owned(), reason: reason.to_owned(), since })
    }

    async fn write_pull(self: &Arc<Self>, asked: Asked) -> Result<Pulled, SwitchError> {
        let inner = Arc::clone(self);
        blocking(move || inner.switch.write(&asked)).await
    }

    /// Halts and raises an alert, as [`halt_for`](Inner::halt_for).
    pub(super) async fn halt_aloud(self: &Arc<Self>, subject: &str, text: String) {
        if self.halt_for(&text).await {
            self.alert(subject, text).await;
        }
    }

    /// Halts for a cause that every look at the account shows again: once somebody has resumed from it, the same one halts
    /// nobody any more. Returns whether it does.
    pub(super) async fn halt_for(self: &Arc<Self>, text: &str) -> bool {
        let standing = self.switch.standing();
        if self.switch.was_taken_back(DESK, text) {
            return false;
        }
        if !standing.pulls().values().any(|pull| pull.by == DESK && pull.reason == text)
            && let Err(error) = self.pull(Level::Halt, DESK, text).await
        {
            tracing::error!(error = told(&error), "the halt is known to this process only");
        }
        true
    }

    /// Halts for what ends this process's work, from places that cannot wait. Once for each cause.
    pub(super) fn halt_at_once(self: &Arc<Self>, cause: &'static str, text: &str) {
        if !self.halted_for.lock().insert(cause) {
            return;
        }
        self.alerts.raise(cause, text, &*self.clock, false);
        let asked = self.ask(Level::Halt, DESK, text);
        let (inner, running) = (Arc::clone(self), Running::new(self));
        tokio::spawn(async move {
            let _running = running;
            if let Err(error) = inner.write_pull(asked).await {
                tracing::error!(error = told(&error), "the halt is known to this process only");
            }
        });
    }

    /// One more submit has ended in doubt; many in a row halt.
    pub(super) async fn count_doubt(self: &Arc<Self>) {
        if self.doubts.fetch_add(1, Ordering::Relaxed).saturating_add(1) < DOUBTS_IN_A_ROW {
            return;
        }
        self.no_doubt();
        let text = format!("{DOUBTS_IN_A_ROW} submits in a row ended in doubt: see how the broker is, then resume");
        if let Err(error) = self.pull(Level::Halt, DESK, &text).await {
            tracing::error!(error = told(&error), "the halt is known to this process only");
        }
        self.alert("broker", text).await;
    }

    /// A submit has ended in certainty.
    pub(super) fn no_doubt(&self) {
        // Relaxed: a count that guards no other memory.
        self.doubts.store(0, Ordering::Relaxed);
    }

    /// Writes down what is new of the switch: the records tell since when entries were shut, by whom, and who opened them.
    pub(super) async fn note_switch(self: &Arc<Self>) -> Standing {
        let standing = self.switch.standing();
        let records = news(&standing, &self.state.lock());
        if !records.is_empty() {
            let (of, same) = (standing.clone(), records.clone());
            if let Err(error) = self.commit_if(records, move |state| news(&of, state) == same).await {
                tracing::error!(error = told(&error), "the records do not know how the kill switch stands");
            }
        }
        standing
    }
}

/// What the records do not say yet.
fn news(standing: &Standing, state: &State) -> Vec<Record> {
    let newest = standing.newest();
    let pulled = standing.pulls().iter().filter(|(id, _)| !state.halts.contains_key(*id));
    let pulled = pulled.map(|(id, pull)| {
        let Pull { level, by, reason, since } = pull.clone();
        Record::Halted { id: id.clone(), level, by, reason, since, newest }
    });
    let back = state.halts.iter().filter(|(id, _)| !standing.pulls().contains_key(*id)).map(|(_, pull)| &pull.reason);
    let back: BTreeSet<&String> = back.collect();
    // Whoever resumes has looked at what the desk said when it pulled: nothing is left of that to settle.
    let over = state.alerts.iter().filter(|(_, alert)| back.contains(&alert.text));
    let over: Vec<Record> = over.map(|(subject, _)| Record::AlertOver { subject: subject.clone() }).collect();
    let mut gone: Vec<PullId> = state.halts.keys().filter(|id| !standing.pulls().contains_key(*id)).cloned().collect();
    let mut records: Vec<Record> = pulled.collect();
    for resume in standing.resumes().values() {
        let (lifts, others) = gone.into_iter().partition::<Vec<_>, _>(|id| resume.lifts.contains(id));
        gone = others;
        if !lifts.is_empty() {
            let (by, reason) = (resume.by.clone(), resume.reason.clone());
            let answered = answered(state, &lifts).map(|subject| Record::AlertOver { subject: subject.clone() });
            let answered: Vec<Record> = answered.collect();
            records.push(Record::Resumed { lifts, by, reason, newest });
            records.extend(answered);
        }
    }
    let (mended, settled) = gone.into_iter().partition::<Vec<_>, _>(PullId::is_fault);
    for (lifts, by, reason) in [
        (mended, "nobody", "what was wrong with the kill switch is mended"),
        (settled, "somebody", "it was taken back long ago, and the record of who did is not kept any more"),
    ] {
        if !lifts.is_empty() {
            records.push(Record::Resumed { lifts, by: by.to_owned(), reason: reason.to_owned(), newest });
        }
    }
    records.extend(over);
    records
}

/// The alerts for which the desk had halted by itself: whoever takes the halt back has answered for them.
fn answered<'a>(state: &'a State, lifts: &[PullId]) -> impl Iterator<Item = &'a String> {
    let pulls = lifts.iter().filter_map(|id| state.halts.get(id)).filter(|pull| pull.by == DESK);
    let reasons: Vec<&str> = pulls.map(|pull| pull.reason.as_str()).filter(|reason| !reason.is_empty()).collect();
    // One alert may name several causes.
    let said = state.alerts.iter().filter(move |(_, alert)| reasons.iter().any(|reason| alert.text.contains(reason)));
    said.map(|(subject, _)| subject)
}

/// Syncs take their time, and may not hold up the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SwitchError> + Send + 'static,
) -> Result<T, SwitchError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(SwitchError::Interrupted))
}
