//! What evidence cannot settle any more, an operator can: by name, with a reason, and not against what the broker shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use backstop_broker::{ClientOrderId, Decimal, Fill, OrderRequest, ReadError, Symbol};
use backstop_reconcile::{self as reconcile, Override, Read, VerifiedClosed};

use super::book::{self, net_of};
use super::settle::{Listed, Step};
use super::{Desk, Inner, RecordError};
use crate::SlotId;
use crate::record::{Batch, OrderEnd, Record};
use crate::told::told;

/// What an operator says became of an order that the broker does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: something was filled or nothing")]
pub enum Claim {
    /// It was never placed, or nothing of it was filled, and nothing will be.
    NotPlaced,
    /// This was filled, and nothing more will be: at least one row, of legs of the order.
    Filled(Vec<ClaimedFill>),
}

/// One leg's fill, as an operator read it at the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedFill {
    /// The leg's symbol; its side is the order's.
    pub symbol: Symbol,
    /// How many, positive.
    pub quantity: Decimal,
    /// The average price per share.
    pub price: Decimal,
}

/// A symbol of which the book would have another quantity than the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differs {
    /// The symbol.
    pub symbol: Symbol,
    /// What the book would say, with what was declared to be others'.
    pub tracked: Decimal,
    /// What the broker says.
    pub broker: Decimal,
}

/// Who answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name.
    pub by: String,
    /// Why they are sure.
    pub reason: String,
    /// Whether it holds although the broker's positions do not agree, because something else explains them.
    pub despite_positions: bool,
}

/// Why something was not settled. It stays open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Nothing of this name waits to be settled.
    #[error("{what} is not open: it is settled already, or was never there")]
    NotOpen {
        /// Its name.
        what: String,
    },
    /// The name or the reason is empty.
    #[error("settling by hand takes a name and a reason, and one of the two is empty")]
    Nameless,
    /// A task of this process looks after it.
    #[error("{what} is being followed at this moment: wait for its end")]
    Attended {
        /// Its name.
        what: String,
    },
    /// The broker was not reached, and it has to be asked first.
    #[error("the broker could not be asked, and it has to be before anything is settled by hand")]
    Broker(#[from] ReadError),
    /// The request may still be on its way, or the broker's list of positions may lag behind a fill.
    #[error("{what} may still be on its way, or the broker's positions lag behind: try again in {after:?}")]
    TooEarly {
        /// Its name.
        what: String,
        /// When to try again.
        after: Duration,
    },
    /// The broker shows it.
    #[error("the broker shows {what}: {shown}; what the broker shows is not settled by hand")]
    Shown {
        /// Its name.
        what: String,
        /// What is shown of it.
        shown: String,
    },
    /// The fills are not of this order.
    #[error("{text}")]
    NotItsFill {
        /// What does not fit.
        text: String,
    },
    /// The account would not hold what the book then says.
    #[error("the book would say otherwise than the broker's positions: {}", .0.iter().map(|row| format!("{}: {} in the book, {} at the broker", row.symbol, row.tracked, row.broker)).collect::<Vec<_>>().join("; "))]
    PositionsDiffer(Vec<Differs>),
    /// The position is not gone.
    #[error("position {slot} stays: {why}")]
    NotGone {
        /// The position.
        slot: SlotId,
        /// Why.
        why: String,
    },
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Desk {
    /// Settles an order that is not at rest. The broker is asked first: if it shows how the order ended, that is what is
    /// recorded, whatever the operator says. What it does not show ends as the operator claims (DESK-7), if its positions
    /// agree. Returns how it came to rest.
    ///
    /// An order that was settled as not placed and turns up all the same is adopted by a later
    /// [`reconcile`](Desk::reconcile), which halts.
    ///
    /// # Errors
    /// [`ResolveError`]; the order stays open.
    ///
    /// # Durability
    /// On disk when this returns `Ok`.
    ///
    /// # Cancel safety
    /// It is settled in a task of its own. Dropping this future neither stops nor loses that.
    pub async fn resolve(
        &self,
        id: &ClientOrderId,
        claim: &Claim,
        operator: &Operator,
    ) -> Result<(OrderEnd, Vec<Fill>), ResolveError> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        let (claim, operator) = (claim.clone(), operator.clone());
        // GUARD-3: the guard is told whatever becomes of the caller.
        let settled = tokio::spawn(async move { inner.resolve(&id, &claim, &operator).await }).await;
        settled.unwrap_or(Err(ResolveError::Record(RecordError::Interrupted)))
    }

    /// Takes a position out of the book that the broker does not hold any more: closed by hand, or by fills that its lists
    /// never confirmed. Its positions have to agree (REC-1). The cash is right again after the next
    /// [`read_cash`](Desk::read_cash).
    ///
    /// # Errors
    /// [`ResolveError`]; the position stays.
    ///
    /// # Durability
    /// On disk when this returns `Ok`.
    ///
    /// # Cancel safety
    /// Cancel safe: it is out or not.
    pub async fn resolve_position(&self, slot: &SlotId, operator: &Operator) -> Result<(), ResolveError> {
        let inner = &self.inner;
        let (by, reason) = operator.named()?;
        if inner.state.lock().held(slot).is_none() {
            return Err(ResolveError::NotOpen { what: format!("position {slot}") });
        }
        let symbols: Vec<Symbol> = inner.wanted(slot).into_keys().collect();
        inner.check_settled(&slot.to_string(), symbols.iter())?;
        let asked = reconcile::Moment::of(&*inner.clock);
        let held = Read::new(asked, Ok(inner.broker.positions().await?));
        let (by, reason) = (by.to_owned(), reason.to_owned());
        let person = Override { by, reason, at: asked.wall, despite_the_broker: operator.despite_positions };
        let why = |why: String| ResolveError::NotGone { slot: slot.clone(), why };
        let proof = {
            let (state, others) = (inner.state.lock(), &inner.config.reconcile.others);
            let id = slot.position().map_err(|error| why(error.to_string()))?;
            let intents = book::intents(&state, &BTreeSet::new());
            VerifiedClosed::by_operator(&state.book, &intents, &held, others, &id, person)
        };
        inner.remove(proof.map_err(|refused| why(refused.to_string()))?).await.map_err(why)
    }
}

