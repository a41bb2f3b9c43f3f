//! The tasks of entries and exits: what each looks after, and how the desk waits for them to end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use backstop_broker::ClientOrderId;

use super::{Desk, Inner, RecordError};
use crate::record::Record;

impl Desk {
    /// Shuts entries and asks everything that is working to come to rest: an entry is canceled at its task's next look.
    /// Exits go on.
    pub fn stop_entries(&self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
    }

    /// Shuts entries, waits until every entry and exit that was asked for has ended, and records that the process left
    /// so, halted or not.
    ///
    /// # Errors
    /// [`RecordError`] when that could not be recorded.
    ///
    /// # Cancel safety
    /// Cancel safe: entries stay shut, and it can be called again.
    pub async fn stop(&self) -> Result<(), RecordError> {
        self.stop_entries();
        loop {
            let mut rested = std::pin::pin!(self.inner.at_rest.notified());
            // Registered before looking, so that the last task to finish is not missed.
            rested.as_mut().enable();
            if *self.inner.running.lock() == 0 {
                break;
            }
            rested.await;
        }
        let halted = self.inner.note_switch().await.strongest().map(ToString::to_string);
        self.inner.commit(vec![Record::Stopped { halted }]).await
    }
}

impl Inner {
    /// Does something that nobody waits for but [`Desk::stop`].
    pub(super) fn in_a_task<T: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(Arc<Self>) -> T,
    ) {
        let running = Running::new(self);
        let work = work(Arc::clone(self));
        tokio::spawn(async move {
            let _running = running;
            work.await;
        });
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Takes an operation under this task's care until the result is dropped.
    pub(super) fn attend(self: &Arc<Self>, id: &ClientOrderId) -> Attended {
        self.attended.lock().insert(id.clone());
        Attended { inner: Arc::clone(self), id: id.clone() }
    }
}

/// An operation that a task looks after.
#[must_use = "an operation that nobody attends is the reconciler's"]
pub(super) struct Attended {
    inner: Arc<Inner>,
    id: ClientOrderId,
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.inner.attended.lock().remove(&self.id);
    }
}

/// The task of an entry or exit, from its first to its last step.
pub(super) struct Running(Arc<Inner>);

impl Running {
    pub(super) fn new(inner: &Arc<Inner>) -> Self {
        let mut running = inner.running.lock();
        *running = running.saturating_add(1);
        Self(Arc::clone(inner))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        {
            let mut running = self.0.running.lock();
            *running = running.saturating_sub(1);
        }
        self.0.at_rest.notify_waiters();
    }
}
