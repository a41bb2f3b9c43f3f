//! Group commit: whoever comes first writes and syncs for all who came meanwhile.
//!
//! Callers stage their frames under one lock. One of them at a time has the device and is the leader: it takes what is
//! staged, writes it in one go, syncs it if anybody asked for that, and wakes the others. Tasks cannot lead, since a sync
//! would hold up their runtime: a helper thread leads for them.

use std::io;
use std::sync::Arc;
use std::task::Waker;

use crate::error::AppendError;
use crate::format::{FRAME_LEN, Kind, LogId, MAX_PAYLOAD, push_batch_record, push_frame};
use crate::segment::CreateError;
use crate::sync::{Condvar, Mutex, MutexGuard, yield_now};

mod tasks;

pub(crate) use self::tasks::Progress;
use self::tasks::Tasks;

/// What the leader drives.
pub(crate) trait Device: Send {
    /// Writes a group, and makes it durable if asked. Never called again after an error.
    fn commit(&mut self, group: &mut Group, durable: bool) -> io::Result<()>;

    /// Makes the next segment, if there is none. `next_seq` is the number behind what was committed.
    fn prepare(&mut self, next_seq: u64) -> Result<(), CreateError>;

    /// How much may be staged.
    fn room(&self) -> Room;

    /// The segment that begins with the newest checkpoint.
    fn checkpoint(&self) -> Option<u64>;

    /// Whether it may still write.
    fn check_tenure(&self) -> io::Result<()>;

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

    fn count(&self) -> u64 {
        match self {
            Self::Record(_) => 1,
            Self::Batch(records) => records.len() as u64,
            Self::Checkpoint(_) => 0,
        }
    }
}

/// The queue before a device.
#[derive(Debug)]
pub(crate) struct Committer<D> {
    queue: Mutex<Queue<D>>,
    /// A group is done, or there is another segment: for threads.
    changed: Condvar,
    /// Something is staged, or wanted, by tasks: for the helper.
    work: Condvar,
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
}

#[derive(Debug)]
struct Queue<D> {
    /// Away while somebody leads.
    device: Option<D>,
    staged: Group,
    staged_durable: bool,
    /// What is left beside what is staged.
    room: Room,
    next_seq: u64,
    /// The number behind the last record that is written.
    written_seq: u64,
    /// How many appends were staged, written, made durable.
    staged_count: u64,
    written: u64,
    durable: u64,
    broken: Option<Arc<io::Error>>,
    /// The segment that begins with the newest checkpoint.
    checkpoint: Option<u64>,
    /// Making the next segment ahead of need was tried since the last turn.
    tried_ahead: bool,
    /// An empty buffer for the next group.
    recycled: Vec<u8>,
    /// How many appends the last durable group had: about as many will come again.
    company: u64,
    tasks: Tasks,
}

/// How often a leader gives way to those whom the last group released.
const TURNS_FOR_THREADS: u32 = 3;

/// Where staged content ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    first_seq: u64,
    /// It is done when so many appends are.
    count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Staged {
    Yes(Ticket),
    /// Only once there is another segment.
    NeedsSegment,
    /// Only once what is staged has been written.
    NeedsCommit,
}

type Guard<'a, D> = MutexGuard<'a, Queue<D>>;

impl<D: Device> Committer<D> {
    pub(crate) fn new(device: D, log: LogId, next_seq: u64, limits: Limits) -> Self {
        let (room, checkpoint) = (device.room(), device.checkpoint());
        let queue = Queue {
            device: Some(device),
            staged: Group::default(),
            staged_durable: false,
            room,
            next_seq,
            written_seq: next_seq,
            staged_count: 0,
            written: 0,
            durable: 0,
            broken: None,
            checkpoint,
            tried_ahead: true,
            recycled: Vec::new(),
            company: 0,
            tasks: Tasks::default(),
        };
        Self { queue: Mutex::new(queue), changed: Condvar::new(), work: Condvar::new(), log, limits }
    }

