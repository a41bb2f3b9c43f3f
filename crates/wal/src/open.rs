//! Opens a log for writing: finds its end, and secures what is behind the last proof before anything is added.
//!
//! What the last writer wrote behind the last proof may be durable, or only seem so: after a sync that failed the system
//! shows pages that it has dropped. So all of it is written once more, into one restart frame in a place that was never
//! written to, and synced. Nothing is overwritten, and a torn tail stays where it is, void.

use std::io;
use std::sync::Arc;

use backstop_file_lock::{AcquireError, Claim};

use crate::chain::{Chain, Ending, Reached};
use crate::commit::{Committer, Limits};
use crate::engine::{Engine, room_in};
use crate::error::{OpenError, ReadError};
use crate::format::{
    END_RESERVE, FRAME_LEN, HEADER_LEN, Head, Kind, LogId, Place, RESTART_LEN, Restart, push_frame, set_proof,
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

    /// How much room is kept for records that close what is open (WAL-8), in bytes; at most a quarter of a segment.
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
            self.found(Arc::clone(&storage), tenure)?
        } else {
            self.restart(Arc::clone(&storage), tenure, &listing, &mut visit)?
        };
        let log = engine.log();
        let segment_room = room_in(self.segment_len);
        let reserve = self.reserve.unwrap_or(segment_room / 16).min(segment_room / 4);
        let limits = Limits { segment_room, reserve };
        Ok((Log::new(storage, Committer::new(engine, log, next_seq, limits)), opened))
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
            Err(AcquireError::Io { source, .. }) if is_full(&source) => {
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
    fn found(&self, storage: Arc<dyn Storage>, tenure: Box<dyn Tenure>) -> Result<(Engine, u64, Opened), OpenError> {
        let log = LogId(storage.entropy());
        let place = Place { segment: 1, offset: HEADER_LEN };
        let frame = restart_frame(log, 1, Restart { void_from: place, fence: tenure.fence(), named: 0 }, &[]);
        let active = self.create(storage.as_ref(), log, 1, &frame)?;
        let opened = Opened { fence: tenure.fence(), ..Opened::default() };
        let end = HEADER_LEN + frame.len() as u64;
        let start = Start { active, end, next_seq: 1, named: 0, checkpoint: None };
        Ok((self.engine(storage, tenure, start)?, 1, opened))
    }

    /// Reads a log and secures its end.
    fn restart(
        &self,
        storage: Arc<dyn Storage>,
        tenure: Box<dyn Tenure>,
        listing: &Listing,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> Result<(Engine, u64, Opened), OpenError> {
        let mut chain = Chain::from_checkpoint(Arc::clone(&storage), listing)?;
        let mut opened = Opened { fence: tenure.fence(), ..Opened::default() };
        let ending = loop {
            match chain.step()? {
                Reached::Content { kind, seq } => {
                    let mut refused = None;
                    Entry::each(kind, seq, chain.payload(), &mut |entry| {
                        match entry {
                            Entry::Record { .. } => opened.records += 1,
                            Entry::Lost { seq, count } if !self.accept_lost => {
                                let path = storage.place().to_owned();
                                refused = Some(ReadError::Lost { path, seq, count });
                                return;
                            }
                            Entry::Checkpoint { .. } | Entry::Lost { .. } => {}
                        }
                        visit(entry);
                    });
                    // WAL-3: what it did may be open still, and nobody would look.
                    if let Some(error) = refused {
                        return Err(error.into());
                    }
                }
                Reached::End(ending) => break ending,
            }
        };
        let scanner = chain.scanner();
        let (last, next_seq, proven) = (scanner.place(), scanner.next_seq(), scanner.proven());
        // One segment is made ahead; if that was begun and torn, one more may be there.
        let ahead = if matches!(ending, Ending::Open(_)) { 1 } else { 2 };
        check_no_gap(storage.as_ref(), listing, chain.base(), last.segment + ahead, scanner.intact())?;
        if opened.fence <= scanner.fence() {
            opened.fence_behind = Some(scanner.fence());
        }
        let log = chain.log();
        let copies = copies(storage.as_ref(), log, proven)?;
        // A spare of another length is to be replaced. Its name is durable, that of its successor not yet: this is on disk
        // before the one takes the place of the other, so that no later opening trusts the wrong one.
        let ahead_of = segment::open(storage.as_ref(), last.segment + 1, Access::Read).ok().flatten();
        let replaced = ahead_of.is_some_and(|spare| spare.header.capacity != self.segment_len);
        let named = if replaced { scanner.named().min(last.segment) } else { scanner.named() };
        let restart = Restart { void_from: proven.place, fence: tenure.fence(), named };
        let frame = restart_frame(log, proven.seq, restart, &copies);
        let behind_header = HEADER_LEN + frame.len() as u64;
        let (active, end) = match ending {
            Ending::Open(tail) => {
                if tail.dirty_to > tail.end {
                    opened.torn =
                        Some(Torn { segment: last.segment, offset: tail.end, bytes: tail.dirty_to - tail.end });
                }
                let end = tail.clear_from + frame.len() as u64;
                if proven.place <= (Place { segment: last.segment, offset: HEADER_LEN }) {
                    // Not even how the segment begins is known to be durable: it is made anew.
                    (self.create(storage.as_ref(), log, last.segment, &frame)?, behind_header)
                } else if end + END_RESERVE <= scanner.segment().header.capacity {
                    let active = open_segment(storage.as_ref(), last.segment)?;
                    write_full(active.file.as_ref(), &frame, tail.clear_from)
                        .map_err(|source| io_error(storage.as_ref(), "write to a segment in", source))?;
                    active
                        .file
                        .sync_data()
                        .map_err(|source| io_error(storage.as_ref(), "sync a segment in", source))?;
                    (active, end)
                } else {
                    (self.create(storage.as_ref(), log, last.segment + 1, &frame)?, behind_header)
                }
            }
            Ending::Sealed { torn } => {
                if torn {
                    opened.torn = Some(Torn { segment: last.segment + 1, offset: HEADER_LEN, bytes: 0 });
                }
                (self.create(storage.as_ref(), log, last.segment + 1, &frame)?, behind_header)
            }
        };
        let start = Start { active, end, next_seq, named, checkpoint: chain.checkpoint() };
        Ok((self.engine(storage, tenure, start)?, next_seq, opened))
    }

    /// Sees to it that the next segment is there.
    fn engine(&self, storage: Arc<dyn Storage>, tenure: Box<dyn Tenure>, start: Start) -> Result<Engine, OpenError> {
        let Start { active, end, next_seq, named, checkpoint } = start;
        let index = active.header.segment + 1;
        let found = if named >= index { segment::open(storage.as_ref(), index, Access::ReadWrite)? } else { None };
        let usable =
            |spare: &Segment| spare.header.capacity == self.segment_len && spare.header.log == active.header.log;
        let found = found.filter(usable);
        let is_new = found.is_none();
        let spare = match found {
            Some(spare) => Some(spare),
            None => {
                match segment::create(storage.as_ref(), active.header.log, index, self.segment_len, &[], &|| Ok(())) {
                    Ok(spare) => Some(spare),
                    // Not needed yet. Whoever needs it is refused (WAL-8).
                    Err(error) if is_full(&error.source) && !error.uncertain => None,
                    Err(error) => return Err(self.create_error(storage.as_ref(), error)),
                }
            }
        };
        let place = storage.place().to_owned();
        let mut engine =
            Engine { storage, tenure, active, end, spare, segment_len: self.segment_len, unsynced: false, checkpoint };
        if is_new || named < index - 1 {
            let failed = |source| OpenError::Io { action: "write to a segment in", path: place, source };
            engine.mark(next_seq).map_err(failed)?;
        }
        Ok(engine)
    }

    /// Makes a segment with `frames` in it, long enough for them.
    fn create(&self, storage: &dyn Storage, log: LogId, index: u64, frames: &[u8]) -> Result<Segment, OpenError> {
        let least = HEADER_LEN + frames.len() as u64 + END_RESERVE / 2;
        let capacity = self.segment_len.max(least);
        segment::create(storage, log, index, capacity, frames, &|| Ok(()))
            .map_err(|error| self.create_error(storage, error))
    }

    pub(crate) fn create_error(&self, storage: &dyn Storage, error: CreateError) -> OpenError {
        let path = storage.place().to_owned();
        if is_full(&error.source) {
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
    /// The log knows a writer with this number, which is not less than ours: the lock file was deleted meanwhile.
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

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
