//! Orders, from the intent to the end: what each is, what became of its name and of its slot, and what its fills do to book and
//! account.

use std::collections::BTreeSet;

use backstop_broker::{BrokerOrderId, ClientOrderId, Decimal, Fill, Leg, OrderRequest, Symbol};
use backstop_reconcile::{BookError, Executed};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::account::hold_of;
use super::{Contradiction, State, contradiction, uncountable};
use crate::SlotId;
use crate::record::{OrderEnd, Purpose};

/// An order that is not at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The slot that it belongs to.
    pub slot: SlotId,
    /// Whether it is to open or to close.
    pub purpose: Purpose,
    /// The whole order.
    pub order: OrderRequest,
    /// Cash to set aside while all that it opens is held.
    pub margin: Decimal,
    /// What it is worth, as the limits judged it.
    #[serde(default)]
    pub notional: Decimal,
    /// How far it has come.
    pub stage: Stage,
    /// The broker's name for it, once known.
    pub broker_order_id: Option<BrokerOrderId>,
    /// When its intent was written.
    pub since: Timestamp,
    /// The day of the newest session at that moment: the broker's list of another day says nothing about it (DESK-7).
    pub day: Option<Date>,
}

/// What became of a name that was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Issued {
    /// Its order is not at rest.
    InFlight,
    /// Its order came to rest at the broker.
    Placed,
    /// No order came of it, or none that filled anything: refused, never sent, proven never to have been placed, or
    /// settled so by an operator.
    Absent,
}

/// An order that came to rest at the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// Whether it was to open or to close.
    pub purpose: Purpose,
    /// The symbol that it was about.
    pub underlying: Symbol,
    /// What it was to buy and sell.
    pub legs: Vec<Leg>,
    /// Cash to set aside while all that it opens is held.
    pub margin: Decimal,
    /// When its intent was written; an older order of its name is not its own.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// The broker's names of the orders that are in the book under its name.
    pub orders: BTreeSet<BrokerOrderId>,
}

/// How far an operation has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Stage {
    /// The intent is on disk; whether it was sent is not.
    Pending,
    /// It is at the broker.
    Working,
    /// It was sent, and nobody knows what became of it.
    Unknown {
        /// Why, for people.
        reason: String,
    },
}

/// What became of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SlotState {
    /// Its order is not at rest.
    InFlight,
    /// Something was filled.
    Executed,
    /// Provably nothing was.
    NotExecuted,
}

impl State {
    pub(super) fn intend(
        &mut self,
        slot: &SlotId,
        purpose: Purpose,
        order: &OrderRequest,
        (reserve, margin, notional): (Decimal, Decimal, Decimal),
        at: Timestamp,
    ) -> Result<(), Contradiction> {
        let id = order.client_order_id();
        if self.issued.insert(id.clone(), Issued::InFlight).is_some() {
            return Err(contradiction("a second intent of", id));
        }
        self.turnover = self.turnover.saturating_add(1);
        self.count_intent(purpose, order, at);
        self.traded.extend(order.legs().iter().map(|leg| leg.symbol.clone()));
        match purpose {
            Purpose::Open => {
                self.slots.insert(slot.clone(), SlotState::InFlight);
                let reserved = self.account.reserve(slot, &hold_of(order, reserve, margin));
                reserved.map_err(|error| uncountable(&error, id))?;
            }
            Purpose::Close { attempt } => {
                self.position(slot)?;
                self.exits.insert(slot.clone(), attempt);
            }
        }
        let operation = Operation {
            slot: slot.clone(),
            purpose,
            order: order.clone(),
            margin,
            notional,
            stage: Stage::Pending,
            broker_order_id: None,
            since: at,
            day: self.session.as_ref().map(|session| session.id.day),
        };
        self.operations.insert(id.clone(), operation);
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        id: &ClientOrderId,
        end: &OrderEnd,
        fills: &[Fill],
        at: Timestamp,
    ) -> Result<(), Contradiction> {
        let Some(operation) = self.operations.remove(id) else {
            return Err(contradiction("the end of", id));
        };
        let placed = match end {
            OrderEnd::Terminal { .. } => true,
            OrderEnd::Resolved { .. } => !fills.is_empty(),
            OrderEnd::Rejected { .. } | OrderEnd::NotSent { .. } | OrderEnd::NotPlaced { .. } => false,
        };
        if !fills.is_empty() && !placed {
            return Err(contradiction("fills without an order for", id));
        }
        self.alerts.remove(id.as_str());
        self.turnover = self.turnover.saturating_add(1);
        self.issued.insert(id.clone(), if placed { Issued::Placed } else { Issued::Absent });
        if placed {
            self.placed.insert(id.clone(), operation.placed());
        } else {
            self.absent.insert(id.clone(), operation.clone());
        }
        match operation.purpose {
            Purpose::Open => self.settle_open(operation, id, fills, at),
            Purpose::Close { .. } => self.settle_close(&operation.slot, id, &operation.placed(), fills, at),
        }
    }

