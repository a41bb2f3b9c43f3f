//! What an order costs, and how far its price is from the market.

use std::collections::BTreeMap;

use backstop_broker::{Decimal, Leg, OrderKind, OrderRequest, Side, Symbol};

/// Both sides of a quote that may be traded on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Reference {
    /// What is bid, per share.
    pub bid: Decimal,
    /// What is asked, per share.
    pub ask: Decimal,
}

impl Reference {
    fn middle(self) -> Option<Decimal> {
        Some(self.bid.checked_add(self.ask)? / Decimal::TWO)
    }

    /// What is paid or received at once.
    fn natural(self, side: Side) -> Decimal {
        match side {
            Side::Buy => self.ask,
            Side::Sell => self.bid,
        }
    }
}

/// The market that an order is judged by: a reference for each of its legs.
pub type References = BTreeMap<Symbol, Reference>;

/// What is wrong with the prices of an order, or with what it is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unjudged {
    NoReference { symbol: Symbol },
    Uncountable,
}

/// The value of an order: each leg at the order's own price or at the market's worse side, whichever is more.
pub(crate) fn notional(order: &OrderRequest, references: &References) -> Result<Decimal, Unjudged> {
    let own = match (order.kind(), order.legs()) {
        // A price of one leg. That of several is net and bounds none of them.
        (OrderKind::Limit { price } | OrderKind::StopLimit { price, .. }, [_]) => Some(price),
        (OrderKind::Stop { stop }, [_]) => Some(stop),
        _ => None,
    };
    let mut sum = Decimal::ZERO;
    for leg in order.legs() {
        let reference = reference(references, leg)?;
        let price = own.unwrap_or_default().max(reference.ask).max(reference.bid);
        let value = price.checked_mul(leg.quantity.into()).and_then(|value| value.checked_mul(leg.symbol.multiplier()));
        sum = value.and_then(|value| sum.checked_add(value)).ok_or(Unjudged::Uncountable)?;
    }
    Ok(sum)
}

/// A price of an order, and the middle of the market that it is held against. Net of all legs, per share; above zero is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) price: Decimal,
    pub(crate) middle: Decimal,
}

/// Each price of an order beside the market. A market order has the price that it would get now.
pub(crate) fn compared(order: &OrderRequest, references: &References) -> Result<Vec<Compared>, Unjudged> {
    let net = |price: fn(Reference, Side) -> Option<Decimal>| net(order.legs(), references, price);
    let middle = net(|reference, _| reference.middle())?;
    let prices = match order.kind() {
        OrderKind::Market => vec![net(|reference, side| Some(reference.natural(side)))?],
        OrderKind::Limit { price } | OrderKind::Debit { price } => vec![price],
        OrderKind::Stop { stop } => vec![stop],
        OrderKind::StopLimit { stop, price } => vec![stop, price],
        OrderKind::Credit { price } => vec![-price],
        OrderKind::Even => vec![Decimal::ZERO],
    };
    // One leg has one price, whether it is bought or sold.
    let one_leg = order.legs().len() == 1;
    let compared = |price: Decimal| {
        if one_leg { Compared { price: price.abs(), middle: middle.abs() } } else { Compared { price, middle } }
    };
    Ok(prices.into_iter().map(compared).collect())
}

/// Paid less received, per share of one unit of the order.
fn net(
    legs: &[Leg],
    references: &References,
    price: impl Fn(Reference, Side) -> Option<Decimal>,
) -> Result<Decimal, Unjudged> {
    let units = legs.iter().map(|leg| leg.quantity.get()).fold(0, greatest_common_divisor).max(1);
    let mut sum = Decimal::ZERO;
    for leg in legs {
        let price = price(reference(references, leg)?, leg.side).ok_or(Unjudged::Uncountable)?;
        let ratio = Decimal::from(leg.quantity.get() / units);
        let value = price.checked_mul(ratio).and_then(|value| sum.checked_add(leg.side.signed(value)));
        sum = value.ok_or(Unjudged::Uncountable)?;
    }
    Ok(sum)
}

fn reference(references: &References, leg: &Leg) -> Result<Reference, Unjudged> {
    let reference = references.get(&leg.symbol).copied();
    // An option may be bid at nothing; what is asked at nothing, or below what is bid, is no market.
    let sound = |reference: &Reference| {
        reference.bid >= Decimal::ZERO && reference.ask > Decimal::ZERO && reference.bid <= reference.ask
    };
    reference.filter(sound).ok_or_else(|| Unjudged::NoReference { symbol: leg.symbol.clone() })
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
