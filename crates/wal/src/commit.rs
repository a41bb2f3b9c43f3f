//! Group commit: whoever comes first writes and syncs for all who came meanwhile.
//!
//! Callers stage their frames under one lock. One of them at a time has the device and is the leader: it takes what is
//! staged, writes it in one go, syncs it if anybody asked for that, and wakes the others. Tasks cannot lead, since a sync
//! would hold up their runtime: a helper thread leads for them.

mod lead;
mod segments;
mod stage;
mod tasks;

use std::io;
use std::sync::Arc;

use self::segments::Segments;
pub(crate) use self::stage::Staged;
pub(crate) use self::tasks::Appending;
#[cfg(test)]
#[cfg(not(loom))]
pub(crate) use self::tasks::Progress;
use self::tasks::Tasks;
use crate::error::AppendError;
use crate::format::{FRAME_LEN, LogId, MARK_LEN, MAX_PAYLOAD};
use crate::segment::CreateError;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// What the leader drives.
pub(crate) trait Device: Send + 'static {
    /// A segment that was made ahead.
    type Spare: Send;

    /// Writes a group, and makes it durable if asked. Never called again after an error.
    fn commit(&mut self, group: &mut Group, durable: bool) -> io::Result<()>;

    /// Takes over the next segment.
    fn adopt(&mut self, spare: Self::Spare);

    /// The number of the segment that is written to.
    fn active(&self) -> u64;

    /// How much may be staged.
    fn room(&self) -> Room;

    /// The segment that begins with the newest checkpoint.
    fn checkpoint(&self) -> Option<u64>;

    /// Whether it may still write.
    fn check_tenure(&self) -> io::Result<()>;

    /// Sees to it that how the active segment begins is known to be durable: an opening then needs no other segment to copy
    /// that into. `next_seq` is the number behind what was committed.
    fn prove_beginning(&mut self, next_seq: u64) -> io::Result<()>;

    /// Makes everything durable and says so on the disk.
    fn close(&mut self, next_seq: u64) -> io::Result<()>;
}

/// How many bytes of frames there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) active: usize,
    /// In the next segment, if there is one.
    pub(crate) spare: Option<usize>,
}

/// Frames that are written together.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) frames: Vec<u8>,
    /// What goes into the next segment, if this one has no room for it.
    pub(crate) turn: Option<Turn>,
    /// The number of the first record behind all of it.
    pub(crate) next_seq: u64,
}

/// The turn to the next segment.
#[derive(Debug)]
pub(crate) struct Turn {
    /// The number of the first record there.
    pub(crate) seq: u64,
    /// Whether a checkpoint comes first.
    pub(crate) is_checkpoint: bool,
    pub(crate) frames: Vec<u8>,
}

/// What an append asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Append {
    durable: bool,
    reserve: bool,
}

impl Append {
    /// Acknowledged when it is on disk: it survives the machine (WAL-1).
    pub const DURABLE: Self = Self { durable: true, reserve: false };
    /// Acknowledged when the system has it: it survives the process, and the machine only once a later append was
    /// durable.
    pub const BUFFERED: Self = Self { durable: false, reserve: false };

    /// The same for a record that closes what is open: it may use the room that is kept for that (WAL-8).
    #[must_use]
    pub const fn from_reserve(self) -> Self {
        Self { reserve: true, ..self }
    }
}

/// Records to be appended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content<'a> {
    Record(&'a [u8]),
    /// All or none.
    Batch(&'a [&'a [u8]]),
    /// First in a segment of its own.
    Checkpoint(&'a [u8]),
}

impl Content<'_> {
    fn payload_len(&self) -> usize {
        match self {
            Self::Record(record) | Self::Checkpoint(record) => record.len(),
            Self::Batch(records) => records.iter().map(|record| 4 + record.len()).sum(),
        }
    }

    /// What it takes beside its payload. A checkpoint has a mark behind it.
    fn overhead(&self) -> usize {
        FRAME_LEN + if matches!(self, Self::Checkpoint(_)) { MARK_LEN } else { 0 }
    }

    fn count(&self) -> u64 {
        match self {
            Self::Record(_) => 1,
            Self::Batch(records) => records.len() as u64,
            Self::Checkpoint(_) => 0,
        }
    }
}

/// Makes the segment of a number.
pub(crate) type Make<S> = dyn Fn(u64) -> Result<S, CreateError> + Send + Sync;

/// The queue before a device.
pub(crate) struct Committer<D: Device> {
    queue: Mutex<Queue<D>>,
    /// A group is done, or there is another segment: for threads.
    changed: Condvar,
    /// Something is staged, or wanted, by tasks: for the helper.
    work: Condvar,
    make: Box<Make<D::Spare>>,
    log: LogId,
    limits: Limits,
}

