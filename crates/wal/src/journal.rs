//! A typed log of operations and facts: what was intended, what became of it, and what else must be known again.

mod handle;
mod keep;
mod line;
mod live;
mod reading;
mod recovery;
mod table;
mod writing;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::handle::{Failed, InProgress, OperationId, Pending};
pub use self::keep::Keep;
pub use self::live::Tail;
use self::live::{Change, Live};
pub use self::reading::{Contents, Past};
pub use self::recovery::{Recovered, Recovery, Unsettled, Verdict};
use crate::commit::Append;
use crate::error::{AppendError, OpenError, ReadError};
use crate::log::Log;
use crate::open::{Opened, Options};
use crate::operation::State;
use crate::storage::Storage;
use crate::sync::{Condvar, Mutex};

/// What a journal is made of. All of it is written as JSON, so that `strings` on a segment still helps.
///
/// Any shape that serde knows will do. What does not read back equal to what it was is refused before it is written.
pub trait Schema: 'static {
    /// An operation, with all that is needed to carry it out, to look it up and to undo it.
    type Kind: Serialize + DeserializeOwned + Clone + PartialEq + fmt::Debug + Send + Sync;
    /// Something that became so.
    type Fact: Serialize + DeserializeOwned + PartialEq + fmt::Debug;
    /// What all facts so far amount to. Checkpoints hold it, so it must not grow with history.
    type State: Serialize + DeserializeOwned + Clone + Default + PartialEq + fmt::Debug + Send;

    /// Takes a fact into the state. Called for each fact in the order of the log, when it is written and when it is read
    /// again: so it must depend on nothing else, and must not call the journal.
    fn apply(state: &mut Self::State, fact: &Self::Fact);
}

/// Why a journal was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The log beneath was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log beneath cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record is whole and cannot be understood: another program wrote it, or another version of this one. Nothing was
    /// dropped.
    #[error("record {seq} is intact and cannot be understood; open it with the program that wrote it")]
    Unreadable {
        /// Its number.
        seq: u64,
        /// What was wrong with it.
        source: serde_json::Error,
    },
    /// A record makes a move that there is not (WAL-7).
    #[error(
        "record {seq} moves operation {operation} from {from:?} to {to:?}, which cannot be; do not go on with this log"
    )]
    Move {
        /// The number of the record.
        seq: u64,
        /// The operation.
        operation: u64,
        /// Where it was; `None` if there was no such operation, or it was at rest.
        from: Option<State>,
        /// Where the record moves it.
        to: State,
    },
}

/// Why something was not written down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The log did not acknowledge it. [`AppendError`] says whether it may be there all the same.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// It cannot be written as JSON, or not be read back from it. Nothing was written.
    #[error("it cannot be written as JSON and read back")]
    Encode(#[source] serde_json::Error),
    /// It reads back from JSON as something else. Nothing was written.
    #[error("it reads back from JSON as something else; give it another shape")]
    Unfaithful,
    /// The operation cannot make this move: it is not this journal's, or somebody else has moved it. Nothing was written.
    #[error("operation {operation} is not one of this journal that can make this move")]
    Move {
        /// The operation.
        operation: u64,
    },
}

/// A journal that is open for writing.
///
/// An operation is begun, started and brought to rest through handles; each move is on disk before the call returns
/// (law: intent before effect). A handle that is dropped leaves its operation as it is, for the next opening's recovery.
///
/// # Cancel safety
/// Each call has a form for tasks, which ends in `_async`. Dropped before its record has a place in the log, nothing has
/// happened; after that the record is there, whole, and only the caller has not heard of it. What the journal knows in
/// memory, and what checkpoints say, agrees with the disk in either case. An operation whose handle was lost so is visited
/// by the next opening's recovery, like any other that is not at rest.
#[derive(Debug)]
pub struct Journal<S: Schema> {
    log: Log,
    /// Locked before the log's queue, never after it; not while anything is written or synced.
    live: Mutex<Live<S>>,
    /// A checkpoint has its place.
    thawed: Condvar,
}

