//! An entry, gate by gate.
//!
//! Each stage can only be made from the one before it, by the check that it stands for; only the last one can submit.
//! So no order that opens can leave without: halt, lock, limits, guard, fresh quotes, reserved cash, budget, intent on
//! disk (DESK-1). This is the one place where each of them plugs in.
//!
//! ```text
//! Proposed -> Limited -> Priced -> Guarded -> Reserved -> Budgeted -> Recorded -> Cleared -> submit
//!   halt       limits     quotes    guard      cash       budget      journal     once more: quotes, lock, halt
//! ```
//!
//! Limits that need a price are asked with the others where there is a fresh one, so that all that stands against an order is
//! told together; and all of them once more where the cash is reserved, beside the entries that are about to be written down.
//!
//! The quotes come before the guard, whose claim is a record on disk: a strategy that asks again at every poll until they
//! are good writes nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop_broker::{Decimal, Grant, Leg, OrderKind, OrderRequest, PositionEffect, Priority, Symbol, TimeInForce};
use backstop_clock::Clock as _;
use backstop_limits::References;
use backstop_quote::{Fresh, MarketState, NotFresh, Now, Reason, Refusal as QuoteRefusal, Spread};
use backstop_rollback::Reservation;
use backstop_trade_guard::{Permit, TradeGuard};

use super::settle::Rest;
use super::tasks::{Attended, Running};
use super::{Desk, Entering, Inner, RecordError};
use crate::SlotId;
use crate::gate::{self, MarketView, least_cost, least_margin};
use crate::journal::JournalError;
use crate::record::{OrderEnd, Purpose, Record};
use crate::refusal::{Malformed, Refusal};
use crate::state::{State, hold_of};
use crate::switch::Level;
use crate::told::told;

/// What a strategy wants to open.
#[derive(Debug, Clone)]
pub struct EntryPlan {
    /// The symbol that the order is about.
    pub underlying: Symbol,
    /// What to buy and sell.
    pub legs: Vec<Leg>,
    /// At what price.
    pub kind: OrderKind,
    /// Cash to set aside while the order may live: its worst case, fees included, above zero. Refused when the order's own
    /// price makes it more.
    pub reserve: Decimal,
    /// Cash of it to keep aside while the whole position is open: what a short spread can still cost. Refused when its legs
    /// can cost more.
    pub margin: Decimal,
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
    /// Tries to open a position in `slot`: passes every gate, submits once, and follows the order to its end. `view` is
    /// the look at the market that the plan was made from.
    ///
    /// A refusal by a gate comes at once, one for want of request budget when the quotes are too old. A submit takes as
    /// long as the broker does, and up to the fill time-out and twice the settling time after it.
    ///
    /// # Cancel safety
    /// The entry is a task of its own. Dropping this future neither stops nor loses it; its end is in the records.
    pub async fn enter(&self, slot: SlotId, plan: EntryPlan, view: MarketView) -> EntryEnd {
        let (inner, running, guard) = (Arc::clone(&self.inner), Running::new(&self.inner), self.guard.clone());
        let entry = tokio::spawn(async move {
            let _running = running;
            inner.enter(&guard, slot, plan, view).await
        });
        entry.await.unwrap_or_else(|error| EntryEnd::Unresolved { reason: format!("the entry's task died: {error}") })
    }

    /// Records that `slot` was not entered because there was no fresh quote to plan by, as if the desk had turned it away.
    ///
    /// # Cancel safety
    /// Dropped, it may not be in the records. Nothing else depends on it.
    pub async fn no_entry(&self, slot: &SlotId, because: NotFresh) -> EntryEnd {
        let refusal = Refusal::from(because);
        self.inner.tally.lock().entry_refused(&refusal);
        self.inner.note_refusal(slot, &refusal).await;
        EntryEnd::Refused(refusal)
    }
}

