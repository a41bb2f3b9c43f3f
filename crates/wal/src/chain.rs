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
        for &index in listing.segments.iter().rev() {
            let mut scanner = scanner(storage.as_ref(), index, Thread::begin(index))?;
            if let Opening::Frame { fits: true, checkpoint: true, .. } = scanner.opening()? {
                return Ok(Self { storage, scanner, base: index, begins_with_checkpoint: true });
            }
        }
        // Without a checkpoint everything is needed.
        if first != 1 {
            return Err(missing(storage.as_ref(), first - 1, 0));
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
            let mut current = Scanner::new(segment, path, self.scanner.thread());
            if current.first_head()? != self.scanner.first_head()? {
                self.scanner = current;
            }
        }
        self.scanner.refresh();
        Ok(())
    }

    /// Reads on. After an end it may be asked again, after [`refresh`](Chain::refresh).
    pub(crate) fn step(&mut self) -> Result<Reached, ReadError> {
        let mut contradicted = false;
        loop {
            match self.scanner.step()? {
                Step::Content { kind, seq } => return Ok(Reached::Content { kind, seq }),
                Step::Sealed => {
                    if let Some(torn) = self.cross()? {
                        return Ok(Reached::End(Ending::Sealed { torn }));
                    }
                }
                Step::End(tail) => {
                    let Some(mut next) = self.next_scanner()? else {
                        return Ok(Reached::End(Ending::Open(tail)));
                    };
                    let end = Place { segment: self.scanner.place().segment, offset: tail.end };
                    match next.opening()? {
                        Opening::Unused => return Ok(Reached::End(Ending::Open(tail))),
                        Opening::Frame { fits: true, void_from: Some(void_from), .. } if void_from <= end => {
                            self.scanner = next;
                        }
                        // WAL-3: nothing is written to the next segment before this one is sealed and durable. Unless that
                        // happened between the two looks: then a second look here shows it.
                        _ if contradicted && Self::has_lost_its_end(tail, &mut next)? => {
                            return Err(self.scanner.damaged());
                        }
                        _ if contradicted => return Err(next.damaged()),
                        _ => {
                            contradicted = true;
                            self.scanner.refresh();
                        }
                    }
                }
            }
        }
    }

    /// Whether a segment that ends so has lost its end, or else the next one has something that nobody wrote.
    fn has_lost_its_end(tail: Tail, next: &mut Scanner) -> Result<bool, ReadError> {
        Ok(tail.dirty_to > tail.end || next.opening()? != Opening::Torn || !matches!(next.step(), Ok(Step::End(_))))
    }

    /// Goes to the next segment from the end of one that is full; otherwise says whether there is something torn in it.
    fn cross(&mut self) -> Result<Option<bool>, ReadError> {
        let index = self.scanner.place().segment;
        let Some(mut next) = self.next_scanner()? else {
            // It was made before this one was sealed.
            return Err(missing(self.storage.as_ref(), index + 1, self.scanner.intact()));
        };
        let opening = next.opening()?;
        match opening {
            Opening::Frame { fits: true, .. } => {
                self.scanner = next;
                Ok(None)
            }
            Opening::Frame { fits: false, .. } => Err(next.damaged()),
            // WAL-3: torn, or damaged; what is behind it tells. Or it was whole by the time of the second look.
            Opening::Torn if !matches!(next.step()?, Step::End(_)) => self.cross(),
            Opening::Unused | Opening::Torn => {
                self.scanner.stay_before_seal();
                if let Some(segment) = open(self.storage.as_ref(), index + 2, self.log())? {
                    let path = path(self.storage.as_ref(), index + 2);
                    let after = Scanner::new(segment, path, self.scanner.thread()).opening()?;
                    if after != Opening::Unused {
                        return Err(next.damaged());
                    }
                }
                Ok(Some(opening == Opening::Torn))
            }
        }
    }

    fn next_scanner(&self) -> Result<Option<Scanner>, ReadError> {
        let index = self.scanner.place().segment + 1;
        let segment = open(self.storage.as_ref(), index, self.log())?;
        let path = path(self.storage.as_ref(), index);
        Ok(segment.map(|segment| Scanner::new(segment, path, self.scanner.thread())))
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

pub(crate) fn missing(storage: &dyn Storage, index: u64, intact: u64) -> ReadError {
    ReadError::Missing { path: path(storage, index), intact }
}

pub(crate) fn path(storage: &dyn Storage, index: u64) -> PathBuf {
    storage.place().join(segment::name(index))
}
