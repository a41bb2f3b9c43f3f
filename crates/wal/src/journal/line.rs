//! A record of a journal, as JSON.

use serde::{Deserialize, Serialize};

use super::{Schema, WriteError};
use crate::operation::State;

/// One record. The number of an operation is that of its first record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(super) enum Line<K, F> {
    Begin { kind: K },
    Move { operation: u64, to: State },
    Fact { fact: F },
}

/// As JSON that was read back once: a record that no opening can understand would be worse than none.
pub(super) fn checked<S: Schema>(line: &Line<&S::Kind, &S::Fact>) -> Result<Vec<u8>, WriteError> {
    let bytes = serde_json::to_vec(line).map_err(WriteError::Encode)?;
    let _read: Line<S::Kind, S::Fact> = serde_json::from_slice(&bytes).map_err(WriteError::Encode)?;
    Ok(bytes)
}
