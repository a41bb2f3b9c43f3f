//! Leading: what is staged goes to the device, and everybody is told.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Committer, Device, Group, Guard};
use crate::sync::yield_now;

/// How often a leader gives way to those whom the last group released.
const TURNS_FOR_THREADS: u32 = 3;

impl<D: Device> Committer<D> {
    pub(super) fn lead_or_wait<'a>(self: &'a Arc<Self>, mut queue: Guard<'a, D>) -> Guard<'a, D> {
        match queue.device.take() {
            Some(device) => self.lead(queue, device, TURNS_FOR_THREADS),
            None => self.changed.wait(queue),
        }
    }

    /// Writes what is staged, for everybody.
    pub(super) fn lead<'a>(self: &'a Arc<Self>, mut queue: Guard<'a, D>, mut device: D, turns: u32) -> Guard<'a, D> {
        // Whoever was just released comes a moment too late for a leader that is in a hurry, and then two half groups take
        // turns for ever. So it gives way until as many are there as last time; a lone writer waits for nobody.
        for _ in 0..turns {
            if !queue.staged_durable || queue.staged_count - queue.written >= queue.company {
                break;
            }
            drop(queue);
            yield_now();
            queue = self.queue.lock();
        }
        if let Some(spare) = queue.segments.take() {
            device.adopt(spare);
        }
        let empty = Group { frames: std::mem::take(&mut queue.recycled), turn: None, next_seq: 0 };
        let mut group = std::mem::replace(&mut queue.staged, empty);
        group.next_seq = queue.next_seq;
        let durable = std::mem::take(&mut queue.staged_durable);
        let upto = queue.staged_count;
        let prove = std::mem::take(&mut queue.segments.prove);
        drop(queue);

        let alarm = self.alarm(false);
        let mut outcome = device.commit(&mut group, durable);
        if prove && outcome.is_ok() {
            outcome = device.prove_beginning(group.next_seq);
        }
        alarm.off();

        let mut queue = self.queue.lock();
        group.frames.clear();
        queue.recycled = group.frames;
        match outcome {
            Ok(()) => {
                queue.written = upto;
                queue.checkpoint = device.checkpoint();
                if group.turn.is_some() {
                    queue.segments.turned(device.active());
                }
                if durable {
                    queue.company = upto - queue.durable;
                    queue.durable = upto;
                    // What was just written says of all before it that it is durable.
                    queue.unproven = queue.staged_len();
                }
            }
            Err(error) => {
                queue.broken.get_or_insert_with(|| Arc::new(error));
            }
        }
        let queue = self.announce(self.put_back(queue, device));
        if queue.wants_segment() { self.make_ahead(queue) } else { queue }
    }

    /// Wakes everybody whom the state of the queue concerns.
    pub(super) fn announce<'a>(&'a self, mut queue: Guard<'a, D>) -> Guard<'a, D> {
        self.changed.notify_all();
        let (written, durable, broken) = (queue.written, queue.durable, queue.broken.is_some());
        let wakers = queue.tasks.concerned(written, durable, broken);
        if queue.tasks.are_waiting() || queue.tasks.closing {
            self.work.notify_all();
        }
        if wakers.is_empty() {
            return queue;
        }
        // Not under the lock: the first thing they do is to take it.
        drop(queue);
        for waker in wakers {
            // A waker is somebody else's code. If it panics, that has been said aloud, and the others must be woken.
            let _panicked = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
        self.queue.lock()
    }

    /// For whoever has something out of the queue.
    pub(super) fn alarm(&self, making: bool) -> Alarm<'_, D> {
        Alarm { committer: self, making, armed: true }
    }

    /// Gives the device back, as long as nothing has failed.
    pub(super) fn put_back<'a>(&'a self, mut queue: Guard<'a, D>, device: D) -> Guard<'a, D> {
        if queue.broken.is_none() {
            queue.device = Some(device);
            return queue;
        }
        // WAL-4: it is dropped, so that nothing can be asked of it again. Not under the lock: that closes files.
        drop(queue);
        drop(device);
        self.queue.lock()
    }
}

/// Held by whoever has something out of the queue: the device, the making of segments, or both.
///
/// The disk is a parameter, and so is its code. If it panics, nothing is acknowledged any more, as after an error (WAL-4),
/// and nobody waits for ever for what does not come back.
#[must_use = "it goes off when it is dropped"]
pub(super) struct Alarm<'a, D: Device> {
    committer: &'a Committer<D>,
    making: bool,
    armed: bool,
}

impl<D: Device> Alarm<'_, D> {
    /// All went well, or failed with an error.
    pub(super) fn off(mut self) {
        self.armed = false;
    }
}

impl<D: Device> Drop for Alarm<'_, D> {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let mut queue = self.committer.queue.lock();
        if self.making {
            queue.segments.busy = false;
        }
        queue.broken.get_or_insert_with(|| Arc::new(io::Error::other("the thread that was writing panicked")));
        drop(self.committer.announce(queue));
    }
}
