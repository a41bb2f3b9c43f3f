//! The truth, for tests to judge by: everything that was asked for, taken, filled and paid.

use std::collections::BTreeMap;
use std::time::Duration;

use backstop_broker::{Decimal, Fill, Leg, OrderKind, PositionEffect, Symbol, TimeInForce};
use backstop_clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::CashMovement;
use crate::faults::FaultKind;
use crate::order::{OrderState, SimOrder};

/// What truly happened at the simulated exchange, faults or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Cash at the beginning.
    pub start_cash: Decimal,
    /// Cash now: [`start_cash`](Ledger::start_cash) plus all [`movements`](Ledger::movements), to the cent.
    pub cash: Decimal,
    /// Net holdings now, zero left out.
    pub positions: BTreeMap<Symbol, Decimal>,
    /// Every order that was taken, by id: also those whose answer was lost, and those that were rejected later.
    pub orders: Vec<LedgerOrder>,
    /// Every request to place an order that was put on the wire, and what became of it.
    pub requests: Vec<WireRequest>,
    /// Every request to cancel an order that was put on the wire.
    pub cancels: Vec<WireCancel>,
    /// Every change of cash.
    pub movements: Vec<CashMovement>,
    /// How often each kind of fault struck.
    pub faults: BTreeMap<FaultKind, u64>,
}

/// An order that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerOrder {
    /// The exchange's name for it.
    pub id: u64,
    /// The label it was sent with.
    pub tag: Option<String>,
    /// Placed by somebody else on the same account.
    pub by_hand: bool,
    /// When it was taken.
    pub received_at: Timestamp,
    /// What was asked for.
    pub legs: Vec<Leg>,
    /// At what price.
    pub kind: OrderKind,
    /// For how long.
    pub time_in_force: TimeInForce,
    /// Where it stands.
    pub state: OrderState,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// Every fill, leg by leg, in the order in which they came.
    pub fills: Vec<Fill>,
    /// The quotes of its legs that were last told before its request came, whoever on the account had asked: what its sender can
    /// have known, not what it decided by. Legs that nobody had asked for are left out, and so are answers that never arrived.
    #[serde(default)]
    pub quoted: Vec<QuotedLeg>,
}

/// The quote that was last told of a leg before an order came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotedLeg {
    /// The leg.
    pub symbol: Symbol,
    /// What was wrong with it, if anything was. A side that is missing and that the order does not need is nothing wrong.
    pub fault: Option<FaultKind>,
    /// How long before the request its values were the market's. A quote that stands still grows old while it is repeated.
    pub age_ms: u64,
    /// How old the newer stamp of its two sides was, zero for one in the future. `None`: it had none.
    pub stamp_age_ms: Option<u64>,
    /// How long before the request a quote with nothing wrong was last told. `None`: never. Whoever looks at a symbol for two
    /// reasons, to enter and to watch what is held, may have decided on that one although a worse one came after it.
    #[serde(default)]
    pub good_ms: Option<u64>,
}

impl QuotedLeg {
    /// Whether nobody should trade on it: spoiled in a way that can be seen, or its values older than `most`.
    ///
    /// One that stands still is told from a quiet one by its age alone.
    pub fn is_bad(&self, most: Duration) -> bool {
        let is_spoiled = self.fault.is_some_and(|fault| fault != FaultKind::QuoteFrozen);
        is_spoiled || Duration::from_millis(self.age_ms) > most
    }
}

impl LedgerOrder {
    /// Whether any leg opens or increases a position.
    pub fn opens(&self) -> bool {
        self.legs.iter().any(|leg| leg.effect == PositionEffect::Open)
    }

    /// Whether a leg's quote was [bad](QuotedLeg::is_bad) when it was sent.
    pub fn is_on_bad_quote(&self, most: Duration) -> bool {
        self.quoted.iter().any(|leg| leg.is_bad(most))
    }
}

impl From<&SimOrder> for LedgerOrder {
    fn from(order: &SimOrder) -> Self {
        let legs = &order.request.legs;
        let fill = |leg: &Leg, units: u32, price: Decimal| Fill {
            symbol: leg.symbol.clone(),
            side: leg.side,
            effect: leg.effect,
            quantity: order.request.ratio(leg) * Decimal::from(units),
            price,
        };
        let fills = order.fills.iter();
        Self {
            id: order.id,
            tag: order.request.tag.clone(),
            by_hand: order.by_hand,
            received_at: order.created_at,
            legs: legs.clone(),
            kind: order.request.kind,
            time_in_force: order.request.time_in_force,
            state: order.state,
            reason: order.reason.clone(),
            fills: fills
                .flat_map(|unit| legs.iter().zip(&unit.prices).map(move |(leg, price)| (leg, unit.units, *price)))
                .map(|(leg, units, price)| fill(leg, units, price))
                .collect(),
            quoted: order.quoted.clone(),
        }
    }
}

/// A request to place an order, as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireRequest {
    /// When it came.
    pub at: Timestamp,
    /// The label it bore.
    pub tag: Option<String>,
    /// The order that it became; `None` also for one that was lost or still lies in a queue.
    pub order_id: Option<u64>,
    /// Why it did not become an order.
    pub refusal: Option<String>,
    /// What went wrong with it.
    pub fault: Option<FaultKind>,
}

/// A request to cancel an order, as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireCancel {
    /// When it came.
    pub at: Timestamp,
    /// The order that it named, whether there is one or not.
    pub order_id: u64,
    /// What went wrong with it.
    pub fault: Option<FaultKind>,
}

impl Ledger {
    /// The orders that bear `tag`. More than one is a duplicate.
    pub fn by_tag<'l>(&'l self, tag: &'l str) -> impl Iterator<Item = &'l LedgerOrder> {
        self.orders.iter().filter(move |order| order.tag.as_deref() == Some(tag))
    }

    /// For each label, how many opening orders were taken that were not rejected.
    pub fn opening_orders_by_tag(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for order in self.orders.iter().filter(|order| order.opens() && order.state != OrderState::Rejected) {
            if let Some(tag) = order.tag.as_deref() {
                *counts.entry(tag).or_default() += 1;
            }
        }
        counts
    }

    /// The net holding of `symbol`.
    pub fn position(&self, symbol: &Symbol) -> Decimal {
        self.positions.get(symbol).copied().unwrap_or_default()
    }

    /// The orders that can still fill.
    pub fn working(&self) -> impl Iterator<Item = &LedgerOrder> {
        self.orders.iter().filter(|order| order.state.is_working())
    }
}