impl Operator {
    fn named(&self) -> Result<(&str, &str), ResolveError> {
        let (by, reason) = (self.by.trim(), self.reason.trim());
        if by.is_empty() || reason.is_empty() { Err(ResolveError::Nameless) } else { Ok((by, reason)) }
    }
}

impl Inner {
    async fn resolve(
        self: &Arc<Self>,
        id: &ClientOrderId,
        claim: &Claim,
        operator: &Operator,
    ) -> Result<(OrderEnd, Vec<Fill>), ResolveError> {
        let (by, reason) = operator.named()?;
        let what = || id.to_string();
        let Some(operation) = self.state.lock().operations.get(id).cloned() else {
            return Err(ResolveError::NotOpen { what: what() });
        };
        if self.attended.lock().contains(id) {
            return Err(ResolveError::Attended { what: what() });
        }
        // The evidence first. What lands after the list was asked for is not in it, so not before the settling time.
        let (orders, asked) = self.list().await?;
        let after = self.config.settle.saturating_sub(asked.since(self.sent(id).mono));
        match self.step(id, Some(Listed { orders: &orders, asked })).await {
            Step::Finished { end, fills } => {
                self.tell_guard(id, &operation.slot, operation.purpose, !fills.is_empty()).await;
                return Ok((end, fills));
            }
            Step::Working => {
                let shown = "it works, or has not said what it filled".to_owned();
                return Err(ResolveError::Shown { what: what(), shown });
            }
            Step::Unseen { reason } if !self.named(&orders, id, &operation).0.is_empty() => {
                return Err(ResolveError::Shown { what: what(), shown: reason });
            }
            Step::Unseen { .. } => {}
        }
        if let Some(number) = &operation.broker_order_id {
            match self.broker.order(number).await {
                Ok(order) => return Err(ResolveError::Shown { what: what(), shown: order.status.to_string() }),
                Err(error) if error.is_transient() => return Err(error.into()),
                // The broker does not know it any more.
                Err(_) => {}
            }
        }
        if !after.is_zero() {
            return Err(ResolveError::TooEarly { what: what(), after });
        }
        let fills = claim.fills(&operation.order)?;
        if !operator.despite_positions {
            self.check_settled(id.as_str(), operation.order.legs().iter().map(|leg| &leg.symbol))?;
            self.check_positions(&operation.order, &fills).await?;
        }
        let end = OrderEnd::Resolved { by: by.to_owned(), reason: reason.to_owned() };
        self.check_countable(id, &end, &fills)?;
        match self.finish(id, end, fills).await {
            Step::Finished { end, fills } => {
                self.tell_guard(id, &operation.slot, operation.purpose, !fills.is_empty()).await;
                Ok((end, fills))
            }
            Step::Working => Err(ResolveError::Attended { what: what() }),
            Step::Unseen { reason } => Err(ResolveError::Shown { what: what(), shown: reason }),
        }
    }

