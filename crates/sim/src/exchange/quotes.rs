//! Quotes as they are told: the true ones, and what the faults make of them.

use backstop_broker::{Decimal, Symbol};
use backstop_clock::Timestamp;

use super::{Exchange, Frozen};
use crate::book::{BookQuote, BookSide};
use crate::calendar::{earlier, later};
use crate::faults::FaultKind;

/// What can be wrong with a quote.
const QUOTE: &[FaultKind] = &[
    FaultKind::QuoteUnmatched,
    FaultKind::QuoteFrozen,
    FaultKind::QuoteStale,
    FaultKind::QuoteFuture,
    FaultKind::QuoteCrossed,
    FaultKind::QuoteZero,
    FaultKind::QuoteMissing,
    FaultKind::QuoteNegative,
    FaultKind::QuoteText,
];

/// A quote as it is told: fields may hold what is not a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawQuote {
    pub(crate) symbol: Symbol,
    pub(crate) bid: RawSide,
    pub(crate) ask: RawSide,
    pub(crate) last: RawValue,
    pub(crate) last_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawSide {
    pub(crate) price: RawValue,
    pub(crate) size: RawValue,
    pub(crate) at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RawValue {
    Number(Decimal),
    Text(&'static str),
    Null,
}

impl From<Option<Decimal>> for RawValue {
    fn from(value: Option<Decimal>) -> Self {
        value.map_or(Self::Null, Self::Number)
    }
}

impl From<BookSide> for RawSide {
    fn from(side: BookSide) -> Self {
        Self { price: side.price.into(), size: side.size.into(), at: side.at }
    }
}

impl From<BookQuote> for RawQuote {
    fn from(quote: BookQuote) -> Self {
        let BookQuote { symbol, bid, ask, last, last_at } = quote;
        Self { symbol, bid: bid.into(), ask: ask.into(), last: last.into(), last_at }
    }
}

impl Exchange {
    /// The quote of `symbol` as it is told. `None`: told to be unknown.
    pub(crate) fn quote(&mut self, symbol: &Symbol) -> Option<RawQuote> {
        if symbol.option().is_some_and(|option| self.is_expired(&option)) {
            return None;
        }
        let now = self.now;
        let quote = self.market.stamped(symbol, now)?;
        self.frozen.retain(|_, frozen| frozen.until > now);
        if let Some(frozen) = self.frozen.get(symbol) {
            let (raw, since) = (RawQuote::from(frozen.quote.clone()), frozen.since);
            self.note_told(symbol, Some(FaultKind::QuoteFrozen), since, Some(&raw));
            return Some(raw);
        }
        let fault = self.faults.first_of(QUOTE);
        let raw = self.spoiled(quote, fault);
        self.note_told(symbol, fault, now, raw.as_ref());
        raw
    }

    /// What the fault makes of it.
    fn spoiled(&mut self, quote: BookQuote, fault: Option<FaultKind>) -> Option<RawQuote> {
        let now = self.now;
        Some(match fault {
            None => quote.into(),
            Some(FaultKind::QuoteUnmatched) => return None,
            Some(FaultKind::QuoteFrozen) => {
                let until = later(now, self.faults.delay(FaultKind::QuoteFrozen));
                self.frozen.insert(quote.symbol.clone(), Frozen { since: now, until, quote: quote.clone() });
                quote.into()
            }
            Some(FaultKind::QuoteStale) => {
                let age = self.faults.delay(FaultKind::QuoteStale);
                restamped(quote, |at| earlier(at, age))
            }
            Some(FaultKind::QuoteFuture) => {
                let ahead = self.faults.delay(FaultKind::QuoteFuture);
                restamped(quote, |at| later(at, ahead))
            }
            Some(FaultKind::QuoteCrossed) => {
                let mut raw = RawQuote::from(quote);
                std::mem::swap(&mut raw.bid.price, &mut raw.ask.price);
                raw
            }
            Some(FaultKind::QuoteZero) => repriced(quote.into(), |_| RawValue::Number(Decimal::ZERO)),
            Some(FaultKind::QuoteNegative) => repriced(quote.into(), |price| match price {
                RawValue::Number(price) => RawValue::Number(-price.abs().max(Decimal::ONE)),
                other => other,
            }),
            Some(FaultKind::QuoteText) => repriced(quote.into(), |_| RawValue::Text("NaN")),
            Some(_) => {
                let mut raw = RawQuote::from(quote);
                let which = self.shape_dice.roll().u8(0..3);
                if which != 0 {
                    raw.bid.price = RawValue::Null;
                }
                if which != 1 {
                    raw.ask.price = RawValue::Null;
                }
                raw
            }
        })
    }

    /// The true quote of `symbol`: what an order would meet.
    pub(crate) fn true_prices(&mut self, now: Timestamp, symbol: &Symbol) -> Option<(Decimal, Decimal)> {
        self.advance(now);
        self.true_quote(symbol)?.prices()
    }
}

fn restamped(mut quote: BookQuote, stamp: impl Fn(Timestamp) -> Timestamp) -> RawQuote {
    quote.bid.at = quote.bid.at.map(&stamp);
    quote.ask.at = quote.ask.at.map(&stamp);
    quote.into()
}

fn repriced(mut quote: RawQuote, price: impl Fn(RawValue) -> RawValue) -> RawQuote {
    quote.bid.price = price(quote.bid.price);
    quote.ask.price = price(quote.ask.price);
    quote
}

#[cfg(test)]
mod tests;
