//! Writes the copy: segments that are whole before they have their names, as a log that was closed leaves them.

use std::io;
use std::sync::Arc;

use super::SalvageError;
use crate::engine::room_in;
use crate::error::OpenError;
use crate::format::{END_RESERVE, FRAME_LEN, HEADER_LEN, Kind, LogId, Place, Restart, push_frame, push_lost};
use crate::open::Options;
use crate::segment;
use crate::storage::{Storage, Tenure};

pub(super) struct Target<'a> {
    storage: Arc<dyn Storage>,
    options: &'a Options,
    tenure: Box<dyn Tenure>,
    log: LogId,
    index: u64,
    /// Those of the segment that comes next.
    frames: Vec<u8>,
    next: u64,
}

impl<'a> Target<'a> {
    /// Begins a log in `storage`, which must be empty, with record number `begins`.
    pub(super) fn make(storage: Arc<dyn Storage>, options: &'a Options, begins: u64) -> Result<Self, SalvageError> {
        // Before the lock is taken: nothing is to be changed where a log is, least of all in the damaged one.
        check_empty(storage.as_ref())?;
        let tenure = options.lock(storage.as_ref())?;
        check_empty(storage.as_ref())?;
        // A log of another id: not one of its files can be mistaken for one of the damaged log.
        let log = LogId(storage.entropy());
        // A log that does not begin at record 1 has no segment 1.
        let index = 1 + u64::from(begins > 1);
        Ok(Self { storage, options, tenure, log, index, frames: Vec::new(), next: begins })
    }

    /// Appends a frame.
    pub(super) fn push(&mut self, kind: Kind, seq: u64, payload: &[u8]) -> Result<(), SalvageError> {
        if !kind.is_content() {
            return Ok(());
        }
        let room = room_in(self.options.length());
        if !self.frames.is_empty() && (kind == Kind::Checkpoint || self.frames.len() + FRAME_LEN + payload.len() > room)
        {
            self.seal()?;
        }
        // What comes first in a segment proves that the one before is durable.
        let proof = self.frames.is_empty();
        self.next = seq.saturating_add(kind.numbers(payload).unwrap_or(0));
        push_frame(&mut self.frames, self.log, kind, proof, seq, |out| out.extend_from_slice(payload));
        Ok(())
    }

    /// Says that records are missing: so many, or nobody knows how many.
    pub(super) fn lose(&mut self, seq: u64, count: Option<u64>) -> Result<(), SalvageError> {
        let mut payload = Vec::new();
        push_lost(&mut payload, count);
        self.push(Kind::Lost, seq, &payload)
    }

    /// Goes on with the next segment.
    fn seal(&mut self) -> Result<(), SalvageError> {
        let next = self.next;
        push_frame(&mut self.frames, self.log, Kind::Seal, false, next, |_| {});
        self.make_segment()
    }

    /// Ends the log. `fence` is the greatest number of a lock that the damaged one knew: later ones must be greater.
    pub(super) fn finish(mut self, fence: u64) -> Result<(), SalvageError> {
        let here = Place { segment: self.index, offset: HEADER_LEN + self.frames.len() as u64 };
        let next = self.next;
        let restart = Restart { void_from: here, fence, named: self.index };
        push_frame(&mut self.frames, self.log, Kind::Restart, false, next, |out| restart.push(out));
        // As a log that was closed: all before it is durable.
        push_frame(&mut self.frames, self.log, Kind::Mark, true, next, |out| {
            out.extend_from_slice(&restart.named.to_le_bytes());
            out.extend_from_slice(&restart.fence.to_le_bytes());
        });
        self.make_segment()
    }

    fn make_segment(&mut self) -> Result<(), SalvageError> {
        let capacity = self.options.length().max(HEADER_LEN + self.frames.len() as u64 + END_RESERVE);
        let held = || {
            let held = self.tenure.still_held();
            held.then_some(()).ok_or_else(|| io::Error::other("the lock file was deleted or replaced"))
        };
        segment::create(self.storage.as_ref(), self.log, self.index, capacity, &self.frames, None, &held)
            .map_err(|error| self.options.create_error(self.storage.as_ref(), error))?;
        self.index += 1;
        self.frames.clear();
        Ok(())
    }
}

fn check_empty(storage: &dyn Storage) -> Result<(), SalvageError> {
    let segments = segment::list(storage).map_err(OpenError::from)?.segments.len();
    if segments > 0 {
        return Err(SalvageError::NotEmpty { path: storage.place().to_owned(), segments });
    }
    Ok(())
}
