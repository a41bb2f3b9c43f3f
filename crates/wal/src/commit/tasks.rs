//! Appends of tasks: they stage and wait, and a helper thread leads for them.

use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::{Append, Committer, Content, Device, Staged, Ticket};
use crate::error::AppendError;

/// What tasks wait for.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    pub(super) waiting: Vec<(Ticket, bool, Waker)>,
    /// Some have not staged yet, for want of room.
    pub(super) stalled: Vec<Waker>,
    /// How often making a segment was tried for them, and why that failed last.
    tries: u64,
    refused: Option<Arc<io::Error>>,
    /// The helper is to end.
    closing: bool,
}

/// How far an append of a task has come.
#[derive(Debug, Default)]
pub(crate) enum Progress {
    /// Not staged yet.
    #[default]
    Begun,
    /// Not staged yet: it needs another segment, and this many had been tried for when it said so.
    Stalled(u64),
    /// Staged.
    Staged(Ticket),
}

impl Progress {
    /// Whether its place in the log is settled.
    pub(crate) fn is_staged(&self) -> bool {
        matches!(self, Self::Staged(_))
    }
}

/// How often the helper gives way to the tasks that the last group released.
const TURNS_FOR_TASKS: u32 = 16;

impl<D: Device> Committer<D> {
    /// One step of an append of a task: stages it, or says whether it is done. Never waits.
    pub(crate) fn poll_append(
        &self,
        content: Content<'_>,
        how: Append,
        progress: &mut Progress,
        waker: &Waker,
    ) -> Poll<Result<u64, AppendError>> {
        if let Err(error) = self.check_length(content, how) {
            return Poll::Ready(Err(error));
        }
        let mut queue = self.queue.lock();
        if let Progress::Staged(ticket) = *progress {
            let done = if how.durable { queue.durable } else { queue.written };
            if done >= ticket.count {
                return Poll::Ready(Ok(ticket.first_seq));
            }
            if let Some(source) = &queue.broken {
                return Poll::Ready(Err(AppendError::Failed { source: Arc::clone(source) }));
            }
            if let Some(mine) = queue.tasks.waiting.iter_mut().find(|(other, ..)| *other == ticket) {
                mine.2.clone_from(waker);
            } else {
                queue.tasks.waiting.push((ticket, how.durable, waker.clone()));
            }
            return Poll::Pending;
        }
        if let Some(source) = &queue.broken {
            return Poll::Ready(Err(AppendError::Poisoned { source: Arc::clone(source) }));
        }
        if let Staged::Yes(ticket) = queue.stage(self.log, content, how, self.limits.reserve) {
            *progress = Progress::Staged(ticket);
            queue.tasks.waiting.push((ticket, how.durable, waker.clone()));
        } else {
            let tries = queue.tasks.tries;
            match *progress {
                Progress::Stalled(before) if before < tries && queue.tasks.refused.is_some() => {
                    let (length, source) = (content.payload_len(), queue.tasks.refused.clone());
                    return Poll::Ready(Err(AppendError::Full { length, source }));
                }
                Progress::Stalled(_) => {}
                _ => *progress = Progress::Stalled(tries),
            }
            queue.tasks.stalled.push(waker.clone());
        }
        self.work.notify_all();
        Poll::Pending
    }

    /// Leads for tasks until [`end_serving`](Committer::end_serving). For a thread of its own.
    pub(crate) fn serve(&self) {
        let mut queue = self.queue.lock();
        loop {
            let idle = queue.tasks.waiting.is_empty() && queue.tasks.stalled.is_empty();
            if queue.broken.is_some() || (queue.tasks.closing && idle) {
                queue = self.announce(queue);
                if queue.tasks.closing {
                    return;
                }
            }
            if idle || queue.broken.is_some() {
                queue = self.work.wait(queue);
                continue;
            }
            let Some(device) = queue.device.take() else {
                queue = self.work.wait(queue);
                continue;
            };
            let is_staged = queue.staged_count > queue.written || queue.staged.turn.is_some();
            queue = if is_staged {
                self.lead(queue, device, TURNS_FOR_TASKS)
            } else {
                // Nothing is staged and somebody is stalled: there is no segment to turn to.
                let (mut queue, made) = self.prepare(queue, device);
                queue.tasks.tries += 1;
                queue.tasks.refused = made.err().map(Arc::new);
                self.announce(queue)
            };
        }
    }

    /// Lets [`serve`](Committer::serve) end.
    pub(crate) fn end_serving(&self) {
        self.queue.lock().tasks.closing = true;
        self.work.notify_all();
    }
}
