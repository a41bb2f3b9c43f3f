//! What we ask the broker to do. An [`OrderRequest`] that exists is well formed.

use std::collections::BTreeSet;
use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{ClientOrderId, Side, Symbol};

/// Whether a leg opens a position or closes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionEffect {
    /// Opens or increases.
    Open,
    /// Closes or decreases. The broker refuses a close that would cross zero.
    Close,
}

/// How many shares or contracts: a whole number from 1 to [`Quantity::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quantity(u32);

impl Quantity {
    /// The most that one order may ask for (Tradier: `IncorrectOrderQuantity` outside 1 to 10,000,000).
    pub const MAX: u32 = 10_000_000;

    /// Checks and keeps `count`.
    ///
    /// # Errors
    /// [`InvalidOrder::Quantity`] outside 1 to [`Quantity::MAX`].
    pub fn new(count: u32) -> Result<Self, InvalidOrder> {
        if (1..=Self::MAX).contains(&count) { Ok(Self(count)) } else { Err(InvalidOrder::Quantity { count }) }
    }

    /// The count.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

impl TryFrom<u32> for Quantity {
    type Error = InvalidOrder;

    fn try_from(count: u32) -> Result<Self, InvalidOrder> {
        Self::new(count)
    }
}

impl From<Quantity> for Decimal {
    fn from(quantity: Quantity) -> Self {
        Self::from(quantity.0)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One instrument of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// What is bought or sold.
    pub symbol: Symbol,
    /// Which of the two.
    pub side: Side,
    /// Whether that opens or closes.
    pub effect: PositionEffect,
    /// How many shares or contracts.
    pub quantity: Quantity,
}

/// At what price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum OrderKind {
    /// At whatever price there is. One leg or several.
    Market,
    /// At `price` or better. One leg.
    Limit {
        /// Per share, positive.
        price: Decimal,
    },
    /// At the market once `stop` trades. One leg.
    Stop {
        /// Per share, positive.
        stop: Decimal,
    },
    /// At `price` or better once `stop` trades. One leg.
    StopLimit {
        /// Per share, positive.
        stop: Decimal,
        /// Per share, positive.
        price: Decimal,
    },
    /// Pay at most `price` net. Several legs.
    Debit {
        /// Net per share, positive.
        price: Decimal,
    },
    /// Receive at least `price` net. Several legs.
    Credit {
        /// Net per share, positive.
        price: Decimal,
    },
    /// Neither pay nor receive. Several legs.
    Even,
}

impl OrderKind {
    fn prices(self) -> impl Iterator<Item = Decimal> {
        let (first, second) = match self {
            Self::Market | Self::Even => (None, None),
            Self::Limit { price } | Self::Debit { price } | Self::Credit { price } => (Some(price), None),
            Self::Stop { stop } => (Some(stop), None),
            Self::StopLimit { stop, price } => (Some(stop), Some(price)),
        };
        first.into_iter().chain(second)
    }
}

/// How long an order works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// Until the end of the regular session.
    Day,
    /// Until it is canceled.
    GoodTilCanceled,
    /// In the session before the opening.
    PreMarket,
    /// In the session after the close.
    PostMarket,
}

/// An order as we want it placed: well formed, or it does not exist.
///
/// ```
/// use backstop_broker::{ClientOrderId, Leg, OrderKind, OrderRequest, PositionEffect, Quantity, Side, TimeInForce};
/// let leg = Leg {
///     symbol: "SPY".parse()?,
///     side: Side::Buy,
///     effect: PositionEffect::Open,
///     quantity: Quantity::new(10)?,
/// };
/// let kind = OrderKind::Limit { price: "560.12".parse()? };
/// let order = OrderRequest::new(ClientOrderId::new("bs-1")?, "SPY".parse()?, vec![leg], kind, TimeInForce::Day)?;
/// assert!(order.opens());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawOrder", into = "RawOrder")]
pub struct OrderRequest {
    client_order_id: ClientOrderId,
    underlying: Symbol,
    legs: Vec<Leg>,
    kind: OrderKind,
    time_in_force: TimeInForce,
}

