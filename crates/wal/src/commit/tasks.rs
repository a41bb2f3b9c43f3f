//! Appends of tasks: they stage and wait, and a helper thread leads for them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::stage::Staged;
use super::{Append, Committer, Content, Device, Ticket};
use crate::error::AppendError;

/// How often the helper gives way to the tasks that the last group released.
const TURNS_FOR_TASKS: u32 = 16;

/// What tasks wait for.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    /// By when they were staged; each ends with the group that it is in.
    for_durable: VecDeque<(u64, Waker)>,
    for_written: VecDeque<(u64, Waker)>,
    /// Some have not staged yet, for want of room. By a number of their own.
    stalled: Vec<(u64, Waker)>,
    last_stalled: u64,
    /// The log was dropped: the helper is to end.
    pub(super) closing: bool,
}

impl Tasks {
    pub(super) fn are_waiting(&self) -> bool {
        !(self.for_durable.is_empty() && self.for_written.is_empty() && self.stalled.is_empty())
    }

    fn queue_for(&mut self, how: Append) -> &mut VecDeque<(u64, Waker)> {
        if how.durable { &mut self.for_durable } else { &mut self.for_written }
    }

    fn forget_stalled(&mut self, progress: &Progress) -> Option<Waker> {
        let Progress::Stalled(own, _) = progress else { return None };
        let at = self.stalled.iter().position(|(other, _)| other == own)?;
        Some(self.stalled.swap_remove(at).1)
    }

    /// Takes out those whom it concerns that so much is written and durable.
    pub(super) fn concerned(&mut self, written: u64, durable: u64, broken: bool) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for (queue, done) in [(&mut self.for_durable, durable), (&mut self.for_written, written)] {
            let count = if broken { queue.len() } else { queue.partition_point(|(count, _)| *count <= done) };
            wakers.extend(queue.drain(..count).map(|(_, waker)| waker));
        }
        wakers.extend(self.stalled.drain(..).map(|(_, waker)| waker));
        wakers
    }
}

/// How far an append of a task has come.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Progress {
    #[default]
    Begun,
    /// Not staged yet: it needs another segment. Its number, and how many had been tried for when it said so.
    Stalled(u64, u64),
    Staged(Ticket),
    Done,
}

/// An append of a task. Dropped before it is done, it leaves nothing behind but what it has staged.
pub(crate) struct Appending<'a, D: Device> {
    committer: &'a Committer<D>,
    content: Content<'a>,
    how: Append,
    progress: Progress,
}

impl<'a, D: Device> Appending<'a, D> {
    pub(crate) fn new(committer: &'a Committer<D>, content: Content<'a>, how: Append) -> Self {
        Self { committer, content, how, progress: Progress::default() }
    }

    /// Whether its place in the log is settled, and it is not known yet whether it is as safe as was asked.
    pub(crate) fn is_staged(&self) -> bool {
        matches!(self.progress, Progress::Staged(_))
    }
}

impl<D: Device> Future for Appending<'_, D> {
    type Output = Result<u64, AppendError>;

    /// Stages it, or says whether it is done. Never waits.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (committer, content, how) = (self.committer, self.content, self.how);
        let polled = committer.poll_append(content, how, &mut self.progress, context.waker());
        if polled.is_ready() {
            self.progress = Progress::Done;
        }
        polled
    }
}

impl<D: Device> Drop for Appending<'_, D> {
    fn drop(&mut self) {
        let mut queue = match self.progress {
            Progress::Begun | Progress::Done => return,
            Progress::Stalled(..) | Progress::Staged(_) => self.committer.queue.lock(),
        };
        // Not dropped under the lock: a waker is somebody else's code.
        let waker = if let Progress::Staged(ticket) = self.progress {
            let waiting = queue.tasks.queue_for(self.how);
            let at = waiting.binary_search_by_key(&ticket.count, |(count, _)| *count);
            at.ok().and_then(|at| waiting.remove(at)).map(|(_, waker)| waker)
        } else {
            queue.tasks.forget_stalled(&self.progress)
        };
        drop(queue);
        drop(waker);
    }
}

impl<D: Device> Committer<D> {
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
        // Dropped after the lock is released: a waker is somebody else's code.
        let _replaced;
        let mut queue = self.queue.lock();
        if let Progress::Staged(ticket) = *progress {
            if let Some(ended) = queue.ended(ticket, how) {
                return Poll::Ready(ended);
            }
            // It is there: it is taken out only when it has ended.
            let waiting = queue.tasks.queue_for(how);
            if let Ok(at) = waiting.binary_search_by_key(&ticket.count, |(count, _)| *count)
                && let Some((_, mine)) = waiting.get_mut(at)
                && !mine.will_wake(waker)
            {
                _replaced = Some(std::mem::replace(mine, waker.clone()));
            }
            return Poll::Pending;
        }
        if let Some(error) = queue.poisoned() {
            return Poll::Ready(Err(error));
        }
        if let Staged::Yes(ticket) = queue.stage(self.log, content, how, self.limits.reserve) {
            _replaced = queue.tasks.forget_stalled(progress);
            *progress = Progress::Staged(ticket);
            queue.tasks.queue_for(how).push_back((ticket.count, waker.clone()));
            self.work.notify_all();
            return Poll::Pending;
        }
        let own = if let Progress::Stalled(own, before) = *progress {
            if before < queue.segments.tries
                && let Some(refused) = queue.segments.refused.clone()
            {
                _replaced = queue.tasks.forget_stalled(progress);
                return Poll::Ready(Err(refused.error(content.payload_len())));
            }
            own
        } else {
            queue.tasks.last_stalled += 1;
            let own = queue.tasks.last_stalled;
            *progress = Progress::Stalled(own, queue.segments.tries);
            own
        };
        match queue.tasks.stalled.iter_mut().find(|(other, _)| *other == own) {
            Some((_, mine)) if mine.will_wake(waker) => {}
            Some((_, mine)) => _replaced = Some(std::mem::replace(mine, waker.clone())),
            None => queue.tasks.stalled.push((own, waker.clone())),
        }
        self.work.notify_all();
        Poll::Pending
    }

    /// Leads for tasks until [`abandon`](Committer::abandon). For a thread of its own.
    pub(crate) fn serve(self: &Arc<Self>) {
        let mut queue = self.queue.lock();
        loop {
            if queue.tasks.closing {
                let device = queue.device.take();
                drop(queue);
                drop(device);
                return;
            }
            let is_staged = queue.staged_len() > 0 || queue.segments.is_turning();
            let is_stalled = !queue.tasks.stalled.is_empty();
            queue = if queue.broken.is_some() || !queue.tasks.are_waiting() {
                self.work.wait(queue)
            } else if is_staged && let Some(device) = queue.device.take() {
                self.lead(queue, device, TURNS_FOR_TASKS)
            } else if is_stalled && !is_staged && !queue.segments.busy {
                // Nothing is staged and somebody is stalled: there is no segment to turn to.
                self.make_segment(queue).0
            } else {
                self.work.wait(queue)
            };
        }
    }

    /// Lets go of the device and ends [`serve`](Committer::serve), without waiting for either: whoever has the device at
    /// this moment drops it when it is done. For when nobody can append any more.
    pub(crate) fn abandon(&self) {
        let mut queue = self.queue.lock();
        queue.tasks.closing = true;
        let device = queue.device.take();
        drop(queue);
        self.work.notify_all();
        drop(device);
    }
}
