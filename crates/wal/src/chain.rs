//! Reads segment after segment, from the last checkpoint on.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::ReadError;
use crate::format::{Kind, LogId, Place};
use crate::scan::{Opening, Scanner, Step, Tail, Thread};
use crate::segment::{self, Listing, Segment};
use crate::storage::{Access, Storage};

/// What a step came upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// Content: see [`Chain::payload`].
    Content { kind: Kind, seq: u64 },
    /// Nothing more, for now.
    End(Ending),
}

/// How a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// In a segment that has room.
    Open(Tail),
    /// Behind a segment that is full; the next one has no whole frame yet.
    Sealed {
        /// Whether there is something in it.
        torn: bool,
    },
}

/// How often the end of a segment is looked at again before what cannot be counts as damage.
const LOOKS: u32 = 8;

/// Where it goes on behind the end of a segment.
enum Onward {
    /// In the next segment, which is the current one by now.
    Next,
    /// Nowhere, for now.
    End(Ending),
    /// What was seen cannot be, unless the log changed while it was looked at.
    Doubt(ReadError),
}

/// Reads a log in order.
#[derive(Debug)]
pub(crate) struct Chain {
    storage: Arc<dyn Storage>,
    scanner: Scanner,
    base: u64,
    begins_with_checkpoint: bool,
}

impl Chain {
    /// Begins at the newest checkpoint, or at the very first record.
    pub(crate) fn from_checkpoint(storage: Arc<dyn Storage>, listing: &Listing) -> Result<Self, ReadError> {
        let Some((&first, _)) = listing.segments.split_first() else {
            return Err(ReadError::NoLog { path: storage.place().to_owned() });
        };
        let mut torn = None;
        for &index in listing.segments.iter().rev() {
            let mut scanner = scanner(storage.as_ref(), index, Thread::begin(index))?;
            match scanner.opening()? {
                Opening::Frame { fits: true, checkpoint: true, .. } => {
                    return Ok(Self { storage, scanner, base: index, begins_with_checkpoint: true });
                }
                Opening::Torn => torn = Some(scanner.damaged()),
                Opening::Frame { .. } | Opening::Unused => {}
            }
        }
        // Without a checkpoint everything is needed. Where something was removed there was one, so it is what is damaged.
        if first != 1 {
            return Err(torn.unwrap_or_else(|| missing(storage.as_ref(), first - 1, 0)));
        }
        Self::from_segment(storage, first)
    }

    /// Begins at segment `index`, which must begin with a frame.
    pub(crate) fn from_segment(storage: Arc<dyn Storage>, index: u64) -> Result<Self, ReadError> {
        let mut scanner = scanner(storage.as_ref(), index, Thread::begin(index))?;
        match scanner.opening()? {
            Opening::Frame { fits: true, seq, checkpoint, .. } if index > 1 || seq == 1 => {
                Ok(Self { storage, scanner, base: index, begins_with_checkpoint: checkpoint })
            }
            // The first segment is made with a frame in it.
            _ => Err(scanner.damaged()),
        }
    }

    /// The segment that was read first.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// The segment that was read first, if it begins with a checkpoint.
    pub(crate) fn checkpoint(&self) -> Option<u64> {
        self.begins_with_checkpoint.then_some(self.base)
    }

    pub(crate) fn scanner(&self) -> &Scanner {
        &self.scanner
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.scanner.payload()
    }

    pub(crate) fn log(&self) -> LogId {
        self.scanner.segment().header.log
    }

    /// Looks at the disk anew: more may have been written, and a writer that opened the log may have made the current
    /// segment anew.
    pub(crate) fn refresh(&mut self) -> Result<(), ReadError> {
        let place = self.scanner.place();
        if let Some(segment) = open(self.storage.as_ref(), place.segment, self.log())? {
            let path = path(self.storage.as_ref(), place.segment);
            let mut current = Scanner::new(segment.clone(), path, self.scanner.thread());
            if current.first_head()? == self.scanner.first_head()? {
                self.scanner.look_again(segment);
            } else {
                self.scanner = current;
            }
        } else {
            // Removed: what can still be read of it does not change any more.
            self.scanner.look_again(self.scanner.segment().clone());
        }
        Ok(())
    }

