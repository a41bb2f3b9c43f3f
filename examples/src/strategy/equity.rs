//! Shares of one symbol: buy at the ask, sell at a small gain, a small loss, or when the time is over.

use backstop::EntryPlan;
use backstop::broker::{Decimal, Leg, OrderKind, PositionEffect, Quantity, Quote, Side, Symbol};

/// What one entry is to cost, about, when no quantity is given.
const ABOUT: u32 = 5_000;

/// The parameters of the trade.
#[derive(Debug, Clone)]
pub(crate) struct Equity {
    symbol: Symbol,
    quantity: Option<Quantity>,
}

impl Equity {
    pub(crate) fn new(symbol: Symbol, quantity: Option<Quantity>) -> Self {
        Self { symbol, quantity }
    }

    pub(crate) fn symbol(&self) -> &Symbol {
        &self.symbol
    }

    pub(crate) fn legs(&self) -> Vec<(Symbol, Side)> {
        vec![(self.symbol.clone(), Side::Buy)]
    }

    pub(crate) fn entry(&self, quotes: &[&Quote]) -> Result<EntryPlan, String> {
        let [quote] = quotes else { return Err("shares have one leg".to_owned()) };
        let ask = quote.ask.price.value().ok_or_else(|| format!("{} has no ask", self.symbol))?;
        let quantity = self.quantity.map_or_else(|| about(ask), Ok)?;
        let cost = ask.saturating_mul(Decimal::from(quantity));
        let leg = Leg { symbol: self.symbol.clone(), side: Side::Buy, effect: PositionEffect::Open, quantity };
        Ok(EntryPlan {
            underlying: self.symbol.clone(),
            legs: vec![leg],
            kind: OrderKind::Limit { price: ask },
            reserve: cost,
            margin: Decimal::ZERO,
        })
    }
}

fn about(price: Decimal) -> Result<Quantity, String> {
    let count = Decimal::from(ABOUT).checked_div(price).and_then(|count| u32::try_from(count.floor()).ok());
    Quantity::new(count.unwrap_or(1).clamp(1, 10_000)).map_err(|error| error.to_string())
}

/// Out at a gain or a loss of 15 basis points. `closing` is what closing now would do to cash.
pub(super) fn wants_out(cash_flow: Decimal, closing: Decimal) -> Option<String> {
    let cost = -cash_flow;
    let profit = closing.saturating_sub(cost);
    let bound = cost.saturating_mul(Decimal::new(15, 4));
    if profit >= bound {
        return Some("profit target".to_owned());
    }
    (profit <= -bound).then(|| "stop loss".to_owned())
}