/// What does not change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The most that a new segment takes, in bytes of frames.
    pub(crate) segment_room: usize,
    /// Kept free of ordinary records, in bytes.
    pub(crate) reserve: usize,
    /// Segments may be made ahead by a thread of their own.
    pub(crate) beside: bool,
}

struct Queue<D: Device> {
    /// Away while somebody leads.
    device: Option<D>,
    staged: Group,
    staged_durable: bool,
    /// What is left beside what is staged.
    room: Room,
    /// How many bytes of frames are staged or written since the last one that says that all before it is durable.
    unproven: usize,
    next_seq: u64,
    /// How many appends were staged, written, made durable.
    staged_count: u64,
    written: u64,
    durable: u64,
    /// Why nothing is acknowledged any more (WAL-4).
    broken: Option<Arc<io::Error>>,
    /// The segment that begins with the newest checkpoint.
    checkpoint: Option<u64>,
    segments: Segments<D::Spare>,
    /// An empty buffer for the next group.
    recycled: Vec<u8>,
    /// How many appends the last durable group had: about as many will come again.
    company: u64,
    tasks: Tasks,
}

/// Where staged content ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    first_seq: u64,
    /// It is done when so many appends are.
    count: u64,
}

type Guard<'a, D> = MutexGuard<'a, Queue<D>>;

impl<D: Device> Committer<D> {
    pub(crate) fn new(device: D, make: Box<Make<D::Spare>>, log: LogId, next_seq: u64, limits: Limits) -> Self {
        let queue = Queue {
            staged: Group::default(),
            staged_durable: false,
            room: device.room(),
            unproven: 0,
            next_seq,
            staged_count: 0,
            written: 0,
            durable: 0,
            broken: None,
            checkpoint: device.checkpoint(),
            segments: Segments::behind(device.active()),
            recycled: Vec::new(),
            company: 0,
            tasks: Tasks::default(),
            device: Some(device),
        };
        Self { queue: Mutex::new(queue), changed: Condvar::new(), work: Condvar::new(), make, log, limits }
    }

    /// Appends, and returns when that is done; the number of the first record.
    pub(crate) fn append(self: &Arc<Self>, content: Content<'_>, how: Append) -> Result<u64, AppendError> {
        self.check_length(content, how)?;
        let (queue, ticket) = self.stage(content, how)?;
        self.finish(queue, ticket, how)
    }

    /// Stages content if there is room for it now; never waits.
    pub(crate) fn try_stage(&self, content: Content<'_>, how: Append) -> Result<Staged, AppendError> {
        self.check_length(content, how)?;
        let mut queue = self.queue.lock();
        match queue.poisoned() {
            Some(error) => Err(error),
            None => Ok(queue.stage(self.log, content, how, self.limits.reserve)),
        }
    }

    /// Makes room for content that was not [staged](Committer::try_stage) for want of a segment, or of a commit; then
    /// it is to be tried again.
    pub(crate) fn make_room(self: &Arc<Self>, content: Content<'_>, needs_segment: bool) -> Result<(), AppendError> {
        let queue = self.queue.lock();
        match queue.poisoned() {
            Some(error) => Err(error),
            None => self.room_for(queue, content, needs_segment).map(drop),
        }
    }

    /// Returns when what was staged is as safe as `how` asks; the number of the first record.
    pub(crate) fn wait(self: &Arc<Self>, ticket: Ticket, how: Append) -> Result<u64, AppendError> {
        self.finish(self.queue.lock(), ticket, how)
    }

