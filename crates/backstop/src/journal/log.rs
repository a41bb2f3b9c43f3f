//! The journal on disk: a write-ahead log with one batch a record, as JSON, and now and then a checkpoint of the state.

mod checkpoints;

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use backstop_file_lock::Claim;
use backstop_trade_guard::{self as trade_guard, Event};
use backstop_wal::{
    self as wal, Append, AppendError, DirStorage, JournalError as LogError, Options, ReadError, Schema, Storage,
    WriteError,
};
use serde::{Deserialize, Serialize};

use self::checkpoints::Checkpoints;
pub use self::checkpoints::Upkeep;
use super::{Journal, JournalError};
use crate::record::{Batch, Purpose, Record};
use crate::state::{Contradiction, State};

/// A journal in a directory of its own. One process writes (WAL-5), any number read beside it.
///
/// It writes checkpoints by itself, in a thread of its own, so that opening and memory cost what is open and not what was
/// (WAL-6); [`Upkeep`] says when, and how long history stays. One that fails is reported as an event, and to the desk as a
/// [`complaint`](Journal::complaint); it stops nothing and is tried again when as much again was written. The segments are
/// as long as the state needs when the journal is opened: one that has since grown past them gets a checkpoint again after
/// the next opening, up to about 15 MiB.
#[derive(Debug)]
pub struct LogJournal {
    journal: Arc<wal::Journal<Records>>,
    checkpoints: Checkpoints,
}

/// What a journal amounts to.
#[derive(Debug, Default)]
pub struct Contents {
    /// The state after its last batch.
    pub state: State,
    /// What the last writer did not finish, for people. It was never acknowledged.
    pub torn: Option<String>,
}

/// One thing that the journal still holds, or holds no more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: a history that leaves something out is none")]
pub enum Past {
    /// So many batches were removed from here, because they were old or took too much room ([`Upkeep`]).
    Removed {
        /// How many.
        batches: u64,
    },
    /// Batches are missing here: the journal was salvaged from a damaged one.
    Lost {
        /// How many, if that is known.
        batches: Option<u64>,
    },
    /// A batch.
    Batch(Batch),
}

