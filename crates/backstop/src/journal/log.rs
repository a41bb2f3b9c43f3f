//! The journal on disk: a write-ahead log with one batch a record, as JSON.

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use backstop_file_lock::Claim;
use backstop_wal::{Append, AppendError, DirStorage, Entry, Log, OpenError, Options, ReadError, Reader, Storage};

use super::{Journal, JournalError};
use crate::record::{Batch, Purpose, Record};

/// A journal in a directory of its own. One process writes (WAL-5), any number read beside it.
#[derive(Debug)]
pub struct LogJournal {
    log: Log,
}

/// What a journal holds.
#[derive(Debug, Default)]
pub struct Contents {
    /// Every batch, in order.
    pub batches: Vec<Batch>,
    /// What the last writer did not finish, for people. It was never acknowledged.
    pub torn: Option<String>,
}

/// Why a journal was not opened or read. Nothing was changed or dropped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenJournalError {
    /// The log was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record that is intact, and that this version does not know.
    #[error("record {seq} of the journal is intact, but this version does not know it: use the version that wrote it")]
    Foreign {
        /// Its number.
        seq: u64,
        /// What the decoder said.
        source: serde_json::Error,
    },
    /// A checkpoint, which a journal has none of: the log is another program's.
    #[error("the log holds a checkpoint at record {seq}, so it is no journal of a desk: give another directory")]
    Checkpoint {
        /// The number of the record behind it.
        seq: u64,
    },
    /// The directory cannot be reached or made.
    #[error("cannot open the directory of the journal")]
    Directory(#[source] io::Error),
}

impl LogJournal {
    /// Opens or makes the journal in the directory `path`, whose parent must exist, and reads what it holds. `claim` is
    /// what a second writer will be told.
    ///
    /// # Errors
    /// [`OpenJournalError`].
    ///
    /// # Durability
    /// All that is returned is on disk, whatever the writer before saw of it.
    pub fn open(path: &Path, claim: Claim) -> Result<(Self, Contents), OpenJournalError> {
        let storage = DirStorage::create_or_open(path).map_err(OpenJournalError::Directory)?;
        Self::open_in(Arc::new(storage), claim)
    }

    /// The same in any storage.
    pub(crate) fn open_in(storage: Arc<dyn Storage>, claim: Claim) -> Result<(Self, Contents), OpenJournalError> {
        let mut reading = Reading::default();
        let (log, opened) = Options::new(claim).open(storage, |entry| reading.take(entry))?;
        let mut contents = reading.finish()?;
        contents.torn =
            opened.torn.map(|torn| format!("{} bytes at byte {} of segment {}", torn.bytes, torn.offset, torn.segment));
        Ok((Self { log }, contents))
    }

    /// Reads the journal in the directory `path` beside a live writer: takes no lock, changes nothing. No journal, no
    /// batches.
    ///
    /// # Errors
    /// [`OpenJournalError`].
    pub fn read(path: &Path) -> Result<Contents, OpenJournalError> {
        let storage = match DirStorage::open(path) {
            Ok(storage) => Arc::new(storage),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
            Err(error) => return Err(OpenJournalError::Directory(error)),
        };
        let mut reader = match Reader::from_checkpoint(storage) {
            Ok(reader) => reader,
            Err(ReadError::NoLog { .. }) => return Ok(Contents::default()),
            Err(error) => return Err(error.into()),
        };
        let mut reading = Reading::default();
        reader.read(|entry| reading.take(entry))?;
        reading.finish()
    }
}

/// What was read so far, and the first thing that could not be.
#[derive(Default)]
struct Reading {
    contents: Contents,
    failed: Option<OpenJournalError>,
}

impl Reading {
    fn take(&mut self, entry: Entry<'_>) {
        if self.failed.is_some() {
            return;
        }
        match entry {
            Entry::Record { seq, bytes } => match serde_json::from_slice(bytes) {
                Ok(batch) => self.contents.batches.push(batch),
                Err(source) => self.failed = Some(OpenJournalError::Foreign { seq, source }),
            },
            Entry::Checkpoint { seq, .. } => self.failed = Some(OpenJournalError::Checkpoint { seq }),
        }
    }

    fn finish(self) -> Result<Contents, OpenJournalError> {
        self.failed.map_or(Ok(self.contents), Err)
    }
}

#[async_trait]
impl Journal for LogJournal {
    async fn append(&self, batch: Arc<Batch>) -> Result<(), JournalError> {
        let bytes = serde_json::to_vec(&*batch).map_err(|error| JournalError::Refused { source: error.into() })?;
        // A record that no restart can read would be worse than none.
        let read: Result<Batch, _> = serde_json::from_slice(&bytes);
        if read.as_ref().is_ok_and(|read| read != &*batch) {
            return Err(JournalError::Refused { source: "it reads back as something else".into() });
        }
        read.map_err(|error| JournalError::Refused { source: error.into() })?;
        let how = if may_wait(&batch) { Append::DURABLE } else { Append::DURABLE.from_reserve() };
        match self.log.append_async(&bytes, how).await {
            Ok(_) => Ok(()),
            Err(error @ (AppendError::Failed { .. } | AppendError::Poisoned { .. })) => {
                Err(JournalError::Failed { source: error.into() })
            }
            // Certainly not written, and the log goes on.
            Err(error) => Err(JournalError::Refused { source: error.into() }),
        }
    }
}

/// Whether a batch may be refused on a full disk: it only opens something, or tells. What ends an order, closes a
/// position or stops the bot has room in reserve (WAL-8).
fn may_wait(batch: &Batch) -> bool {
    batch.records.iter().all(|record| {
        matches!(
            record,
            Record::CashRead { .. }
                | Record::SessionBegun { .. }
                | Record::Refused { .. }
                | Record::Reconciled { .. }
                | Record::Alert { .. }
                | Record::Intent { purpose: Purpose::Open, .. }
        )
    })
}

#[cfg(test)]
mod tests;
