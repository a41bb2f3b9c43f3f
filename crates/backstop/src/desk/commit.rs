//! Writing down: the one way by which anything gets into the journal and into the live state.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use backstop_reconcile as reconcile;

use super::Inner;
use super::cash::overdrawn;
use super::tasks::Running;
use crate::SlotId;
use crate::journal::JournalError;
use crate::record::{Batch, Record};
use crate::state::{CASH, Contradiction, State};
use crate::told::told;

/// Why something could not be written down. The state is as if it had not been concluded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The lock is lost, so the journal may be another instance's by now. Nothing was written.
    #[error("the lock of the state directory was replaced, so the journal may be another instance's: stop this one")]
    LockLost,
    /// It could not have been read back. Nothing was written.
    #[error("a record was not written because no restart could read it: this is a bug in Backstop, or the broker lies")]
    Contradiction(#[from] Contradiction),
    /// The journal did not take it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The runtime is shutting down.
    #[error("the runtime shut down while a record was being written; start again to read what is on disk")]
    Interrupted,
}

impl Inner {
    /// Writes records, takes them into the state, tells listeners.
    pub(super) async fn commit(self: &Arc<Self>, records: Vec<Record>) -> Result<(), RecordError> {
        self.commit_if(records, |_| true).await.map(|_| ())
    }

    /// As [`commit`](Inner::commit), if `still` holds once it is our turn: what was concluded before a wait may have
    /// been concluded by somebody else meanwhile. Returns whether it was written.
    ///
    /// In a task of its own: a caller may be dropped at any moment, and between the disk and the state that would leave
    /// the two with different stories.
    pub(super) async fn commit_if(
        self: &Arc<Self>,
        records: Vec<Record>,
        still: impl FnOnce(&State) -> bool + Send + 'static,
    ) -> Result<bool, RecordError> {
        self.commit_made(move |state| still(state).then_some(records)).await
    }

    /// As [`commit_if`](Inner::commit_if), with records that are made of the state as it is once it is our turn: `None` for
    /// nothing.
    pub(super) async fn commit_made(
        self: &Arc<Self>,
        make: impl FnOnce(&State) -> Option<Vec<Record>> + Send + 'static,
    ) -> Result<bool, RecordError> {
        let inner = Arc::clone(self);
        tokio::spawn(async move { inner.write(make).await }).await.unwrap_or(Err(RecordError::Interrupted))
    }

    async fn write(self: &Arc<Self>, make: impl FnOnce(&State) -> Option<Vec<Record>>) -> Result<bool, RecordError> {
        let _turn = self.turn.lock().await;
        let (mut after, records) = {
            let state = self.state.lock();
            let Some(records) = make(&state) else { return Ok(false) };
            (state.clone(), records)
        };
        let before = after.account.overdrawn();
        let mut batch = Batch { at: self.clock.wall(), records };
        // Before it is on disk: what cannot be read back must not get there.
        let applied = after.apply(&batch).and_then(|()| match after.account.overdrawn() {
            // Law 6: said in the batch in which it happened.
            Some(short) if before != Some(short) => {
                self.recount.store(true, Ordering::SeqCst);
                let alert = Record::Alert { subject: CASH.to_owned(), text: overdrawn(short) };
                batch.records.push(alert.clone());
                after.apply(&Batch { at: batch.at, records: vec![alert] })
            }
            _ => Ok(()),
        });
        if let Err(error) = applied {
            tracing::error!(%error, "the desk contradicts itself");
            self.stopping.store(true, Ordering::SeqCst);
            return Err(error.into());
        }
        let batch = Arc::new(batch);
        // WAL-5: another instance may have the journal by now.
        if !self.lock.still_held() {
            self.halt_for_lock();
            return Err(RecordError::LockLost);
        }
        if let Err(error) = self.journal.append(Arc::clone(&batch)).await {
            if matches!(error, JournalError::Failed { .. }) {
                let text = self.failed.lock().get_or_insert_with(|| told(&error)).clone();
                self.halt_at_once("journal", &text);
            }
            return Err(error.into());
        }
        self.note_changes(&batch);
        self.wire.written(&batch);
        self.alerts.written(&batch, &*self.clock);
        let mut state = self.state.lock();
        // TXN-3: the ledger is what the records say, and nothing else but what is reserved for the next of them.
        self.ledger.follow(after.account.books().clone());
        // REC-3: what lists that were asked for before this may lack.
        self.reconciler.lock().observe(&after.book, reconcile::Moment::of(&*self.clock));
        *state = after;
        drop(state);
        // No listener is no fault.
        let _sent = self.events.send(batch);
        Ok(true)
    }

