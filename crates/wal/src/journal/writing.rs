//! How a change gets into the log and into memory in one step, for threads and for tasks; and checkpoints.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use super::live::{Change, Live};
use super::{Journal, Schema, WriteError, line};
use crate::Timestamp;
use crate::commit::{Appending, Content, Staged};
use crate::sync::MutexGuard;

impl<S: Schema> Journal<S> {
    /// Writes a change, and returns when it is as safe as it asks.
    pub(super) fn write(&self, change: &Change<'_, S>) -> Result<u64, WriteError> {
        let lines: Vec<&[u8]> = change.lines.iter().map(Vec::as_slice).collect();
        let content = content(&lines);
        let queue = self.log.committer();
        let ticket = loop {
            let needs_segment = {
                let mut live = self.changeable();
                live.admit(change)?;
                match queue.try_stage(content, change.how)? {
                    Staged::Yes(ticket) => {
                        live.take(change);
                        break ticket;
                    }
                    Staged::NeedsSegment => true,
                    Staged::NeedsCommit => false,
                }
            };
            queue.make_room(content, needs_segment)?;
        };
        Ok(queue.wait(ticket, change.how)?)
    }

    /// The same for tasks. Its place in the log and the change of memory are settled in one poll: whenever it is dropped,
    /// there are both or neither.
    pub(super) async fn write_later(&self, change: &Change<'_, S>) -> Result<u64, WriteError> {
        self.log.start_helper()?;
        let lines: Vec<&[u8]> = change.lines.iter().map(Vec::as_slice).collect();
        let mut append = Appending::new(self.log.committer(), content(&lines), change.how);
        poll_fn(|context| {
            let waker = context.waker();
            if append.is_staged() {
                return Pin::new(&mut append).poll(context).map_err(WriteError::from);
            }
            let mut live = self.live.lock();
            if live.is_frozen {
                if live.waiting.iter().all(|other| !other.will_wake(waker)) {
                    live.waiting.push(waker.clone());
                }
                return Poll::Pending;
            }
            live.admit(change)?;
            let poll = Pin::new(&mut append).poll(context);
            if append.is_staged() {
                live.take(change);
            }
            poll.map_err(WriteError::from)
        })
        .await
    }

    /// Writes a checkpoint: what all records so far amount to, so that opening begins there (WAL-6). `at` is the time by
    /// the caller's clock; [`remove_history`](Journal::remove_history) goes by it.
    ///
    /// Others go on recording as soon as its place in the log is settled. It writes and syncs on the calling thread, so a
    /// task must not call it on a worker of its runtime.
    ///
    /// # Errors
    /// [`WriteError`]; no record is lost by it. After [`AppendError::Full`](crate::AppendError::Full) and
    /// [`AppendError::TooLarge`](crate::AppendError::TooLarge) everything is as before.
    ///
    /// # Durability
    /// It and all records before it are on disk when this returns.
    pub fn checkpoint(&self, at: Timestamp) -> Result<(), WriteError> {
        let frozen = Frozen::new(self);
        let snapshot = self.live.lock().snapshot(at);
        let bytes = line::checked_snapshot::<S>(&snapshot)?;
        self.log.checkpoint_staged(&bytes, || {
            self.live.lock().tail = super::Tail::default();
            drop(frozen);
        })?;
        Ok(())
    }

    /// As soon as no checkpoint is being made.
    fn changeable(&self) -> MutexGuard<'_, Live<S>> {
        let mut live = self.live.lock();
        while live.is_frozen {
            live = self.thawed.wait(live);
        }
        live
    }
}

/// Nothing is recorded while this lives.
struct Frozen<'a, S: Schema>(&'a Journal<S>);

impl<'a, S: Schema> Frozen<'a, S> {
    fn new(journal: &'a Journal<S>) -> Self {
        journal.changeable().is_frozen = true;
        Self(journal)
    }
}

impl<S: Schema> Drop for Frozen<'_, S> {
    fn drop(&mut self) {
        let waiting = {
            let mut live = self.0.live.lock();
            live.is_frozen = false;
            std::mem::take(&mut live.waiting)
        };
        self.0.thawed.notify_all();
        // Not under the lock: the first thing they do is to take it.
        waiting.into_iter().for_each(std::task::Waker::wake);
    }
}

/// Several lines are there together or not at all.
fn content<'a>(lines: &'a [&'a [u8]]) -> Content<'a> {
    match lines {
        [one] => Content::Record(one),
        all => Content::Batch(all),
    }
}
