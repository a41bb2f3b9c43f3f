//! Copies what is intact of a damaged log into a new one elsewhere, and reports the rest.

use std::path::PathBuf;
use std::sync::Arc;

use crate::chain;
use crate::commit::Append;
use crate::error::{AppendError, OpenError, ReadError};
use crate::format::Kind;
use crate::log::{Entry, Log};
use crate::open::Options;
use crate::scan::{Opening, Scanner, Step, Thread};
use crate::segment;
use crate::storage::{Access, Storage};

/// What was copied and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Salvaged {
    /// How many records were copied. In the copy they are numbered anew, without gaps.
    pub records: u64,
    /// What could not be read, in order.
    pub gaps: Vec<Gap>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The segment.
    pub path: PathBuf,
    /// From where on, in bytes.
    pub from: u64,
    /// To where, in bytes; to the end of the segment, or of the log, if that is not known.
    pub to: Option<u64>,
    /// How many records are missing by the numbers of those around; zero at the end of the log, where that is not known.
    pub records: u64,
}

/// Why nothing was salvaged, or not all that could be. The damaged log is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SalvageError {
    /// The damaged log cannot be read at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new log cannot be made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new log takes no more.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// There is a log already where the copy should go.
    #[error("{} holds {records} records already; give an empty directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// How many records are in it.
        records: u64,
    },
}

/// Copies every record that is intact from `damaged` into a new log in `target`, which must be empty. Batches stay
/// batches; of a checkpoint only the fact that it was there is lost, as long as the records before it are.
///
/// # Errors
/// [`SalvageError`]; `damaged` was only read.
///
/// # Durability
/// The copy is on disk when this returns.
pub fn salvage(
    damaged: &Arc<dyn Storage>,
    target: Arc<dyn Storage>,
    options: &Options,
) -> Result<Salvaged, SalvageError> {
    let listing = segment::list(damaged.as_ref())?;
    let Some(&first) = listing.segments.first() else {
        return Err(ReadError::NoLog { path: damaged.place().to_owned() }.into());
    };
    let place = target.place().to_owned();
    let (log, opened) = options.open(target, |_| {})?;
    if opened.records > 0 {
        return Err(SalvageError::NotEmpty { path: place, records: opened.records });
    }
    let mut copy = Copy { log, next_seq: 1, salvaged: Salvaged::default() };
    let mut thread = Thread::begin(first);
    let mut expected = first;
    let mut segments = listing.segments.into_iter().peekable();
    while let Some(index) = segments.next() {
        if index != expected {
            copy.gap(chain::path(damaged.as_ref(), expected), 0, None);
            thread.resume_anywhere();
        }
        expected = index.saturating_add(1);
        let path = chain::path(damaged.as_ref(), index);
        let segment = match segment::open(damaged.as_ref(), index, Access::Read) {
            Ok(Some(segment)) => segment,
            Ok(None) | Err(ReadError::Damaged { .. } | ReadError::Foreign { .. }) => {
                copy.gap(path, 0, None);
                thread.resume_anywhere();
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let mut scanner = Scanner::new(segment, path.clone(), thread);
        let following = segments.peek().copied();
        let whole = loop {
            match scanner.step() {
                Ok(Step::Content { kind, seq }) => copy.take(kind, seq, scanner.payload())?,
                Ok(Step::Sealed) => break true,
                Ok(Step::End(_)) if goes_on(damaged.as_ref(), &scanner, following) => break true,
                Ok(Step::End(tail)) if !copy.skip(&mut scanner, path.clone(), tail.end)? => break false,
                Err(ReadError::Damaged { offset, .. }) if !copy.skip(&mut scanner, path.clone(), offset)? => {
                    break false;
                }
                Ok(Step::End(_)) | Err(ReadError::Damaged { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        };
        thread = scanner.thread();
        if !whole {
            thread.resume_anywhere();
        }
    }
    let Copy { log, salvaged, .. } = copy;
    log.close()?;
    Ok(salvaged)
}

/// Whether a segment that is not sealed may end as it does: there is nothing behind it, or a writer went on elsewhere.
fn goes_on(storage: &dyn Storage, scanner: &Scanner, following: Option<u64>) -> bool {
    let Some(index) = following else { return true };
    let Ok(Some(segment)) = segment::open(storage, index, Access::Read) else { return false };
    let opening = Scanner::new(segment, chain::path(storage, index), scanner.thread()).opening();
    matches!(opening, Ok(Opening::Unused | Opening::Frame { fits: true, void_from: Some(_), .. }))
}

struct Copy {
    log: Log,
    next_seq: u64,
    salvaged: Salvaged,
}

impl Copy {
    fn gap(&mut self, path: PathBuf, from: u64, to: Option<u64>) {
        self.salvaged.gaps.push(Gap { path, from, to, records: 0 });
    }

    /// Goes on behind damage, if there is anything sound behind it in the segment.
    fn skip(&mut self, scanner: &mut Scanner, path: PathBuf, from: u64) -> Result<bool, ReadError> {
        let to = scanner.skip_damage()?;
        self.gap(path, from, to);
        Ok(to.is_some())
    }

    fn take(&mut self, kind: Kind, seq: u64, payload: &[u8]) -> Result<(), AppendError> {
        let mut records = Vec::new();
        Entry::each(kind, seq, payload, &mut |entry| {
            if let Entry::Record { seq, bytes } = entry
                && seq >= self.next_seq
            {
                if let Some(gap) = self.salvaged.gaps.last_mut() {
                    gap.records += seq - self.next_seq;
                }
                self.next_seq = seq + 1;
                records.push(bytes.to_vec());
            }
        });
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        self.log.append_batch(&records, Append::BUFFERED.from_reserve())?;
        self.salvaged.records += records.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
