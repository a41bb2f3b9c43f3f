//! What is written down of an attempt.

use std::fmt;

use backstop_clock::Timestamp;
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use crate::key::Key;

/// How an attempt ended, as far as the guard is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: whoever cannot say leaves it unresolved")]
pub enum Verdict {
    /// It opened something, or all of it. Counts against the limit.
    Executed,
    /// It certainly opened nothing and will not. The key is free again.
    NotExecuted,
}

/// One thing that happened to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "a store writes down all of it and makes it again")]
pub struct Record {
    /// Whose.
    pub key: Key,
    /// The number of the attempt, of those for this key; never used twice.
    pub attempt: u64,
    /// When, by the wall clock.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(tag = "was", rename_all = "snake_case"))]
#[expect(clippy::exhaustive_enums, reason = "a store writes down all of it and makes it again")]
pub enum Event {
    /// Somebody is about to enter. Says all that must be known of the key, so that what an earlier record of the key
    /// lacks, because its append failed, is not missed.
    Claimed {
        /// Who.
        by: String,
        /// Entries executed before.
        executed: u16,
    },
    /// It was executed.
    Executed,
    /// It was not.
    NotExecuted {
        /// Why not, for people.
        reason: String,
    },
    /// It had been left unresolved, and somebody found out.
    Resolved {
        /// What.
        verdict: Verdict,
        /// How.
        grounds: Grounds,
    },
}

/// On what an unresolved attempt is settled: evidence, or a person who answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct Grounds {
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    operator: Option<String>,
    text: String,
}

impl Grounds {
    /// The longest text that is taken, in bytes.
    pub const MAX_LEN: usize = 1000;

    /// What shows it: the broker's order and its state, say.
    ///
    /// # Errors
    /// [`InvalidGrounds`] when it is blank or too long.
    pub fn evidence(text: &str) -> Result<Self, InvalidGrounds> {
        Ok(Self { operator: None, text: checked("the evidence", text)? })
    }

    /// Who says so, and why.
    ///
    /// # Errors
    /// [`InvalidGrounds`] when either is blank or too long.
    pub fn operator(name: &str, reason: &str) -> Result<Self, InvalidGrounds> {
        Ok(Self { operator: Some(checked("the name", name)?), text: checked("the reason", reason)? })
    }
}

impl fmt::Display for Grounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operator {
            Some(name) => write!(f, "{name} says: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

fn checked(what: &'static str, text: &str) -> Result<String, InvalidGrounds> {
    let text = text.trim();
    if text.is_empty() {
        Err(InvalidGrounds::Blank { what })
    } else if text.len() > Grounds::MAX_LEN {
        Err(InvalidGrounds::TooLong { what, length: text.len() })
    } else {
        Ok(text.to_owned())
    }
}

/// What settles nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidGrounds {
    /// It says nothing.
    #[error("{what} is blank; an attempt is resolved by evidence, or by a name and a reason")]
    Blank {
        /// What does.
        what: &'static str,
    },
    /// It says too much.
    #[error("{what} has {length} bytes; at most {} are kept", Grounds::MAX_LEN)]
    TooLong {
        /// What does.
        what: &'static str,
        /// Its length, in bytes.
        length: usize,
    },
}

/// A reason cut to what a record should hold, at the end of a character.
pub(crate) fn cut(reason: &str) -> String {
    reason.get(..reason.floor_char_boundary(Grounds::MAX_LEN)).unwrap_or_default().to_owned()
}