/// A refusal is written down once, and again when it still stands after this time: a strategy may ask at every poll, and
/// every record is a sync that an exit might have to wait for.
const REFUSED_AGAIN: Duration = Duration::from_mins(1);

impl Inner {
    async fn enter(self: Arc<Self>, guard: &TradeGuard, slot: SlotId, plan: EntryPlan, view: MarketView) -> EntryEnd {
        let Stopped { refusal, left } = match self.clear(guard, &slot, plan, view).await {
            Ok(Cleared { order, grant, sent }) => return sent.end(&self, self.send(&order, grant).await).await,
            Err(stopped) => stopped,
        };
        self.tally.lock().entry_refused(&refusal);
        let reason = format!("{}: {}", refusal.gate(), told(&*refusal));
        match left {
            Left::Nothing => {}
            // Nothing was sent: the slot may be tried again.
            Left::Claim(permit) => self.end_not_executed(*permit, &reason).await,
            Left::Intent(recorded) => {
                let (order, sent) = recorded.into_sent();
                let rest = self.end(order.client_order_id(), OrderEnd::NotSent { reason }).await;
                return sent.end(&self, rest).await;
            }
        }
        self.note_refusal(&slot, &refusal).await;
        EntryEnd::Refused(*refusal)
    }

    async fn note_refusal(self: &Arc<Self>, slot: &SlotId, refusal: &Refusal) {
        match refusal {
            Refusal::Halted { .. } => drop(self.note_switch().await),
            Refusal::Limits(_) => self.halt_for_loss().await,
            _ => {}
        }
        let (gate, now) = (refusal.gate(), self.clock.mono());
        let is_new = {
            let mut refused = self.refused.lock();
            let key = (slot.clone(), gate);
            let is_new = refused.get(&key).is_none_or(|before| now.since(*before) >= REFUSED_AGAIN);
            if is_new {
                refused.insert(key, now);
            }
            is_new
        };
        if is_new {
            self.note(vec![Record::Refused { slot: slot.clone(), gate: gate.to_owned(), reason: told(refusal) }]).await;
        }
    }

    /// All the gates, in order.
    async fn clear(
        self: &Arc<Self>,
        guard: &TradeGuard,
        slot: &SlotId,
        plan: EntryPlan,
        view: MarketView,
    ) -> Result<Cleared, Stopped> {
        let priced = Proposed::new(self, slot, plan, view)?.limited(self)?.priced(self)?;
        let reserved = priced.guarded(self, guard).await?.reserved(self)?;
        reserved.budgeted(self).await?.recorded(self).await?.cleared(self)
    }

    /// QUOTE-7: another look may have been told since that trading is halted.
    fn check_market(&self, fresh: &Fresh<Spread>) -> Result<(), Refusal> {
        let newest = self.market.lock().as_ref().map(|market| market.state.clone());
        let Some(state) = newest.filter(|state| *state != MarketState::Open) else { return Ok(()) };
        let symbol = fresh.at(Now::of(&*self.clock))?.legs().first().map(|(leg, _)| leg.symbol.clone());
        let refusal = |symbol| QuoteRefusal { symbol, reason: Reason::MarketNotOpen { state } };
        symbol.map_or(Ok(()), |symbol| Err(NotFresh::from(refusal(symbol)).into()))
    }

    /// What may stop an entry at any moment, asked first and asked last; of it the kill switch last (HALT-1).
    fn check_open(self: &Arc<Self>) -> Result<(), Refusal> {
        if self.is_stopping() {
            return Err(Refusal::Stopping);
        }
        if !self.ready.load(Ordering::SeqCst) {
            return Err(Refusal::Recovering);
        }
        // LOCK-6: asked before each order.
        if !self.lock.still_held() {
            self.halt_for_lock();
            return Err(Refusal::LockLost);
        }
        self.check_switch(Level::Halt).map_err(|pull| Refusal::Halted { pull })
    }
}

