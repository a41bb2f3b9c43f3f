//! Counting reads that say the same: each long enough after the last, and each with whatever else agrees.

use std::collections::BTreeSet;

use backstop_broker::{BrokerOrderId, Decimal, Symbol};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::config::Repeat;
use crate::moment::Moment;

/// So many witnesses are kept of a tally: enough to see why it counted.
const WITNESSES: usize = 8;

/// Reads of the broker's positions that said the same, for the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tally {
    /// How many, those aside that came too soon after another.
    pub reads: u32,
    /// When the first was asked for.
    pub first: Timestamp,
    /// When the last was.
    pub last: Timestamp,
    /// What else agreed with them.
    pub witnesses: BTreeSet<Witness>,
}

impl Tally {
    /// Of two, what both can say.
    pub(crate) fn weaker(self, other: Self) -> Self {
        let mut witnesses = self.witnesses;
        witnesses.extend(other.witnesses);
        Self {
            reads: self.reads.min(other.reads),
            first: self.first.max(other.first),
            last: self.last.min(other.last),
            witnesses,
        }
    }
}

/// What agrees with the list of positions that something is gone (REC-5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "witness", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Witness {
    /// Orders of somebody else have traded exactly what is missing.
    Orders {
        /// Which.
        orders: BTreeSet<BrokerOrderId>,
    },
    /// The account was worth more than its cash while it was held, and is worth exactly its cash now.
    Balances {
        /// The cash.
        total_cash: Decimal,
    },
    /// The clearing firm has it as closed.
    ClosedLots {
        /// On which day.
        last: Date,
    },
    /// The shares that an assignment or exercise leaves.
    Shares {
        /// Of what.
        symbol: Symbol,
        /// How many more or fewer.
        quantity: Decimal,
    },
    /// It expired, and settles in cash.
    CashSettled {
        /// On which day it could last be traded.
        on: Date,
    },
    /// It expired worthless: the underlying's value said so, and no shares came or went.
    OutOfTheMoney {
        /// On which day it could last be traded.
        on: Date,
        /// The underlying's value.
        price: Decimal,
    },
}

/// A tally in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    first: Moment,
    last: Moment,
    reads: u32,
    witnesses: BTreeSet<Witness>,
}

impl Count {
    /// Counts a read that was asked for at `asked`, unless it is too close to the last one that counted. The same read
    /// again changes nothing.
    pub(crate) fn add(count: &mut Option<Self>, asked: Moment, repeat: Repeat, witness: Option<Witness>) {
        let new = || Self { first: asked, last: asked, reads: 0, witnesses: BTreeSet::new() };
        let is_first = count.is_none();
        let count = count.get_or_insert_with(new);
        if !is_first && (asked.mono <= count.last.mono || asked.mono.since(count.last.mono) < repeat.spacing) {
            return;
        }
        count.last = asked;
        count.reads = count.reads.saturating_add(1);
        if count.witnesses.len() < WITNESSES {
            count.witnesses.extend(witness);
        }
    }

    pub(crate) fn reads(&self) -> u32 {
        self.reads
    }

    /// The tally, if there are enough reads over a long enough time.
    pub(crate) fn complete(&self, repeat: Repeat) -> Option<Tally> {
        let enough = self.reads >= repeat.reads && self.last.mono.since(self.first.mono) >= repeat.over;
        enough.then(|| self.tally())
    }

    fn tally(&self) -> Tally {
        let Self { first, last, reads, witnesses } = self.clone();
        Tally { reads, first: first.wall, last: last.wall, witnesses }
    }
}

#[cfg(test)]
mod tests;