    /// Appends, and returns when that is done; the number of the first record.
    pub(crate) fn append(&self, content: Content<'_>, how: Append) -> Result<u64, AppendError> {
        self.check_length(content, how)?;
        let (queue, ticket) = self.stage(content, how)?;
        self.finish(queue, ticket, how)
    }

    /// Stages content if there is room for it now; never waits.
    pub(crate) fn try_stage(&self, content: Content<'_>, how: Append) -> Result<Staged, AppendError> {
        self.check_length(content, how)?;
        let mut queue = self.queue.lock();
        match &queue.broken {
            Some(source) => Err(AppendError::Poisoned { source: Arc::clone(source) }),
            None => Ok(queue.stage(self.log, content, how, self.limits.reserve)),
        }
    }

    /// Makes room for content that was not [staged](Committer::try_stage) for want of a segment, or of a commit; then
    /// it is to be tried again.
    pub(crate) fn make_room(&self, content: Content<'_>, needs_segment: bool) -> Result<(), AppendError> {
        let queue = self.queue.lock();
        if let Some(source) = &queue.broken {
            return Err(AppendError::Poisoned { source: Arc::clone(source) });
        }
        self.room_for(queue, content, needs_segment).map(drop)
    }

    /// Returns when what was staged is as safe as `how` asks; the number of the first record.
    pub(crate) fn wait(&self, ticket: Ticket, how: Append) -> Result<u64, AppendError> {
        self.finish(self.queue.lock(), ticket, how)
    }

