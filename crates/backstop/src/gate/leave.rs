//! At what price a position is left: by fresh quotes, and without by what the policy allows. Never later.

use std::num::NonZeroU32;

use backstop_broker::{Decimal, Leg, OrderKind, Side};
use backstop_clock::Clock;
use backstop_quote::{ExitPrice, Feed, NotFresh, Now};

use super::quotes::{one_of, units_of};

/// The order that closes by `legs`, and why no quote priced it, if none did.
pub(crate) fn priced_by_policy(feed: &Feed, legs: &[Leg], clock: &dyn Clock) -> (OrderKind, Option<NotFresh>) {
    match feed.exit_price(&one_of(legs), Now::of(clock)) {
        Ok(ExitPrice::Quoted { net, .. }) => (at_net(net, legs), None),
        // Law 4: refused as they are, quotes hold up no exit.
        Ok(ExitPrice::Limit { net, because }) => (at_net(net, legs), Some(because.into())),
        Ok(ExitPrice::Market { because }) => (OrderKind::Market, Some(because.into())),
        Err(uncountable) => (OrderKind::Market, Some(uncountable)),
    }
}

/// What closing by `legs` at the far side of fresh quotes would do to cash.
///
/// # Errors
/// [`NotFresh`] when there is a quote that says nothing now.
pub(crate) fn closing_cash(feed: &Feed, legs: &[Leg], clock: &dyn Clock) -> Result<Decimal, NotFresh> {
    let now = Now::of(clock);
    let spread = match feed.exit_price(&one_of(legs), now)? {
        ExitPrice::Quoted { spread, .. } => spread,
        ExitPrice::Limit { because, .. } | ExitPrice::Market { because } => return Err(because.into()),
    };
    let spread = spread.at(now)?;
    let units = Decimal::from(units_of(legs));
    let cash = spread.legs().iter().try_fold(Decimal::ZERO, |sum, (leg, quote)| {
        let (price, received) = match leg.side {
            Side::Buy => (quote.ask.price.value()?, Decimal::NEGATIVE_ONE),
            Side::Sell => (quote.bid.price.value()?, Decimal::ONE),
        };
        let one = price.checked_mul(Decimal::from(leg.ratio.get()))?.checked_mul(leg.symbol.multiplier())?;
        sum.checked_add(one.checked_mul(units)?.checked_mul(received)?)
    });
    cash.ok_or(NotFresh::Uncountable)
}

/// `net` is what one spread costs, per share: negative is received.
fn at_net(net: Decimal, legs: &[Leg]) -> OrderKind {
    let [leg] = legs else {
        // A net price is one of equal legs. A spread that is broken (a part of one leg gone) has none.
        let is_even = one_of(legs).iter().all(|leg| leg.ratio == NonZeroU32::MIN);
        return match (is_even, net.is_zero(), net.is_sign_negative()) {
            (false, _, _) => OrderKind::Market,
            (true, true, _) => OrderKind::Even,
            (true, false, true) => OrderKind::Credit { price: net.abs() },
            (true, false, false) => OrderKind::Debit { price: net },
        };
    };
    let price = if leg.side == Side::Sell { -net } else { net };
    if price > Decimal::ZERO { OrderKind::Limit { price } } else { OrderKind::Market }
}

#[cfg(test)]
mod tests;
