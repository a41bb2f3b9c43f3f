//! What the records so far amount to.

use std::slice;
use std::task::Waker;

use super::line::{self, Line, Snapshot};
use super::table::Table;
use super::{JournalError, OperationId, Schema, WriteError};
use crate::Timestamp;
use crate::commit::Append;
use crate::log::Entry;
use crate::operation::State;

/// How much was written since the newest checkpoint, or since the beginning: what opening has to read beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tail {
    /// How many records.
    pub records: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// What the records whose place in the log is settled amount to. Either they get to the disk, or the log takes nothing more
/// and this counts for nothing: so a caller that went away leaves memory and disk with one story.
#[derive(Debug)]
pub(super) struct Live<S: Schema> {
    table: Table<S::Kind>,
    pub(super) state: S::State,
    /// The number of the next operation.
    next: u64,
    /// Records are missing. Operations with smaller numbers may have moved in them, and others may have been begun.
    lost_at: Option<u64>,
    pub(super) tail: Tail,
    /// A checkpoint is being made: nothing may change.
    pub(super) is_frozen: bool,
    /// Tasks that wait for the end of that.
    pub(super) waiting: Vec<Waker>,
}

/// Something to be written, and what it changes.
#[derive(Debug)]
pub(super) struct Change<'a, S: Schema> {
    pub(super) lines: Vec<Vec<u8>>,
    pub(super) how: Append,
    operation: Option<(u64, Step<'a, S::Kind>)>,
    facts: &'a [S::Fact],
}

#[derive(Debug)]
enum Step<'a, K> {
    Begin(&'a K),
    Moves(&'a [State]),
}

impl<'a, S: Schema> Change<'a, S> {
    pub(super) fn begin(number: u64, kind: &'a S::Kind) -> Result<Self, WriteError> {
        let lines = vec![line::checked::<S>(&Line::Begin { operation: number, kind })?];
        Ok(Self { lines, how: Append::DURABLE, operation: Some((number, Step::Begin(kind))), facts: &[] })
    }

    pub(super) fn fact(fact: &'a S::Fact, how: Append) -> Result<Self, WriteError> {
        Ok(Self {
            lines: vec![line::checked::<S>(&Line::Fact(fact))?],
            how,
            operation: None,
            facts: slice::from_ref(fact),
        })
    }

    /// Moves an operation along `path`, in one batch with the facts that come of it.
    pub(super) fn moves(id: OperationId, path: &'a [State], facts: &'a [S::Fact]) -> Result<Self, WriteError> {
        let moves = path.iter().map(|to| line::checked::<S>(&Line::Move { operation: id.0, to: *to }));
        let lines = moves.chain(facts.iter().map(|fact| line::checked::<S>(&Line::Fact(fact))));
        let lines = lines.collect::<Result<_, _>>()?;
        // What closes an operation may use the room that is kept for it, what starts one may not (WAL-8).
        let closes = path.last().is_some_and(|to| to.is_at_rest());
        let how = if closes { Append::DURABLE.from_reserve() } else { Append::DURABLE };
        Ok(Self { lines, how, operation: Some((id.0, Step::Moves(path))), facts })
    }
}

impl<S: Schema> Default for Live<S> {
    fn default() -> Self {
        let (table, state, tail) = (Table::default(), S::State::default(), Tail::default());
        Self { table, state, next: 1, lost_at: None, tail, is_frozen: false, waiting: Vec::new() }
    }
}

impl<S: Schema> Live<S> {
    /// A number for an operation; it is nobody else's.
    pub(super) fn number(&mut self) -> u64 {
        let number = self.next;
        self.next = number.saturating_add(1);
        number
    }

    /// Whether a change can be made (WAL-7): before it is on disk. A handle of another journal, or of a recovery that is
    /// over, gets no further.
    pub(super) fn admit(&self, change: &Change<'_, S>) -> Result<(), WriteError> {
        let Some((number, Step::Moves(path))) = &change.operation else { return Ok(()) };
        let from = self.table.state(*number);
        let reached = from.and_then(|from| path.iter().try_fold(from, |state, to| state.next(*to)));
        reached.map(drop).ok_or(WriteError::Move { operation: *number })
    }

    /// Makes a change that was admitted.
    pub(super) fn take(&mut self, change: &Change<'_, S>) {
        self.tail.records += change.lines.len() as u64;
        self.tail.bytes += change.lines.iter().map(|line| line.len() as u64).sum::<u64>();
        match &change.operation {
            Some((number, Step::Begin(kind))) => self.table.begin(*number, (*kind).clone()),
            Some((number, Step::Moves(path))) => {
                for to in *path {
                    let moved = self.table.advance(*number, *to);
                    debug_assert!(moved.is_ok(), "it was admitted");
                }
            }
            None => {}
        }
        for fact in change.facts {
            S::apply(&mut self.state, fact);
        }
    }

    /// Takes in one entry of the log.
    pub(super) fn read(&mut self, entry: Entry<'_>) -> Result<(), JournalError> {
        match entry {
            Entry::Checkpoint { seq, state } => {
                let unreadable = |source| JournalError::Unreadable { seq, source };
                let Snapshot { next, operations, failed, state, .. } =
                    serde_json::from_slice::<Snapshot<S::Kind, S::State>>(state).map_err(unreadable)?;
                (self.table, self.next, self.state) = (Table::restore(operations, failed), next, state);
                self.lost_at = None;
                self.tail = Tail::default();
            }
            Entry::Record { seq, bytes } => {
                self.tail.records += 1;
                self.tail.bytes += bytes.len() as u64;
                match read_line::<S>(seq, bytes)? {
                    Line::Begin { operation, kind } => {
                        if let Some(from) = self.table.state(operation) {
                            return Err(JournalError::Move { seq, operation, from: Some(from), to: State::Pending });
                        }
                        self.next = self.next.max(operation.saturating_add(1));
                        self.table.begin(operation, kind);
                    }
                    Line::Move { operation, to } => {
                        let moved = self.table.advance(operation, to);
                        let lost =
                            |from: Option<State>| self.lost_at.is_some_and(|at| operation < at || from.is_none());
                        match moved {
                            Err(from) if lost(from) => {
                                self.table.set(operation, to);
                                self.next = self.next.max(operation.saturating_add(1));
                            }
                            moved => moved.map_err(|from| JournalError::Move { seq, operation, from, to })?,
                        }
                    }
                    Line::Fact(fact) => S::apply(&mut self.state, &fact),
                }
            }
            // Whoever accepted the loss has what there is, as far as anybody can tell.
            Entry::Lost { .. } => self.lost_at = Some(self.next),
        }
        Ok(())
    }

    pub(super) fn snapshot(&self, at: Timestamp) -> Snapshot<S::Kind, S::State> {
        let operations = self.table.open().into_iter().map(|(id, state, kind)| (id.0, state, kind)).collect();
        Snapshot { at, next: self.next, operations, failed: self.table.failed().clone(), state: self.state.clone() }
    }

    pub(super) fn open(&self) -> Vec<(OperationId, State, S::Kind)> {
        self.table.open()
    }

    pub(super) fn forget_failed(&mut self) {
        self.table.forget_failed();
    }

    pub(super) fn forget_one_failed(&mut self, id: OperationId) {
        self.table.forget_one_failed(id.0);
    }
}

/// One record, understood.
pub(super) fn read_line<S: Schema>(seq: u64, bytes: &[u8]) -> Result<Line<S::Kind, S::Fact>, JournalError> {
    serde_json::from_slice(bytes).map_err(|source| JournalError::Unreadable { seq, source })
}
