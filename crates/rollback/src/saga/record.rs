//! What is written down of a saga, before it is done and after.

use serde::{Deserialize, Serialize};

/// A step, as it was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct StepPlan {
    /// Names the effect: the same key twice is the same effect once. For an order its client order id. No other step has
    /// had it, in this saga or another; the journal can only see those that are not at rest.
    pub key: String,
    /// What a person has to do to take it back when the program cannot: which account, which symbol, how many, which way.
    pub by_hand: String,
}

/// How a saga ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "all or nothing")]
pub enum End {
    /// All steps were done.
    Completed,
    /// All that may have been done was taken back.
    RolledBack,
}

/// One thing that happened to a saga, or is about to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum SagaRecord {
    /// It begins.
    Begun {
        /// Its name, which no other has had.
        saga: String,
        /// In the order in which they are done.
        steps: Vec<StepPlan>,
    },
    /// A step is about to be done.
    Acting {
        /// The saga.
        saga: String,
        /// The step's number, from zero.
        step: usize,
    },
    /// A step was done.
    Acted {
        /// The saga.
        saga: String,
        /// The step's number.
        step: usize,
    },
    /// A step was certainly not done.
    Refused {
        /// The saga.
        saga: String,
        /// The step's number.
        step: usize,
        /// Why.
        reason: String,
    },
    /// A step may have been done.
    Doubted {
        /// The saga.
        saga: String,
        /// The step's number.
        step: usize,
        /// Why that is not known.
        reason: String,
    },
    /// It is taken back although no step failed.
    Abandoned {
        /// The saga.
        saga: String,
        /// Why.
        reason: String,
    },
    /// A step is about to be taken back.
    Compensating {
        /// The saga.
        saga: String,
        /// The step's number.
        step: usize,
    },
    /// Taking a step back failed, or may have.
    CompensationFailed {
        /// The saga.
        saga: String,
        /// The step's number.
        step: usize,
        /// Why.
        reason: String,
    },
    /// A step was taken back.
    Compensated {
        /// The saga.
        saga: String,
        /// The step's number.
        step: usize,
    },
    /// It is left to a person.
    Unresolved {
        /// The saga.
        saga: String,
        /// What was wrong the last time.
        reason: String,
    },
    /// A person has taken a step back, or has seen that there is nothing to take back.
    SettledByHand {
        /// The saga.
        saga: String,
        /// The step's number.
        step: usize,
        /// Who.
        by: String,
        /// What was done, and how that is known.
        reason: String,
    },
    /// It is at rest.
    Ended {
        /// The saga.
        saga: String,
        /// How it ended.
        end: End,
    },
}

impl SagaRecord {
    /// Of which saga it is.
    #[must_use]
    pub fn saga(&self) -> &str {
        match self {
            Self::Begun { saga, .. }
            | Self::Acting { saga, .. }
            | Self::Acted { saga, .. }
            | Self::Refused { saga, .. }
            | Self::Doubted { saga, .. }
            | Self::Abandoned { saga, .. }
            | Self::Compensating { saga, .. }
            | Self::CompensationFailed { saga, .. }
            | Self::Compensated { saga, .. }
            | Self::Unresolved { saga, .. }
            | Self::SettledByHand { saga, .. }
            | Self::Ended { saga, .. } => saga,
        }
    }
}

/// A record that was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Impossible {
    /// It cannot follow what was written before: another program wrote to the journal, or two run the same saga.
    #[error("{record} of saga {saga} cannot follow what was written before; open the journal again and look")]
    Order {
        /// The saga.
        saga: String,
        /// The record.
        record: String,
    },
    /// One of that name is not at rest.
    #[error("saga {saga} is not at rest; give each its own name, and run that one to its end")]
    NameInUse {
        /// The saga.
        saga: String,
    },
    /// Two steps have one key, which makes them one effect.
    #[error("saga {saga} uses the key {key} of another step; give each effect its own")]
    KeyInUse {
        /// The saga.
        saga: String,
        /// The key.
        key: String,
    },
    /// A text is blank that somebody will need.
    #[error("saga {saga} does not say {what}")]
    Blank {
        /// The saga.
        saga: String,
        /// Which.
        what: &'static str,
    },
    /// Nobody knows whether its last record was written: another is writing one, or was stopped while it did.
    #[error("the last record of saga {saga} is on its way, or was given up; open the journal again and look")]
    Busy {
        /// The saga.
        saga: String,
    },
}

impl Impossible {
    pub(crate) fn of(record: &SagaRecord) -> Self {
        Self::Order { saga: record.saga().to_owned(), record: format!("{record:?}") }
    }
}
