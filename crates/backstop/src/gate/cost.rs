//! The least that an order may cost at its own price: what a strategy sets aside must not be below it.

use backstop_broker::{Decimal, Leg, OrderKind, OrderRequest, Side};

use super::MarketView;

/// What the account may pay for `order` when it is filled at its own limit, or for a market order at the quotes of `view`.
/// Zero for an order that is paid for. What a short position may still cost is not in it: the margin is the strategy's
/// word until the ledger computes it. `None` when it is more than can be counted.
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
