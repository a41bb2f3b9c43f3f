//! What was done to the book, with the evidence: its audit records (REC-6).

use backstop_broker::{Decimal, Symbol};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::drift::DriftState;
use crate::executed::Executed;
use crate::id::PositionId;
use crate::position::Position;
use crate::proof::Evidence;
use crate::tally::Tally;

/// One change of the book. Only the calls of [`Book`](crate::Book) make them live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Change {
    /// The fills of an order at rest are in a position.
    Booked {
        /// Which.
        position: PositionId,
        /// The symbol that its orders are about.
        underlying: Symbol,
        /// The order, and what it filled.
        order: Executed,
        /// When.
        at: Timestamp,
    },
    /// A close could not be verified.
    Pending {
        /// Of which position.
        position: PositionId,
        /// Why, for people.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// What was at the broker and nobody's is a position now.
    Adopted {
        /// Its name.
        position: PositionId,
        /// What it is.
        symbol: Symbol,
        /// How much of it, signed.
        quantity: Decimal,
        /// What the broker says that it cost, per share; zero where it does not say.
        price: Decimal,
        /// The share of the price that it may lose before it is to be closed.
        stop: Decimal,
        /// The reads that showed it.
        reads: Tally,
        /// When.
        at: Timestamp,
    },
    /// Quantities of a position were set by what the broker holds.
    Corrected {
        /// Which.
        position: PositionId,
        /// What became of its legs.
        legs: Vec<LegChange>,
        /// Why.
        causes: Vec<DriftState>,
        /// The reads that showed it.
        reads: Tally,
        /// When.
        at: Timestamp,
    },
    /// A position left the book.
    Removed {
        /// Which.
        position: PositionId,
        /// All that was known of it.
        was: Box<Position>,
        /// What proves that it is closed.
        evidence: Evidence,
        /// When.
        at: Timestamp,
    },
}

/// A correction of one leg.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LegChange {
    /// The symbol.
    pub symbol: Symbol,
    /// What was left of it; zero for a leg that is new.
    pub from: Decimal,
    /// What is.
    pub to: Decimal,
}

impl Change {
    /// When it was made.
    pub(crate) fn at(&self) -> Timestamp {
        match self {
            Self::Booked { at, .. }
            | Self::Pending { at, .. }
            | Self::Adopted { at, .. }
            | Self::Corrected { at, .. }
            | Self::Removed { at, .. } => *at,
        }
    }

    /// The position that it is about.
    pub fn position(&self) -> &PositionId {
        match self {
            Self::Booked { position, .. }
            | Self::Pending { position, .. }
            | Self::Adopted { position, .. }
            | Self::Corrected { position, .. }
            | Self::Removed { position, .. } => position,
        }
    }
}