/// Why a journal was not opened or read. Nothing was changed or dropped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenJournalError {
    /// The log was not opened, cannot be read, or is another program's.
    #[error(transparent)]
    Log(#[from] LogError),
    /// It tells an impossible story.
    #[error("the journal was edited or mixed up: restore it from a copy, or settle the account by hand")]
    Contradiction(#[from] Contradiction),
    /// The directory cannot be reached or made.
    #[error("cannot open the directory of the journal")]
    Directory(#[source] io::Error),
}

/// A desk's journal as the log sees it: facts only.
#[derive(Debug)]
enum Records {}

/// The desk's operations are part of its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum NoOperation {}

/// What the batches so far amount to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Folded {
    state: State,
    /// From the first impossible batch on, the state counts for nothing. Left out, a checkpoint of it reads back as
    /// something else, so none is written: history is what there is to mend it from.
    #[serde(skip)]
    contradiction: Option<Contradiction>,
}

impl Schema for Records {
    type Kind = NoOperation;
    type Fact = Batch;
    type State = Folded;

    fn apply(folded: &mut Folded, batch: &Batch) {
        if folded.contradiction.is_none() {
            folded.contradiction = folded.state.apply(batch).err();
        }
    }
}

impl Folded {
    fn into_state(self) -> Result<State, Contradiction> {
        self.contradiction.map_or(Ok(self.state), Err)
    }
}

impl LogJournal {
    /// Opens or makes the journal in the directory `path`, whose parent must exist, and reads what it amounts to. `claim` is
    /// what a second writer will be told.
    ///
    /// # Errors
    /// [`OpenJournalError`].
    ///
    /// # Durability
    /// All that is returned is on disk, whatever the writer before saw of it.
    pub fn open(path: &Path, claim: Claim, upkeep: Upkeep) -> Result<(Self, Contents), OpenJournalError> {
        let storage = DirStorage::create_or_open(path).map_err(OpenJournalError::Directory)?;
        Self::open_in(Arc::new(storage), claim, upkeep)
    }

    /// The same in any storage.
    pub(crate) fn open_in(
        storage: Arc<dyn Storage>,
        claim: Claim,
        upkeep: Upkeep,
    ) -> Result<(Self, Contents), OpenJournalError> {
        let options = Options::new(claim).segment_len(segment_len(&storage));
        let (journal, _, opened) = wal::Journal::<Records>::open(storage, &options)?;
        let state = journal.state().into_state()?;
        let torn =
            opened.torn.map(|torn| format!("{} bytes at byte {} of segment {}", torn.bytes, torn.offset, torn.segment));
        let journal = Arc::new(journal);
        let checkpoints = Checkpoints::new(Arc::clone(&journal), upkeep);
        Ok((Self { journal, checkpoints }, Contents { state, torn }))
    }

    /// Reads what the journal in the directory `path` amounts to, beside a live writer: takes no lock, changes nothing. No
    /// journal, no state.
    ///
    /// # Errors
    /// [`OpenJournalError`].
    pub fn read(path: &Path) -> Result<Contents, OpenJournalError> {
        let Some(storage) = existing(path)? else { return Ok(Contents::default()) };
        match wal::Journal::<Records>::read(&storage) {
            Ok(contents) => Ok(Contents { state: contents.state.into_state()?, torn: None }),
            Err(LogError::Read(ReadError::NoLog { .. })) => Ok(Contents::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Shows `visit` every batch that the journal in the directory `path` still holds, in order, and where some were
    /// removed; beside a live writer, and with little of it in memory at a time. No journal, nothing.
    ///
    /// # Errors
    /// [`OpenJournalError`], after everything before it was shown.
    pub fn read_history(path: &Path, mut visit: impl FnMut(Past)) -> Result<(), OpenJournalError> {
        let Some(storage) = existing(path)? else { return Ok(()) };
        let read = wal::Journal::<Records>::read_history(&storage, |past| match past {
            wal::Past::Removed { records } => visit(Past::Removed { batches: records }),
            wal::Past::Lost { records } => visit(Past::Lost { batches: records }),
            wal::Past::Fact(batch) => visit(Past::Batch(batch)),
            wal::Past::Begun { kind, .. } => match kind {},
            // There is nothing that could move.
            wal::Past::Moved { .. } => {}
        });
        match read {
            Err(LogError::Read(ReadError::NoLog { .. })) => Ok(()),
            read => Ok(read?),
        }
    }
}

/// The shortest segments there are, and the longest that a log takes.
const SEGMENT: std::ops::RangeInclusive<u64> = 1 << 20..=1 << 24;

/// How long new segments are to be: a checkpoint is one record, so the state must fit, with room to grow in.
fn segment_len(storage: &Arc<dyn Storage>) -> u64 {
    // What cannot be read the opening says better.
    let state = wal::Journal::<Records>::read(storage).ok().and_then(|read| serde_json::to_vec(&read.state).ok());
    let length = state.and_then(|bytes| u64::try_from(bytes.len()).ok()).unwrap_or(0);
    length.saturating_mul(4).clamp(*SEGMENT.start(), *SEGMENT.end()).next_power_of_two()
}

/// The storage in the directory `path`, if there is such a directory.
fn existing(path: &Path) -> Result<Option<Arc<dyn Storage>>, OpenJournalError> {
    match DirStorage::open(path) {
        Ok(storage) => Ok(Some(Arc::new(storage))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OpenJournalError::Directory(error)),
    }
}

#[async_trait]
impl Journal for LogJournal {
    async fn append(&self, batch: Arc<Batch>) -> Result<(), JournalError> {
        let how = if may_wait(&batch) { Append::DURABLE } else { Append::DURABLE.from_reserve() };
        match self.journal.record_async(&batch, how).await {
            Ok(_) => {}
            Err(error @ WriteError::Append(AppendError::Failed { .. } | AppendError::Poisoned { .. })) => {
                return Err(JournalError::Failed { source: error.into() });
            }
            // Certainly not written, and the log goes on.
            Err(error) => return Err(JournalError::Refused { source: error.into() }),
        }
        if batch.records.iter().any(|record| matches!(record, Record::Stopped { .. })) {
            self.checkpoints.write_last(batch.at).await;
        } else {
            self.checkpoints.write_if_due(batch.at);
        }
        Ok(())
    }

    fn complaint(&self) -> Option<String> {
        self.checkpoints.complaint()
    }
}

/// Whether a batch may be refused on a full disk: it only opens something, or tells. What ends an order, closes a
/// position or stops the bot has room in reserve (WAL-8).
fn may_wait(batch: &Batch) -> bool {
    batch.records.iter().all(|record| {
        matches!(
            record,
            Record::CashRead { .. }
                | Record::CashUnread { .. }
                | Record::SessionBegun { .. }
                | Record::Refused { .. }
                | Record::Reconciled { .. }
                | Record::Alert { .. }
                | Record::AlertOver { .. }
                | Record::Told { .. }
                | Record::Checked { .. }
                | Record::Attempt { of: trade_guard::Record { event: Event::Claimed { .. }, .. } }
                | Record::Intent { purpose: Purpose::Open, .. }
                | Record::RepeatsAllowed { .. }
                // It tells: the cancel is asked for all the same.
                | Record::Canceling { .. }
        )
    })
}

#[cfg(test)]
mod tests;
