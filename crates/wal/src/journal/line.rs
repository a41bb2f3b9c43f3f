//! A record of a journal, as JSON.

use serde::{Deserialize, Serialize};

use super::WriteError;
use crate::operation::State;

/// One record. The number of an operation is that of its first record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(super) enum Line<K, F> {
    Begin { kind: K },
    Move { operation: u64, to: State },
    Fact { fact: F },
}

impl<K: Serialize, F: Serialize> Line<K, F> {
    pub(super) fn encode(&self) -> Result<Vec<u8>, WriteError> {
        serde_json::to_vec(self).map_err(WriteError::Encode)
    }
}
