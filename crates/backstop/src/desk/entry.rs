//! An entry, gate by gate.
//!
//! Each stage can only be made from the one before it, by the check that it stands for; only the last one can submit.
//! So no order that opens can leave without: halt, lock, limits, guard, fresh quotes, reserved cash, intent on disk,
//! budget (DESK-1). This is the one place where each of them plugs in.
//!
//! ```text
//! Proposed -> Limited -> Guarded -> Priced -> Reserved -> Recorded -> Cleared -> submit
//!   halt       limits     guard     quotes     cash       journal     budget, and once more: halt, lock, quotes
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;

use backstop_broker::{
    BrokerOrderId, Decimal, Grant, Leg, OrderKind, OrderRequest, Outcome, Priority, Symbol, TimeInForce,
};

use super::settle::Rest;
use super::{Attended, Desk, Inner, Moment};
use crate::SlotId;
use crate::gate::{Fresh, MarketView, Permit, Verdict};
use crate::record::{OrderEnd, Purpose, Record};
use crate::refusal::{Malformed, Refusal};

/// What a strategy wants to open.
#[derive(Debug, Clone)]
pub struct EntryPlan {
    /// The symbol that the order is about.
    pub underlying: Symbol,
    /// What to buy and sell.
    pub legs: Vec<Leg>,
    /// At what price.
    pub kind: OrderKind,
    /// Cash to set aside while the order may live: its worst case.
    pub reserve: Decimal,
    /// Cash to keep aside while the whole position is open: what a short spread can still cost.
    pub margin: Decimal,
    /// What the price was made from.
    pub view: MarketView,
}

/// How an entry ended.
#[must_use = "an entry that ended unresolved may have opened a position"]
#[derive(Debug)]
pub enum EntryEnd {
    /// Turned away; nothing was sent.
    Refused(Refusal),
    /// An order was named, and provably nothing was filled.
    NotExecuted {
        /// How the order came to rest.
        end: OrderEnd,
    },
    /// A position is open: all of it, or the part that was filled.
    Opened(SlotId),
    /// Nobody knows yet. The slot is spent, and the reconciler goes on looking.
    Unresolved {
        /// Why, for people.
        reason: String,
    },
}

impl Desk {
    /// Tries to open a position in `slot`: passes every gate, submits once, and follows the order to its end.
    ///
    /// Refusals come at once. A submit takes as long as the broker does, and up to the fill time-out and twice the
    /// settling time after it.
    ///
    /// # Cancel safety
    /// The entry is a task of its own. Dropping this future neither stops nor loses it; its end is in the records.
    pub async fn enter(&self, slot: SlotId, plan: EntryPlan) -> EntryEnd {
        let inner = Arc::clone(&self.inner);
        let entry = tokio::spawn(async move { inner.enter(slot, plan).await });
        entry.await.unwrap_or_else(|error| EntryEnd::Unresolved { reason: format!("the entry's task died: {error}") })
    }
}

impl Inner {
    async fn enter(self: Arc<Self>, slot: SlotId, plan: EntryPlan) -> EntryEnd {
        match self.clear(&slot, plan).await {
            Ok(cleared) => self.submit(cleared).await,
            Err(Stopped { refusal, recorded }) => {
                let gate = refusal.gate().to_owned();
                let reason = refusal.to_string();
                match recorded {
                    None => {
                        self.note(vec![Record::Refused { slot, gate, reason }]).await;
                        EntryEnd::Refused(refusal)
                    }
                    Some(recorded) => {
                        let end = OrderEnd::NotSent { reason: format!("{gate}: {reason}") };
                        self.finish_entry(recorded, end).await
                    }
                }
            }
        }
    }

    /// All the gates, in order.
    async fn clear(self: &Arc<Self>, slot: &SlotId, plan: EntryPlan) -> Result<Cleared, Stopped> {
        let reserved = Proposed::new(self, slot, plan)?.limited(self)?.guarded(self)?.priced(self)?.reserved(self)?;
        reserved.recorded(self).await?.cleared(self).await
    }