/// An entry that was turned away, and what it had on disk by then.
struct Stopped {
    refusal: Box<Refusal>,
    left: Left,
}

enum Left {
    Nothing,
    Claim(Box<Permit<'static>>),
    Intent(Box<Recorded>),
}

impl<R: Into<Refusal>> From<R> for Stopped {
    fn from(refusal: R) -> Self {
        Self { refusal: Box::new(refusal.into()), left: Left::Nothing }
    }
}

impl Stopped {
    fn inside(refusal: impl Into<Refusal>, permit: Permit<'static>) -> Self {
        Self { refusal: Box::new(refusal.into()), left: Left::Claim(Box::new(permit)) }
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
    fn new(desk: &Arc<Inner>, slot: &SlotId, plan: EntryPlan, view: MarketView) -> Result<Self, Refusal> {
        desk.check_open()?;
        if slot.strategy != desk.config.strategy {
            return Err(Refusal::OtherSession { slot: slot.clone() });
        }
        let EntryPlan { underlying, legs, kind, reserve, margin } = plan;
        if let Some(leg) = legs.iter().find(|leg| leg.effect != PositionEffect::Open) {
            return Err(Malformed::Closes { symbol: leg.symbol.clone() }.into());
        }
        let id = slot.open_order(desk.lock.fence()).map_err(Malformed::from)?;
        let order = OrderRequest::new(id, underlying, legs, kind, TimeInForce::Day).map_err(Malformed::from)?;
        desk.check_drift(&order)?;
        Ok(Self { slot: slot.clone(), order, amounts: Amounts { reserve, margin }, view })
    }

    fn limited(self, desk: &Inner) -> Result<Limited, Refusal> {
        let fresh = gate::judge(&desk.feed.lock(), &self.view, &self.order, &*desk.clock).map_err(Refusal::from);
        let spread = fresh.as_ref().ok().and_then(|fresh| fresh.at(Now::of(&*desk.clock)).ok());
        desk.check_limits(&self.slot, &self.order, spread.map(gate::references).as_ref())?;
        Ok(Limited { proposed: self, fresh })
    }
}

/// Within the limits; without fresh quotes within those that need none.
struct Limited {
    proposed: Proposed,
    fresh: Result<Fresh<Spread>, Refusal>,
}

impl Limited {
    fn priced(self, desk: &Inner) -> Result<Priced, Refusal> {
        let Self { proposed, fresh } = self;
        let fresh = fresh?;
        gate::check_limit(fresh.at(Now::of(&*desk.clock))?.prices(), &proposed.order)?;
        Ok(Priced { proposed, fresh })
    }
}

/// Priced from fresh quotes.
struct Priced {
    proposed: Proposed,
    fresh: Fresh<Spread>,
}

impl Priced {
    async fn guarded(self, desk: &Inner, guard: &TradeGuard) -> Result<Guarded, Stopped> {
        let slot = &self.proposed.slot;
        desk.check_slot(slot)?;
        // GUARD-5: the claim is on disk before the permit is here.
        let permit = guard.try_enter_async(&slot.key()).await.map_err(Refusal::from)?;
        // Whoever was inside a moment ago may have used the name up.
        match desk.check_slot(slot).and_then(|()| desk.check_records(slot)) {
            Ok(()) => Ok(Guarded { permit, priced: self }),
            Err(refusal) => Err(Stopped::inside(refusal, permit)),
        }
    }
}

/// Alone in its slot. Turned away from here to the intent, the slot is given back.
struct Guarded {
    permit: Permit<'static>,
    priced: Priced,
}

impl Guarded {
    fn reserved(self, desk: &Arc<Inner>) -> Result<Reserved, Stopped> {
        let Priced { proposed, fresh } = &self.priced;
        let references = fresh.at(Now::of(&*desk.clock)).map(gate::references).map_err(Refusal::from);
        match references.and_then(|references| proposed.reserve(desk, &references)) {
            Ok(claimed) => Ok(Reserved { guarded: self, claimed }),
            Err(refusal) => Err(Stopped::inside(refusal, self.permit)),
        }
    }
}

impl Proposed {
    /// Sets its cash aside, within every limit.
    fn reserve(&self, desk: &Arc<Inner>, references: &References) -> Result<Claimed, Refusal> {
        let Amounts { reserve: needed, margin } = self.amounts;
        // An order that costs more than can be counted costs more than there is.
        let least = least_cost(&self.order, &self.view).unwrap_or(Decimal::MAX);
        if margin < Decimal::ZERO || needed.checked_sub(margin).is_none_or(|for_price| for_price < least) {
            return Err(Malformed::Amounts { reserve: needed, margin, least }.into());
        }
        if let Some(least) = least_margin(self.order.legs()).filter(|least| margin < *least) {
            return Err(Malformed::Margin { margin, least }.into());
        }
        let state = desk.state.lock();
        let mut opening = desk.opening.lock();
        // LIMIT-2: once more, with the entries that passed the limits a moment ago and are not written down yet.
        let notional = desk.judge_limits(&state, &opening, (&self.slot, &self.order), Some(references))?;
        if let Some(short) = state.account.overdrawn() {
            return Err(Refusal::Overdrawn { short });
        }
        if state.account.free().is_none() {
            return Err(Refusal::Cash { needed, free: None });
        }
        if let Some(account) = state.account.in_debt() {
            return Err(Refusal::InDebt { account });
        }
        // TXN-3: one step with the look at what is free, so that two entries cannot both see the same cash.
        let cash = desk.ledger.reserve(self.slot.clone(), &hold_of(&self.order, needed, margin))?;
        opening.insert(self.slot.clone(), Entering { order: self.order.clone(), notional });
        Ok(Claimed { cash, opening: Opening { desk: Arc::clone(desk), slot: self.slot.clone() }, notional })
    }
}

/// What an entry has claimed whose intent is not on disk. Dropped, it is free again.
struct Claimed {
    cash: Reservation<SlotId>,
    opening: Opening,
    /// What the order is worth to the limits.
    notional: Decimal,
}

/// The order, which counts for others' limits.
struct Opening {
    desk: Arc<Inner>,
    slot: SlotId,
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.desk.opening.lock().remove(&self.slot);
    }
}

/// Its worst case is paid for.
struct Reserved {
    guarded: Guarded,
    claimed: Claimed,
}

impl Reserved {
    /// The wait for request budget comes before the intent: without budget, the slot and its name are not used up.
    async fn budgeted(self, desk: &Arc<Inner>) -> Result<Budgeted, Stopped> {
        let within = self.guarded.priced.fresh.until().since(desk.clock.mono());
        let granted = desk.broker.grant(Priority::Entry, within).await;
        let checked = granted.map_err(Refusal::from).and_then(|grant| {
            last_look(&self.guarded.priced.fresh, &self.guarded.priced.proposed.order, desk)?;
            Ok(grant)
        });
        match checked {
            Ok(grant) => Ok(Budgeted { grant, reserved: self }),
            Err(refusal) => Err(Stopped::inside(refusal, self.guarded.permit)),
        }
    }
}

/// The request budget has room for it.
struct Budgeted {
    grant: Grant,
    reserved: Reserved,
}

impl Budgeted {
    async fn recorded(self, desk: &Arc<Inner>) -> Result<Recorded, Stopped> {
        let Self { grant, reserved: Reserved { guarded: Guarded { permit, priced }, claimed } } = self;
        let Claimed { cash, opening, notional } = claimed;
        let Priced { proposed: Proposed { slot, order, amounts: Amounts { reserve, margin }, .. }, fresh } = priced;
        let attended = desk.attend(order.client_order_id());
        let purpose = Purpose::Open;
        let intent = Record::Intent { slot: slot.clone(), purpose, order: order.clone(), reserve, margin, notional };
        // Law 2: on disk before the first byte leaves. TXN-3: and only while the books have the cash, of which fills may have
        // taken more than they should meanwhile.
        let is_paid_for = move |state: &State| {
            let account = &state.account;
            let is_sound = account.overdrawn().is_none() && account.in_debt().is_none();
            is_sound && account.free().is_some_and(|free| reserve <= free)
        };
        match desk.commit_if(vec![intent], is_paid_for).await {
            Ok(true) => {}
            Ok(false) => {
                let free = desk.state.lock().account.free();
                return Err(Stopped::inside(Refusal::Cash { needed: reserve, free }, permit));
            }
            // A full disk: certainly not written, and the slot may be tried again.
            Err(error @ RecordError::Journal(JournalError::Refused { .. })) => {
                return Err(Stopped::inside(error, permit));
            }
            // Nobody knows what is on disk, so the permit falls without a verdict, and the cash stays set aside.
            Err(error) => {
                drop(cash.send());
                return Err(Refusal::from(error).into());
            }
        }
        // TXN-6: from here on it is the records that free it.
        drop(cash.send());
        drop(opening);
        Ok(Recorded { slot, order, permit, fresh, grant, attended })
    }
}

/// Its intent is on disk. From here on it needs an end.
struct Recorded {
    slot: SlotId,
    order: OrderRequest,
    permit: Permit<'static>,
    fresh: Fresh<Spread>,
    grant: Grant,
    attended: Attended,
}

impl Recorded {
    /// The last look, with nothing to wait for between it and the submit.
    fn cleared(self, desk: &Arc<Inner>) -> Result<Cleared, Stopped> {
        match last_look(&self.fresh, &self.order, desk) {
            Ok(()) => {
                let Self { slot, order, permit, grant, attended, .. } = self;
                Ok(Cleared { order, grant, sent: Sent { slot, permit, attended } })
            }
            Err(refusal) => Err(Stopped { refusal: Box::new(refusal), left: Left::Intent(Box::new(self)) }),
        }
    }

