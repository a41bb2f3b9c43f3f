//! Reads a log beside its writer, or without one.

use std::io::{self, Write};
use std::sync::Arc;

use crate::chain::{Chain, Ending, Reached};
use crate::error::ReadError;
use crate::log::Entry;
use crate::segment;
use crate::storage::Storage;

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
        let listing = segment::list(storage.as_ref())?;
        Ok(Self { chain: Chain::from_checkpoint(Arc::clone(&storage), &listing)?, storage })
    }

    /// A reader that begins at the oldest record that is still there.
    ///
    /// # Errors
    /// [`ReadError`]; nothing was changed.
    pub fn from_oldest(storage: Arc<dyn Storage>) -> Result<Self, ReadError> {
        let listing = segment::list(storage.as_ref())?;
        let base = Chain::from_checkpoint(Arc::clone(&storage), &listing)?.base();
        // Removal may have left segments behind a gap, if the system lost the removal of one in a crash.
        let older = listing.segments.iter().rev().copied().skip_while(|index| *index > base);
        let first = older.zip((1..=base).rev()).take_while(|(index, expected)| index == expected).last();
        let first = first.map_or(base, |(index, _)| index);
        Ok(Self { chain: Chain::from_segment(Arc::clone(&storage), first)?, storage })
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
                Err(ReadError::Missing { path, intact }) => {
                    let here = self.chain.scanner().place().segment;
                    let oldest = segment::list(self.storage.as_ref())?.segments.first().copied();
                    let overtaken = oldest.is_some_and(|oldest| oldest > here);
                    return Err(if overtaken {
                        ReadError::Overtaken { path }
                    } else {
                        ReadError::Missing { path, intact }
                    });
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

/// Prints one line for each entry, from the oldest on: segment, number, length, content with everything that is not
/// printable escaped.
///
/// # Errors
/// [`DumpError`], after everything before it was printed.
pub fn dump(storage: Arc<dyn Storage>, out: &mut dyn Write) -> Result<(), DumpError> {
    let mut reader = Reader::from_oldest(storage)?;
    let mut printed = Ok(());
    let walked = reader.walk(&mut |segment, entry| {
        let (word, seq, bytes) = match entry {
            Entry::Checkpoint { seq, state } => ("checkpoint", seq, state),
            Entry::Record { seq, bytes } => ("record", seq, bytes),
        };
        if printed.is_ok() {
            printed = writeln!(out, "{segment} {word} {seq} {} {}", bytes.len(), bytes.escape_ascii());
        }
    });
    printed.map_err(DumpError::Output)?;
    walked?;
    Ok(())
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
