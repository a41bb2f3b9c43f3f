//! When the journal writes a checkpoint, and who does.

use std::error::Error;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use backstop_wal::{self as wal, AppendError, Keep, Tail, WriteError};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Records;
use crate::told::told;

/// When a journal writes a checkpoint, and how long it keeps what the checkpoint stands for. A desk that stops in good order
/// leaves a checkpoint in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upkeep {
    /// After so many batches.
    pub batches: u64,
    /// Or after so many bytes.
    pub bytes: u64,
    /// How much history stays for `log`. Its age goes by the times of the batches.
    pub keep: Keep,
}

impl Default for Upkeep {
    /// After 4,000 batches or 768 KiB: opening reads less than a megabyte beside the state. 90 days of history, and at most
    /// 256 MiB.
    fn default() -> Self {
        Self { batches: 4_000, bytes: 768 << 10, keep: Keep::default() }
    }
}

/// Writes checkpoints in a thread of its own: they wait for the disk, and no worker of a runtime may.
#[derive(Debug)]
pub(super) struct Checkpoints {
    writer: Arc<Writer>,
    /// One at a time.
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Writer {
    journal: Arc<wal::Journal<Records>>,
    upkeep: Upkeep,
    /// How much there was when the newest attempt failed: it is not tried again at every batch.
    failed_at: Mutex<Tail>,
    /// Why it failed.
    complaint: Mutex<Option<String>>,
}

impl Checkpoints {
    pub(super) fn new(journal: Arc<wal::Journal<Records>>, upkeep: Upkeep) -> Self {
        let writer = Arc::new(Writer { journal, upkeep, failed_at: Mutex::default(), complaint: Mutex::default() });
        Self { writer, thread: Mutex::default() }
    }

    /// Why the newest attempt failed, if it did.
    pub(super) fn complaint(&self) -> Option<String> {
        self.writer.complaint.lock().clone()
    }

    /// Begins a checkpoint if enough was written since the last one. Does not wait for it.
    pub(super) fn write_if_due(&self, at: Timestamp) {
        let mut thread = self.thread.lock();
        if thread.as_ref().is_none_or(JoinHandle::is_finished) && self.writer.is_due() {
            *thread = self.begin(at, None, None);
        }
    }

    /// Writes a checkpoint and waits until it is there, or has failed.
    pub(super) async fn write_last(&self, at: Timestamp) {
        let (done, is_done) = oneshot::channel();
        {
            let mut thread = self.thread.lock();
            *thread = self.begin(at, thread.take(), Some(done));
        }
        // Without a thread there is nothing to wait for, and that was said.
        let _ended = is_done.await;
    }

    fn begin(
        &self,
        at: Timestamp,
        before: Option<JoinHandle<()>>,
        done: Option<oneshot::Sender<()>>,
    ) -> Option<JoinHandle<()>> {
        let writer = Arc::clone(&self.writer);
        let begun = thread::Builder::new().name("backstop-checkpoint".to_owned()).spawn(move || {
            if let Some(before) = before {
                // A thread that panicked has said so.
                let _panicked = before.join();
            }
            writer.write(at);
            // Whoever waits may want the lock of the log next.
            drop(writer);
            if let Some(done) = done {
                let _nobody_waits = done.send(());
            }
        });
        begun.inspect_err(|error| self.writer.not_written(error, self.writer.journal.tail())).ok()
    }
}

impl Drop for Checkpoints {
    /// Waits for the one that is being written, so that the lock of the log is free afterwards.
    fn drop(&mut self) {
        if let Some(thread) = self.thread.get_mut().take() {
            // A thread that panicked has said so.
            let _panicked = thread.join();
        }
    }
}

impl Writer {
    fn is_due(&self) -> bool {
        let (tail, failed_at) = (self.journal.tail(), *self.failed_at.lock());
        tail.records.saturating_sub(failed_at.records) >= self.upkeep.batches
            || tail.bytes.saturating_sub(failed_at.bytes) >= self.upkeep.bytes
    }

    fn write(&self, at: Timestamp) {
        let tail = self.journal.tail();
        if let Err(error) = self.journal.checkpoint(at) {
            self.not_written(&error, tail);
            return;
        }
        *self.failed_at.lock() = Tail::default();
        *self.complaint.lock() = None;
        tracing::debug!(batches = tail.records, bytes = tail.bytes, "the journal has a new checkpoint");
        match self.journal.remove_history(at, self.upkeep.keep) {
            Ok(0) => {}
            Ok(segments) => tracing::info!(segments, "old history of the journal was removed"),
            Err(error) => tracing::error!(error = told(&error), "old history of the journal was not removed"),
        }
    }

    fn not_written(&self, error: &(dyn Error + 'static), tail: Tail) {
        *self.failed_at.lock() = tail;
        let is_too_large =
            matches!(error.downcast_ref::<WriteError>(), Some(WriteError::Append(AppendError::TooLarge { .. })));
        let advice = if is_too_large {
            "start the bot again: it makes room for a larger one"
        } else {
            "see that the disk has room"
        };
        *self.complaint.lock() = Some(format!(
            "the journal could not write a checkpoint ({}): trading goes on and nothing is lost, and the next start reads all \
             batches since the last one; {advice}",
            told(error)
        ));
        tracing::error!(
            error = told(error),
            batches = tail.records,
            bytes = tail.bytes,
            "the journal could not write a checkpoint: trading goes on, and the next start reads all batches since the last \
             one; {advice}"
        );
    }
}
