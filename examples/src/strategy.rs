//! The strategies: deliberately plain, and pure. They look and propose; the desk decides.

mod equity;
mod spread;

use std::time::Duration;

use backstop::broker::{Decimal, OrderKind, Quotes, Symbol};
use backstop::clock::Timestamp;
use backstop::{EntryPlan, ExitPlan, Position, State};
use jiff::civil::Date;

pub(crate) use equity::Equity;
pub(crate) use spread::Spread;

/// What to trade and when to leave.
#[derive(Debug, Clone)]
pub(crate) enum Strategy {
    Spread(Spread),
    Equity(Equity),
}

impl Strategy {
    /// The name that client order ids carry.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Spread(_) => "spread",
            Self::Equity(_) => "equity",
        }
    }

    /// What to look at first; a second look may need what [`legs`](Strategy::legs) adds.
    pub(crate) fn reference(&self) -> &Symbol {
        match self {
            Self::Spread(spread) => spread.underlying(),
            Self::Equity(equity) => equity.symbol(),
        }
    }

    /// The symbols that an entry in `slot` would trade, from a look at the reference.
    pub(crate) fn legs(&self, day: Date, quotes: &Quotes, slot: u32, state: &State) -> Result<Vec<Symbol>, String> {
        match self {
            Self::Spread(spread) => spread.legs(day, quotes, slot, state),
            Self::Equity(equity) => Ok(vec![equity.symbol().clone()]),
        }
    }

    /// The entry, from a look at reference and legs. `Err` says why there is none.
    pub(crate) fn entry(&self, quotes: &Quotes, legs: &[Symbol]) -> Result<EntryPlan, String> {
        match self {
            Self::Spread(spread) => spread.entry(quotes, legs),
            Self::Equity(equity) => equity.entry(quotes),
        }
    }

    /// Whether to leave, and how. `quotes` is `None` when none could be had.
    pub(crate) fn exit(&self, position: &Position, quotes: Option<&Quotes>, moment: &Moment) -> Option<ExitPlan> {
        let close = quotes.and_then(|quotes| closing_price(position, quotes));
        let why = moment.must_leave(position).map(str::to_owned).or_else(|| {
            let close = close.as_ref()?;
            match self {
                Self::Spread(_) => spread::wants_out(position, close.cash),
                Self::Equity(_) => equity::wants_out(position, close.cash),
            }
        })?;
        // Patience ends with the third attempt: then at whatever price there is.
        let kind = match close {
            Some(close) if position.close_attempts < 2 => close.kind,
            _ => OrderKind::Market,
        };
        Some(ExitPlan { kind, reason: why })
    }
}

/// What time says about leaving.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    pub(crate) hold: Duration,
    /// Everything is to be closed, whatever the price.
    pub(crate) flatten: bool,
}

impl Moment {
    fn must_leave(&self, position: &Position) -> Option<&'static str> {
        if self.flatten {
            return Some("leaving");
        }
        // An exit that did not come through is tried again, whatever made us want it.
        if position.pending_close.is_some() {
            return Some("trying again");
        }
        let held = self.now.duration_since(position.opened_at);
        Duration::try_from(held).is_ok_and(|held| held >= self.hold).then_some("time")
    }
}

/// What closing at the far side of each quote would do to cash, and the order for it.
struct Close {
    cash: Decimal,
    kind: OrderKind,
}

/// `None` when a needed side is missing. Only for leaving: entries are judged by the desk.
fn closing_price(position: &Position, quotes: &Quotes) -> Option<Close> {
    let open: Vec<_> = position.legs.iter().filter(|leg| !leg.quantity.is_zero()).collect();
    let mut cash = Decimal::ZERO;
    for leg in &open {
        let quote = quotes.get(&leg.symbol)?;
        let (side, floor) = if leg.quantity.is_sign_negative() {
            // What was sold is bought back, and nobody sells for nothing.
            (&quote.ask, Decimal::new(1, 8))
        } else {
            (&quote.bid, Decimal::ZERO)
        };
        let price = side.price.value().filter(|price| *price >= floor)?;
        cash = cash.checked_add(leg.quantity.checked_mul(price)?.checked_mul(leg.symbol.multiplier())?)?;
    }
    let first = open.first()?;
    let units = first.quantity.abs();
    // A net price is one of equal legs. A spread that is broken (a part of one leg gone) has none: out at the market.
    if open.iter().any(|leg| leg.quantity.abs() != units) {
        return Some(Close { cash, kind: OrderKind::Market });
    }
    let net = cash.checked_div(units.checked_mul(first.symbol.multiplier())?)?;
    Some(Close { cash, kind: closing_kind(net, open.len()) })
}

/// `net` is what closing brings, per share: negative is paid.
fn closing_kind(net: Decimal, legs: usize) -> OrderKind {
    let tick = Decimal::new(5, 2);
    match legs {
        1 if net.is_zero() => OrderKind::Market,
        1 => OrderKind::Limit { price: net.abs() },
        // One tick more than the quotes ask, so that a small move does not leave the order behind.
        _ if net <= Decimal::ZERO => OrderKind::Debit { price: net.abs().saturating_add(tick) },
        _ if net > tick => OrderKind::Credit { price: net - tick },
        _ => OrderKind::Even,
    }
}

#[cfg(test)]
mod tests;
