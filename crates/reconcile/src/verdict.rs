//! What can be said of a position whose close is asked about: closed, still open, partly closed, or that nobody can tell.

use backstop_broker::{BrokerOrderId, ClientOrderId, Decimal, Symbol};
use backstop_clock::Mono;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Pauses;
use crate::id::PositionId;
use crate::rows::RowFault;

/// What the evidence says of one position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Verdict {
    /// It is gone; the proof is in the run.
    Closed,
    /// Nothing of it is closed.
    StillOpen,
    /// A part of it is closed.
    PartlyClosed {
        /// What is left.
        left: Vec<Left>,
        /// Whether a leg is gone that another one stood against.
        is_broken: bool,
    },
    /// The evidence does not reach: the position stays (REC-2).
    CannotTell {
        /// What is in the way.
        doubts: Vec<Doubt>,
    },
}

/// What is left of a symbol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Left {
    /// The symbol.
    pub symbol: Symbol,
    /// How much, signed.
    pub quantity: Decimal,
}

/// What is in the way of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "doubt", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Doubt {
    /// A list could not be read.
    #[error("the broker's {source_of} could not be read: {error}")]
    NotRead {
        /// Which.
        source_of: Source,
        /// Why.
        error: String,
    },
    /// The list may be older than what is to be seen in it.
    #[error("{symbol} changed too recently for the broker's list to show it")]
    Young {
        /// The symbol.
        symbol: Symbol,
    },
    /// An order is not at rest.
    #[error("order {order} is not at rest")]
    InFlight {
        /// Our name for it.
        order: ClientOrderId,
    },
    /// An order can still fill.
    #[error("order {order} on {symbol} still works")]
    Working {
        /// The broker's name for it.
        order: BrokerOrderId,
        /// The symbol.
        symbol: Symbol,
    },
    /// The broker's quantity is another one.
    #[error("the broker shows {broker} {symbol}, {expected} is expected")]
    Differs {
        /// The symbol.
        symbol: Symbol,
        /// What the broker has.
        broker: Decimal,
        /// What the rest of the book says.
        expected: Decimal,
    },
    /// The broker's row is odd.
    #[error("the broker's row of {symbol} says nothing: {fault}")]
    Row {
        /// The symbol.
        symbol: Symbol,
        /// Why.
        fault: RowFault,
    },
    /// Others trade the symbol as they like.
    #[error("{symbol} was declared to be traded by others too, without a quantity")]
    Shared {
        /// The symbol.
        symbol: Symbol,
    },
    /// So much is missing that the answer is in doubt.
    #[error("{missing} of {open} positions are missing at once: the answer is in doubt, not the book")]
    Glitch {
        /// How many are missing.
        missing: usize,
        /// Of how many.
        open: usize,
    },
    /// It has not been seen often enough.
    #[error("{reads} of {wanted} reads agree so far")]
    Awaiting {
        /// How many reads counted.
        reads: u32,
        /// How many are wanted, over a time.
        wanted: u32,
    },
    /// Nothing but the list of positions says so.
    #[error("{symbol} is missing from the broker's positions, and nothing else says that it was closed")]
    NoWitness {
        /// The symbol.
        symbol: Symbol,
    },
    /// Shares came or went for it: they are to be taken into the book first.
    #[error("{symbol} was assigned or exercised: book the shares first")]
    Assigned {
        /// The option.
        symbol: Symbol,
    },
}

/// Where a read comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// The list of positions.
    Positions,
    /// The list of orders.
    Orders,
    /// The balances.
    Balances,
    /// The nightly report of what was closed.
    ClosedLots,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Positions => "positions",
            Self::Orders => "orders",
            Self::Balances => "balances",
            Self::ClosedLots => "closed lots",
        })
    }
}

/// A position whose close is not verified: it is in the book, and is looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingClose {
    /// Which.
    pub position: PositionId,
    /// When it was first looked at, by this process.
    pub since: Timestamp,
    /// How many looks there were.
    pub attempts: u32,
    /// When to look again: the pauses grow.
    pub next: Mono,
    /// Whether it has lasted so long that somebody has to be told.
    pub alert: bool,
    /// What the last look said.
    pub verdict: Verdict,
}

/// How often a close was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Looks {
    first: Mono,
    since: Timestamp,
    last: Mono,
    attempts: u32,
}

impl Looks {
    pub(crate) fn new(asked: crate::Moment) -> Self {
        Self { first: asked.mono, since: asked.wall, last: asked.mono, attempts: 1 }
    }

    /// Counts a look. The same read again is none.
    pub(crate) fn again(&mut self, asked: Mono) {
        if asked > self.last {
            self.last = asked;
            self.attempts = self.attempts.saturating_add(1);
        }
    }

    pub(crate) fn pending(&self, position: PositionId, verdict: Verdict, pauses: &Pauses) -> PendingClose {
        let doublings = self.attempts.saturating_sub(1).min(31);
        let pause = pauses.first.saturating_mul(2_u32.saturating_pow(doublings)).min(pauses.most);
        PendingClose {
            position,
            since: self.since,
            attempts: self.attempts,
            next: self.last.plus(pause),
            alert: self.last.since(self.first) >= pauses.alert_after,
            verdict,
        }
    }
}

impl Verdict {
    pub(crate) fn cannot_tell(doubt: Doubt) -> Self {
        Self::CannotTell { doubts: vec![doubt] }
    }
}

/// What is left in each of `legs`.
pub(crate) fn left<'a>(legs: impl Iterator<Item = &'a crate::HeldLeg>) -> Vec<Left> {
    legs.map(|leg| Left { symbol: leg.symbol.clone(), quantity: leg.left }).collect()
}