    /// Reads on. After an end it may be asked again, after [`refresh`](Chain::refresh).
    pub(crate) fn step(&mut self) -> Result<Reached, ReadError> {
        let mut looks = 0;
        loop {
            let onward = match self.scanner.step()? {
                Step::Content { kind, seq } => return Ok(Reached::Content { kind, seq }),
                Step::Sealed => {
                    let onward = self.cross()?;
                    if !matches!(onward, Onward::Next) {
                        self.scanner.stay_before_seal();
                    }
                    onward
                }
                Step::End(tail) => self.go_on(tail)?,
            };
            match onward {
                Onward::Next => looks = 0,
                Onward::End(ending) => return Ok(Reached::End(ending)),
                Onward::Doubt(error) if looks == LOOKS => return Err(error),
                // WAL-5: the writer may have gone on, or made a segment anew, between the looks at this segment and at the
                // next. What was there before that is seen by another look; the writer may go on before that one too.
                Onward::Doubt(_) => {
                    looks += 1;
                    self.refresh()?;
                }
            }
        }
    }

    /// Goes to the next segment from the end of one that is not full, if a writer went on there.
    fn go_on(&mut self, tail: Tail) -> Result<Onward, ReadError> {
        let index = self.scanner.place().segment;
        let ends = Onward::End(Ending::Open(tail));
        let Some(mut next) = self.next_scanner()? else {
            // Segments are made in order: one behind the next proves that there was a next one.
            let newest = segment::list(self.storage.as_ref())?.segments.last().copied();
            let goes_on = newest.is_some_and(|newest| newest > index);
            return Ok(if goes_on { self.doubt_missing(index) } else { ends });
        };
        let end = Place { segment: index, offset: tail.end };
        match next.opening()? {
            // One segment is made ahead, and no more.
            Opening::Unused => Ok(if self.exists(index, 2)? { Onward::Doubt(next.damaged()) } else { ends }),
            Opening::Frame { fits: true, void_from: Some(void_from), .. } if void_from <= end => {
                self.scanner = next;
                Ok(Onward::Next)
            }
            // WAL-3: nothing is written to the next segment before this one is sealed and durable.
            _ if Self::has_lost_its_end(tail, &mut next)? => Ok(Onward::Doubt(self.scanner.damaged())),
            _ => Ok(Onward::Doubt(next.damaged())),
        }
    }

    /// Whether a segment that ends so has lost its end, or else the next one has something that nobody wrote.
    fn has_lost_its_end(tail: Tail, next: &mut Scanner) -> Result<bool, ReadError> {
        Ok(tail.dirty_to > tail.end || next.opening()? != Opening::Torn || !matches!(next.step(), Ok(Step::End(_))))
    }

    /// Goes to the next segment from the end of one that is full.
    fn cross(&mut self) -> Result<Onward, ReadError> {
        let index = self.scanner.place().segment;
        // It was made before this one was sealed.
        let Some(mut next) = self.next_scanner()? else { return Ok(self.doubt_missing(index)) };
        let opening = next.opening()?;
        match opening {
            Opening::Frame { fits: true, .. } => {
                self.scanner = next;
                return Ok(Onward::Next);
            }
            Opening::Frame { fits: false, .. } => return Ok(Onward::Doubt(next.damaged())),
            // WAL-3: torn, or damaged; what is behind it tells.
            Opening::Torn if !matches!(next.step()?, Step::End(_)) => return Ok(Onward::Doubt(next.damaged())),
            Opening::Unused | Opening::Torn => {}
        }
        // One more may have been made ahead, if it is the next one that is torn. It is unused, and the last.
        if let Some(segment) = self.open(index, 2)? {
            let path = path(self.storage.as_ref(), segment.header.segment);
            let after = Scanner::new(segment, path, self.scanner.thread()).opening()?;
            if after != Opening::Unused || self.exists(index, 3)? {
                return Ok(Onward::Doubt(next.damaged()));
            }
        }
        Ok(Onward::End(Ending::Sealed { torn: opening == Opening::Torn }))
    }

