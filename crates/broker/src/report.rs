//! What the broker says of an order, and what follows from it.

use std::fmt;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{BrokerOrderId, PositionEffect, Side, Symbol};

/// Where an order stands, as the broker says.
///
/// The broker's own list of words grows: one that the adapter does not know is kept as it came and is neither terminal
/// nor filled (BRK-2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrderStatus {
    /// Received, not at the market yet.
    Pending,
    /// Working.
    Open,
    /// Working, a part is filled.
    PartiallyFilled,
    /// A cancel is under way; a fill may still win.
    PendingCancel,
    /// All of it is filled.
    Filled,
    /// Canceled. A part may have been filled before.
    Canceled,
    /// Its time ran out. A part may have been filled before.
    Expired,
    /// Refused, at once or some seconds later.
    Rejected,
    /// Failed inside the broker.
    Failed,
    /// A word that the adapter does not know.
    Unrecognized(String),
}

impl OrderStatus {
    /// Whether nothing more will happen to the order.
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Filled | Self::Canceled | Self::Expired | Self::Rejected | Self::Failed => true,
            Self::Pending | Self::Open | Self::PartiallyFilled | Self::PendingCancel | Self::Unrecognized(_) => false,
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pending => "pending",
            Self::Open => "open",
            Self::PartiallyFilled => "partially filled",
            Self::PendingCancel => "pending cancel",
            Self::Filled => "filled",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Unrecognized(word) => word,
        })
    }
}

/// An order as the broker reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The broker's name for it.
    pub id: BrokerOrderId,
    /// The label it was sent with, as it came: other people's labels need not be [`ClientOrderId`](crate::ClientOrderId)s.
    pub label: Option<String>,
    /// Where it stands.
    pub status: OrderStatus,
    /// Its legs: at least one.
    pub legs: Vec<OrderLeg>,
    /// The average net price of what was filled: positive paid, negative received. For one leg that leg's price.
    pub net_price: Option<Decimal>,
    /// When the broker took it, by the broker's clock.
    pub created_at: Option<Timestamp>,
    /// The broker's word on why it was refused or canceled.
    pub reason: Option<String>,
}

/// One leg of an order as the broker reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLeg {
    /// What is bought or sold.
    pub symbol: Symbol,
    /// Which of the two.
    pub side: Side,
    /// Whether that opens or closes.
    pub effect: PositionEffect,
    /// How many were asked for.
    pub quantity: Decimal,
    /// How many were filled. `None`: the broker has not said, which is not zero.
    pub filled: Option<Decimal>,
    /// At what average price per share.
    pub price: Option<Decimal>,
}

/// What was done of one leg.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// What was bought or sold.
    pub symbol: Symbol,
    /// Which of the two.
    pub side: Side,
    /// Whether that opened or closed.
    pub effect: PositionEffect,
    /// How many shares or contracts, positive.
    pub quantity: Decimal,
    /// The average price per share.
    pub price: Decimal,
}

impl Fill {
    /// The signed change of the net quantity: positive for a buy.
    #[must_use]
    pub fn signed_quantity(&self) -> Decimal {
        self.side.signed(self.quantity)
    }

    /// The change of cash without fees: positive for a sale. A contract counts for `100` shares. `None` when it is more
    /// than a [`Decimal`] holds.
    #[must_use]
    pub fn cash(&self) -> Option<Decimal> {
        let shares = self.quantity.checked_mul(self.symbol.multiplier())?;
        self.side.opposite().signed(shares).checked_mul(self.price)
    }
}

/// What an order's report lets us conclude.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It can still change. Also whenever the report cannot be trusted to say otherwise.
    Working,
    /// Nothing more will be filled, but the broker has not yet said how much was, or at what price: Tradier shows
    /// `filled` before the quantities. Ask again.
    Unmeasured,
    /// Nothing more will happen, and this is what was filled: nothing, a part or all.
    Final(Vec<Fill>),
}

impl Order {
    /// What the report lets us conclude. An answer that contradicts itself (filled, but not all of it) is
    /// [`Progress::Unmeasured`].
    pub fn progress(&self) -> Progress {
        if !self.status.is_terminal() {
            return Progress::Working;
        }
        match self.legs.iter().map(|leg| self.measured(leg)).collect::<Option<Vec<_>>>() {
            Some(fills) => Progress::Final(fills.into_iter().flatten().collect()),
            None => Progress::Unmeasured,
        }
    }

    /// The fill of one leg, if the report says all there is to it.
    #[expect(clippy::option_option, reason = "not measured, nothing filled and a fill are three different things")]
    fn measured(&self, leg: &OrderLeg) -> Option<Option<Fill>> {
        let filled = match (leg.filled, &self.status) {
            (Some(filled), _) => filled,
            // Refused before it reached the market: there is nothing to measure.
            (None, OrderStatus::Rejected) => Decimal::ZERO,
            (None, _) => return None,
        };
        let complete = filled == leg.quantity || self.status != OrderStatus::Filled;
        if filled < Decimal::ZERO || filled > leg.quantity || !complete {
            return None;
        }
        if filled.is_zero() {
            return Some(None);
        }
        // Zero stands for "not yet" until the whole order has a price of its own.
        let priced = leg.price.filter(|price| !price.is_zero() || self.net_price.is_some_and(|net| !net.is_zero()));
        let price = priced.filter(|price| *price >= Decimal::ZERO)?;
        let OrderLeg { symbol, side, effect, .. } = leg.clone();
        Some(Some(Fill { symbol, side, effect, quantity: filled, price }))
    }
}

#[cfg(test)]
mod tests;