impl OrderRequest {
    /// Checks and keeps an order.
    ///
    /// One leg is a share or an option at `Market`, `Limit`, `Stop` or `StopLimit`; two to four legs are options of
    /// one combined price at `Market`, `Debit`, `Credit` or `Even`. `underlying` is the symbol that the order is about
    /// (for shares the share itself; for SPXW options `SPX`).
    ///
    /// # Errors
    /// [`InvalidOrder`] names what does not fit; nothing about buying power or the market is checked here.
    pub fn new(
        client_order_id: ClientOrderId,
        underlying: Symbol,
        legs: Vec<Leg>,
        kind: OrderKind,
        time_in_force: TimeInForce,
    ) -> Result<Self, InvalidOrder> {
        let several = match legs.len() {
            1 => false,
            2..=4 => true,
            count => return Err(InvalidOrder::LegCount { count }),
        };
        let fits = match kind {
            OrderKind::Market => true,
            OrderKind::Limit { .. } | OrderKind::Stop { .. } | OrderKind::StopLimit { .. } => !several,
            OrderKind::Debit { .. } | OrderKind::Credit { .. } | OrderKind::Even => several,
        };
        if !fits {
            return Err(InvalidOrder::KindForLegs { kind, legs: legs.len() });
        }
        let mut seen = BTreeSet::new();
        let mut options = false;
        for leg in &legs {
            if !seen.insert(&leg.symbol) {
                return Err(InvalidOrder::RepeatedSymbol { symbol: leg.symbol.clone() });
            }
            if leg.symbol.option().is_some() {
                options = true;
            } else if several {
                return Err(InvalidOrder::NotAnOption { symbol: leg.symbol.clone() });
            } else if leg.symbol != underlying {
                return Err(InvalidOrder::Underlying { symbol: leg.symbol.clone(), underlying });
            }
        }
        for price in kind.prices() {
            // Tradier refuses a sub-cent price of an option; shares below a dollar may have one.
            if price <= Decimal::ZERO || (options && price.normalize().scale() > 2) {
                return Err(InvalidOrder::Price { price });
            }
        }
        Ok(Self { client_order_id, underlying, legs, kind, time_in_force })
    }

    /// Our name for it.
    pub fn client_order_id(&self) -> &ClientOrderId {
        &self.client_order_id
    }

    /// The symbol that the order is about.
    pub fn underlying(&self) -> &Symbol {
        &self.underlying
    }

    /// What is bought and sold: one to four legs.
    pub fn legs(&self) -> &[Leg] {
        &self.legs
    }

    /// At what price.
    pub fn kind(&self) -> OrderKind {
        self.kind
    }

    /// How long it works.
    pub fn time_in_force(&self) -> TimeInForce {
        self.time_in_force
    }

    /// Whether any leg opens or increases a position. Such an order is an entry whatever its other legs do.
    pub fn opens(&self) -> bool {
        self.legs.iter().any(|leg| leg.effect == PositionEffect::Open)
    }
}

/// What is on disk, before it is checked again.
#[derive(Serialize, Deserialize)]
struct RawOrder {
    client_order_id: ClientOrderId,
    underlying: Symbol,
    legs: Vec<Leg>,
    kind: OrderKind,
    time_in_force: TimeInForce,
}

impl TryFrom<RawOrder> for OrderRequest {
    type Error = InvalidOrder;

    fn try_from(raw: RawOrder) -> Result<Self, InvalidOrder> {
        Self::new(raw.client_order_id, raw.underlying, raw.legs, raw.kind, raw.time_in_force)
    }
}

impl From<OrderRequest> for RawOrder {
    fn from(order: OrderRequest) -> Self {
        let OrderRequest { client_order_id, underlying, legs, kind, time_in_force } = order;
        Self { client_order_id, underlying, legs, kind, time_in_force }
    }
}

/// Why an order is not well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOrder {
    /// Too few or too many shares or contracts.
    #[error("an order is for 1 to {max} shares or contracts, not {count}", max = Quantity::MAX)]
    Quantity {
        /// What was asked for.
        count: u32,
    },
    /// No legs or too many.
    #[error("an order has 1 to 4 legs, not {count}")]
    LegCount {
        /// How many there are.
        count: usize,
    },
    /// A price form that the number of legs does not allow.
    #[error("{kind:?} does not go with {legs} leg(s): limit and stop are for one, debit, credit and even for several")]
    KindForLegs {
        /// The price form.
        kind: OrderKind,
        /// How many legs there are.
        legs: usize,
    },
    /// Two legs on one symbol.
    #[error("{symbol} is on two legs; put the quantity on one")]
    RepeatedSymbol {
        /// The symbol.
        symbol: Symbol,
    },
    /// A share among the legs of an option order.
    #[error("{symbol} is not an option; an order of several legs holds options only")]
    NotAnOption {
        /// The symbol.
        symbol: Symbol,
    },
    /// A share order that is about another symbol.
    #[error("an order for {symbol} cannot be about {underlying}")]
    Underlying {
        /// The leg's symbol.
        symbol: Symbol,
        /// What the order claims to be about.
        underlying: Symbol,
    },
    /// A price that no broker takes.
    #[error("price {price} must be positive and, for options, in whole cents")]
    Price {
        /// The price.
        price: Decimal,
    },
}

#[cfg(test)]
mod tests;