    fn settle_open(
        &mut self,
        operation: Operation,
        id: &ClientOrderId,
        fills: &[Fill],
        at: Timestamp,
    ) -> Result<(), Contradiction> {
        let placed = operation.placed();
        let slot = operation.slot;
        let (symbol, margin) = (placed.underlying.to_string(), placed.margin_of(fills));
        let settled = self.account.settle(&slot, &symbol, (fills, margin));
        settled.map_err(|error| uncountable(&error, id))?;
        if fills.is_empty() {
            self.slots.insert(slot, SlotState::NotExecuted);
            return Ok(());
        }
        self.count(&slot);
        let order = number_of(id, placed.orders.first())?;
        self.take(&slot, &placed.underlying, &Executed::recorded(id.clone(), order, fills.to_vec()), at)
    }

    /// Counts a slot as executed, once.
    pub(super) fn count(&mut self, slot: &SlotId) {
        if self.slots.insert(slot.clone(), SlotState::Executed) == Some(SlotState::Executed) {
            return;
        }
        self.count_execution(slot);
        if let Some(session) = self.session.as_mut().filter(|session| session.id.day == slot.session.day) {
            self.entries_of_day = self.entries_of_day.saturating_add(1);
            if session.id == slot.session {
                session.executed = session.executed.saturating_add(1);
            }
        }
    }

    fn settle_close(
        &mut self,
        slot: &SlotId,
        id: &ClientOrderId,
        placed: &Placed,
        fills: &[Fill],
        at: Timestamp,
    ) -> Result<(), Contradiction> {
        let position = self.position(slot)?;
        if fills.iter().any(|fill| position.legs().iter().all(|leg| leg.symbol != fill.symbol)) {
            return Err(contradiction("a closing fill of a leg that is not held by", slot));
        }
        let order = number_of(id, placed.orders.first())?;
        let symbol = position.underlying().clone();
        self.take(slot, &symbol, &Executed::recorded(id.clone(), order, fills.to_vec()), at)?;
        self.follow_fills(slot, &symbol, Decimal::ZERO, fills)
    }

    /// Takes what an order has filled into the book.
    pub(super) fn take(
        &mut self,
        slot: &SlotId,
        underlying: &Symbol,
        executed: &Executed,
        at: Timestamp,
    ) -> Result<(), Contradiction> {
        let id = executed.client_order_id();
        let position = slot.position().map_err(|error| Contradiction { what: error.to_string() })?;
        let refused = |error: BookError| Contradiction { what: format!("the fills of {id} ({error})") };
        let mut booked = self.book.book(&position, underlying, executed, at).map_err(refused)?;
        if booked.is_none() && !executed.fills().is_empty() {
            // Law 3: a broker that was reset gives its numbers again. The book knows this one of an order that has left it, and
            // our own name says that this is another.
            let other = Executed::recorded(id.clone(), number_of(id, None)?, executed.fills().to_vec());
            booked = self.book.book(&position, underlying, &other, at).map_err(refused)?;
        }
        if booked.is_some() {
            self.book_changed = Some(at);
        }
        Ok(())
    }

    /// Takes what the fills of a position did to it into the account.
    pub(super) fn follow_fills(
        &mut self,
        slot: &SlotId,
        underlying: &Symbol,
        margin: Decimal,
        fills: &[Fill],
    ) -> Result<(), Contradiction> {
        let size = self.position(slot)?.legs().iter().map(|leg| leg.left.abs()).max().unwrap_or_default();
        let taken_in = self.account.take_fills(slot, underlying.as_str(), (size, margin), fills);
        taken_in.map_err(|error| uncountable(&error, slot))
    }
}

impl Operation {
    pub(super) fn placed(&self) -> Placed {
        Placed {
            purpose: self.purpose,
            underlying: self.order.underlying().clone(),
            legs: self.order.legs().to_vec(),
            margin: self.margin,
            since: Some(self.since),
            orders: self.broker_order_id.iter().cloned().collect(),
        }
    }
}

impl Placed {
    /// The share of the margin that `fills` take.
    pub(super) fn margin_of(&self, fills: &[Fill]) -> Decimal {
        let asked = total(self.legs.iter().map(|leg| Decimal::from(leg.quantity)));
        let filled = total(fills.iter().map(|fill| fill.quantity));
        let share = filled.checked_div(asked).unwrap_or(Decimal::ONE).min(Decimal::ONE);
        self.margin.saturating_mul(share)
    }
}

impl Stage {
    /// The stage in one word, as `status` shows it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Working => "in_progress",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// `Sum` would panic on overflow.
fn total(amounts: impl Iterator<Item = Decimal>) -> Decimal {
    amounts.fold(Decimal::ZERO, Decimal::saturating_add)
}

/// What the book calls an order. One without a number of its own, because an operator has settled it or because the broker gave
/// the number before, gets a name that no broker gives: the end of our own, which is unique.
fn number_of(id: &ClientOrderId, known: Option<&BrokerOrderId>) -> Result<BrokerOrderId, Contradiction> {
    const BY_HAND: &str = "by-hand:";
    let room = BrokerOrderId::MAX_LEN.saturating_sub(BY_HAND.len());
    let end = id.as_str().len().saturating_sub(room);
    let by_hand = || BrokerOrderId::new(&format!("{BY_HAND}{}", id.as_str().get(end..).unwrap_or_default()));
    known.cloned().map_or_else(by_hand, Ok).map_err(|_| contradiction("a name that the book cannot hold, of", id))
}