    async fn submit(self: &Arc<Self>, cleared: Cleared) -> EntryEnd {
        let Cleared { grant, recorded } = cleared;
        let id = recorded.order.client_order_id().clone();
        let outcome = self.broker.submit(&recorded.order, grant).await;
        self.sent.lock().insert(id.clone(), Moment::now(&*self.clock));
        match outcome {
            Outcome::Rejected(rejection) => {
                self.finish_entry(recorded, OrderEnd::Rejected { reason: rejection.to_string() }).await
            }
            Outcome::NotSent(why) => self.finish_entry(recorded, OrderEnd::NotSent { reason: why.to_string() }).await,
            Outcome::Accepted(broker_order_id) => {
                self.note_accepted(&recorded.order, broker_order_id).await;
                self.follow_entry(recorded).await
            }
            Outcome::Unknown(doubt) => {
                self.note(vec![Record::Doubted { client_order_id: id, reason: doubt.to_string() }]).await;
                self.follow_entry(recorded).await
            }
        }
    }

    pub(super) async fn note_accepted(&self, order: &OrderRequest, broker_order_id: BrokerOrderId) {
        let client_order_id = order.client_order_id().clone();
        self.note(vec![Record::Accepted { client_order_id, broker_order_id }]).await;
    }

    async fn follow_entry(self: &Arc<Self>, recorded: Recorded) -> EntryEnd {
        let rest = self.follow(recorded.order.client_order_id()).await;
        let Recorded { slot, permit, .. } = recorded;
        match rest {
            Rest::Finished { end, fills } if fills.is_empty() => {
                permit.end(Verdict::NotExecuted);
                EntryEnd::NotExecuted { end }
            }
            Rest::Finished { .. } => {
                permit.end(Verdict::Executed);
                EntryEnd::Opened(slot)
            }
            // GUARD-3: the permit falls without a verdict; the slot is spent until evidence settles it.
            Rest::Unresolved { reason } => EntryEnd::Unresolved { reason },
        }
    }

    /// Ends an entry of which nothing can have reached the market.
    async fn finish_entry(&self, recorded: Recorded, end: OrderEnd) -> EntryEnd {
        let client_order_id = recorded.order.client_order_id().clone();
        let record = Record::Finished { client_order_id, end: end.clone(), fills: Vec::new() };
        match self.commit(vec![record]).await {
            Ok(()) => {
                recorded.permit.end(Verdict::NotExecuted);
                EntryEnd::NotExecuted { end }
            }
            Err(error) => EntryEnd::Unresolved { reason: format!("the end could not be recorded: {error}") },
        }
    }

    /// What may stop an entry at any moment, asked first and asked last.
    fn check_open(&self) -> Result<(), Refusal> {
        if self.is_stopping() {
            return Err(Refusal::Stopping);
        }
        if !self.ready.load(Ordering::SeqCst) {
            return Err(Refusal::Recovering);
        }
        if let Some(halted) = &self.state.lock().halted {
            return Err(Refusal::Halted { reason: halted.reason.clone() });
        }
        // LOCK-6: asked before each order.
        if self.lock.still_held() { Ok(()) } else { Err(Refusal::LockLost) }
    }
}

/// An entry that was turned away, and whether its intent was on disk by then.
struct Stopped {
    refusal: Refusal,
    recorded: Option<Recorded>,
}

impl<R: Into<Refusal>> From<R> for Stopped {
    fn from(refusal: R) -> Self {
        Self { refusal: refusal.into(), recorded: None }
    }
}

/// A well-formed order, while nothing stands against entries.
struct Proposed {
    slot: SlotId,
    order: OrderRequest,
    amounts: Amounts,
    view: MarketView,
}

#[derive(Clone, Copy)]
struct Amounts {
    reserve: Decimal,
    margin: Decimal,
}

impl Proposed {
    fn new(desk: &Inner, slot: &SlotId, plan: EntryPlan) -> Result<Self, Refusal> {
        desk.check_open()?;
        let EntryPlan { underlying, legs, kind, reserve, margin, view } = plan;
        let id = slot.open_order(desk.lock.fence()).map_err(Malformed::from)?;
        let order = OrderRequest::new(id, underlying, legs, kind, TimeInForce::Day).map_err(Malformed::from)?;
        Ok(Self { slot: slot.clone(), order, amounts: Amounts { reserve, margin }, view })
    }

    fn limited(self, desk: &Inner) -> Result<Limited, Refusal> {
        let breaches = desk.config.limits.breaches(&self.order, &desk.state.lock(), 0);
        if breaches.is_empty() { Ok(Limited(self)) } else { Err(Refusal::Limits(breaches)) }
    }
}

/// Within the limits.
struct Limited(Proposed);

