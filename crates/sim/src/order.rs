//! An order as the exchange keeps it.

use backstop_broker::{
    Decimal, Leg, OrderKind, OrderRequest, OrderStatus, PositionEffect, Quantity, Side, Symbol, TimeInForce,
};
use backstop_clock::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::ledger::QuotedLeg;

/// What somebody asks for. Unlike [`OrderRequest`] it may be nonsense: the exchange refuses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewOrder {
    pub(crate) tag: Option<String>,
    pub(crate) underlying: Symbol,
    pub(crate) legs: Vec<Leg>,
    pub(crate) kind: OrderKind,
    pub(crate) time_in_force: TimeInForce,
}

impl From<&OrderRequest> for NewOrder {
    fn from(order: &OrderRequest) -> Self {
        Self {
            tag: Some(order.client_order_id().as_str().to_owned()),
            underlying: order.underlying().clone(),
            legs: order.legs().to_vec(),
            kind: order.kind(),
            time_in_force: order.time_in_force(),
        }
    }
}

impl NewOrder {
    pub(crate) fn opens(&self) -> bool {
        self.legs.iter().any(|leg| leg.effect == PositionEffect::Open)
    }

    /// How often the smallest whole combination of the legs is asked for.
    pub(crate) fn units(&self) -> u32 {
        self.legs.iter().map(|leg| leg.quantity.get()).fold(0, gcd).max(1)
    }

    /// How many of `leg` belong to one unit.
    pub(crate) fn ratio(&self, leg: &Leg) -> Decimal {
        Decimal::from(leg.quantity.get() / self.units())
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Received, not at the market yet.
    Pending,
    /// Working.
    Open,
    /// Working, a part is filled.
    PartiallyFilled,
    /// All of it is filled.
    Filled,
    /// Canceled, perhaps after a part was filled.
    Canceled,
    /// Its time ran out, perhaps after a part was filled.
    Expired,
    /// Refused.
    Rejected,
}

impl OrderState {
    /// Whether it can still fill.
    pub fn is_working(self) -> bool {
        matches!(self, Self::Pending | Self::Open | Self::PartiallyFilled)
    }

    /// The broker's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Open => "open",
            Self::PartiallyFilled => "partially_filled",
            Self::Filled => "filled",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
        }
    }
}

impl From<OrderState> for OrderStatus {
    fn from(state: OrderState) -> Self {
        match state {
            OrderState::Pending => Self::Pending,
            OrderState::Open => Self::Open,
            OrderState::PartiallyFilled => Self::PartiallyFilled,
            OrderState::Filled => Self::Filled,
            OrderState::Canceled => Self::Canceled,
            OrderState::Expired => Self::Expired,
            OrderState::Rejected => Self::Rejected,
        }
    }
}

/// An order that was taken, with all that became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SimOrder {
    pub(crate) id: u64,
    pub(crate) request: NewOrder,
    pub(crate) day: Date,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) state: OrderState,
    pub(crate) reason: Option<String>,
    pub(crate) filled_units: u32,
    pub(crate) fills: Vec<UnitFill>,
    /// In the list of orders from then on.
    pub(crate) listed_at: Timestamp,
    /// Quantities and prices of what was filled are told from then on.
    pub(crate) measured_at: Timestamp,
    pub(crate) awaits: Awaits,
    /// Placed by somebody else, by hand.
    pub(crate) by_hand: bool,
    /// What its sender was last told of its legs.
    #[serde(default)]
    pub(crate) quoted: Vec<QuotedLeg>,
}

/// What an order at the market waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Awaits {
    /// Its stop price.
    Stop,
    /// Somebody who takes it.
    Market,
    /// A fill that is on its way.
    Fill,
    /// Nothing: the rest will never fill.
    Nothing,
}

/// Some units of an order, filled at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnitFill {
    pub(crate) at: Timestamp,
    pub(crate) units: u32,
    /// The price of each leg, per share, in the order of the legs.
    pub(crate) prices: Vec<Decimal>,
}

impl SimOrder {
    pub(crate) fn new(id: u64, request: NewOrder, day: Date, now: Timestamp) -> Self {
        let stop = matches!(request.kind, OrderKind::Stop { .. } | OrderKind::StopLimit { .. });
        Self {
            id,
            request,
            day,
            created_at: now,
            updated_at: now,
            state: OrderState::Pending,
            reason: None,
            filled_units: 0,
            fills: Vec::new(),
            listed_at: now,
            measured_at: now,
            awaits: if stop { Awaits::Stop } else { Awaits::Market },
            by_hand: false,
            quoted: Vec::new(),
        }
    }

    pub(crate) fn units_left(&self) -> u32 {
        self.request.units().saturating_sub(self.filled_units)
    }

    /// How many of `leg` were filled.
    pub(crate) fn filled(&self, leg: &Leg) -> Decimal {
        self.request.ratio(leg) * Decimal::from(self.filled_units)
    }

    /// How many of `leg` can still fill.
    pub(crate) fn remaining(&self, leg: &Leg) -> Decimal {
        if self.state.is_working() { Decimal::from(leg.quantity) - self.filled(leg) } else { Decimal::ZERO }
    }

    /// The average price of the leg at `index`, if any of it was filled.
    pub(crate) fn leg_price(&self, index: usize) -> Option<Decimal> {
        self.average(|fill| fill.prices.get(index).copied())
    }

    /// The average net price of one unit: positive paid, negative received. For a single leg the leg's price.
    pub(crate) fn net_price(&self) -> Option<Decimal> {
        self.average(|fill| Some(self.net_of(fill)))
    }

    pub(crate) fn net_of(&self, fill: &UnitFill) -> Decimal {
        match self.request.legs.as_slice() {
            [_] => fill.prices.iter().sum(),
            legs => {
                legs.iter().zip(&fill.prices).map(|(leg, price)| leg.side.signed(self.request.ratio(leg) * price)).sum()
            }
        }
    }

    fn average(&self, price: impl Fn(&UnitFill) -> Option<Decimal>) -> Option<Decimal> {
        let units: u32 = self.fills.iter().map(|fill| fill.units).sum();
        if units == 0 {
            return None;
        }
        let total =
            self.fills.iter().map(|fill| Some(price(fill)? * Decimal::from(fill.units))).sum::<Option<Decimal>>()?;
        Some(total / Decimal::from(units))
    }
}

/// Why a request is refused, as the protocol tells refusals apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// A parameter that cannot be: status 400 with this sentence.
    Parameter(String),
    /// Understood and refused: status 200 with `errors`.
    Errors {
        /// The sentence, and mostly a code after it.
        words: Vec<String>,
        /// Whether a `rejected` row is left in the list of orders.
        leaves_row: bool,
    },
}

impl Refusal {
    pub(crate) fn code(code: &str) -> Self {
        let words = vec!["Backoffice rejected override of the order.".to_owned(), code.to_owned()];
        Self::Errors { words, leaves_row: true }
    }

    pub(crate) fn sentence(sentence: String) -> Self {
        Self::Errors { words: vec![sentence], leaves_row: false }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Parameter(text) => text.clone(),
            Self::Errors { words, .. } => words.join(" "),
        }
    }
}

/// Why a cancel is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancelRefusal {
    /// No such order in this account.
    NoSuchOrder,
    /// Nothing more will happen to it.
    Final(OrderState),
}

/// A leg of an order, in the broker's form.
pub(crate) fn single_leg(symbol: Symbol, side: Side, effect: PositionEffect, quantity: Quantity) -> Vec<Leg> {
    vec![Leg { symbol, side, effect, quantity }]
}

#[cfg(test)]
mod tests;
