//! Why an entry or an exit was turned away before anything was sent.

use std::time::Duration;

use backstop_broker::{ClientOrderId, Decimal, InvalidId, InvalidOrder, NotGranted, Symbol};
use backstop_limits::{Breach, Refused};
use backstop_quote::{Expired, LimitAstray, NotFresh};
use backstop_rollback::LedgerError;
use backstop_trade_guard as trade_guard;
use jiff::Timestamp;

use crate::SlotId;
use crate::desk::RecordError;
use crate::switch::Pull;

/// Why an entry was turned away. For each of the preconditions of DESK-1 there is one; nothing reached the broker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The desk still settles what an earlier process left behind.
    #[error("the desk is still settling what an earlier run left behind")]
    Recovering,
    /// The desk is stopping.
    #[error("the desk is stopping")]
    Stopping,
    /// The kill switch is pulled.
    #[error("entries are {pull}")]
    Halted {
        /// By whom and why.
        pull: Pull,
    },
    /// The lock of the state directory is not ours any more.
    #[error("the lock of the state directory was replaced: another instance may be running")]
    LockLost,
    /// Book and broker differ in a symbol that it is about, or were not compared yet (REC-9).
    #[error("{symbol} is shut for entries since {since}: {because}")]
    Drift {
        /// Which.
        symbol: Symbol,
        /// Since when.
        since: Timestamp,
        /// What differs, and what to do about it.
        because: String,
    },
    /// The order cannot be expressed.
    #[error("the order is not well formed")]
    Malformed(#[from] Malformed),
    /// Limits would be broken: all of them that would, each with its figure and bound.
    #[error(transparent)]
    Limits(#[from] Refused),
    /// The desk was opened without limits.
    #[error("the desk was opened without limits, and opens nothing without them")]
    NoLimits,
    /// The guard said no: which layer, who is inside, since when, and how many entries the session had (GUARD-4).
    #[error(transparent)]
    Guard(#[from] trade_guard::Refusal),
    /// No session has begun, or the slot is of another one or of another strategy.
    #[error("slot {slot} is not of the session that is open")]
    OtherSession {
        /// The slot.
        slot: SlotId,
    },
    /// The slot had an order of which nothing was filled. Its name is used up, so the next entry takes the next slot.
    #[error("slot {slot} has had its order, of which nothing was filled: take the next slot")]
    SlotUsed {
        /// The slot.
        slot: SlotId,
    },
    /// The quotes may not be traded on.
    #[error(transparent)]
    Quote(#[from] NotFresh),
    /// The quotes were good, and grew old while the order waited.
    #[error(transparent)]
    QuoteExpired(#[from] Expired),
    /// The limit price gives more away than the quotes ask for.
    #[error(transparent)]
    LimitPrice(#[from] LimitAstray),
    /// Not enough free cash.
    #[error("cash: {needed} needed, {} free", free.map_or("unknown".to_owned(), |free| free.to_string()))]
    Cash {
        /// The worst case of the order.
        needed: Decimal,
        /// What is not set aside. `None`: the account's cash could not be read yet.
        free: Option<Decimal>,
    },
    /// Fills took more cash than there was by the book.
    #[error(
        "cash: fills took {short} more than there was by the book; the account's balance has to show that it has it"
    )]
    Overdrawn {
        /// How much more.
        short: Decimal,
    },
    /// The account has less than nothing, whatever the book says.
    #[error("cash: the account was read as {account}; nothing is entered until it has something again")]
    InDebt {
        /// What was read.
        account: Decimal,
    },
    /// The ledger cannot set such an amount aside.
    #[error("cash")]
    Ledger(#[source] LedgerError),
    /// The intent could not be written down.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The request budget has no room in time.
    #[error(transparent)]
    Budget(#[from] NotGranted),
}

impl Refusal {
    /// The gate in one word, as records show it.
    pub fn gate(&self) -> &'static str {
        match self {
            Self::Recovering | Self::Stopping => "desk",
            Self::Halted { .. } => "halt",
            Self::LockLost => "lock",
            Self::Drift { .. } => "drift",
            Self::Malformed(_) => "order",
            Self::Limits(_) | Self::NoLimits => "limits",
            Self::Guard(trade_guard::Refusal::Store { .. }) | Self::Record(_) => "journal",
            Self::Guard(_) | Self::OtherSession { .. } | Self::SlotUsed { .. } => "guard",
            Self::Quote(_) | Self::QuoteExpired(_) | Self::LimitPrice(_) => "quote",
            Self::Cash { .. } | Self::Overdrawn { .. } | Self::InDebt { .. } | Self::Ledger(_) => "cash",
            Self::Budget(_) => "budget",
        }
    }

    /// Whether the same entry may pass a moment later, with fresher quotes.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Quote(_)
            | Self::QuoteExpired(_)
            | Self::LimitPrice(_)
            | Self::Budget(_)
            | Self::Recovering
            | Self::Drift { .. } => true,
            // What is in the way may be gone by then.
            Self::Limits(refused) => refused.breaches().iter().all(|breach| {
                matches!(
                    breach,
                    Breach::Opposite { .. }
                        | Breach::Collar { .. }
                        | Breach::NoReference { .. }
                        | Breach::NoMark { .. }
                        | Breach::LookAlikes { .. }
                        | Breach::Messages { .. }
                )
            }),
            // The account's cash was not read yet.
            Self::Cash { free, .. } => free.is_none(),
            Self::Stopping
            | Self::NoLimits
            | Self::Halted { .. }
            | Self::LockLost
            | Self::Malformed(_)
            | Self::Guard(_)
            | Self::OtherSession { .. }
            | Self::SlotUsed { .. }
            | Self::Overdrawn { .. }
            | Self::InDebt { .. }
            | Self::Ledger(_)
            | Self::Record(_) => false,
        }
    }
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Cash { needed, free } => Self::Cash { needed, free: Some(free) },
            error => Self::Ledger(error),
        }
    }
}

