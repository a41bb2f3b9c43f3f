//! A symbol that is not as it should be: its named state, what to do, and whose it may be (REC-4, REC-8).

use std::collections::BTreeSet;
use std::fmt;

use backstop_broker::{BrokerOrderId, Decimal, Symbol};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::book::{Change, LegChange};
use crate::compare::ours;
use crate::id::PositionId;
use crate::rows::RowFault;
use crate::tally::Tally;

/// A symbol whose quantity differs, or that has expired and is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Drift {
    /// The symbol.
    pub symbol: Symbol,
    /// The signed net quantity of the book.
    pub tracked: Decimal,
    /// The broker's.
    pub broker: Decimal,
    /// The part of that which was declared to be somebody else's.
    pub others: Decimal,
    /// What it looks like.
    pub state: DriftState,
    /// What to do.
    pub plan: Plan,
    /// Whose it may be, with how much of it that position can account for. More than one: nobody can tell which.
    pub may_belong: Vec<Stake>,
    /// How many reads have said the same, one after another.
    pub reads: u32,
}

/// What a position has in a symbol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Stake {
    /// The position.
    pub position: PositionId,
    /// What is left in it, signed.
    pub left: Decimal,
}

/// What a difference looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum DriftState {
    /// An order of ours was filled in part, and the book does not have it yet.
    PartialFill {
        /// Which.
        orders: BTreeSet<BrokerOrderId>,
    },
    /// An order of ours was filled, and the book does not have it yet.
    Unbooked {
        /// Which.
        orders: BTreeSet<BrokerOrderId>,
    },
    /// More was filled than we asked for.
    Overfill {
        /// By which orders.
        orders: BTreeSet<BrokerOrderId>,
    },
    /// An option was assigned or exercised: it is gone, and the shares are there.
    Assigned {
        /// The option.
        option: Symbol,
        /// How many of it are gone, signed.
        contracts: Decimal,
        /// The underlying.
        shares_of: Symbol,
        /// How many more or fewer shares there are.
        shares: Decimal,
    },
    /// An option whose last day is over.
    Expired {
        /// That day.
        on: Date,
    },
    /// One leg of a position is gone and another is there.
    BrokenSpread {
        /// Of which positions.
        positions: BTreeSet<PositionId>,
    },
    /// Somebody else has traded exactly the difference.
    ManualTrade {
        /// By which orders.
        orders: BTreeSet<BrokerOrderId>,
    },
    /// It is in the book and not at the broker, and nothing says why.
    Missing,
    /// There is less than the book has, and nothing says why.
    Smaller,
    /// There is more than the book has, and nothing says why.
    Larger,
    /// It is long where the book is short, or the other way round.
    Flipped,
    /// It is at the broker, and nobody's.
    Orphan,
    /// The broker's rows cannot be taken at their word.
    Unclear {
        /// Why.
        fault: RowFault,
    },
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "plan", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Plan {
    /// Take the fills of these orders into the book.
    Book {
        /// Which.
        orders: BTreeSet<BrokerOrderId>,
    },
    /// Look again: it has not been seen often enough, or not with a witness.
    LookAgain,
    /// Send nothing. The broker settles it overnight.
    AwaitSettlement,
    /// The book is to be set by it: a correction is in the run.
    Correct,
    /// Take it into the book with a stop: an adoption is in the run.
    Adopt,
    /// Close what is left of these positions.
    CloseRest {
        /// Which.
        positions: BTreeSet<PositionId>,
    },
    /// Halt, and have a person bring the excess back to what the book has.
    HaltAndReduce,
    /// A person decides.
    AskPerson,
}

/// What is at the broker and nobody's, seen often enough to be taken into the book. Only a run makes one.
#[must_use = "an adoption that is not spent leaves the position unwatched"]
#[derive(Debug, PartialEq, Eq)]
pub struct Adoption {
    pub(crate) symbol: Symbol,
    pub(crate) quantity: Decimal,
    pub(crate) price: Decimal,
    pub(crate) stop: Decimal,
    pub(crate) reads: Tally,
}

impl Adoption {
    /// What it is.
    pub fn symbol(&self) -> &Symbol {
        &self.symbol
    }

