//! Sagas in a write-ahead log.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use backstop_wal::{Append, AppendError, Entry, Log, OpenError, Opened, Options, Storage};
use serde::{Deserialize, Serialize};

use super::journal::{Appending, JournalError, SagaJournal};
use super::record::{Impossible, SagaRecord};
use super::{Saga, Sagas};
use crate::sync::Mutex;

/// The version of the records, in each of them. Raise it with every change that an older reader would get wrong.
const VERSION: u32 = 1;

/// So many records are enough for a checkpoint, if nothing is open.
const CHECKPOINT_EVERY: u64 = 1000;

/// What a checkpoint says.
const NOTHING_OPEN: &[u8] = b"{\"version\":1,\"record\":\"nothing is open\"}";

/// How many segments of what a checkpoint stands for are kept, for who wants to read what happened.
const KEEP_SEGMENTS: u64 = 2;

/// Sagas in a write-ahead log of their own: durable against any crash of the process or the machine.
#[derive(Debug)]
pub struct SagaLog {
    log: Log,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sagas: Sagas,
    /// Those with a record on its way, which may be written or not: by name, with the keys that the record brings. Whoever
    /// gives one up leaves it here, since nobody else knows either until the log is opened again.
    on_their_way: BTreeMap<String, Vec<String>>,
    /// Records since the last checkpoint.
    uncovered: u64,
}

/// Why sagas could not be opened. Nothing was dropped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SagaOpenError {
    /// The log beneath was not opened.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// A later version of Backstop wrote this.
    #[error("record {seq} has version {version}, this program reads {VERSION}; open it with the version that wrote it")]
    Newer {
        /// The number of the record.
        seq: u64,
        /// Its version.
        version: u32,
    },
    /// A record is whole and cannot be understood.
    #[error("record {seq} is intact and is not of a saga; check the path")]
    Unreadable {
        /// The number of the record.
        seq: u64,
        /// What was wrong with it.
        source: serde_json::Error,
    },
    /// A record cannot follow what was written before.
    #[error("record {seq} contradicts what was written before")]
    Impossible {
        /// The number of the record.
        seq: u64,
        /// Which, of what.
        source: Impossible,
    },
    /// The history was long, and a checkpoint in its place could not be written.
    #[error("the sagas are intact, and their log does not take anything more")]
    Checkpoint(#[source] JournalError),
    /// The log was salvaged from a damaged one, and lacks records.
    #[error("the log was salvaged and lacks records from {seq} on; look up at the broker what was done")]
    Lost {
        /// The number of the first record that is missing.
        seq: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct Line<T> {
    version: u32,
    record: T,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl SagaLog {
    /// Opens the sagas in `storage`, or begins them. Returns those that are not at rest: give each to
    /// [`run`](crate::run), which takes it back.
    ///
    /// # Errors
    /// [`SagaOpenError`]; no record was changed or dropped.
    pub fn open(storage: Arc<dyn Storage>, options: &Options) -> Result<(Self, Vec<Saga>, Opened), SagaOpenError> {
        let (mut state, mut refused) = (State::default(), None);
        let (log, opened) = options.open(storage, |entry| {
            if refused.is_none() {
                refused = state.read(entry).err();
            }
        })?;
        if let Some(refused) = refused {
            return Err(refused);
        }
        let unfinished = state.sagas.restored();
        if unfinished.is_empty() && state.uncovered >= CHECKPOINT_EVERY {
            // Done here and not while it runs, where a task would wait for it. It stands for nothing at all.
            let made = log.checkpoint(NOTHING_OPEN).map_err(|source| Box::new(source) as Box<dyn Error + Send + Sync>);
            let removed = made.and_then(|_| log.remove_history(KEEP_SEGMENTS).map_err(Into::into));
            removed.map_err(|source| SagaOpenError::Checkpoint(JournalError::Failed(source)))?;
            state.uncovered = 0;
        }
        Ok((Self { log, state: Mutex::new(state) }, unfinished, opened))
    }

    /// Lets the log go: it can be opened again once this returns. Dropped instead, that may take a moment more.
    ///
    /// # Errors
    /// [`JournalError`]; what was acknowledged is on disk all the same.
    pub fn close(self) -> Result<(), JournalError> {
        self.log.close().map_err(|source| JournalError::Failed(Box::new(source)))
    }
}

impl State {
    fn read(&mut self, entry: Entry<'_>) -> Result<(), SagaOpenError> {
        let (seq, bytes) = match entry {
            Entry::Record { seq, bytes } => (seq, bytes),
            // One is made only while nothing is open.
            Entry::Checkpoint { .. } => {
                *self = Self::default();
                return Ok(());
            }
            Entry::Lost { seq, .. } => return Err(SagaOpenError::Lost { seq }),
        };
        let unreadable = |source| SagaOpenError::Unreadable { seq, source };
        let Versioned { version } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if version > VERSION {
            return Err(SagaOpenError::Newer { seq, version });
        }
        let line: Line<SagaRecord> = serde_json::from_slice(bytes).map_err(unreadable)?;
        self.note(&line.record).map_err(|source| SagaOpenError::Impossible { seq, source })
    }

    fn note(&mut self, record: &SagaRecord) -> Result<(), Impossible> {
        self.uncovered += 1;
        self.sagas.note(record)
    }
}

impl State {
    /// Keeps the place of a record that is about to be written. What cannot follow is not written: it would keep the log
    /// from being opened.
    fn set_out(&mut self, record: &SagaRecord) -> Result<(), Impossible> {
        let saga = record.saga();
        if self.on_their_way.contains_key(saga) {
            return Err(Impossible::Busy { saga: saga.to_owned() });
        }
        self.sagas.check(record)?;
        let keys: Vec<_> = match record {
            SagaRecord::Begun { steps, .. } => steps.iter().map(|plan| plan.key.clone()).collect(),
            _ => Vec::new(),
        };
        if let Some(key) = keys.iter().find(|key| self.on_their_way.values().flatten().any(|other| other == *key)) {
            return Err(Impossible::KeyInUse { saga: saga.to_owned(), key: key.clone() });
        }
        self.on_their_way.insert(saga.to_owned(), keys);
        Ok(())
    }
}

/// # Cancel safety
/// A record that is given up is there whole or not at all, and its saga takes no other until the log is opened again.
impl SagaJournal for SagaLog {
    fn append<'a>(&'a self, record: &'a SagaRecord) -> Appending<'a> {
        Box::pin(async move {
            let line = serde_json::to_vec(&Line { version: VERSION, record });
            let line = line.map_err(|source| JournalError::Failed(Box::new(source)))?;
            // WAL-8: what closes is let into the reserve.
            let how = if matches!(record, SagaRecord::Begun { .. } | SagaRecord::Acting { .. }) {
                Append::DURABLE
            } else {
                Append::DURABLE.from_reserve()
            };
            self.state.lock().set_out(record)?;
            let written = self.log.append_async(&line, how).await;
            let mut state = self.state.lock();
            if !matches!(written, Err(AppendError::Failed { .. })) {
                state.on_their_way.remove(record.saga());
            }
            written.map_err(|source| JournalError::Failed(Box::new(source)))?;
            Ok(state.note(record)?)
        })
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
