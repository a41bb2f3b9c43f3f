//! A quote as the exchange knows it, before any fault.

use backstop_broker::{Decimal, Symbol};
use backstop_clock::Timestamp;
use serde::{Deserialize, Serialize};

/// The highest price that the exchange takes: in an order, in a recording, and from whoever sets it up. The most that an
/// order may ask for at this price leaves room for ten thousand million of them in a sum.
pub(crate) const HIGHEST_PRICE: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// The true quote of one symbol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BookQuote {
    pub(crate) symbol: Symbol,
    pub(crate) bid: BookSide,
    pub(crate) ask: BookSide,
    pub(crate) last: Option<Decimal>,
    pub(crate) last_at: Option<Timestamp>,
}

/// One side of it. `None`: nobody said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct BookSide {
    pub(crate) price: Option<Decimal>,
    pub(crate) size: Option<Decimal>,
    pub(crate) at: Option<Timestamp>,
}

impl BookQuote {
    pub(crate) fn empty(symbol: Symbol) -> Self {
        Self { symbol, bid: BookSide::default(), ask: BookSide::default(), last: None, last_at: None }
    }

    /// Both prices, if somebody sells and the book is not crossed. A bid of zero is nobody who buys.
    pub(crate) fn prices(&self) -> Option<(Decimal, Decimal)> {
        let ask = self.ask.price.filter(|ask| *ask > Decimal::ZERO)?;
        let bid = self.bid.price.unwrap_or(Decimal::ZERO);
        (bid >= Decimal::ZERO && bid <= ask).then_some((bid, ask))
    }

    pub(crate) fn mid(&self) -> Option<Decimal> {
        self.prices().map(|(bid, ask)| (bid + ask) / Decimal::TWO)
    }
}
