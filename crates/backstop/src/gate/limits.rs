//! What held positions are worth to the limits: the last prices at which they could be left.

use std::collections::BTreeMap;
use std::time::Duration;

use backstop_broker::{Decimal, Quotes, Symbol};
use backstop_clock::Mono;
use backstop_limits::{Reference, References};
use backstop_quote::{Refusal, Spread};

use crate::State;

/// How long a price of what is held says what it is worth. Longer than any sensible pause between two looks at a position; an
/// entry itself is priced by fresh quotes.
const GOOD_FOR: Duration = Duration::from_mins(1);

/// The last usable prices of each symbol that was looked at.
#[derive(Debug, Default)]
pub(crate) struct Marks(BTreeMap<Symbol, Mark>);

#[derive(Debug, Clone, Copy)]
struct Mark {
    /// Zero where nobody bids.
    bid: Decimal,
    ask: Option<Decimal>,
    at: Mono,
}

impl Marks {
    /// Takes in what came, but for what was `refused`, and forgets what is too old.
    pub(crate) fn take(&mut self, quotes: &Quotes, refused: &[Refusal], now: Mono) {
        self.0.retain(|_, mark| now.since(mark.at) <= GOOD_FOR);
        for quote in &quotes.quotes {
            if refused.iter().all(|refusal| refusal.symbol != quote.symbol) {
                let bid = quote.bid.price.value().unwrap_or_default();
                self.0.insert(quote.symbol.clone(), Mark { bid, ask: quote.ask.price.value(), at: now });
            }
        }
    }

    fn of(&self, symbol: &Symbol, now: Mono) -> Option<Mark> {
        self.0.get(symbol).copied().filter(|mark| now.since(mark.at) <= GOOD_FOR)
    }

    /// What one of `symbol` is worth at most.
    pub(crate) fn worth(&self, symbol: &Symbol, now: Mono) -> Option<Decimal> {
        self.of(symbol, now).map(|mark| mark.ask.unwrap_or_default().max(mark.bid))
    }

    /// What the positions of the book have brought so far if they were left now: what is long at the bid, what is short at
    /// the ask.
    ///
    /// # Errors
    /// A symbol that is held and has no price.
    pub(crate) fn open_result(&self, state: &State, now: Mono) -> Result<Decimal, Symbol> {
        let mut result = Decimal::ZERO;
        for position in state.book.positions().values() {
            result = result.saturating_add(position.cash_flow());
            for leg in position.open_legs() {
                let price = self
                    .of(&leg.symbol, now)
                    .and_then(|mark| if leg.left.is_sign_negative() { mark.ask } else { Some(mark.bid) });
                let value = price.and_then(|price| leg.left.checked_mul(price)?.checked_mul(leg.symbol.multiplier()));
                result = result.saturating_add(value.ok_or_else(|| leg.symbol.clone())?);
            }
        }
        Ok(result)
    }
}

/// The prices that an order is judged by. A leg without both sides has none.
pub(crate) fn references(spread: &Spread) -> References {
    let references = spread.legs().iter().filter_map(|(leg, quote)| {
        let (bid, ask) = (quote.bid.price.value()?, quote.ask.price.value()?);
        Some((leg.symbol.clone(), Reference { bid, ask }))
    });
    references.collect()
}
