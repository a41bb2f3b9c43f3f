//! Reads a journal beside its writer, or without one.

use std::sync::Arc;

use super::line::Line;
use super::live::{Live, read_line};
use super::{Journal, JournalError, OperationId, Schema};
use crate::error::ReadError;
use crate::log::Entry;
use crate::operation::State;
use crate::reader::Reader;
use crate::storage::Storage;

/// How often reading begins anew, because the writer has removed what was to be read next.
const ATTEMPTS: u32 = 20;

/// What a journal amounts to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Contents<S: Schema> {
    /// What all facts amount to.
    pub state: S::State,
    /// The operations that are not at rest, in the order in which they were begun.
    pub open: Vec<(OperationId, State, S::Kind)>,
}

/// One thing that happened, as far as it is still there to be read.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: a history that leaves something out is none")]
pub enum Past<S: Schema> {
    /// So many records were removed from here.
    Removed {
        /// How many.
        records: u64,
    },
    /// Records are missing here: this is the copy of a damaged journal ([`salvage`](crate::salvage)).
    Lost {
        /// How many, if that is known.
        records: Option<u64>,
    },
    /// An operation was begun.
    Begun {
        /// Its number.
        id: OperationId,
        /// What it is.
        kind: S::Kind,
    },
    /// An operation moved.
    Moved {
        /// Its number.
        id: OperationId,
        /// Where to.
        to: State,
    },
    /// A fact.
    Fact(S::Fact),
}

impl<S: Schema> Journal<S> {
    /// Reads what the journal in `storage` amounts to; takes no lock, changes nothing, and may run beside the writer
    /// (WAL-5).
    ///
    /// # Errors
    /// [`JournalError`]; [`ReadError::NoLog`] if there is none.
    pub fn read(storage: &Arc<dyn Storage>) -> Result<Contents<S>, JournalError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (mut live, mut read) = (Live::<S>::default(), Ok(()));
            let mut reader = Reader::from_checkpoint(Arc::clone(storage))?;
            let walked = reader.read(|entry| {
                if read.is_ok() {
                    read = match entry {
                        Entry::Lost { seq, count } => {
                            Err(ReadError::Lost { path: storage.place().to_owned(), seq, count }.into())
                        }
                        entry => live.read(entry),
                    };
                }
            });
            match walked {
                Err(ReadError::Overtaken { .. }) if attempts < ATTEMPTS => {}
                walked => {
                    walked?;
                    read?;
                    return Ok(Contents { open: live.open(), state: live.state });
                }
            }
        }
    }

    /// Shows `visit` all that is kept, from the oldest on, and where something was removed. Takes no lock, changes nothing,
    /// may run beside the writer, and has one segment in memory at a time.
    ///
    /// # Errors
    /// [`JournalError`], after everything before it was shown; [`ReadError::NoLog`] if there is no journal.
    pub fn read_history(storage: &Arc<dyn Storage>, mut visit: impl FnMut(Past<S>)) -> Result<(), JournalError> {
        let (mut attempts, mut next) = (0, 1);
        loop {
            attempts += 1;
            let mut read = Ok(());
            let mut reader = Reader::from_oldest(Arc::clone(storage))?;
            let walked = reader.read(|entry| {
                let (Entry::Record { seq, .. } | Entry::Checkpoint { seq, .. } | Entry::Lost { seq, .. }) = entry;
                if read.is_err() || seq < next {
                    return;
                }
                if seq > next {
                    visit(Past::Removed { records: seq - next });
                    next = seq;
                }
                if let Entry::Lost { count, .. } = entry {
                    visit(Past::Lost { records: count });
                    next = seq.saturating_add(count.unwrap_or(1));
                }
                if let Entry::Record { bytes, .. } = entry {
                    next += 1;
                    match read_line::<S>(seq, bytes) {
                        Ok(Line::Begin { operation, kind }) => visit(Past::Begun { id: OperationId(operation), kind }),
                        Ok(Line::Move { operation, to }) => visit(Past::Moved { id: OperationId(operation), to }),
                        Ok(Line::Fact(fact)) => visit(Past::Fact(fact)),
                        Err(error) => read = Err(error),
                    }
                }
            });
            match walked {
                Err(ReadError::Overtaken { .. }) if attempts < ATTEMPTS && read.is_ok() => {}
                walked => {
                    // What comes first in the log is told first.
                    read?;
                    return Ok(walked.map(drop)?);
                }
            }
        }
    }
}
