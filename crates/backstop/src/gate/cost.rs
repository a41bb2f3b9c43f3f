//! The least that an order may cost and tie up: what a strategy sets aside must not be below it.

use backstop_broker::{Decimal, Leg, OrderKind, OrderRequest, Side};
use backstop_quote::{OptionRight, OptionSymbol};

use super::MarketView;

/// What the account may pay for `order` when it is filled at its own limit, or for a market order at the quotes of `view`.
/// Zero for an order that is paid for. What a short position may still cost is not in it: see [`least_margin`]. `None` when it
/// is more than can be counted.
pub(crate) fn least_cost(order: &OrderRequest, view: &MarketView) -> Option<Decimal> {
    let legs = order.legs();
    let units = legs.iter().map(|leg| leg.quantity.get()).min().map_or(Decimal::ZERO, Decimal::from);
    let per_unit = match order.kind() {
        OrderKind::Credit { .. } | OrderKind::Even => Decimal::ZERO,
        OrderKind::Debit { price } => price.checked_mul(multiplier(legs))?,
        OrderKind::Limit { price } | OrderKind::Stop { stop: price } | OrderKind::StopLimit { price, .. } => {
            if legs.iter().all(|leg| leg.side == Side::Sell) {
                Decimal::ZERO
            } else {
                price.checked_mul(multiplier(legs))?
            }
        }
        OrderKind::Market => return Some(at_market(legs, view)?.max(Decimal::ZERO)),
    };
    per_unit.checked_mul(units)
}

/// Paid for what is bought less received for what is sold; legs without a quote are refused elsewhere.
fn at_market(legs: &[Leg], view: &MarketView) -> Option<Decimal> {
    legs.iter().try_fold(Decimal::ZERO, |sum, leg| {
        let quote = view.quotes().get(&leg.symbol);
        let price = quote.and_then(|quote| match leg.side {
            Side::Buy => quote.ask.price.value(),
            Side::Sell => quote.bid.price.value(),
        });
        let paid = price.unwrap_or_default().checked_mul(Decimal::from(leg.quantity.get()))?;
        sum.checked_add(leg.side.signed(paid.checked_mul(leg.symbol.multiplier())?))
    })
}

/// Of an order at a net price: all its legs are options, or it has one.
fn multiplier(legs: &[Leg]) -> Decimal {
    legs.iter().map(|leg| leg.symbol.multiplier()).max().unwrap_or(Decimal::ONE)
}

/// The most that options of one underlying can cost when they expire, whatever its price is then. `None` where that has no
/// bound or where legs are shares: the margin is the strategy's word then.
pub(crate) fn least_margin(legs: &[Leg]) -> Option<Decimal> {
    let held = |leg: &Leg| Some((leg.side.signed(Decimal::from(leg.quantity)), leg.symbol.option()?));
    let mut held: Vec<(Decimal, OptionSymbol)> = legs.iter().map(held).collect::<Option<_>>()?;
    let last_short =
        held.iter().filter(|(quantity, _)| *quantity < Decimal::ZERO).map(|(_, option)| option.expiration());
    let Some(last_short) = last_short.max() else { return Some(Decimal::ZERO) };
    // What expires before a short leg does not cover it.
    held.retain(|(quantity, option)| *quantity < Decimal::ZERO || option.expiration() >= last_short);
    let calls = held.iter().filter(|(_, option)| option.right() == OptionRight::Call);
    if total(calls.map(|(quantity, _)| Some(*quantity)))? < Decimal::ZERO {
        return None;
    }
    // Between strikes, and beyond them, it is a straight line: nowhere worse than at one of these.
    let levels = held.iter().map(|(_, option)| option.strike()).chain([Decimal::ZERO]);
    let worth_at = |level: Decimal| {
        total(held.iter().map(|(quantity, option)| {
            let worth = match option.right() {
                OptionRight::Call => level.checked_sub(option.strike())?,
                OptionRight::Put => option.strike().checked_sub(level)?,
            };
            worth.max(Decimal::ZERO).checked_mul(*quantity)
        }))
    };
    let worst = levels.map(worth_at).try_fold(Decimal::ZERO, |worst, worth| Some(worst.min(worth?)))?;
    (-worst).checked_mul(multiplier(legs))
}

fn total(mut amounts: impl Iterator<Item = Option<Decimal>>) -> Option<Decimal> {
    amounts.try_fold(Decimal::ZERO, |sum, amount| sum.checked_add(amount?))
}

#[cfg(test)]
mod tests;