impl Limited {
    fn guarded(self, desk: &Inner) -> Result<Guarded, Refusal> {
        let permit = desk.guard.try_enter(&self.0.slot, desk.clock.wall())?;
        Ok(Guarded { permit, proposed: self.0 })
    }
}

/// Alone in its slot. Turned away from here on, the slot is given back.
struct Guarded {
    permit: Permit,
    proposed: Proposed,
}

impl Guarded {
    fn priced(self, desk: &Inner) -> Result<Priced, Refusal> {
        let Self { permit, proposed } = self;
        let now = desk.clock.mono();
        match desk.config.freshness.check(&proposed.view, proposed.order.legs(), now) {
            Ok(fresh) => Ok(Priced { permit, proposed, fresh }),
            Err(refusal) => {
                permit.end(Verdict::Refused);
                Err(refusal.into())
            }
        }
    }
}

/// Priced from fresh quotes.
struct Priced {
    permit: Permit,
    proposed: Proposed,
    fresh: Fresh,
}

impl Priced {
    fn reserved(self, desk: &Arc<Inner>) -> Result<Reserved, Refusal> {
        let needed = self.proposed.amounts.reserve;
        let held = {
            let state = desk.state.lock();
            let mut claims = desk.reserving.lock();
            let claimed: Decimal = claims.values().copied().fold(Decimal::ZERO, Decimal::saturating_add);
            // TXN-3: judged and claimed under one lock, so that two entries cannot both see the same cash.
            let free = state.free_cash().map(|free| free.saturating_sub(claimed));
            let enough = needed >= Decimal::ZERO && free.is_some_and(|free| needed <= free);
            // Once more, with the entries that passed the limits a moment ago and are not written down yet.
            let breaches = desk.config.limits.breaches(&self.proposed.order, &state, claims.len());
            if !breaches.is_empty() {
                Err(Refusal::Limits(breaches))
            } else if enough {
                claims.insert(self.proposed.slot.clone(), needed);
                Ok(())
            } else {
                Err(Refusal::Cash { needed, free })
            }
        };
        match held {
            Ok(()) => {
                let reservation = Reservation { desk: Arc::clone(desk), slot: self.proposed.slot.clone() };
                Ok(Reserved { priced: self, reservation })
            }
            Err(refusal) => {
                self.permit.end(Verdict::Refused);
                Err(refusal)
            }
        }
    }
}

/// Cash claimed in memory until the intent on disk claims it. Dropped, it is free again.
struct Reservation {
    desk: Arc<Inner>,
    slot: SlotId,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.desk.reserving.lock().remove(&self.slot);
    }
}

/// Its worst case is paid for.
struct Reserved {
    priced: Priced,
    reservation: Reservation,
}

impl Reserved {
    async fn recorded(self, desk: &Arc<Inner>) -> Result<Recorded, Stopped> {
        let Self { priced: Priced { permit, proposed, fresh }, reservation } = self;
        let Proposed { slot, order, amounts: Amounts { reserve, margin }, .. } = proposed;
        let attended = desk.attend(order.client_order_id());
        let intent =
            Record::Intent { slot: slot.clone(), purpose: Purpose::Open, order: order.clone(), reserve, margin };
        // Law 2: on disk before the first byte leaves. On an error nobody knows what is on disk, so the permit falls
        // without a verdict.
        desk.commit(vec![intent]).await.map_err(Refusal::from)?;
        drop(reservation);
        Ok(Recorded { slot, order, permit, fresh, _attended: attended })
    }
}

/// Its intent is on disk. From here on it needs an end.
struct Recorded {
    slot: SlotId,
    order: OrderRequest,
    permit: Permit,
    fresh: Fresh,
    _attended: Attended,
}

impl Recorded {
    async fn cleared(self, desk: &Inner) -> Result<Cleared, Stopped> {
        match self.last_look(desk).await {
            Ok(grant) => Ok(Cleared { grant, recorded: self }),
            Err(refusal) => Err(Stopped { refusal, recorded: Some(self) }),
        }
    }

    async fn last_look(&self, desk: &Inner) -> Result<Grant, Refusal> {
        let grant = desk.broker.grant(Priority::Entry, desk.config.freshness.max_age).await?;
        desk.check_open()?;
        // QUOTE-5: the order may have waited; the quotes have not stopped aging.
        if self.fresh.is_valid(desk.clock.mono()) { Ok(grant) } else { Err(Refusal::QuoteExpired) }
    }
}

/// Past every gate.
struct Cleared {
    grant: Grant,
    recorded: Recorded,
}
