//! The next segment: made before it is needed, by a thread that nobody waits for.

use std::io;
use std::sync::Arc;
use std::thread;

use super::{Committer, Device, Guard, Queue};
use crate::error::AppendError;
use crate::segment::CreateError;

/// How the next segment comes to be.
#[derive(Debug)]
pub(super) struct Segments<S> {
    /// The one that is written to.
    active: u64,
    /// Made, and not yet with the device.
    made: Option<S>,
    /// Somebody makes one, or removes some: two syncs of the directory at once could take each other's error away.
    pub(super) busy: bool,
    ahead: Ahead,
    /// How often making one was tried, and why that failed last.
    pub(super) tries: u64,
    pub(super) refused: Option<Refused>,
    /// There is none to come: the beginning of the active one is to be proven.
    pub(super) prove: bool,
}

/// How far it is with the one behind the active one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ahead {
    /// It is to be made.
    Wanted,
    /// That was tried.
    Tried,
    /// It is taken: what is staged, or on its way, goes on in it. The one behind it must wait, since only one is made ahead.
    Turning,
}

/// Why there is no further segment.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    action: &'static str,
    is_full: bool,
    source: Arc<io::Error>,
}

impl Refused {
    /// For a record of `length` bytes that needed it.
    pub(super) fn error(self, length: usize) -> AppendError {
        let Self { action, is_full, source } = self;
        if is_full {
            AppendError::Full { length, source: Some(source) }
        } else {
            AppendError::NoSegment { action, source }
        }
    }
}

impl<S> Segments<S> {
    /// Opening has made the one behind `active`, or has tried.
    pub(super) fn behind(active: u64) -> Self {
        Self { active, made: None, busy: false, ahead: Ahead::Tried, tries: 0, refused: None, prove: false }
    }

    /// The one that was made, for the device.
    pub(super) fn take(&mut self) -> Option<S> {
        self.made.take()
    }

    /// What is staged goes on in the next one.
    pub(super) fn turn(&mut self) {
        self.ahead = Ahead::Turning;
    }

    pub(super) fn is_turning(&self) -> bool {
        self.ahead == Ahead::Turning
    }

    /// The device has gone on to segment `active`.
    pub(super) fn turned(&mut self, active: u64) {
        self.active = active;
        self.ahead = Ahead::Wanted;
    }
}

impl<D: Device> Queue<D> {
    /// The last spare segment was taken: the next one is made at once. A full disk is told to whoever comes to need the
    /// room.
    pub(super) fn wants_segment(&self) -> bool {
        self.segments.ahead == Ahead::Wanted && !self.segments.busy && self.broken.is_none()
    }
}

impl<D: Device> Committer<D> {
    /// Makes the next segment, while others stage and write.
    pub(super) fn make_segment<'a>(
        self: &'a Arc<Self>,
        mut queue: Guard<'a, D>,
    ) -> (Guard<'a, D>, Result<(), Refused>) {
        queue.segments.busy = true;
        queue.segments.ahead = Ahead::Tried;
        drop(queue);
        self.make_begun()
    }

    /// The same before anybody needs it, by a thread of its own, if there can be one.
    pub(super) fn make_ahead<'a>(self: &'a Arc<Self>, mut queue: Guard<'a, D>) -> Guard<'a, D> {
        if !self.limits.beside {
            return self.make_segment(queue).0;
        }
        queue.segments.busy = true;
        queue.segments.ahead = Ahead::Tried;
        drop(queue);
        let committer = Arc::clone(self);
        let making = move || drop(committer.make_begun());
        let spawned = thread::Builder::new().name("backstop-wal-next".to_owned()).spawn(making);
        let mut queue = self.queue.lock();
        if spawned.is_err() {
            // Whoever comes to need it makes it.
            queue.segments.busy = false;
            return self.announce(queue);
        }
        queue
    }

    fn make_begun(self: &Arc<Self>) -> (Guard<'_, D>, Result<(), Refused>) {
        let index = self.queue.lock().segments.active + 1;
        let alarm = self.alarm(true);
        let made = (self.make)(index);
        alarm.off();
        let mut queue = self.queue.lock();
        let outcome = match made {
            Ok(spare) => {
                queue.segments.made = Some(spare);
                queue.room.spare = Some(self.limits.segment_room);
                Ok(())
            }
            Err(error) => {
                let is_full = error.is_full();
                let CreateError { action, source, uncertain } = error;
                let source = Arc::new(source);
                if uncertain {
                    queue.broken.get_or_insert_with(|| Arc::clone(&source));
                }
                Err(Refused { action, is_full, source })
            }
        };
        queue.segments.busy = false;
        queue.segments.tries += 1;
        queue.segments.refused = outcome.as_ref().err().cloned();
        // WAL-8: whatever happens now, there is no other segment to open the log with than the one that is written to.
        // WAL-4: unless the log takes nothing more.
        queue.segments.prove = outcome.is_err() && queue.broken.is_none();
        let mut queue = self.announce(queue);
        if queue.segments.prove
            && let Some(device) = queue.device.take()
        {
            queue = self.lead(queue, device, 0);
        }
        (queue, outcome)
    }
}