    fn into_sent(self) -> (OrderRequest, Sent) {
        (self.order, Sent { slot: self.slot, permit: self.permit, attended: self.attended })
    }
}

/// What may have changed while the order waited: the quotes have not stopped aging (QUOTE-5), the market, what differs, lock,
/// halt.
fn last_look(fresh: &Fresh<Spread>, order: &OrderRequest, desk: &Arc<Inner>) -> Result<(), Refusal> {
    fresh.at(Now::of(&*desk.clock))?;
    desk.check_market(fresh)?;
    desk.check_drift(order)?;
    desk.check_open()
}

/// Past every gate.
struct Cleared {
    order: OrderRequest,
    grant: Grant,
    sent: Sent,
}

/// On its way, or ended before it left.
struct Sent {
    slot: SlotId,
    permit: Permit<'static>,
    /// Held until the end: until then no reconciler looks at the order.
    attended: Attended,
}

impl Sent {
    /// The entry's end, and what the guard learns from it. The order is attended until it has: otherwise the reconciler
    /// could look for an attempt to settle before there is one.
    async fn end(self, desk: &Inner, rest: Rest) -> EntryEnd {
        let Self { slot, permit, attended } = self;
        let end = match rest {
            Rest::Finished { end, fills } if fills.is_empty() => {
                desk.end_not_executed(permit, "nothing of its order was filled").await;
                EntryEnd::NotExecuted { end }
            }
            Rest::Finished { .. } => {
                desk.end_executed(permit).await;
                EntryEnd::Opened(slot)
            }
            Rest::Unresolved { reason } => {
                // GUARD-3: it falls without a verdict; the slot is spent until evidence settles it.
                drop(permit);
                EntryEnd::Unresolved { reason }
            }
        };
        drop(attended);
        end
    }
}