    /// A slip of the pen is not the desk's contradiction: figures that no record can hold are asked for again.
    fn check_countable(&self, id: &ClientOrderId, end: &OrderEnd, fills: &[Fill]) -> Result<(), ResolveError> {
        let mut trial = self.state.lock().clone();
        if !trial.operations.contains_key(id) {
            return Ok(());
        }
        let record = Record::Finished { client_order_id: id.clone(), end: end.clone(), fills: fills.to_vec() };
        let taken_in = trial.apply(&Batch { at: self.clock.wall(), records: vec![record] });
        taken_in.map_err(|error| ResolveError::NotItsFill { text: format!("such a fill cannot be: {}", told(&error)) })
    }

    /// REC-3: the broker's list of positions may lag behind a fill, of this process or of the one before it.
    fn check_settled<'a>(&self, what: &str, symbols: impl Iterator<Item = &'a Symbol>) -> Result<(), ResolveError> {
        let (now, changed) = (self.clock.mono(), self.changed.lock());
        let since = |symbol: &Symbol| now.since(changed.get(symbol).copied().unwrap_or(self.opened.mono));
        let left = |symbol: &Symbol| self.config.settle.saturating_sub(since(symbol));
        let after = symbols.map(left).max().filter(|after| !after.is_zero());
        after.map_or(Ok(()), |after| Err(ResolveError::TooEarly { what: what.to_owned(), after }))
    }

    /// Whether the broker's positions are those that the book will say, symbol by symbol of the order.
    async fn check_positions(&self, order: &OrderRequest, fills: &[Fill]) -> Result<(), ResolveError> {
        let held = self.broker.positions().await?;
        let mut after: BTreeMap<&Symbol, Decimal> = BTreeMap::new();
        let net = self.state.lock().net();
        for leg in order.legs() {
            after.insert(&leg.symbol, net.get(&leg.symbol).copied().unwrap_or_default());
        }
        for fill in fills {
            after.entry(&fill.symbol).and_modify(|sum| *sum = sum.saturating_add(fill.signed_quantity()));
        }
        let others = &self.config.reconcile.others;
        let differ = after.into_iter().filter_map(|(symbol, tracked)| {
            let broker = net_of(&held, symbol);
            let agrees = others.ours(symbol, tracked, broker) == tracked;
            (!agrees).then(|| Differs { symbol: symbol.clone(), tracked: others.expected(symbol, tracked), broker })
        });
        let differ: Vec<Differs> = differ.collect();
        if differ.is_empty() { Ok(()) } else { Err(ResolveError::PositionsDiffer(differ)) }
    }
}

impl Claim {
    /// The fills that it comes to, checked against the order.
    fn fills(&self, order: &OrderRequest) -> Result<Vec<Fill>, ResolveError> {
        let Self::Filled(rows) = self else { return Ok(Vec::new()) };
        let wrong = |text: String| ResolveError::NotItsFill { text };
        if rows.is_empty() {
            return Err(wrong("no fill is given: say that it was not placed".to_owned()));
        }
        let mut fills: Vec<Fill> = Vec::new();
        for ClaimedFill { symbol, quantity, price } in rows {
            let Some(leg) = order.legs().iter().find(|leg| leg.symbol == *symbol) else {
                return Err(wrong(format!("the order has no leg in {symbol}")));
            };
            let most = Decimal::from(leg.quantity);
            if *quantity <= Decimal::ZERO || *quantity > most || *price < Decimal::ZERO {
                return Err(wrong(format!("{quantity} {symbol} at {price} cannot be: the leg is for {most}")));
            }
            let fill =
                Fill { symbol: symbol.clone(), side: leg.side, effect: leg.effect, quantity: *quantity, price: *price };
            if fills.iter().any(|other| other.symbol == *symbol) {
                return Err(wrong(format!("{symbol} is given twice")));
            }
            fills.push(fill);
        }
        Ok(fills)
    }
}
