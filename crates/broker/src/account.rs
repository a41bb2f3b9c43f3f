//! What the account holds, and what the market is doing.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::{MarketState, Quote, Symbol};

/// One row of the broker's positions. Brokers keep one per symbol and merge lots, manual trades and other bots into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// What is held.
    pub symbol: Symbol,
    /// Net shares or contracts: positive long, negative short.
    pub quantity: Decimal,
    /// The total cost of the row, contract multiplier included; negative for what was sold short.
    pub cost_basis: Option<Decimal>,
    /// When it was acquired or last changed; not a reliable time of entry.
    pub acquired_at: Option<Timestamp>,
}

/// A closed position in the clearing firm's nightly report. It comes the next morning at the earliest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedLot {
    /// What it was.
    pub symbol: Symbol,
    /// How much was closed; brokers write short ones with either sign.
    pub quantity: Decimal,
    /// The day of the close.
    pub closed_on: Date,
}

/// The account's money, in its own currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balances {
    /// Cash, settled or not.
    pub total_cash: Decimal,
    /// Everything, at the market.
    pub total_equity: Decimal,
    /// What may be spent on options. `None`: the broker has not said.
    pub option_buying_power: Option<Decimal>,
    /// What may be spent on shares. `None`: the broker has not said.
    pub stock_buying_power: Option<Decimal>,
}

/// The broker's word on day and hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketClock {
    /// The trading day, in the exchange's time zone.
    pub date: Date,
    /// Whether there is trading.
    pub state: MarketState,
    /// The broker's own clock, where it said.
    pub at: Option<Timestamp>,
}

/// The answer to a request for quotes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quotes {
    /// What was quoted, in no promised order. May be fewer than were asked for.
    pub quotes: Vec<Quote>,
    /// What the broker said it does not know.
    pub unmatched: Vec<Symbol>,
}

impl Quotes {
    /// The quote of one symbol, if it came.
    pub fn get(&self, symbol: &Symbol) -> Option<&Quote> {
        self.quotes.iter().find(|quote| quote.symbol == *symbol)
    }
}
