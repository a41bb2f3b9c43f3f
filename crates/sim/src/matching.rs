//! At what prices an order can fill.

use backstop_broker::{Decimal, Leg, OrderKind, Side};
use rust_decimal::RoundingStrategy;

use crate::book::BookQuote;
use crate::order::NewOrder;

/// The market for one unit of an order, as net prices: positive paid, negative received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnitMarket {
    /// What it costs to trade at once: buy at the asks, sell at the bids.
    pub(crate) natural: Decimal,
    /// Half way.
    pub(crate) mid: Decimal,
    /// The best that can be hoped for: buy at the bids, sell at the asks.
    pub(crate) best: Decimal,
    /// Bid, ask and the number per unit, leg by leg.
    legs: Vec<LegMarket>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct LegMarket {
    side: Side,
    ratio: Decimal,
    bid: Decimal,
    ask: Decimal,
}

impl UnitMarket {
    /// `None`: a leg has no market.
    pub(crate) fn new<'q>(order: &NewOrder, quote: impl Fn(&Leg) -> Option<&'q BookQuote>) -> Option<Self> {
        let legs = order
            .legs
            .iter()
            .map(|leg| {
                let (bid, ask) = quote(leg)?.prices()?;
                Some(LegMarket { side: leg.side, ratio: order.ratio(leg), bid, ask })
            })
            .collect::<Option<Vec<_>>>()?;
        let net = |price: fn(&LegMarket) -> Decimal| {
            legs.iter().map(|leg| leg.side.signed(leg.ratio * price(leg))).sum::<Decimal>()
        };
        let (natural, best) = (net(LegMarket::natural), net(LegMarket::best));
        // Nobody buys what is offered at no price, and nothing is given away.
        let worthless = matches!(legs.as_slice(), [one] if one.natural().is_zero());
        if worthless || (natural.is_zero() && legs.iter().any(|leg| leg.natural().is_zero())) {
            return None;
        }
        let mid = (natural + best) / Decimal::TWO;
        Some(Self { natural, mid, best, legs })
    }

    /// The prices of the legs that come to `net` per unit, each within its bid and ask. `None`: there are none.
    pub(crate) fn prices(&self, net: Decimal) -> Option<Vec<Decimal>> {
        let mut gain = self.natural - net;
        if gain < Decimal::ZERO {
            return None;
        }
        let mut prices = vec![Decimal::ZERO; self.legs.len()];
        // Legs of a larger number first: what they leave, in whole cents, the single ones can take up exactly.
        let mut order: Vec<usize> = (0..self.legs.len()).collect();
        order.sort_by_key(|&index| self.legs.get(index).map(|leg| std::cmp::Reverse(leg.ratio)));
        for index in order {
            let (leg, price) = (self.legs.get(index)?, prices.get_mut(index)?);
            let room = leg.ask - leg.bid;
            let share = (gain / leg.ratio).min(room);
            let share = if leg.ratio == Decimal::ONE { share } else { floor_cent(share) };
            gain -= share * leg.ratio;
            *price = leg.side.opposite().signed(share) + leg.natural();
        }
        gain.is_zero().then_some(prices)
    }
}

impl LegMarket {
    fn natural(&self) -> Decimal {
        match self.side {
            Side::Buy => self.ask,
            Side::Sell => self.bid,
        }
    }

    fn best(&self) -> Decimal {
        match self.side {
            Side::Buy => self.bid,
            Side::Sell => self.ask,
        }
    }
}

fn floor_cent(price: Decimal) -> Decimal {
    price.round_dp_with_strategy(2, RoundingStrategy::ToNegativeInfinity)
}

/// The most that one unit may cost, net: `None` for an order that takes any price.
pub(crate) fn limit(order: &NewOrder) -> Option<Decimal> {
    match order.kind {
        OrderKind::Market | OrderKind::Stop { .. } => None,
        OrderKind::Limit { price } | OrderKind::StopLimit { price, .. } => {
            Some(order.legs.first().map_or(price, |leg| leg.side.signed(price)))
        }
        OrderKind::Debit { price } => Some(price),
        OrderKind::Credit { price } => Some(-price),
        OrderKind::Even => Some(Decimal::ZERO),
    }
}

/// Whether a stop price is reached by `quote`.
pub(crate) fn stop_reached(order: &NewOrder, quote: &BookQuote) -> bool {
    let (OrderKind::Stop { stop } | OrderKind::StopLimit { stop, .. }) = order.kind else { return true };
    let (Some((bid, ask)), Some(leg)) = (quote.prices(), order.legs.first()) else { return false };
    match leg.side {
        Side::Buy => ask >= stop,
        Side::Sell => bid <= stop,
    }
}

#[cfg(test)]
mod tests;
