//! A record of a journal, and what a checkpoint holds, as JSON.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Schema, WriteError};
use crate::Timestamp;
use crate::operation::State;

/// One record.
///
/// Tagged from outside: what stands inside a tag of its own is handed through by serde as it is, whatever its shape. Beside
/// or behind a tag, serde reads it by way of a buffer, in which the keys of a map are texts and long integers are lost.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line<K, F> {
    /// Numbered by the journal, not by its place: in a copy that lost a record, moves still find their operation.
    Begin {
        operation: u64,
        kind: K,
    },
    Move {
        operation: u64,
        to: State,
    },
    Fact(F),
}

/// What the records before a checkpoint amount to.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Snapshot<K, S> {
    /// When it was taken, by the caller's clock.
    pub(super) at: Timestamp,
    /// The number of the next operation.
    pub(super) next: u64,
    pub(super) operations: Vec<(u64, State, K)>,
    pub(super) failed: BTreeSet<u64>,
    pub(super) state: S,
}

/// As JSON that was read back once: a record that no opening can understand, or that it takes for another, would be worse
/// than none.
pub(super) fn checked<S: Schema>(line: &Line<&S::Kind, &S::Fact>) -> Result<Vec<u8>, WriteError> {
    faithful(line, |read: &Line<S::Kind, S::Fact>| match (line, read) {
        (Line::Begin { operation, kind }, Line::Begin { operation: same, kind: read }) => {
            operation == same && *kind == read
        }
        (Line::Move { operation, to }, Line::Move { operation: same, to: read }) => operation == same && to == read,
        (Line::Fact(fact), Line::Fact(read)) => *fact == read,
        _ => false,
    })
}

/// The same for a checkpoint: what it stands for may be removed.
pub(super) fn checked_snapshot<S: Schema>(snapshot: &Snapshot<S::Kind, S::State>) -> Result<Vec<u8>, WriteError> {
    faithful(snapshot, |read: &Snapshot<S::Kind, S::State>| snapshot == read)
}

fn faithful<R: DeserializeOwned>(
    value: &impl Serialize,
    is_same: impl FnOnce(&R) -> bool,
) -> Result<Vec<u8>, WriteError> {
    let bytes = serde_json::to_vec(value).map_err(WriteError::Encode)?;
    let read: R = serde_json::from_slice(&bytes).map_err(WriteError::Encode)?;
    if is_same(&read) { Ok(bytes) } else { Err(WriteError::Unfaithful) }
}
