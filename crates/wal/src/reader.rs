//! Reads a log beside its writer, or without one.

use std::io::{self, Write};
use std::sync::Arc;

use crate::chain::{self, Chain, Ending, Reached};
use crate::error::ReadError;
use crate::log::Entry;
use crate::segment::{self, Listing};
use crate::storage::Storage;

/// How often a reader tries to begin beside a writer that removes history faster than it is looked at.
const LOOKS: u32 = 100;

/// Reads a log; takes no lock, writes nothing, and may run beside the writer (WAL-5).
///
/// What it shows was written whole. A record that its writer did not ask to be durable may be lost in a crash of the
/// machine after a reader has seen it. Memory is bounded by the length of a segment, whatever the length of the log.
#[derive(Debug)]
pub struct Reader {
    storage: Arc<dyn Storage>,
    chain: Chain,
}

impl Reader {
    /// A reader that begins at the newest checkpoint, or at the first record: what opening the log would show.
    ///
    /// # Errors
    /// [`ReadError`]; nothing was changed.
    pub fn from_checkpoint(storage: Arc<dyn Storage>) -> Result<Self, ReadError> {
        Self::begin(storage, Chain::from_checkpoint)
    }

    /// A reader that begins at the oldest record that is still there.
    ///
    /// # Errors
    /// [`ReadError`]; nothing was changed.
    pub fn from_oldest(storage: Arc<dyn Storage>) -> Result<Self, ReadError> {
        Self::begin(storage, |storage, listing| {
            let chain = Chain::from_checkpoint(Arc::clone(&storage), listing)?;
            // History is removed from its old end, one segment after the other: a gap in it is none of the writer's doing.
            match listing.segments.first() {
                Some(&first) if first != chain.base() => Chain::from_segment(storage, first),
                _ => Ok(chain),
            }
        })
    }

    /// Begins where `find` says. Segments come and go beside a live writer, so an error counts only if the segments are
    /// still those that `find` was given.
    fn begin(
        storage: Arc<dyn Storage>,
        find: impl Fn(Arc<dyn Storage>, &Listing) -> Result<Chain, ReadError>,
    ) -> Result<Self, ReadError> {
        let mut listing = segment::list(storage.as_ref())?;
        let mut looks = 0;
        loop {
            let error = match find(Arc::clone(&storage), &listing) {
                Ok(chain) => return Ok(Self { storage, chain }),
                Err(error) => error,
            };
            let now = segment::list(storage.as_ref())?;
            looks += 1;
            if now.segments == listing.segments || looks == LOOKS {
                return Err(match error {
                    ReadError::Missing { path, .. } if now.segments != listing.segments => {
                        ReadError::Overtaken { path }
                    }
                    error => error,
                });
            }
            listing = now;
        }
    }

    /// Shows `visit` what was appended since the last call, in order; returns how many entries that were.
    ///
    /// # Errors
    /// [`ReadError`], after everything before it was shown (WAL-3). [`ReadError::Overtaken`] asks for a new reader.
    pub fn read(&mut self, mut visit: impl FnMut(Entry<'_>)) -> Result<u64, ReadError> {
        let mut count = 0;
        self.walk(&mut |_, entry| {
            count += 1;
            visit(entry);
        })?;
        Ok(count)
    }

    fn walk(&mut self, visit: &mut dyn FnMut(u64, Entry<'_>)) -> Result<Ending, ReadError> {
        self.chain.refresh()?;
        loop {
            match self.chain.step() {
                Ok(Reached::Content { kind, seq }) => {
                    let segment = self.chain.scanner().place().segment;
                    Entry::each(kind, seq, self.chain.payload(), &mut |entry| visit(segment, entry));
                }
                Ok(Reached::End(ending)) => return Ok(ending),
                Err(error @ (ReadError::Missing { .. } | ReadError::Damaged { .. })) => {
                    // The writer removes from the oldest on: what it took away was behind what it left. And what is left of
                    // a segment that it made anew and then removed may end anywhere.
                    let here = self.chain.scanner().place().segment;
                    let is_here = segment::list(self.storage.as_ref())?.segments.contains(&here);
                    let path = chain::path(self.storage.as_ref(), here);
                    return Err(if is_here { error } else { ReadError::Overtaken { path } });
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// What was found in a log that is sound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How many records there are.
    pub records: u64,
    /// How many checkpoints there are.
    pub checkpoints: u64,
    /// How many bytes the records have.
    pub bytes: u64,
    /// How many times records are missing: it is a salvaged log, and says so itself.
    pub lost: u64,
    /// The segment in which the log ends, and where in it.
    pub end: (u64, u64),
    /// Whether something that was never acknowledged as durable was cut off behind the end.
    pub torn: bool,
}

/// Reads all there is, also what is older than the newest checkpoint, and says whether it is sound.
///
/// # Errors
/// [`ReadError`] with the first fault; nothing was changed.
pub fn verify(storage: Arc<dyn Storage>) -> Result<Verified, ReadError> {
    let mut reader = Reader::from_oldest(storage)?;
    let mut found = Verified::default();
    let ending = reader.walk(&mut |_, entry| match entry {
        Entry::Checkpoint { .. } => found.checkpoints += 1,
        Entry::Lost { .. } => found.lost += 1,
        Entry::Record { bytes, .. } => {
            found.records += 1;
            found.bytes += bytes.len() as u64;
        }
    })?;
    let place = reader.chain.scanner().place();
    found.end = (place.segment, place.offset);
    found.torn = match ending {
        Ending::Open(tail) => tail.dirty_to > tail.end,
        Ending::Sealed { torn } => torn,
    };
    Ok(found)
}

/// Why a log was not printed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The log cannot be read further. Everything before was printed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The output was refused.
    #[error("cannot write the dump")]
    Output(#[source] io::Error),
}

/// Prints one line for each entry, from the oldest on: segment, what it is, number, length, content with everything that is
/// not printable escaped. Of records that are lost: the number of the first, and how many there were.
///
/// # Errors
/// [`DumpError`], after everything before it was printed.
pub fn dump(storage: Arc<dyn Storage>, out: &mut dyn Write) -> Result<(), DumpError> {
    let mut reader = Reader::from_oldest(storage)?;
    let mut printed = Ok(());
    let walked = reader.walk(&mut |segment, entry| {
        let mut print =
            |word, seq, bytes: &[u8]| writeln!(out, "{segment} {word} {seq} {} {}", bytes.len(), bytes.escape_ascii());
        if printed.is_ok() {
            printed = match entry {
                Entry::Checkpoint { seq, state } => print("checkpoint", seq, state),
                Entry::Record { seq, bytes } => print("record", seq, bytes),
                Entry::Lost { seq, count: Some(count) } => writeln!(out, "{segment} lost {seq} {count}"),
                Entry::Lost { seq, count: None } => writeln!(out, "{segment} lost {seq} ?"),
            };
        }
    });
    printed.map_err(DumpError::Output)?;
    walked?;
    Ok(())
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
