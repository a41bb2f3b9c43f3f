//! A record of a journal, as JSON.

use serde::{Deserialize, Serialize};

use super::{Schema, WriteError};
use crate::operation::State;

/// One record. The number of an operation is that of its first record.
///
/// Tagged from outside: what stands inside a tag of its own is handed through by serde as it is, whatever its shape. Beside
/// or behind a tag, serde reads it by way of a buffer, in which the keys of a map are texts and long integers are lost.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line<K, F> {
    Begin(K),
    Move { operation: u64, to: State },
    Fact(F),
}

/// As JSON that was read back once: a record that no opening can understand, or that it takes for another, would be worse
/// than none.
pub(super) fn checked<S: Schema>(line: &Line<&S::Kind, &S::Fact>) -> Result<Vec<u8>, WriteError> {
    let bytes = serde_json::to_vec(line).map_err(WriteError::Encode)?;
    let read: Line<S::Kind, S::Fact> = serde_json::from_slice(&bytes).map_err(WriteError::Encode)?;
    let is_same = match (line, &read) {
        (Line::Begin(kind), Line::Begin(read)) => *kind == read,
        (Line::Fact(fact), Line::Fact(read)) => *fact == read,
        (Line::Move { operation, to }, Line::Move { operation: read, to: read_to }) => {
            (operation, to) == (read, read_to)
        }
        _ => false,
    };
    if is_same { Ok(bytes) } else { Err(WriteError::Unfaithful) }
}