/// Why a plan does not make an order.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Its name does not fit.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// Its content does not fit.
    #[error(transparent)]
    Order(#[from] InvalidOrder),
    /// An entry with a leg that closes.
    #[error("the leg in {symbol} closes; an entry only opens, and a position of the book is closed by an exit")]
    Closes {
        /// The leg's symbol.
        symbol: Symbol,
    },
    /// The amounts to set aside are negative, or less than the order may cost and tie up.
    #[error(
        "{reserve} to reserve and {margin} of it as margin cannot be right: at least {least} may be spent beside the margin, \
         and neither may be negative"
    )]
    Amounts {
        /// What was to be set aside while the order may live.
        reserve: Decimal,
        /// What was to be set aside afterwards.
        margin: Decimal,
        /// What the order may cost at its own price.
        least: Decimal,
    },
    /// The margin does not cover what the position can still cost.
    #[error("{margin} of margin cannot be right: at their expiration the legs can cost {least}")]
    Margin {
        /// What was to be set aside.
        margin: Decimal,
        /// What the legs can cost.
        least: Decimal,
    },
}

/// Why an exit was turned away. The position stays in the book.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExitRefusal {
    /// Not in the book.
    #[error("no position {slot} is in the book")]
    NoPosition {
        /// The position.
        slot: SlotId,
    },
    /// An earlier exit is not at rest (EXIT-2).
    #[error("position {slot} is being closed by {by}, which is not at rest")]
    Closing {
        /// The position.
        slot: SlotId,
        /// The order that is closing it.
        by: ClientOrderId,
    },
    /// Everything is closed; only the broker's confirmation is awaited.
    #[error("position {slot} is closed; the broker's list does not confirm it yet")]
    Unverified {
        /// The position.
        slot: SlotId,
    },
    /// The kill switch is pulled so far that exits do not pass either.
    #[error("exits are {pull}")]
    Frozen {
        /// By whom and why.
        pull: Pull,
    },
    /// The lock of the state directory is not ours any more.
    #[error("the lock of the state directory was replaced: another instance may be closing the position")]
    LockLost,
    /// The order cannot be expressed.
    #[error("the order is not well formed")]
    Malformed(#[from] Malformed),
    /// The broker holds less than there is to close, by the last comparison and by another look right now: closing it would
    /// open the opposite (EXIT-1). Of a spread whose written leg is missing, the bought one stays: if the lists are wrong, selling it
    /// would leave the written one alone.
    #[error("position {slot} has {wanted} {symbol} to close, and the broker holds {held}: compare the account by hand")]
    NotHeld {
        /// The position.
        slot: SlotId,
        /// Of what.
        symbol: Symbol,
        /// How much there is to close.
        wanted: Decimal,
        /// How much the broker holds in that direction.
        held: Decimal,
    },
    /// What is left is a fraction, which no order can close.
    #[error("{quantity} {symbol} are left of position {slot}, and orders are for whole numbers: close it by hand")]
    Fraction {
        /// The position.
        slot: SlotId,
        /// What is held.
        symbol: Symbol,
        /// How much of it.
        quantity: Decimal,
    },
    /// Fills took more cash than there was by the book.
    #[error(
        "cash: fills took {short} more than there was by the book; the account's balance has to show that it has it"
    )]
    Overdrawn {
        /// How much more.
        short: Decimal,
    },
    /// The ledger cannot set such an amount aside.
    #[error("cash")]
    Ledger(#[source] LedgerError),
    /// The intent could not be written down.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The request budget has no room in time.
    #[error("no request budget within {within:?}")]
    Budget {
        /// How long was waited at most.
        within: Duration,
        /// What the adapter said.
        source: NotGranted,
    },
}
