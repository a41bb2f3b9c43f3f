//! How long history stays that the newest checkpoint stands for.

use std::time::Duration;

use serde::Deserialize;

use super::{Journal, Schema};
use crate::Timestamp;
use crate::error::RemoveError;

/// How much history is kept beside what opening needs. It goes by whichever bound is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// How long. A piece of history is as old as the first checkpoint behind it, by the times that checkpoints were given.
    pub age: Duration,
    /// How much, in bytes of segments.
    pub bytes: u64,
}

impl Default for Keep {
    /// 90 days, and at most 256 MiB: a quarter to look back on, and a disk that does not fill.
    fn default() -> Self {
        Self { age: Duration::from_hours(90 * 24), bytes: 256 << 20 }
    }
}

/// What removal has to know of a checkpoint.
#[derive(Deserialize)]
struct Taken {
    at: Timestamp,
}

impl<S: Schema> Journal<S> {
    /// Removes the history that the newest checkpoint stands for and that is past `keep` at the time `now`; returns how
    /// many segments were removed. What is not at rest, and what opening needs, stays (WAL-6).
    ///
    /// History whose age cannot be told goes by its size alone. It reads no more than how the oldest segments begin.
    ///
    /// # Errors
    /// [`RemoveError`]; no record is lost that opening needs.
    ///
    /// # Durability
    /// What was removed stays so when this returns.
    pub fn remove_history(&self, now: Timestamp, keep: Keep) -> Result<u64, RemoveError> {
        // Before this, everything is too old.
        let bound = now.checked_sub(keep.age).ok();
        let is_past = |state: &[u8]| {
            let taken = serde_json::from_slice::<Taken>(state).ok();
            taken.zip(bound).is_some_and(|(taken, bound)| taken.at <= bound)
        };
        self.log.remove_past(keep.bytes, &is_past)
    }
}