    fn finish<'a>(&'a self, mut queue: Guard<'a, D>, ticket: Ticket, how: Append) -> Result<u64, AppendError> {
        loop {
            let done = if how.durable { queue.durable } else { queue.written };
            if done >= ticket.count {
                return Ok(ticket.first_seq);
            }
            if let Some(source) = &queue.broken {
                return Err(AppendError::Failed { source: Arc::clone(source) });
            }
            queue = match queue.device.take() {
                Some(device) => self.lead(queue, device, TURNS_FOR_THREADS),
                None => self.changed.wait(queue),
            };
        }
    }

    /// The segment that begins with the newest checkpoint, as long as the log works.
    pub(crate) fn checkpoint(&self) -> Result<Option<u64>, AppendError> {
        let queue = self.queue.lock();
        match &queue.broken {
            Some(source) => Err(AppendError::Poisoned { source: Arc::clone(source) }),
            None => Ok(queue.checkpoint),
        }
    }

    /// The number of the next record.
    pub(crate) fn next_seq(&self) -> Result<u64, AppendError> {
        let queue = self.queue.lock();
        match &queue.broken {
            Some(source) => Err(AppendError::Poisoned { source: Arc::clone(source) }),
            None => Ok(queue.next_seq),
        }
    }

    /// Makes everything that was appended durable.
    pub(crate) fn sync(&self) -> Result<(), AppendError> {
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
            queue = match queue.device.take() {
                Some(device) => self.lead(queue, device, TURNS_FOR_THREADS),
                None => self.changed.wait(queue),
            };
        }
    }

    /// Does `work` while nobody writes or makes segments. If it fails, nothing is acknowledged any more (WAL-4): a sync of
    /// the directory that failed may have swallowed what another needs.
    pub(crate) fn exclusively<T>(&self, work: impl FnOnce() -> io::Result<T>) -> Result<T, AppendError> {
        let mut queue = self.queue.lock();
        let device = loop {
            if let Some(source) = &queue.broken {
                return Err(AppendError::Poisoned { source: Arc::clone(source) });
            }
            if let Some(device) = queue.device.take() {
                break device;
            }
            queue = self.changed.wait(queue);
        };
        drop(queue);
        let done = device.check_tenure().and_then(|()| work());
        let mut queue = self.queue.lock();
        let outcome = match done {
            Ok(done) => {
                queue.device = Some(device);
                Ok(done)
            }
            Err(error) => {
                let source = Arc::new(error);
                queue.broken = Some(Arc::clone(&source));
                Err(AppendError::Failed { source })
            }
        };
        drop(self.announce(queue));
        outcome
    }

    /// Makes everything durable and lets the device go.
    pub(crate) fn close(&self) -> Result<(), AppendError> {
        self.sync()?;
        let mut queue = self.queue.lock();
        let mut device = loop {
            if let Some(device) = queue.device.take() {
                break device;
            }
            if let Some(source) = &queue.broken {
                return Err(AppendError::Failed { source: Arc::clone(source) });
            }
            queue = self.changed.wait(queue);
        };
        queue.broken = Some(Arc::new(io::Error::other("the log was closed")));
        let next_seq = queue.next_seq;
        drop(queue);
        device.close(next_seq).map_err(|source| AppendError::Failed { source: Arc::new(source) })
    }

    fn check_length(&self, content: Content<'_>, how: Append) -> Result<(), AppendError> {
        let kept = if how.reserve { 0 } else { self.limits.reserve };
        let limit = self.limits.segment_room.saturating_sub(FRAME_LEN + kept).min(MAX_PAYLOAD);
        let length = content.payload_len();
        if length > limit { Err(AppendError::TooLarge { length, limit }) } else { Ok(()) }
    }

    /// Puts content into the queue as soon as there is room.
    fn stage(&self, content: Content<'_>, how: Append) -> Result<(Guard<'_, D>, Ticket), AppendError> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(source) = &queue.broken {
                return Err(AppendError::Poisoned { source: Arc::clone(source) });
            }
            let needs_segment = match queue.stage(self.log, content, how, self.limits.reserve) {
                Staged::Yes(ticket) => return Ok((queue, ticket)),
                Staged::NeedsSegment => true,
                Staged::NeedsCommit => false,
            };
            queue = self.room_for(queue, content, needs_segment)?;
        }
    }

    fn room_for<'a>(
        &'a self,
        mut queue: Guard<'a, D>,
        content: Content<'_>,
        needs_segment: bool,
    ) -> Result<Guard<'a, D>, AppendError> {
        let Some(device) = queue.device.take() else {
            return Ok(self.changed.wait(queue));
        };
        if !needs_segment || queue.staged.turn.is_some() {
            return Ok(self.lead(queue, device, TURNS_FOR_THREADS));
        }
        let (queue, made) = self.prepare(queue, device);
        match made {
            Ok(()) => Ok(queue),
            Err(error) => Err(AppendError::Full { length: content.payload_len(), source: Some(Arc::new(error)) }),
        }
    }

    /// Makes the next segment, while others stage.
    fn prepare<'a>(&'a self, queue: Guard<'a, D>, mut device: D) -> (Guard<'a, D>, io::Result<()>) {
        let written_seq = queue.written_seq;
        drop(queue);
        let made = device.prepare(written_seq);
        let spare = device.room().spare;
        let mut queue = self.queue.lock();
        queue.device = Some(device);
        queue.room.spare = spare;
        let made = made.map_err(|error| {
            if error.uncertain {
                queue.broken = Some(Arc::new(io::Error::new(error.source.kind(), error.source.to_string())));
            }
            error.source
        });
        (self.announce(queue), made)
    }

    /// Writes what is staged, for everybody.
    fn lead<'a>(&'a self, mut queue: Guard<'a, D>, mut device: D, turns: u32) -> Guard<'a, D> {
        if queue.room.spare.is_none() && !queue.tried_ahead && queue.staged.turn.is_none() {
            // The next segment is made as soon as the last spare one was taken, before it is needed. A full disk is told
            // to whoever comes to need the room.
            queue.tried_ahead = true;
            return self.prepare(queue, device).0;
        }
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
        let empty = Group { frames: std::mem::take(&mut queue.recycled), turn: None };
        let mut group = std::mem::replace(&mut queue.staged, empty);
        let durable = std::mem::take(&mut queue.staged_durable);
        let (upto, upto_seq) = (queue.staged_count, queue.next_seq);
        if group.turn.is_some() {
            queue.tried_ahead = false;
        }
        drop(queue);

        let outcome = device.commit(&mut group, durable);

        let mut queue = self.queue.lock();
        group.frames.clear();
        queue.recycled = group.frames;
        match outcome {
            Ok(()) => {
                queue.written = upto;
                queue.written_seq = upto_seq;
                queue.checkpoint = device.checkpoint();
                if durable {
                    queue.company = upto - queue.durable;
                    queue.durable = upto;
                }
            }
            // WAL-4: the device is dropped, so that nothing can be asked of it again.
            Err(error) => {
                queue.broken = Some(Arc::new(error));
                return self.announce(queue);
            }
        }
        queue.device = Some(device);
        self.announce(queue)
    }

    /// Wakes everybody whom the state of the queue concerns.
    fn announce<'a>(&'a self, mut queue: Guard<'a, D>) -> Guard<'a, D> {
        self.changed.notify_all();
        let (written, durable) = (queue.written, queue.durable);
        let broken = queue.broken.is_some();
        let is_done = |(ticket, wants_durable, _): &mut (Ticket, bool, Waker)| {
            broken || ticket.count <= if *wants_durable { durable } else { written }
        };
        let mut wakers: Vec<Waker> = queue.tasks.waiting.extract_if(.., is_done).map(|(_, _, waker)| waker).collect();
        wakers.append(&mut queue.tasks.stalled);
        if !queue.tasks.waiting.is_empty() {
            self.work.notify_all();
        }
        if wakers.is_empty() {
            return queue;
        }
        // Not under the lock: the first thing they do is to take it.
        drop(queue);
        wakers.into_iter().for_each(Waker::wake);
        self.queue.lock()
    }
}

