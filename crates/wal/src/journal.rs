//! A typed log of operations and facts: what was intended, what became of it, and what else must be known again.

mod handle;
mod line;
mod recovery;
mod table;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::handle::{Failed, InProgress, OperationId, Pending};
use self::line::Line;
pub use self::recovery::{Recovered, Recovery, Unsettled, Verdict};
use self::table::{Snapshot, Table};
use crate::commit::Append;
use crate::error::{AppendError, OpenError, RemoveError};
use crate::log::{Entry, Log};
use crate::open::{Opened, Options};
use crate::operation::State;
use crate::storage::Storage;
use crate::sync::{Mutex, RwLock};

/// What a journal is made of. All of it is written as JSON, so that `strings` on a segment still helps.
pub trait Schema: 'static {
    /// An operation, with all that is needed to carry it out, to look it up and to undo it.
    type Kind: Serialize + DeserializeOwned + Clone + PartialEq + fmt::Debug + Send;
    /// Something that became so.
    type Fact: Serialize + DeserializeOwned + PartialEq + fmt::Debug;
    /// What all facts up to a checkpoint amount to.
    type State: Serialize + DeserializeOwned + fmt::Debug;
}

/// What is shown when a journal is opened, in order, from the newest checkpoint on.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: whoever rebuilds a state must know all there is")]
pub enum Shown<S: Schema> {
    /// What the facts before amount to. Comes first, if at all.
    State(S::State),
    /// A fact.
    Fact(S::Fact),
}

/// Why a journal was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The log beneath was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
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
#[derive(Debug)]
pub struct Journal<S: Schema> {
    log: Log,
    table: Mutex<Table<S::Kind>>,
    /// Held shared from before a record is appended until the table knows of it; a checkpoint holds it alone, so that it
    /// says what the records before it say.
    gate: RwLock<()>,
}

impl<S: Schema> Journal<S> {
    /// Opens the journal in `storage`, or makes one. `visit` is shown the facts; operations that are not at rest are in the
    /// [`Recovery`], which is to be run before anything new is begun.
    ///
    /// # Errors
    /// [`JournalError`]; then no record was changed or dropped.
    pub fn open(
        storage: Arc<dyn Storage>,
        options: &Options,
        mut visit: impl FnMut(Shown<S>),
    ) -> Result<(Self, Recovery<S>, Opened), JournalError> {
        let mut table = Table::default();
        let mut refused = None;
        let (log, opened) = options.open(storage, |entry| {
            if refused.is_none() {
                refused = read(&mut table, entry, &mut visit).err();
            }
        })?;
        if let Some(error) = refused {
            return Err(error);
        }
        // Only a handle can move a failed operation on, and those are gone.
        table.forget_failed();
        let recovery = Recovery::new(table.open());
        Ok((Self { log, table: Mutex::new(table), gate: RwLock::new(()) }, recovery, opened))
    }

    /// Writes down what is about to be done. It is on disk when this returns.
    ///
    /// # Errors
    /// [`WriteError`]; then it must not be done. [`AppendError::Full`] keeps room for closing what is open (WAL-8).
    pub fn begin(&self, kind: S::Kind) -> Result<Pending<'_, S>, WriteError> {
        let line = line::checked::<S>(&Line::Begin(&kind))?;
        let _shared = self.gate.read();
        let seq = self.log.append(&line, Append::DURABLE)?;
        self.table.lock().begin(seq, kind.clone());
        Ok(Pending::new(self, OperationId(seq), kind))
    }

    /// Writes down a fact. With [`Append::DURABLE`] it is on disk when this returns.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn record(&self, fact: &S::Fact, how: Append) -> Result<u64, WriteError> {
        let line = line::checked::<S>(&Line::Fact(fact))?;
        let _shared = self.gate.read();
        Ok(self.log.append(&line, how)?)
    }

    /// The operations that are not at rest, in the order in which they were begun.
    pub fn open_operations(&self) -> Vec<(OperationId, State, S::Kind)> {
        self.table.lock().open()
    }

    /// Writes a checkpoint with the open operations and `state`, which `state` must compute from all facts recorded so
    /// far: it is called while nobody can record. Then removes history, except for the newest `keep` segments of it.
    ///
    /// # Errors
    /// [`CheckpointError`]; no record is lost by it.
    pub fn checkpoint(&self, state: impl FnOnce() -> S::State, keep: u64) -> Result<u64, CheckpointError> {
        let alone = self.gate.write();
        let state = state();
        let snapshot = self.table.lock().snapshot(state);
        let bytes = serde_json::to_vec(&snapshot).map_err(WriteError::Encode)?;
        // What it stands for may be removed: it must be readable.
        let _read: Snapshot<S::Kind, S::State> = serde_json::from_slice(&bytes).map_err(WriteError::Encode)?;
        self.log.checkpoint(&bytes).map_err(WriteError::Append)?;
        drop(alone);
        Ok(self.log.remove_history(keep)?)
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
        let mut lines = Vec::with_capacity(path.len() + facts.len());
        for to in path {
            lines.push(line::checked::<S>(&Line::Move { operation: id.0, to: *to })?);
        }
        for fact in facts {
            lines.push(line::checked::<S>(&Line::Fact(fact))?);
        }
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let _shared = self.gate.read();
        // WAL-7: before it is on disk. A handle of another journal, or of a recovery that is over, gets no further.
        let from = self.table.lock().state(id.0);
        let reached =
            path.iter().try_fold(from.ok_or(WriteError::Move { operation: id.0 })?, |state, to| state.next(*to));
        let Some(reached) = reached else { return Err(WriteError::Move { operation: id.0 }) };
        // What closes an operation may use the room that is kept for it, what starts one may not (WAL-8).
        let how = if reached.is_at_rest() { Append::DURABLE.from_reserve() } else { Append::DURABLE };
        self.log.append_batch(&lines, how)?;
        let mut table = self.table.lock();
        for to in path {
            let moved = table.advance(id.0, *to);
            debug_assert!(moved.is_ok(), "handles make only moves that there are");
        }
        Ok(())
    }

    fn forget_failed(&self, id: OperationId) {
        self.table.lock().forget_one_failed(id.0);
    }
}

/// Why there is no checkpoint, or history was not removed. No record is lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It was not written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It was written, and what it stands for was not removed.
    #[error(transparent)]
    Remove(#[from] RemoveError),
}

/// Takes one entry of the log into the table, or shows it.
fn read<S: Schema>(
    table: &mut Table<S::Kind>,
    entry: Entry<'_>,
    visit: &mut dyn FnMut(Shown<S>),
) -> Result<(), JournalError> {
    let unreadable = |seq| move |source| JournalError::Unreadable { seq, source };
    match entry {
        Entry::Checkpoint { seq, state } => {
            let snapshot: Snapshot<S::Kind, S::State> = serde_json::from_slice(state).map_err(unreadable(seq))?;
            visit(Shown::State(table.restore(snapshot)));
        }
        Entry::Record { seq, bytes } => match serde_json::from_slice(bytes).map_err(unreadable(seq))? {
            Line::<S::Kind, S::Fact>::Begin(kind) => table.begin(seq, kind),
            Line::Fact(fact) => visit(Shown::Fact(fact)),
            Line::Move { operation, to } => {
                let refused = |from| JournalError::Move { seq, operation, from, to };
                table.advance(operation, to).map_err(refused)?;
            }
        },
    }
    Ok(())
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
