//! The writing end: groups of frames into the active segment, and the turn to the next one.

use std::io;
use std::sync::Arc;

use crate::commit::{Device, Group, Room};
use crate::format::{END_RESERVE, FRAME_LEN, HEADER_LEN, Kind, LogId, push_frame, push_mark, set_proof};
use crate::segment::{self, CreateError, Segment};
use crate::storage::{Storage, Tenure, write_full};

/// Writes to one log. Whoever has it decides when; it must not be asked again after an error (WAL-4).
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) tenure: Box<dyn Tenure>,
    pub(crate) active: Segment,
    /// Behind the last frame of the active segment.
    pub(crate) end: u64,
    /// The next segment, durable and in place before it is needed.
    pub(crate) spare: Option<Segment>,
    /// How long new segments are made, in bytes.
    pub(crate) segment_len: u64,
    /// Something was written since the last sync.
    pub(crate) unsynced: bool,
    /// The segment that begins with the newest checkpoint.
    pub(crate) checkpoint: Option<u64>,
}

/// What a segment of this length has for frames.
pub(crate) fn room_in(capacity: u64) -> usize {
    usize::try_from(capacity.saturating_sub(HEADER_LEN + END_RESERVE)).unwrap_or(usize::MAX)
}

impl Engine {
    pub(crate) fn log(&self) -> LogId {
        self.active.header.log
    }

    /// Writes frames behind the last one. If all before them is durable, the first of them says so.
    fn write(&mut self, frames: &mut [u8]) -> io::Result<()> {
        set_proof(frames, 0, self.log(), !self.unsynced);
        self.unsynced = true;
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
        Ok(())
    }

    /// Leaves behind that all is durable, so that nothing before can later pass for a torn tail.
    fn close(&mut self, next_seq: u64) -> io::Result<()> {
        self.sync()?;
        self.mark(next_seq)
    }

    /// Says that the active segment and the next have their names for good. A reopened log could not tell otherwise: after
    /// a sync of the directory that failed, the system may show names that it will lose.
    pub(crate) fn mark(&mut self, next_seq: u64) -> io::Result<()> {
        let named = self.active.header.segment + u64::from(self.spare.is_some());
        let mut mark = Vec::new();
        push_mark(&mut mark, self.log(), next_seq, named);
        // Not synced: if it is lost, nothing is.
        self.write(&mut mark)
    }

    /// Somebody else may write by now: then not another byte is ours to write (LOCK-6).
    fn check_tenure(&self) -> io::Result<()> {
        if self.tenure.still_held() { Ok(()) } else { Err(io::Error::other("the lock file was deleted or replaced")) }
    }
}

impl Device for Engine {
    fn commit(&mut self, group: &mut Group, durable: bool) -> io::Result<()> {
        self.check_tenure()?;
        if !group.frames.is_empty() {
            self.write(&mut group.frames)?;
        }
        if let Some(turn) = &mut group.turn {
            self.turn(turn.seq)?;
            if !turn.frames.is_empty() {
                self.write(&mut turn.frames)?;
            }
        }
        if durable {
            self.sync()?;
            // WAL-5: what another writer has written over meanwhile is not acknowledged.
            self.check_tenure()?;
        }
        // WAL-6: only now, since what it stands for may be removed once it is durable itself.
        if group.turn.as_ref().is_some_and(|turn| turn.is_checkpoint && durable) {
            self.checkpoint = Some(self.active.header.segment);
        }
        Ok(())
    }

    fn prepare(&mut self, next_seq: u64) -> Result<(), CreateError> {
        if self.spare.is_none() {
            let index = self.active.header.segment + 1;
            let uncertain = |source| CreateError { action: "write to a segment in", source, uncertain: true };
            // WAL-5: under that name there may be a segment of another writer by now.
            self.check_tenure().map_err(uncertain)?;
            let held = || self.check_tenure();
            self.spare = Some(segment::create(self.storage.as_ref(), self.log(), index, self.segment_len, &[], &held)?);
            self.check_tenure().and_then(|()| self.mark(next_seq)).map_err(uncertain)?;
        }
        Ok(())
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
        Self::check_tenure(self)
    }

    fn close(&mut self, next_seq: u64) -> io::Result<()> {
        Self::check_tenure(self)?;
        Self::close(self, next_seq)
    }
}