impl<D> Queue<D> {
    fn stage(&mut self, log: LogId, content: Content<'_>, how: Append, reserve: usize) -> Staged {
        let need = FRAME_LEN + content.payload_len();
        let kept = if how.reserve { 0 } else { reserve };
        let is_checkpoint = matches!(content, Content::Checkpoint(_));
        let fits_here = self.room.active >= need && !is_checkpoint;
        // WAL-8: room for closing what is open stays, here or in a segment that exists.
        let leaves_reserve =
            self.room.active.saturating_sub(need) >= kept || self.room.spare.is_some_and(|room| room >= kept);
        if !fits_here {
            if self.staged.turn.is_some() {
                return Staged::NeedsCommit;
            }
            match self.room.spare {
                Some(room) if room >= need + kept => {
                    self.staged.turn = Some(Turn { seq: self.next_seq, is_checkpoint, frames: Vec::new() });
                    self.room = Room { active: room, spare: None };
                }
                _ => return Staged::NeedsSegment,
            }
        } else if !leaves_reserve {
            return if self.staged.turn.is_some() { Staged::NeedsCommit } else { Staged::NeedsSegment };
        }
        let first = self.next_seq;
        let out = self.staged.turn.as_mut().map_or(&mut self.staged.frames, |turn| &mut turn.frames);
        let pushed = match content {
            Content::Record(record) => {
                push_frame(out, log, Kind::Record, false, first, |out| out.extend_from_slice(record))
            }
            Content::Checkpoint(state) => {
                push_frame(out, log, Kind::Checkpoint, false, first, |out| out.extend_from_slice(state))
            }
            Content::Batch(records) => push_frame(out, log, Kind::Batch, false, first, |out| {
                for record in records {
                    push_batch_record(out, record);
                }
            }),
        };
        debug_assert!(pushed, "the length was checked before");
        self.room.active -= need;
        self.next_seq += content.count();
        self.staged_count += 1;
        self.staged_durable |= how.durable;
        Staged::Yes(Ticket { first_seq: first, count: self.staged_count })
    }
}

#[cfg(test)]
mod tests;