    /// Remembers when fills changed what is held: the broker's list of positions lags behind them.
    fn note_changes(&self, batch: &Batch) {
        let now = self.clock.mono();
        let mut changed = self.changed.lock();
        for record in &batch.records {
            if let Record::Finished { fills, .. } | Record::Adopted { fills, .. } = record {
                changed.extend(fills.iter().map(|fill| (fill.symbol.clone(), now)));
            }
        }
    }

    /// LOCK-6: another instance may be at work on this account. Neither opens anything until a person has looked.
    pub(super) fn halt_for_lock(self: &Arc<Self>) {
        self.halt_at_once("lock", "the lock of the state directory was replaced: another instance may be running");
    }

    /// As [`commit`](Inner::commit), where a failure can only be reported: the journal refuses everything after it.
    pub(super) async fn note(self: &Arc<Self>, records: Vec<Record>) {
        if let Err(error) = self.commit(records).await {
            tracing::error!(error = told(&error), "a record could not be written");
        }
    }

    /// Raises an alert, unless the same was said before.
    pub(super) async fn alert(self: &Arc<Self>, subject: &str, text: String) {
        self.alert_while(subject, text, |_| true).await;
    }

    /// As [`alert`](Inner::alert), for what lasts as long as `still` holds: what was seen before a wait may be over by now, and an
    /// alert that came behind its own end would stay for ever.
    pub(super) async fn alert_while(
        self: &Arc<Self>,
        subject: &str,
        text: String,
        still: impl Fn(&State) -> bool + Send + 'static,
    ) {
        {
            let state = self.state.lock();
            if !still(&state) {
                return;
            }
            if state.alerts.get(subject).is_some_and(|alert| alert.text == text) {
                self.alerts.repeat(subject);
                return;
            }
        }
        // ALERT-1: the journal may be what is wrong, so nobody is told later because of it.
        self.alerts.raise(subject, &text, &*self.clock, true);
        let (inner, running, subject) = (Arc::clone(self), Running::new(self), subject.to_owned());
        let recorded = tokio::spawn(async move {
            let _running = running;
            inner.record_alert(subject, text, still).await;
        });
        if recorded.await.is_err() {
            tracing::error!("an alert could not be recorded");
        }
    }

    /// An alert about a position that the book has.
    pub(super) async fn alert_of_held(self: &Arc<Self>, slot: &SlotId, text: String) {
        let of = slot.clone();
        self.alert_while(&slot.to_string(), text, move |state| state.held(&of).is_some()).await;
    }

    async fn record_alert(
        self: &Arc<Self>,
        subject: String,
        text: String,
        still: impl Fn(&State) -> bool + Send + 'static,
    ) {
        let (of, new) = (subject.clone(), text.clone());
        let unsaid = move |state: &State| still(state) && state.alerts.get(&of).is_none_or(|alert| alert.text != new);
        let written = self.commit_if(vec![Record::Alert { subject: subject.clone(), text }], unsaid).await;
        if let Err(error) = &written {
            tracing::error!(error = told(error), "an alert could not be recorded");
        }
        let is_told = self.alerts.with(|queue| queue.recorded(&subject));
        // A sink was faster than the disk.
        if is_told && matches!(written, Ok(true)) {
            self.note(vec![Record::Told { subject }]).await;
        }
    }
}