    fn doubt_missing(&self, index: u64) -> Onward {
        Onward::Doubt(missing(self.storage.as_ref(), index.saturating_add(1), self.scanner.intact()))
    }

    fn exists(&self, index: u64, ahead: u64) -> Result<bool, ReadError> {
        Ok(self.open(index, ahead)?.is_some())
    }

    /// Opens the segment that is so many ahead of `index`.
    fn open(&self, index: u64, ahead: u64) -> Result<Option<Segment>, ReadError> {
        match index.checked_add(ahead) {
            Some(index) => open(self.storage.as_ref(), index, self.log()),
            None => Ok(None),
        }
    }

    fn next_scanner(&self) -> Result<Option<Scanner>, ReadError> {
        let segment = self.open(self.scanner.place().segment, 1)?;
        Ok(segment.map(|segment| {
            let path = path(self.storage.as_ref(), segment.header.segment);
            Scanner::new(segment, path, self.scanner.thread())
        }))
    }
}

/// Opens segment `index` of log `log`.
fn open(storage: &dyn Storage, index: u64, log: LogId) -> Result<Option<Segment>, ReadError> {
    let segment = segment::open(storage, index, Access::Read)?;
    match segment {
        Some(segment) if segment.header.log != log => Err(ReadError::Foreign { path: path(storage, index) }),
        segment => Ok(segment),
    }
}

fn scanner(storage: &dyn Storage, index: u64, thread: Thread) -> Result<Scanner, ReadError> {
    let segment = segment::open(storage, index, Access::Read)?.ok_or_else(|| missing(storage, index, 0))?;
    Ok(Scanner::new(segment, path(storage, index), thread))
}

/// The number of the newest writer of whom the segments before `base` tell; zero if none does. They are not needed otherwise,
/// and may be gone or damaged.
pub(crate) fn fence_before(storage: &dyn Storage, base: u64) -> Result<u64, ReadError> {
    for index in (1..base).rev() {
        match fence_in(storage, index) {
            Ok(0) => {}
            Ok(fence) => return Ok(fence),
            Err(error @ ReadError::Io { .. }) => return Err(error),
            Err(_) => break,
        }
    }
    Ok(0)
}

fn fence_in(storage: &dyn Storage, index: u64) -> Result<u64, ReadError> {
    let mut scanner = scanner(storage, index, Thread::begin(index))?;
    loop {
        match scanner.step() {
            Ok(Step::Content { .. }) => {}
            Err(error @ ReadError::Io { .. }) => return Err(error),
            Ok(Step::Sealed | Step::End(_)) | Err(_) => return Ok(scanner.fence()),
        }
    }
}

/// The checkpoint that segment `index` begins with, if it does and that can be read.
pub(crate) fn checkpoint_at(storage: &Arc<dyn Storage>, index: u64) -> Option<Vec<u8>> {
    let mut chain = Chain::from_segment(Arc::clone(storage), index).ok()?;
    chain.checkpoint()?;
    match chain.step() {
        Ok(Reached::Content { kind: Kind::Checkpoint, .. }) => Some(chain.payload().to_vec()),
        _ => None,
    }
}

pub(crate) fn missing(storage: &dyn Storage, index: u64, intact: u64) -> ReadError {
    ReadError::Missing { path: path(storage, index), intact }
}

pub(crate) fn path(storage: &dyn Storage, index: u64) -> PathBuf {
    storage.place().join(segment::name(index))
}
