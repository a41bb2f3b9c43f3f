//! Opens a log for writing: finds its end, and secures what is behind the last proof before anything is added.
//!
//! What the last writer wrote behind the last proof may be durable, or only seem so: after a sync that failed the system
//! shows pages that it has dropped. So all of it is written once more, into one restart frame in a place that was never
//! written to, and synced. No record is overwritten, and a torn tail stays where it is, void.

use std::io;
use std::sync::Arc;

use backstop_file_lock::{AcquireError, Claim};

use crate::chain::{self, Chain, Ending, Reached};
use crate::commit::{Committer, Limits};
use crate::engine::{Engine, Told, maker, room_in};
use crate::error::{OpenError, ReadError};
use crate::format::{
    FRAME_LEN, HEADER_LEN, Head, Kind, LogId, MARK_LEN, Place, RESTART_LEN, Restart, TAIL_LEN, push_frame, set_proof,
};
use crate::log::{Entry, Log};
use crate::scan::Proven;
use crate::segment::{self, CreateError, LOCK_NAME, Listing, Segment};
use crate::storage::{Access, Storage, Tenure, read_full, write_full};

/// The shortest segment there may be, in bytes.
const LEAST_SEGMENT: u64 = 1024;
/// The longest: whatever is in one must fit a frame.
const MOST_SEGMENT: u64 = 1 << 24;

/// How a log is kept.
#[derive(Debug, Clone)]
#[must_use]
pub struct Options {
    claim: Claim,
    segment_len: u64,
    reserve: Option<usize>,
    accept_lost: bool,
}

impl Options {
    /// Segments of 1 MiB, a sixteenth of one in reserve. `claim` is what whoever is kept out will be told.
    pub fn new(claim: Claim) -> Self {
        Self { claim, segment_len: 1 << 20, reserve: None, accept_lost: false }
    }

    /// The length of new segments, in bytes: 1 KiB to 16 MiB. A record must fit one.
    pub fn segment_len(mut self, bytes: u64) -> Self {
        self.segment_len = bytes;
        self
    }

    /// How much room is kept for records that close what is open (WAL-8), in bytes, with the 16 that each has beside it; at
    /// most a quarter of a segment.
    pub fn reserve(mut self, bytes: usize) -> Self {
        self.reserve = Some(bytes);
        self
    }

    /// Opens also a salvaged log that lacks records behind its newest checkpoint, as if there had been none
    /// ([`ReadError::Lost`]). To be asked for by a person who has found out elsewhere what those records did. What is read
    /// then says where they are missing; the next checkpoint puts an end to it.
    pub fn accept_lost(mut self) -> Self {
        self.accept_lost = true;
        self
    }

