//! The best bid and offer of one symbol, as the source sent them.

use backstop_clock::{Mono, Timestamp};
use rust_decimal::Decimal;

use crate::Symbol;

/// What a source said about one symbol. Nothing in it is filled in, rounded or checked for plausibility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// What is quoted, as the source names it.
    pub symbol: Symbol,
    /// The highest price at which somebody buys.
    pub bid: QuoteSide,
    /// The lowest price at which somebody sells.
    pub ask: QuoteSide,
    /// The last trade's price. Never a substitute for a side: it may be weeks old.
    pub last: Field<Decimal>,
    /// The source's stamp of the last trade. Says nothing about the age of the sides.
    pub last_at: Field<Timestamp>,
    /// When it reached us.
    pub received: Received,
}

impl Quote {
    /// Half way between bid and ask, for marks and strikes. `None` when either has no value, or both are so large that
    /// their sum is none. Says nothing about whether the two are plausible.
    pub fn mid(&self) -> Option<Decimal> {
        self.bid.price.value()?.checked_add(self.ask.price.value()?)?.checked_div(Decimal::TWO)
    }
}

/// One side of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuoteSide {
    /// The price for one unit: one share, or one underlying share of an option (not the whole contract).
    pub price: Field<Decimal>,
    /// How much may be traded at it, in the source's unit (Tradier: hundreds of shares, or contracts).
    pub size: Field<Decimal>,
    /// The source's stamp of this side. Sources differ in what it means: the last *change* (Tradier) or *as of*.
    pub at: Field<Timestamp>,
}

impl QuoteSide {
    /// A side about which nothing was said.
    pub const MISSING: Self = Self { price: Field::Missing, size: Field::Missing, at: Field::Missing };
}

/// When a message reached us, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// For ages.
    pub mono: Mono,
    /// For comparison with the source's stamps.
    pub wall: Timestamp,
}

/// A field of a message: there, not there, or there and not readable. The three are never confused, because a price
/// that could not be read must not pass for one that was not sent, nor either for zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<T> {
    /// The source sent it.
    Value(T),
    /// The source did not send it, or sent null.
    Missing,
    /// The source sent something that is not a value of this kind.
    Unreadable,
}

impl<T> Field<T> {
    /// The value, where there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing | Self::Unreadable => None,
        }
    }
}

#[cfg(test)]
mod tests;