    /// How much of it, signed.
    pub fn quantity(&self) -> Decimal {
        self.quantity
    }

    /// The symbol, what the book has to have of it, and the change.
    pub(crate) fn into_change(self, position: PositionId, at: Timestamp) -> (Symbol, Decimal, Change) {
        let Self { symbol, quantity, price, stop, reads } = self;
        let of = symbol.clone();
        (of, Decimal::ZERO, Change::Adopted { position, symbol, quantity, price, stop, reads, at })
    }
}

/// New quantities for one position, with the evidence. Only a run makes one. It shortens nothing without a witness, and it
/// never takes a position out of the book: what it leaves empty still needs a proof.
#[must_use = "a correction that is not spent leaves the book wrong"]
#[derive(Debug, PartialEq, Eq)]
pub struct Correction {
    pub(crate) position: PositionId,
    pub(crate) revision: u64,
    pub(crate) legs: Vec<LegChange>,
    pub(crate) causes: Vec<DriftState>,
    pub(crate) reads: Tally,
}

impl Correction {
    /// The position.
    pub fn position(&self) -> &PositionId {
        &self.position
    }

    /// What is to become of its legs.
    pub fn legs(&self) -> &[LegChange] {
        &self.legs
    }

    pub(crate) fn into_change(self, at: Timestamp) -> (PositionId, u64, Change) {
        let Self { position, revision, legs, causes, reads } = self;
        (position.clone(), revision, Change::Corrected { position, legs, causes, reads, at })
    }
}

impl Drift {
    /// What differs, signed: what the broker has more of, others' part aside. Where it has none, nobody has a part.
    pub fn difference(&self) -> Decimal {
        ours(self.tracked, self.broker, self.others) - self.tracked
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { symbol, tracked, broker, others, state, .. } = self;
        write!(f, "{symbol}: the book has {tracked}, the broker {broker}")?;
        if !others.is_zero() {
            write!(f, " with {others} of others")?;
        }
        write!(f, ": {state}; {}", self.plan)?;
        if let [first, rest @ ..] = self.may_belong.as_slice() {
            write!(f, "; it may belong to {}", first.position)?;
            rest.iter().try_for_each(|stake| write!(f, " or {}", stake.position))?;
        }
        Ok(())
    }
}

impl fmt::Display for DriftState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartialFill { orders } => write!(f, "{} filled in part and is not booked", Listed(orders)),
            Self::Unbooked { orders } => write!(f, "{} filled and is not booked", Listed(orders)),
            Self::Overfill { orders } if orders.is_empty() => f.write_str("more was filled than asked for"),
            Self::Overfill { orders } => write!(f, "{} filled more than asked for", Listed(orders)),
            Self::Assigned { option, contracts, shares_of, shares } => {
                write!(f, "{contracts} {option} were assigned or exercised for {shares} {shares_of}")
            }
            Self::Expired { on } => write!(f, "it expired on {on}"),
            Self::BrokenSpread { positions } => write!(f, "one leg of {} is gone", Listed(positions)),
            Self::ManualTrade { orders } => write!(f, "{} of somebody else has traded it", Listed(orders)),
            Self::Missing => f.write_str("it is missing"),
            Self::Smaller => f.write_str("there is less than tracked"),
            Self::Larger => f.write_str("there is more than tracked"),
            Self::Flipped => f.write_str("it has turned to the other side"),
            Self::Orphan => f.write_str("it is nobody's"),
            Self::Unclear { fault } => fault.fmt(f),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Book { orders } => write!(f, "book {}", Listed(orders)),
            Self::LookAgain => f.write_str("look again"),
            Self::AwaitSettlement => f.write_str("send nothing and wait for the settlement"),
            Self::Correct => f.write_str("the book is corrected"),
            Self::Adopt => f.write_str("it is adopted with a stop"),
            Self::CloseRest { positions } => write!(f, "close what is left of {}", Listed(positions)),
            Self::HaltAndReduce => f.write_str("halt, and close the excess by hand"),
            Self::AskPerson => f.write_str("compare the account by hand"),
        }
    }
}

struct Listed<'a, T>(&'a BTreeSet<T>);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, one) in self.0.iter().enumerate() {
            write!(f, "{}{one}", if number == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
