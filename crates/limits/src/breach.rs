//! What an order breaks: the figure and the bound.

use std::fmt;

use backstop_broker::{Decimal, Symbol};

use crate::counters::Kind;

/// A limit that an order would break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Breach {
    /// Too many shares or contracts on a leg.
    #[error("{asked} of {symbol}, the limit for one order is {limit}")]
    OrderQuantity {
        /// The leg.
        symbol: Symbol,
        /// How many.
        asked: u32,
        /// The bound.
        limit: u32,
    },
    /// An order of too great a value.
    #[error("the order is worth {notional}, the limit for one order is {limit}")]
    OrderNotional {
        /// Its value.
        notional: Decimal,
        /// The bound.
        limit: Decimal,
    },
    /// Too much in all.
    #[error("with this order {notional} would be open or might be, the limit is {limit}")]
    GrossNotional {
        /// The value of all, with this order.
        notional: Decimal,
        /// The bound.
        limit: Decimal,
    },
    /// A price too far from the market.
    #[error("the price {price} is {away} away from the middle of the market, {middle}; the limit is {limit}")]
    Collar {
        /// The order's price, net of its legs; for a market order what it would get now.
        price: Decimal,
        /// The middle of the market, net of the legs.
        middle: Decimal,
        /// How far away.
        away: Decimal,
        /// The bound.
        limit: Decimal,
    },
    /// Too many positions.
    #[error("{open} position(s) are open or may be, the limit is {limit}")]
    Positions {
        /// Filled, working and unknown ones, without this one.
        open: usize,
        /// The bound.
        limit: u32,
    },
    /// Too many positions on one underlying.
    #[error("{open} position(s) on {underlying} are open or may be, the limit is {limit}")]
    PositionsPerUnderlying {
        /// The underlying.
        underlying: Symbol,
        /// Filled, working and unknown ones, without this one.
        open: usize,
        /// The bound.
        limit: u32,
    },
    /// A leg that would meet its own opposite: a broker merges all that is held of a symbol into one row, so it would refuse
    /// the order, or take it for the close of another position.
    #[error("{symbol} is held or being opened in the opposite direction, and the broker would merge the two")]
    Opposite {
        /// The symbol.
        symbol: Symbol,
    },
    /// Too many entries in this session.
    #[error("{entries} entries in this session, the limit is {limit}")]
    Entries {
        /// So far.
        entries: u32,
        /// The bound.
        limit: u32,
    },
    /// Too much was lost in this session.
    #[error("{lost} was lost in this session, the limit is {limit}: no more entries until the next one")]
    Loss {
        /// So far, what is open at its present price included.
        lost: Decimal,
        /// The bound.
        limit: Decimal,
    },
    /// One kind was executed too often without a person's look at it.
    #[error(
        "{kind} was or may have been executed {executed} times since a person last allowed it, the limit is {limit}; allow more by name and reason"
    )]
    Repeats {
        /// Which.
        kind: Kind,
        /// How often.
        executed: u32,
        /// The bound.
        limit: u32,
    },
    /// Orders with the same legs, too soon after each other.
    #[error("{sent} order(s) like this one within {seconds} s, the limit is {limit}")]
    LookAlikes {
        /// How many there were.
        sent: u32,
        /// The bound.
        limit: u32,
        /// In how many seconds.
        seconds: u32,
    },
    /// Too many messages to the broker.
    #[error("{sent} messages within {seconds} s, the limit is {limit}")]
    Messages {
        /// How many there were.
        sent: u32,
        /// The bound.
        limit: u32,
        /// In how many seconds.
        seconds: u32,
    },
    /// Nobody allowed to trade this.
    #[error("{underlying} is not on the list of what may be traded")]
    NotAllowed {
        /// The symbol that the order is about.
        underlying: Symbol,
    },
    /// A leg that is of something else than what the order says it is about.
    #[error("{symbol} is no option of {underlying}, which the order says that it is about")]
    OtherUnderlying {
        /// The leg.
        symbol: Symbol,
        /// What the order is about, by its own word.
        underlying: Symbol,
    },
    /// There is no price to judge the order by.
    #[error("there is no reference price of {symbol} to judge the order by")]
    NoReference {
        /// The leg.
        symbol: Symbol,
    },
    /// There is no price of what is held, so that nobody knows what the session has lost.
    #[error("there is no new price of {symbol}, which is held, to count by what the session has lost")]
    NoMark {
        /// What is held.
        symbol: Symbol,
    },
    /// An amount is more than can be counted.
    #[error("an amount of the order, or of what is open, is too large to be counted")]
    Uncountable,
}

/// An order that was turned away, with everything that stands against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    breaches: Vec<Breach>,
}

impl Refused {
    /// `None` if nothing stands against it.
    pub(crate) fn for_breaches(breaches: Vec<Breach>) -> Option<Self> {
        (!breaches.is_empty()).then_some(Self { breaches })
    }

    /// Every limit that it would break; at least one.
    #[must_use]
    pub fn breaches(&self) -> &[Breach] {
        &self.breaches
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, breach) in self.breaches.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{breach}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}