    fn finish<'a>(
        self: &'a Arc<Self>,
        mut queue: Guard<'a, D>,
        ticket: Ticket,
        how: Append,
    ) -> Result<u64, AppendError> {
        loop {
            if let Some(ended) = queue.ended(ticket, how) {
                return ended;
            }
            queue = self.lead_or_wait(queue);
        }
    }

    /// The segment that begins with the newest checkpoint, as long as the log works.
    pub(crate) fn checkpoint(&self) -> Result<Option<u64>, AppendError> {
        let queue = self.queue.lock();
        queue.poisoned().map_or(Ok(queue.checkpoint), Err)
    }

    /// The number of the next record.
    pub(crate) fn next_seq(&self) -> Result<u64, AppendError> {
        let queue = self.queue.lock();
        queue.poisoned().map_or(Ok(queue.next_seq), Err)
    }

    /// Makes everything that was appended durable.
    pub(crate) fn sync(self: &Arc<Self>) -> Result<(), AppendError> {
        let mut queue = self.queue.lock();
        let upto = queue.staged_count;
        loop {
            if let Some(source) = &queue.broken {
                return Err(AppendError::Failed { source: Arc::clone(source) });
            }
            if queue.durable >= upto {
                return Ok(());
            }
            queue.staged_durable = true;
            queue = self.lead_or_wait(queue);
        }
    }

    /// Does `work` while nobody writes or makes segments. If it fails, nothing is acknowledged any more (WAL-4): a sync of
    /// the directory that failed may have swallowed what another needs.
    pub(crate) fn exclusively<T>(&self, work: impl FnOnce() -> io::Result<T>) -> Result<T, AppendError> {
        let mut queue = self.queue.lock();
        let device = loop {
            if let Some(error) = queue.poisoned() {
                return Err(error);
            }
            if !queue.segments.busy
                && let Some(device) = queue.device.take()
            {
                break device;
            }
            queue = self.changed.wait(queue);
        };
        queue.segments.busy = true;
        drop(queue);
        let alarm = self.alarm(true);
        let done = device.check_tenure().and_then(|()| work());
        alarm.off();
        let mut queue = self.queue.lock();
        queue.segments.busy = false;
        let outcome = done.map_err(|error| {
            let source = Arc::new(error);
            queue.broken = Some(Arc::clone(&source));
            AppendError::Failed { source }
        });
        drop(self.announce(self.put_back(queue, device)));
        outcome
    }

    /// Makes everything durable and lets the device go. The lock is free when this returns, whatever it returns.
    pub(crate) fn close(self: &Arc<Self>) -> Result<(), AppendError> {
        let outcome = self.sync().and_then(|()| self.leave_mark());
        let mut queue = self.queue.lock();
        while queue.segments.busy {
            queue = self.changed.wait(queue);
        }
        outcome
    }

    fn leave_mark(&self) -> Result<(), AppendError> {
        let mut queue = self.queue.lock();
        let mut device = loop {
            if let Some(source) = &queue.broken {
                return Err(AppendError::Failed { source: Arc::clone(source) });
            }
            if !queue.segments.busy
                && let Some(device) = queue.device.take()
            {
                break device;
            }
            queue = self.changed.wait(queue);
        };
        queue.broken = Some(Arc::new(io::Error::other("the log was closed")));
        if let Some(spare) = queue.segments.take() {
            device.adopt(spare);
        }
        let next_seq = queue.next_seq;
        drop(queue);
        device.close(next_seq).map_err(|source| AppendError::Failed { source: Arc::new(source) })
    }

    fn check_length(&self, content: Content<'_>, how: Append) -> Result<(), AppendError> {
        let kept = if how.reserve { 0 } else { self.limits.reserve };
        let limit = self.limits.segment_room.saturating_sub(content.overhead() + kept).min(MAX_PAYLOAD);
        let length = content.payload_len();
        if length > limit { Err(AppendError::TooLarge { length, limit }) } else { Ok(()) }
    }

    /// Puts content into the queue as soon as there is room.
    fn stage<'a>(
        self: &'a Arc<Self>,
        content: Content<'_>,
        how: Append,
    ) -> Result<(Guard<'a, D>, Ticket), AppendError> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(error) = queue.poisoned() {
                return Err(error);
            }
            queue = match queue.stage(self.log, content, how, self.limits.reserve) {
                Staged::Yes(ticket) => return Ok((queue, ticket)),
                Staged::NeedsSegment => self.room_for(queue, content, true)?,
                Staged::NeedsCommit => self.room_for(queue, content, false)?,
            }
        }
    }

    /// Sees to it that there is more room than when `content` could not be staged, which may be some time ago.
    fn room_for<'a>(
        self: &'a Arc<Self>,
        queue: Guard<'a, D>,
        content: Content<'_>,
        needs_segment: bool,
    ) -> Result<Guard<'a, D>, AppendError> {
        if !needs_segment {
            return Ok(self.lead_or_wait(queue));
        }
        if queue.segments.busy {
            return Ok(self.changed.wait(queue));
        }
        if queue.room.spare.is_some() || queue.segments.is_turning() {
            return Ok(queue);
        }
        let (queue, made) = self.make_segment(queue);
        match made {
            Ok(()) => Ok(queue),
            Err(refused) => Err(queue.poisoned().unwrap_or_else(|| refused.error(content.payload_len()))),
        }
    }
}

impl<D: Device> std::fmt::Debug for Committer<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committer").field("log", &self.log).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<D: Device> Queue<D> {
    /// How an append that was staged has ended, if it has.
    fn ended(&self, ticket: Ticket, how: Append) -> Option<Result<u64, AppendError>> {
        // WAL-4: asked first. What was safe before the failure is there, but after one nobody is told so any more.
        if let Some(source) = &self.broken {
            return Some(Err(AppendError::Failed { source: Arc::clone(source) }));
        }
        (self.done(how) >= ticket.count).then_some(Ok(ticket.first_seq))
    }

    /// How many appends are as safe as `how` asks.
    fn done(&self, how: Append) -> u64 {
        if how.durable { self.durable } else { self.written }
    }

    fn poisoned(&self) -> Option<AppendError> {
        self.broken.as_ref().map(|source| AppendError::Poisoned { source: Arc::clone(source) })
    }
}

#[cfg(test)]
mod tests;