impl<S: Schema> Journal<S> {
    /// Opens the journal in `storage`, or makes one. Operations that are not at rest are in the [`Recovery`], which is to
    /// be run before anything new is begun.
    ///
    /// # Errors
    /// [`JournalError`]; then no record was changed or dropped.
    pub fn open(storage: Arc<dyn Storage>, options: &Options) -> Result<(Self, Recovery<S>, Opened), JournalError> {
        let mut live = Live::default();
        let mut read = Ok(());
        let (log, opened) = options.open(storage, |entry| {
            if read.is_ok() {
                read = live.read(entry);
            }
        })?;
        read?;
        // Only a handle can move a failed operation on, and those are gone.
        live.forget_failed();
        let recovery = Recovery::new(live.open());
        Ok((Self { log, live: Mutex::new(live), thawed: Condvar::new() }, recovery, opened))
    }

    /// Writes down what is about to be done. It is on disk when this returns.
    ///
    /// # Errors
    /// [`WriteError`]; then it must not be done. [`AppendError::Full`] keeps room for closing what is open (WAL-8).
    pub fn begin(&self, kind: S::Kind) -> Result<Pending<'_, S>, WriteError> {
        let number = self.live.lock().number();
        self.write(&Change::begin(number, &kind)?)?;
        Ok(Pending::new(self, OperationId(number), kind))
    }

    /// As [`begin`](Journal::begin), for tasks.
    ///
    /// # Errors
    /// As [`begin`](Journal::begin).
    ///
    /// # Cancel safety
    /// As of [the journal](Journal#cancel-safety): it may be begun, and then stays pending until the next recovery.
    pub async fn begin_async(&self, kind: S::Kind) -> Result<Pending<'_, S>, WriteError> {
        let number = self.live.lock().number();
        self.write_later(&Change::begin(number, &kind)?).await?;
        Ok(Pending::new(self, OperationId(number), kind))
    }

    /// Writes down a fact. With [`Append::DURABLE`] it is on disk when this returns.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn record(&self, fact: &S::Fact, how: Append) -> Result<u64, WriteError> {
        self.write(&Change::fact(fact, how)?)
    }

    /// As [`record`](Journal::record), for tasks.
    ///
    /// # Errors
    /// As [`record`](Journal::record).
    ///
    /// # Cancel safety
    /// As of [the journal](Journal#cancel-safety): the fact is there and in the state, or neither.
    pub async fn record_async(&self, fact: &S::Fact, how: Append) -> Result<u64, WriteError> {
        self.write_later(&Change::fact(fact, how)?).await
    }

    /// The operations that are not at rest, in the order in which they were begun. One that is being written is there
    /// already.
    pub fn open_operations(&self) -> Vec<(OperationId, State, S::Kind)> {
        self.live.lock().open()
    }

    /// What all facts amount to. One that is being written counts already.
    pub fn state(&self) -> S::State {
        self.live.lock().state.clone()
    }

    /// How much opening has to read beside the newest checkpoint: grown enough, it is time for
    /// [another](Journal::checkpoint).
    pub fn tail(&self) -> Tail {
        self.live.lock().tail
    }

    /// Makes everything durable and lets the lock go.
    ///
    /// # Errors
    /// [`AppendError`], as of [`Log::close`].
    pub fn close(self) -> Result<(), AppendError> {
        self.log.close()
    }

    /// Moves an operation, in one batch with the facts that come of it.
    fn advance(&self, id: OperationId, path: &[State], facts: &[S::Fact]) -> Result<(), WriteError> {
        self.write(&Change::moves(id, path, facts)?).map(drop)
    }

    async fn advance_async(&self, id: OperationId, path: &[State], facts: &[S::Fact]) -> Result<(), WriteError> {
        self.write_later(&Change::moves(id, path, facts)?).await.map(drop)
    }

    fn forget_failed(&self, id: OperationId) {
        self.live.lock().forget_one_failed(id);
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
