//! The book: every position that may be open, and the only ways in and out of it.

mod change;
mod closings;
mod index;

use std::collections::{BTreeMap, BTreeSet};

use backstop_broker::{BrokerOrderId, Decimal, Symbol};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::change::{Change, LegChange};
use self::closings::Closings;
pub(crate) use self::closings::day;
pub(crate) use self::index::{Index, Net};
use crate::drift::{Adoption, Correction, DriftState};
use crate::executed::Executed;
use crate::id::PositionId;
use crate::position::{HeldLeg, Origin, Pending, Position};
use crate::proof::{Evidence, VerifiedClosed};
use crate::tally::Witness;
use crate::units::{is_countable, shrinks};

/// The open positions, and those whose close is not verified.
///
/// Everything that changes it returns a [`Change`], the audit record with its evidence (REC-6). Written to a log and
/// read back with [`replay`](Book::replay), the changes make the same book again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "RawBook")]
pub struct Book {
    positions: BTreeMap<PositionId, Position>,
    /// The orders of positions that left, and those of others that the book has followed, and when: a broker's list shows them
    /// for weeks, and they are neither to be booked again nor to explain once more what is missing.
    closed_orders: BTreeMap<BrokerOrderId, Timestamp>,
    /// What was closed, and on which day.
    closings: Closings,
    /// How many changes there were.
    revision: u64,
    #[serde(skip)]
    index: Index,
}

/// How long what has left is known: longer than any list of a broker reaches back.
pub(crate) const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(24 * 60);

impl PartialEq for Book {
    fn eq(&self, other: &Self) -> bool {
        // The index follows from the positions, but for when a symbol was last touched by one that left.
        (&self.positions, &self.closed_orders, &self.closings, self.revision)
            == (&other.positions, &other.closed_orders, &other.closings, other.revision)
    }
}

impl Eq for Book {}

/// Why a change of the book was refused. The book is what it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// There is no such position.
    #[error("position {position} is not in the book")]
    NotHeld {
        /// Its name.
        position: PositionId,
    },
    /// The position is another one than the change was made for.
    #[error("position {position} has changed since; look at the broker again")]
    Changed {
        /// Its name.
        position: PositionId,
    },
    /// There is one already.
    #[error("position {position} is in the book already; give what was found another name")]
    Held {
        /// Its name.
        position: PositionId,
    },
    /// An order was booked before, with other fills or in another position.
    #[error("order {order} was booked before and is told differently now; compare the account by hand")]
    BookedOtherwise {
        /// The broker's name for it.
        order: String,
    },
    /// An amount is too large, or too fine, to be counted exactly.
    #[error("an amount of position {position} cannot be counted exactly; compare the account by hand")]
    Uncountable {
        /// Its name.
        position: PositionId,
    },
}

impl Book {
    /// A book without positions.
    pub fn new() -> Self {
        Self::default()
    }

    /// The positions, by name.
    pub fn positions(&self) -> &BTreeMap<PositionId, Position> {
        &self.positions
    }

    /// The position of that name.
    pub fn get(&self, position: &PositionId) -> Option<&Position> {
        self.positions.get(position)
    }

    /// The signed net quantity of a symbol over all positions: what the broker's one row is to show.
    pub fn net(&self, symbol: &Symbol) -> Decimal {
        self.index.of(symbol).map_or(Decimal::ZERO, |net| net.quantity)
    }

