//! The writing end: groups of frames into the active segment, and the turn to the next one.

use std::io;
use std::sync::{Arc, Weak};

use crate::commit::{Device, Group, Make, Room};
use crate::format::{END_RESERVE, FRAME_LEN, HEADER_LEN, Kind, LogId, MARK_LEN, Mark, push_frame, set_proof};
use crate::segment::{self, CreateError, Segment};
use crate::storage::{Storage, Tenure, write_full};

/// Writes to one log. Whoever has it decides when; it must not be asked again after an error (WAL-4).
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) tenure: Arc<dyn Tenure>,
    pub(crate) active: Segment,
    /// Behind the last frame of the active segment.
    pub(crate) end: u64,
    /// The next segment, durable and in place before it is needed.
    pub(crate) spare: Option<Segment>,
    /// Something was written since the last sync.
    pub(crate) unsynced: bool,
    /// The segment that begins with the newest checkpoint.
    pub(crate) checkpoint: Option<u64>,
    pub(crate) told: Told,
    /// Something in the active segment says that how it begins is durable.
    pub(crate) begins_proven: bool,
}

/// What the marks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The last frame is a mark, and says that all before it is durable.
    All,
    /// Which segments have their names.
    Names,
    /// There is a spare segment that no mark tells of.
    TooLittle,
}

/// What a segment of this length has for frames, beside a mark that proves its beginning.
pub(crate) fn room_in(capacity: u64) -> usize {
    usize::try_from(capacity.saturating_sub(HEADER_LEN + MARK_LEN as u64 + END_RESERVE)).unwrap_or(usize::MAX)
}

/// Makes segments of `length` bytes for a log, for as long as the lock is held.
pub(crate) fn maker(storage: Arc<dyn Storage>, engine: &Engine, length: u64) -> Box<Make<Segment>> {
    // Weak: the lock is let go with the engine, unless a segment is being made at that moment. Then it must not be, since
    // the next writer would make a file of the same name.
    let (log, tenure): (LogId, Weak<dyn Tenure>) = (engine.log(), Arc::downgrade(&engine.tenure));
    Box::new(move |index| {
        let lost = |source| CreateError { action: "write to a segment in", source, uncertain: true };
        let Some(tenure) = tenure.upgrade() else { return Err(lost(io::Error::other("the log was dropped"))) };
        let held = || check_tenure(tenure.as_ref());
        // WAL-5: under that name there may be a segment of another writer by now.
        held().map_err(lost)?;
        let made = segment::create(storage.as_ref(), log, index, length, &[], None, &held)?;
        held().map_err(lost)?;
        Ok(made)
    })
}

/// Somebody else may write by now: then not another byte is ours to write (LOCK-6).
fn check_tenure(tenure: &dyn Tenure) -> io::Result<()> {
    if tenure.still_held() { Ok(()) } else { Err(lock_lost()) }
}

fn lock_lost() -> io::Error {
    io::Error::other("the lock file was deleted or replaced")
}

impl Engine {
    pub(crate) fn log(&self) -> LogId {
        self.active.header.log
    }

    /// Writes frames behind the last one. If all before them is durable, the first of them says so.
    fn write(&mut self, frames: &mut [u8]) -> io::Result<()> {
        set_proof(frames, 0, self.log(), !self.unsynced);
        self.begins_proven |= !self.unsynced && self.end > HEADER_LEN;
        self.unsynced = true;
        if self.told == Told::All {
            self.told = Told::Names;
        }
        write_full(self.active.file.as_ref(), frames, self.end)?;
        self.end += frames.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.active.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Ends the active segment and goes to the next.
    fn turn(&mut self, next_seq: u64) -> io::Result<()> {
        let Some(next) = self.spare.take() else {
            return Err(io::Error::other("the next segment was promised and is not there"));
        };
        let mut seal = Vec::with_capacity(FRAME_LEN);
        push_frame(&mut seal, self.log(), Kind::Seal, false, next_seq, |_| {});
        self.write(&mut seal)?;
        // WAL-3: what is in a segment proves that the one before it is durable.
        self.sync()?;
        self.active = next;
        self.end = HEADER_LEN;
        self.begins_proven = false;
        // What is in it says that it has its name.
        self.told = Told::Names;
        Ok(())
    }

    /// Says that the active segment and the next have their names for good. A reopened log could not tell otherwise: after
    /// a sync of the directory that failed, the system may show names that it will lose.
    fn push_mark(&mut self, out: &mut Vec<u8>, next_seq: u64) {
        let named = self.active.header.segment + u64::from(self.spare.is_some());
        Mark { named, fence: self.tenure.fence() }.push(out, self.log(), next_seq);
        self.told = Told::Names;
    }

    /// Leaves behind that all is durable, as far as it is. Not synced: if the mark is lost, nothing is.
    pub(crate) fn mark(&mut self, next_seq: u64) -> io::Result<()> {
        let mut mark = Vec::new();
        self.push_mark(&mut mark, next_seq);
        let is_proof = !self.unsynced;
        self.write(&mut mark)?;
        if is_proof {
            self.told = Told::All;
        }
        Ok(())
    }
}

impl Device for Engine {
    type Spare = Segment;

    fn commit(&mut self, group: &mut Group, durable: bool) -> io::Result<()> {
        if !self.tenure.held_lately() {
            return Err(lock_lost());
        }
        if !group.frames.is_empty() {
            if self.told == Told::TooLittle && group.turn.is_none() {
                self.push_mark(&mut group.frames, group.next_seq);
            }
            self.write(&mut group.frames)?;
        }
        if let Some(turn) = &mut group.turn {
            self.turn(turn.seq)?;
            if turn.is_checkpoint {
                // LOCK-5: opening begins here, and what tells of our number before may go.
                self.push_mark(&mut turn.frames, group.next_seq);
            }
            if !turn.frames.is_empty() {
                self.write(&mut turn.frames)?;
            }
        }
        if durable {
            self.sync()?;
            // WAL-5: what another writer has written over meanwhile is not acknowledged.
            check_tenure(self.tenure.as_ref())?;
        }
        // WAL-6: only now, since what it stands for may be removed once it is durable itself.
        if group.turn.as_ref().is_some_and(|turn| turn.is_checkpoint && durable) {
            self.checkpoint = Some(self.active.header.segment);
        }
        Ok(())
    }

    fn adopt(&mut self, spare: Segment) {
        self.spare = Some(spare);
        self.told = Told::TooLittle;
    }

    fn active(&self) -> u64 {
        self.active.header.segment
    }

    fn room(&self) -> Room {
        let active = self.active.header.capacity.saturating_sub(self.end + END_RESERVE);
        Room {
            active: usize::try_from(active).unwrap_or(usize::MAX),
            spare: self.spare.as_ref().map(|spare| room_in(spare.header.capacity)),
        }
    }

    fn checkpoint(&self) -> Option<u64> {
        self.checkpoint
    }

    fn check_tenure(&self) -> io::Result<()> {
        check_tenure(self.tenure.as_ref())
    }

    fn prove_beginning(&mut self, next_seq: u64) -> io::Result<()> {
        if self.begins_proven {
            return Ok(());
        }
        self.sync()?;
        self.mark(next_seq)?;
        self.sync()
    }

    /// Leaves behind that all is durable, so that nothing before can later pass for a torn tail. Where that stands already
    /// nothing is added: a log that is opened and closed again and again does not grow.
    fn close(&mut self, next_seq: u64) -> io::Result<()> {
        check_tenure(self.tenure.as_ref())?;
        self.sync()?;
        if self.told == Told::All { Ok(()) } else { self.mark(next_seq) }
    }
}