    /// Opens the log in `storage`, or makes one where there is none. `visit` is shown what is in it, from the newest
    /// checkpoint on, in order. What it was shown counts only if this succeeds.
    ///
    /// # Errors
    /// [`OpenError`]; then no record was changed or dropped.
    ///
    /// # Durability
    /// All that `visit` was shown is on disk when this returns.
    pub fn open(
        &self,
        storage: Arc<dyn Storage>,
        mut visit: impl FnMut(Entry<'_>),
    ) -> Result<(Log, Opened), OpenError> {
        let tenure = self.lock(storage.as_ref())?;
        let listing = segment::list(storage.as_ref())?;
        for leftover in &listing.temporary {
            storage.remove(leftover).map_err(|source| io_error(storage.as_ref(), "remove a leftover in", source))?;
        }
        let (engine, next_seq, opened) = if listing.segments.is_empty() {
            self.found(&storage, tenure)?
        } else {
            self.restart(&storage, tenure, &listing, &mut visit)?
        };
        let log = engine.log();
        let segment_room = room_in(self.segment_len);
        let reserve = self.reserve.unwrap_or(segment_room / 16).min(segment_room / 4);
        let limits = Limits { segment_room, reserve, beside: storage.may_be_used_beside() };
        let make = maker(Arc::clone(&storage), &engine, self.segment_len);
        Ok((Log::new(storage, Committer::new(engine, make, log, next_seq, limits)), opened))
    }

    /// Keeps other writers out, if there can be a log by these options.
    pub(crate) fn lock(&self, storage: &dyn Storage) -> Result<Box<dyn Tenure>, OpenError> {
        if !(LEAST_SEGMENT..=MOST_SEGMENT).contains(&self.segment_len) {
            return Err(OpenError::SegmentLength { asked: self.segment_len, least: LEAST_SEGMENT, most: MOST_SEGMENT });
        }
        match storage.lock(LOCK_NAME, &self.claim) {
            Ok(tenure) => Ok(tenure),
            Err(AcquireError::Io { source, .. }) if is_read_only(&source) => {
                Err(OpenError::ReadOnly { path: storage.place().to_owned(), source })
            }
            Err(AcquireError::Io { source, .. }) if segment::is_full(&source) => {
                Err(OpenError::Full { path: storage.place().to_owned(), needed: self.segment_len, source })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// How long a new segment is.
    pub(crate) fn length(&self) -> u64 {
        self.segment_len
    }

    /// Makes a log where there is none.
    fn found(&self, storage: &Arc<dyn Storage>, tenure: Box<dyn Tenure>) -> Result<(Engine, u64, Opened), OpenError> {
        let log = LogId(storage.entropy());
        let place = Place { segment: 1, offset: HEADER_LEN };
        let frame = restart_frame(log, 1, Restart { void_from: place, fence: tenure.fence(), named: 0 }, &[]);
        let active = self.create(storage.as_ref(), log, 1, &frame, None)?;
        let opened = Opened { fence: tenure.fence(), ..Opened::default() };
        let end = HEADER_LEN + frame.len() as u64;
        let start = Start { active, end, next_seq: 1, named: 0, checkpoint: None };
        Ok((self.engine(storage.as_ref(), tenure, start)?, 1, opened))
    }

    /// Reads a log and secures its end.
    fn restart(
        &self,
        storage: &Arc<dyn Storage>,
        mut tenure: Box<dyn Tenure>,
        listing: &Listing,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> Result<(Engine, u64, Opened), OpenError> {
        let mut chain = Chain::from_checkpoint(Arc::clone(storage), listing)?;
        let mut opened = Opened::default();
        let mut ending = self.read_on(storage.as_ref(), &mut chain, &mut opened.records, visit)?;
        let known = match chain.scanner().fence() {
            // Behind a checkpoint there is a mark. Where a crash took that, nothing was removed.
            0 => chain::fence_before(storage.as_ref(), chain.base())?,
            known => known,
        };
        if tenure.fence() <= known {
            // LOCK-5: counting began anew. And whoever was deleted may have written until now.
            tenure.raise_fence_above(known)?;
            opened.fence_behind = Some(known);
            chain.refresh()?;
            ending = self.read_on(storage.as_ref(), &mut chain, &mut opened.records, visit)?;
        }
        opened.fence = tenure.fence();
        let storage = storage.as_ref();
        let scanner = chain.scanner();
        let (last, next_seq, proven) = (scanner.place(), scanner.next_seq(), scanner.proven());
        // One segment is made ahead; if that was begun and torn, one more may be there.
        let ahead = if matches!(ending, Ending::Open(_)) { 1 } else { 2 };
        check_no_gap(storage, listing, chain.base(), last.segment + ahead, scanner.intact())?;
        let log = chain.log();
        // A spare of another length is to be replaced. Its name is durable, that of its successor not yet: this is on disk
        // before the one takes the place of the other, so that no later opening trusts the wrong one.
        let spare = segment::open(storage, last.segment + 1, Access::Read).ok().flatten();
        let replaced = spare.as_ref().is_some_and(|spare| spare.header.capacity != self.segment_len);
        let named = if replaced { scanner.named().min(last.segment) } else { scanner.named() };
        let mut start =
            Start { active: scanner.segment().clone(), end: 0, next_seq, named, checkpoint: chain.checkpoint() };
        if let Ending::Open(tail) = ending
            && tail.dirty_to == tail.end
            && proven.place == (Place { segment: last.segment, offset: tail.end.saturating_sub(MARK_LEN as u64) })
            && proven.since.is_empty()
            && named == scanner.named()
        {
            // All is proven, by the mark that stands at the end. The mark of this opening takes its place, so that a log
            // that is opened again and again does not grow. If that is torn, nothing is: the mark says nothing of itself.
            start.active = open_segment(storage, last.segment)?;
            start.end = proven.place.offset;
            return Ok((self.engine(storage, tenure, start)?, next_seq, opened));
        }
        let restart = Restart { void_from: proven.place, fence: tenure.fence(), named };
        let frame = restart_frame(log, proven.seq, restart, &copies(storage, log, proven)?);
        start.end = HEADER_LEN + frame.len() as u64;
        // Where not even the beginning of the segment is known to be durable, it is made anew.
        let begins_here = proven.place <= Place { segment: last.segment, offset: HEADER_LEN };
        match ending {
            Ending::Open(tail) => {
                if tail.dirty_to > tail.end {
                    opened.torn =
                        Some(Torn { segment: last.segment, offset: tail.end, bytes: tail.dirty_to - tail.end });
                }
                let end = tail.clear_from + frame.len() as u64;
                if !begins_here && end + TAIL_LEN <= start.active.header.capacity {
                    start.active = open_segment(storage, last.segment)?;
                    start.end = end;
                    write_full(start.active.file.as_ref(), &frame, tail.clear_from)
                        .map_err(|source| io_error(storage, "write to a segment in", source))?;
                    let synced = start.active.file.sync_data();
                    synced.map_err(|source| io_error(storage, "sync a segment in", source))?;
                } else {
                    let index = last.segment + u64::from(!begins_here);
                    let donor = spare.filter(|spare| self.is_unused(spare, log));
                    start.active = self.create(storage, log, index, &frame, donor.as_ref())?;
                }
            }
            Ending::Sealed { torn } => {
                if torn {
                    opened.torn = Some(Torn { segment: last.segment + 1, offset: HEADER_LEN, bytes: 0 });
                }
                // What is torn proves that the segment before it is durable, and so does one that was made ahead of it. Not
                // from the spare one: behind a seal it must never be missing.
                let is_durable = torn || listing.segments.last().is_some_and(|index| *index > last.segment + 1);
                let index = last.segment + u64::from(is_durable || !begins_here);
                start.active = self.create(storage, log, index, &frame, None)?;
            }
        }
        Ok((self.engine(storage, tenure, start)?, next_seq, opened))
    }

    /// Reads to the end, or on from it.
    fn read_on(
        &self,
        storage: &dyn Storage,
        chain: &mut Chain,
        records: &mut u64,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> Result<Ending, ReadError> {
        loop {
            let (kind, seq) = match chain.step()? {
                Reached::Content { kind, seq } => (kind, seq),
                Reached::End(ending) => return Ok(ending),
            };
            let mut refused = None;
            Entry::each(kind, seq, chain.payload(), &mut |entry| {
                match entry {
                    Entry::Record { .. } => *records += 1,
                    Entry::Lost { seq, count } if !self.accept_lost => {
                        refused = Some(ReadError::Lost { path: storage.place().to_owned(), seq, count });
                        return;
                    }
                    Entry::Checkpoint { .. } | Entry::Lost { .. } => {}
                }
                visit(entry);
            });
            // WAL-3: what it did may be open still, and nobody would look.
            if let Some(error) = refused {
                return Err(error);
            }
        }
    }

    /// Sees to it that the next segment is there, and leaves a mark.
    fn engine(&self, storage: &dyn Storage, tenure: Box<dyn Tenure>, start: Start) -> Result<Engine, OpenError> {
        let Start { active, end, next_seq, named, checkpoint } = start;
        let (log, index) = (active.header.log, active.header.segment + 1);
        let found = if named >= index { segment::open(storage, index, Access::ReadWrite)? } else { None };
        let found = found.filter(|spare| spare.header.capacity == self.segment_len && spare.header.log == log);
        let spare = match found {
            Some(spare) => Some(spare),
            None => match self.make_spare(storage, log, index) {
                Ok(spare) => Some(spare),
                // Not needed yet. Whoever needs it is refused (WAL-8).
                Err(error) if error.is_full() => None,
                Err(error) => return Err(self.create_error(storage, error)),
            },
        };
        let tenure = Arc::from(tenure);
        let mut engine = Engine {
            tenure,
            active,
            end,
            spare,
            unsynced: false,
            checkpoint,
            told: Told::TooLittle,
            // It never begins with what this mark takes the place of.
            begins_proven: true,
        };
        // It proves the restart before it, so that the next opening need not copy it again.
        engine.mark(next_seq).map_err(|source| io_error(storage, "write to a segment in", source))?;
        Ok(engine)
    }

    /// Makes a spare segment, in place of one that cannot be used, if there is one.
    fn make_spare(&self, storage: &dyn Storage, log: LogId, index: u64) -> Result<Segment, CreateError> {
        let create = || segment::create(storage, log, index, self.segment_len, &[], None, &|| Ok(()));
        // WAL-5: the one takes the place of the other. A name that goes and comes again is damage to whoever reads beside.
        create().or_else(|error| {
            if !error.is_full() {
                return Err(error);
            }
            // Only there: its room is wanted.
            match storage.remove(&segment::name(index)) {
                Ok(()) => create(),
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => Err(error),
                Err(source) => Err(CreateError { action: "remove a segment in", source, uncertain: false }),
            }
        })
    }

    /// Whether a segment of this log was made ahead and never written to, all of it.
    fn is_unused(&self, spare: &Segment, log: LogId) -> bool {
        spare.header.log == log && spare.header.capacity == self.segment_len && segment::is_zero(spare).unwrap_or(false)
    }

    /// Makes a segment with `frames` in it, long enough for them; on a full disk from a spare one, if there is one. Only there:
    /// a reader that has it open sees it become another.
    fn create(
        &self,
        storage: &dyn Storage,
        log: LogId,
        index: u64,
        frames: &[u8],
        donor: Option<&Segment>,
    ) -> Result<Segment, OpenError> {
        let least = HEADER_LEN + frames.len() as u64 + TAIL_LEN;
        let capacity = self.segment_len.max(least);
        let create = |donor| segment::create(storage, log, index, capacity, frames, donor, &|| Ok(()));
        let donor = donor.filter(|donor| donor.header.capacity == capacity).map(|donor| donor.header.segment);
        let made =
            create(None).or_else(|error| if error.is_full() && donor.is_some() { create(donor) } else { Err(error) });
        made.map_err(|error| self.create_error(storage, error))
    }

    pub(crate) fn create_error(&self, storage: &dyn Storage, error: CreateError) -> OpenError {
        let path = storage.place().to_owned();
        if error.is_full() {
            OpenError::Full { path, needed: self.segment_len, source: error.source }
        } else {
            io_error(storage, error.action, error.source)
        }
    }
}

/// Where a writer goes on.
struct Start {
    active: Segment,
    end: u64,
    next_seq: u64,
    /// Segments up to this one are known to have durable names.
    named: u64,
    checkpoint: Option<u64>,
}

/// What was found when a log was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// How many records were shown.
    pub records: u64,
    /// What the last writer did not finish writing. It was never acknowledged as durable.
    pub torn: Option<Torn>,
    /// The number of this writer's lock.
    pub fence: u64,
    /// The log knows of a writer with this number, and the lock file counted from less: it was deleted meanwhile. Our number
    /// was raised above it.
    pub fence_behind: Option<u64>,
}

/// A torn tail. It stays on the disk where that is possible, and counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Torn {
    /// The number of the segment.
    pub segment: u64,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How many bytes there are to the last one that is not zero; zero if not known.
    pub bytes: u64,
}

/// A restart frame that says where what is before it ends, with copies of what is behind the last proof.
fn restart_frame(log: LogId, seq: u64, restart: Restart, copies: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME_LEN + RESTART_LEN + copies.len());
    // A segment's frames fit a frame: MOST_SEGMENT is chosen so.
    push_frame(&mut frame, log, Kind::Restart, false, seq, |out| {
        restart.push(out);
        out.extend_from_slice(copies);
    });
    frame
}

/// The frames behind the last proof, without proofs of their own: a proof means a place, and they have a new one.
fn copies(storage: &dyn Storage, log: LogId, proven: &Proven) -> Result<Vec<u8>, OpenError> {
    let mut all = Vec::new();
    for span in &proven.since {
        let segment = open_segment(storage, span.segment)?;
        let start = all.len();
        let length = usize::try_from(span.to - span.from).unwrap_or(usize::MAX);
        all.resize(start + length, 0);
        let target = all.get_mut(start..).unwrap_or_default();
        let count = read_full(segment.file.as_ref(), target, span.from)
            .map_err(|source| io_error(storage, "read a segment in", source))?;
        let mut at = start;
        while let Some(head) = all.get(at..).and_then(Head::read) {
            // WAL-4: after a sync that failed the system may show something else than a moment ago. It must not get a new
            // checksum.
            if !all.get(at..at + head.frame_len()).is_some_and(|frame| head.matches(log, frame)) {
                break;
            }
            set_proof(&mut all, at, log, false);
            at += head.frame_len();
        }
        if count < length || at != all.len() {
            let path = crate::chain::path(storage, span.segment);
            return Err(ReadError::Damaged { path, offset: span.from, intact: 0 }.into());
        }
    }
    Ok(all)
}

fn open_segment(storage: &dyn Storage, index: u64) -> Result<Segment, OpenError> {
    match segment::open(storage, index, Access::ReadWrite) {
        Ok(Some(segment)) => Ok(segment),
        Ok(None) => Err(crate::chain::missing(storage, index, 0).into()),
        Err(ReadError::Io { source, .. }) if is_read_only(&source) => {
            Err(OpenError::ReadOnly { path: storage.place().to_owned(), source })
        }
        Err(error) => Err(error.into()),
    }
}

/// Segments are contiguous from `base` on, and none is behind `last`. What is before `base` is not needed (WAL-6).
fn check_no_gap(storage: &dyn Storage, listing: &Listing, base: u64, last: u64, intact: u64) -> Result<(), ReadError> {
    let needed = listing.segments.iter().copied().filter(|index| *index >= base);
    for (index, expected) in needed.zip(base..) {
        if index != expected || index > last {
            return Err(crate::chain::missing(storage, expected.min(last), intact));
        }
    }
    Ok(())
}

fn io_error(storage: &dyn Storage, action: &'static str, source: io::Error) -> OpenError {
    let path = storage.place().to_owned();
    if is_read_only(&source) {
        return OpenError::ReadOnly { path, source };
    }
    OpenError::Io { action, path, source }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