    /// Everything, as indented JSON. [`Book`] reads it back.
    ///
    /// # Errors
    /// None that could be named: every part of a book can be written as JSON.
    pub fn export(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// Takes the fills of one order at rest into a position, or makes the position. `None` when they are in it already, or
    /// when nothing was filled, or when they were in a position that is proven closed.
    ///
    /// Whatever was filled is held: closing more than there was leaves the opposite, and that is in the book too.
    ///
    /// # Errors
    /// [`BookError`]; the book is what it was.
    pub fn book(
        &mut self,
        position: &PositionId,
        underlying: &Symbol,
        executed: &Executed,
        at: Timestamp,
    ) -> Result<Option<Change>, BookError> {
        let order = executed.broker_order_id();
        if let Some((holder, known)) = self.index.booked(&self.positions, order) {
            if holder == position && known == executed {
                return Ok(None);
            }
            return Err(BookError::BookedOtherwise { order: order.to_string() });
        }
        if executed.fills().is_empty() || self.closed_orders.contains_key(order) {
            return Ok(None);
        }
        let (position, underlying, order) = (position.clone(), underlying.clone(), executed.clone());
        self.take(Change::Booked { position, underlying, order, at }).map(Some)
    }

    /// Notes that a close could not be verified.
    ///
    /// # Errors
    /// [`BookError::NotHeld`].
    pub fn pend(&mut self, position: &PositionId, reason: &str, at: Timestamp) -> Result<Change, BookError> {
        self.take(Change::Pending { position: position.clone(), reason: reason.to_owned(), at })
    }

    /// The only way out of the book (REC-1).
    ///
    /// # Errors
    /// [`BookError::Changed`] when the position is not as it was when the proof was made, [`BookError::NotHeld`] when it is
    /// gone already.
    pub fn remove(&mut self, proof: VerifiedClosed, at: Timestamp) -> Result<Change, BookError> {
        let (position, revision, evidence) = proof.into_parts();
        let held = self.positions.get(&position).ok_or_else(|| BookError::NotHeld { position: position.clone() })?;
        if held.revision != revision {
            return Err(BookError::Changed { position });
        }
        let was = Box::new(held.clone());
        self.take(Change::Removed { position, was, evidence, at })
    }

    /// Takes in what is at the broker and nobody's, under a name that is new.
    ///
    /// # Errors
    /// [`BookError::Held`] when the name is taken, [`BookError::Changed`] when the symbol's quantity is another by now.
    pub fn adopt(&mut self, position: &PositionId, adoption: Adoption, at: Timestamp) -> Result<Change, BookError> {
        let position = position.clone();
        let (symbol, tracked, change) = adoption.into_change(position.clone(), at);
        if self.net(&symbol) != tracked {
            return Err(BookError::Changed { position });
        }
        self.take(change)
    }

    /// Sets the quantities of a position by what the broker holds.
    ///
    /// # Errors
    /// [`BookError::Changed`] when the position is not as it was when the correction was made.
    pub fn correct(&mut self, correction: Correction, at: Timestamp) -> Result<Change, BookError> {
        let (position, revision, change) = correction.into_change(at);
        let held = self.positions.get(&position).ok_or_else(|| BookError::NotHeld { position: position.clone() })?;
        if held.revision != revision {
            return Err(BookError::Changed { position });
        }
        self.take(change)
    }

    /// Does once more what a log says was done: for reading a log back, and for nothing else. What is live goes through the
    /// checks of the other calls.
    ///
    /// # Errors
    /// [`BookError`] when the change does not fit what came before it.
    pub fn replay(&mut self, change: &Change) -> Result<(), BookError> {
        if let Change::Booked { order, .. } = change
            && self.knows(order.broker_order_id())
        {
            return Err(BookError::BookedOtherwise { order: order.broker_order_id().to_string() });
        }
        self.fold(change)
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// What was closed, and on which day.
    pub(crate) fn closings(&self) -> &Closings {
        &self.closings
    }

    /// Whether an order is in the book, was in a position that left it, or has been followed.
    pub(crate) fn knows(&self, order: &BrokerOrderId) -> bool {
        self.index.has_booked(order) || self.closed_orders.contains_key(order)
    }

    fn take(&mut self, change: Change) -> Result<Change, BookError> {
        self.fold(&change)?;
        Ok(change)
    }

    /// The one place where the book changes.
    fn fold(&mut self, change: &Change) -> Result<(), BookError> {
        let id = change.position();
        let held = self.positions.get(id);
        let missing = || BookError::NotHeld { position: id.clone() };
        let revision = self.revision.saturating_add(1);
        let after = match change {
            Change::Booked { underlying, order, at, .. } => {
                let new = || Position::new(underlying.clone(), Origin::Traded, *at);
                let mut position = held.cloned().unwrap_or_else(new);
                let added = order.fills().iter().try_for_each(|fill| position.add(fill));
                added.ok_or_else(|| BookError::Uncountable { position: id.clone() })?;
                position.orders.push(order.clone());
                Some(position)
            }
            Change::Pending { reason, at, .. } => {
                let mut position = held.cloned().ok_or_else(missing)?;
                let before = position.pending.as_ref();
                let since = before.map_or(*at, |pending| pending.since);
                let attempts = before.map_or(0, |pending| pending.attempts).saturating_add(1);
                position.pending = Some(Pending { since, attempts, reason: reason.clone() });
                // It is a note and no change: a proof that is being gathered goes on.
                self.index.pend(id);
                self.positions.insert(id.clone(), position);
                return Ok(());
            }
            Change::Adopted { symbol, quantity, price, stop, at, .. } => {
                if held.is_some() {
                    return Err(BookError::Held { position: id.clone() });
                }
                let mut position = Position::new(symbol.clone(), Origin::Adopted { stop: *stop }, *at);
                let (symbol, opened) = (symbol.clone(), *quantity);
                position.legs.push(HeldLeg { symbol, opened, left: opened, price: *price });
                Some(position)
            }
            Change::Corrected { legs, causes, .. } => {
                let mut position = held.cloned().ok_or_else(missing)?;
                for leg in legs {
                    position.set(id, leg, strike_of(causes, &leg.symbol))?;
                }
                Some(position)
            }
            Change::Removed { was, .. } => {
                if *held.ok_or_else(missing)? != **was {
                    return Err(BookError::Changed { position: id.clone() });
                }
                None
            }
        };
        if after.as_ref().is_some_and(|position| !position.is_countable()) {
            return Err(BookError::Uncountable { position: id.clone() });
        }
        let legs = held.into_iter().chain(&after).flat_map(|position| &position.legs);
        let symbols: BTreeSet<Symbol> = legs.map(|leg| leg.symbol.clone()).collect();
        let before: Vec<Decimal> = symbols.iter().map(|symbol| self.net(symbol)).collect();
        if let Some(before) = self.positions.remove(id) {
            self.index.drop(id, &before, revision);
        }
        if let Some(mut position) = after {
            position.revision = revision;
            self.index.put(id, &position, revision);
            self.positions.insert(id.clone(), position);
        }
        for (symbol, before) in symbols.iter().zip(before) {
            let after = self.net(symbol);
            self.closings.note(symbol, before, after, change.at());
        }
        self.settle(change);
        self.revision = revision;
        Ok(())
    }
}

impl Book {
    /// Keeps which orders have nothing more to say, and for how long.
    fn settle(&mut self, change: &Change) {
        let at = change.at();
        match change {
            Change::Removed { was, evidence, .. } => {
                let orders = was.orders.iter().map(Executed::broker_order_id);
                self.closed_orders.extend(orders.chain(traded_by_others(evidence)).map(|order| (order.clone(), at)));
                self.closed_orders.retain(|_, left| at.duration_since(*left) <= KNOWN_FOR);
                self.closings.forget(day(at.checked_sub(KNOWN_FOR).unwrap_or(Timestamp::MIN)));
            }
            Change::Corrected { causes, .. } => {
                // REC-5: a trade by hand that the book has followed explains nothing else.
                let followed = causes.iter().filter_map(|cause| match cause {
                    DriftState::ManualTrade { orders } => Some(orders),
                    _ => None,
                });
                self.closed_orders.extend(followed.flatten().map(|order| (order.clone(), at)));
            }
            Change::Booked { .. } | Change::Pending { .. } | Change::Adopted { .. } => {}
        }
    }
}

/// The orders of somebody else that a proof rests on.
fn traded_by_others(evidence: &Evidence) -> impl Iterator<Item = &BrokerOrderId> {
    let legs = match evidence {
        Evidence::Absence { legs } => legs.as_slice(),
        Evidence::Fills { .. } | Evidence::Expiry { .. } | Evidence::Operator { .. } => &[],
    };
    legs.iter()
        .flat_map(|leg| &leg.reads.witnesses)
        .filter_map(|witness| match witness {
            Witness::Orders { orders } => Some(orders),
            _ => None,
        })
        .flatten()
}

/// What a share of `symbol` cost that came, or went, by exercise or assignment.
fn strike_of(causes: &[DriftState], symbol: &Symbol) -> Option<Decimal> {
    causes.iter().find_map(|cause| match cause {
        DriftState::Assigned { option, shares_of, .. } if shares_of == symbol => Some(option.option()?.strike()),
        _ => None,
    })
}

impl Position {
    fn new(underlying: Symbol, origin: Origin, opened_at: Timestamp) -> Self {
        let (legs, orders, cash_flow) = (Vec::new(), Vec::new(), Decimal::ZERO);
        Self { underlying, legs, orders, origin, opened_at, cash_flow, pending: None, revision: 0 }
    }

    fn is_countable(&self) -> bool {
        self.legs.iter().all(|leg| is_countable(leg.left) && is_countable(leg.opened))
    }

    /// Sets what is left of one leg, if it is what the change says that it was. What came at a known cost is paid for.
    fn set(&mut self, id: &PositionId, change: &LegChange, cost: Option<Decimal>) -> Result<(), BookError> {
        let LegChange { symbol, from, to } = change;
        match self.legs.iter().find(|leg| leg.symbol == *symbol) {
            Some(leg) if leg.left == *from => {}
            None if from.is_zero() => {
                let (symbol, none) = (symbol.clone(), Decimal::ZERO);
                self.legs.push(HeldLeg { symbol, opened: none, left: none, price: none });
            }
            Some(_) | None => return Err(BookError::Changed { position: id.clone() }),
        }
        self.bring(symbol, *from, *to, cost).ok_or_else(|| BookError::Uncountable { position: id.clone() })
    }

    fn bring(&mut self, symbol: &Symbol, from: Decimal, to: Decimal, cost: Option<Decimal>) -> Option<()> {
        let came = to.checked_sub(from)?;
        if let Some(cost) = cost {
            self.cash_flow = self.cash_flow.checked_sub(came.checked_mul(cost)?)?;
        }
        let leg = self.legs.iter_mut().find(|leg| leg.symbol == *symbol)?;
        leg.left = to;
        if !shrinks(from, came) {
            let paid = leg.opened.checked_mul(leg.price)?.checked_add(came.checked_mul(cost.unwrap_or(leg.price))?)?;
            leg.opened = leg.opened.checked_add(came)?;
            leg.price = paid.checked_div(leg.opened).or(cost).unwrap_or(leg.price);
        }
        Some(())
    }
}

/// What is on disk, before it is checked again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBook {
    positions: BTreeMap<PositionId, Position>,
    closed_orders: BTreeMap<BrokerOrderId, Timestamp>,
    /// Books from before it was kept have none.
    #[serde(default)]
    closings: Closings,
    revision: u64,
}

impl TryFrom<RawBook> for Book {
    type Error = BookError;

    fn try_from(raw: RawBook) -> Result<Self, BookError> {
        let mut index = Index::default();
        for (id, position) in &raw.positions {
            if !position.is_countable() {
                return Err(BookError::Uncountable { position: id.clone() });
            }
            if position.revision > raw.revision {
                return Err(BookError::Changed { position: id.clone() });
            }
            index.put(id, position, position.revision);
        }
        let RawBook { positions, closed_orders, closings, revision } = raw;
        Ok(Self { positions, closed_orders, closings, revision, index })
    }
}

#[cfg(test)]
mod tests;
