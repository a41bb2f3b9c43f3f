//! The proof that a position is closed, and the checks that make one (REC-1). Nothing outside this module can.

mod absence;
mod covered;
mod operator;

use std::collections::BTreeSet;

use backstop_broker::{BrokerOrderId, Decimal, Symbol};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use self::absence::absent;
pub(crate) use self::covered::covered;
pub use self::operator::{Override, OverrideRefused};
use crate::id::PositionId;
use crate::tally::Tally;

/// Evidence that the broker no longer holds a position of ours, as it stood in the book when the check was made.
///
/// Not `Clone`, not `Deserialize`, without a public constructor: it cannot be copied, read back from a file or made up.
/// [`Reconciler::run`](crate::Reconciler::run) hands them out, and [`VerifiedClosed::by_operator`] on a person's word.
///
/// ```compile_fail,E0451
/// use backstop_reconcile::{Evidence, PositionId, VerifiedClosed};
/// fn forge(position: PositionId, evidence: Evidence) -> VerifiedClosed {
///     VerifiedClosed { position, revision: 1, evidence }
/// }
/// ```
///
/// What differs in that one line compiles:
///
/// ```
/// use backstop_reconcile::{Evidence, PositionId, VerifiedClosed};
/// fn read(proof: &VerifiedClosed) -> (&PositionId, &Evidence) {
///     (proof.position(), proof.evidence())
/// }
/// ```
#[must_use = "a proof that is not spent leaves the position in the book"]
#[derive(Debug, PartialEq, Eq)]
pub struct VerifiedClosed {
    position: PositionId,
    /// The change of the book up to which it holds.
    revision: u64,
    evidence: Evidence,
}

/// What proves that a position is closed. Kept with the removal; by itself it removes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "evidence", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Evidence {
    /// The fills of orders at rest cover it, the broker's positions are without it, and no order of it works.
    Fills {
        /// The orders that are booked in it.
        orders: BTreeSet<BrokerOrderId>,
        /// The reads of the positions.
        reads: Tally,
    },
    /// All that was left of it expired, and is gone.
    Expiry {
        /// Each leg that was left.
        legs: Vec<GoneLeg>,
    },
    /// It is gone, and not by the positions alone.
    Absence {
        /// Each leg that was left.
        legs: Vec<GoneLeg>,
    },
    /// A person answers for it.
    Operator {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
        /// What the broker showed, where it was asked.
        seen: Vec<SeenLeg>,
    },
}

/// A leg that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GoneLeg {
    /// The symbol.
    pub symbol: Symbol,
    /// What the book had of it.
    pub left: Decimal,
    /// The reads without it, and what agreed with them.
    pub reads: Tally,
}

/// What the broker showed of a leg.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SeenLeg {
    /// The symbol.
    pub symbol: Symbol,
    /// How much of it, signed.
    pub broker: Decimal,
}

impl VerifiedClosed {
    /// Which position is closed.
    pub fn position(&self) -> &PositionId {
        &self.position
    }

    /// What proves it.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    pub(crate) fn into_parts(self) -> (PositionId, u64, Evidence) {
        (self.position, self.revision, self.evidence)
    }
}

#[cfg(test)]
mod tests;
