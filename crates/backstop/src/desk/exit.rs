//! An exit: one at a time for a position, never past its quantity, never forgotten.
//!
//! No entry gate stands in its way (law 4): not halt, not limits, not quotes, not cash. Only a freeze does (HALT-2).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backstop_broker::{
    Decimal, Grant, Leg, OrderKind, OrderRequest, PositionEffect, Priority, Quantity, Side, Symbol, TimeInForce,
};
use backstop_quote::NotFresh;
use backstop_reconcile::{HeldLeg, Position};
use tokio::time::{sleep, timeout};

use super::book::net_of;
use super::settle::Rest;
use super::tasks::{Attended, Running};
use super::{Desk, Inner};
use crate::SlotId;
use crate::gate;
use crate::record::{OrderEnd, Purpose, Record};
use crate::refusal::{ExitRefusal, Malformed};
use crate::state::State;
use crate::switch::Level;
use crate::told::told;

/// How long an exit waits for request budget.
const BUDGET_WAIT: Duration = Duration::from_secs(10);

/// From this many exits on that did not close a position, somebody should look.
const MANY_ATTEMPTS: u32 = 3;

/// How a position is to be closed.
#[derive(Debug, Clone)]
pub struct ExitPlan {
    /// At what price.
    pub at: ExitAt,
    /// Why, for the record.
    pub reason: String,
}

/// At what price a position is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: the policy's price or the caller's")]
pub enum ExitAt {
    /// At a limit that fresh quotes fill at once. Without fresh quotes at what the policy allows then
    /// ([`UnquotedExit`](backstop_quote::UnquotedExit)): at the market, or at the worst of what was last accepted. It is
    /// looked at when the order is made, and an alert says why there was no quote. It never waits for one.
    Policy,
    /// As the caller says. `Market` is always possible.
    Order(OrderKind),
}

/// How an exit ended.
#[must_use = "an exit that did not close leaves a position open"]
#[derive(Debug)]
pub enum ExitEnd {
    /// Turned away; nothing was sent.
    Refused(ExitRefusal),
    /// The position left the book, with proof.
    Closed,
    /// The order is at rest and the position still open: all of it or a part. Try again, at another price.
    StillOpen {
        /// How the order came to rest.
        end: OrderEnd,
    },
    /// Nobody knows yet: the order, or the broker's confirmation. The reconciler goes on looking.
    Pending {
        /// Why, for people.
        reason: String,
    },
}

impl Desk {
    /// Closes what is left of a position, follows the order to its end, and verifies at the broker.
    ///
    /// # Cancel safety
    /// The exit is a task of its own. Dropping this future neither stops nor loses it; its end is in the records.
    pub async fn exit(&self, slot: SlotId, plan: ExitPlan) -> ExitEnd {
        let (inner, running) = (Arc::clone(&self.inner), Running::new(&self.inner));
        let exit = tokio::spawn(async move {
            let _running = running;
            inner.exit(&slot, plan).await
        });
        exit.await.unwrap_or_else(|error| ExitEnd::Pending { reason: format!("the exit's task died: {error}") })
    }

    /// What closing what is left of `slot` at the far side of its quotes would do to cash: what profit and loss are judged
    /// by. The market need not be open for it.
    ///
    /// # Errors
    /// [`NotFresh`] when a quote of it may not be traded on, and for a slot of which nothing is left.
    pub fn closing_cash(&self, slot: &SlotId) -> Result<Decimal, NotFresh> {
        let legs = {
            let state = self.inner.state.lock();
            state.held(slot).map(|position| closing_legs(position, &BTreeMap::new())).unwrap_or_default()
        };
        gate::closing_cash(&self.inner.feed.lock(), &legs, &*self.inner.clock)
    }
}

/// An exit whose intent is on disk.
struct Recorded {
    order: OrderRequest,
    grant: Grant,
    _attended: Attended,
}

/// An exit that may be made, and nothing of it is on disk yet.
struct Claimed {
    order: OrderRequest,
    attempt: u32,
    attended: Attended,
    /// Why no quote priced it, where one was to.
    unquoted: Option<NotFresh>,
}

impl Inner {
    pub(super) async fn exit(self: Arc<Self>, slot: &SlotId, plan: ExitPlan) -> ExitEnd {
        let Recorded { order, grant, _attended } = match self.record_exit(slot, &plan).await {
            Ok(recorded) => recorded,
            Err(refusal) => return ExitEnd::Refused(refusal),
        };
        // HALT-2: once more, the disk may have taken its time.
        let rest = match self.check_switch(Level::Freeze) {
            Ok(()) => self.send(&order, grant).await,
            Err(pull) => self.end(order.client_order_id(), OrderEnd::NotSent { reason: pull.to_string() }).await,
        };
        match rest {
            Rest::Unresolved { reason } => self.pend(slot, reason).await,
            Rest::Finished { end, .. } if self.state.lock().held(slot).is_none_or(|left| !left.is_flat()) => {
                self.note_pending(slot, describe(&end)).await;
                let attempts = self.state.lock().exits.get(slot).copied().unwrap_or_default();
                if attempts >= MANY_ATTEMPTS {
                    let text = format!("position {slot} is still open after {MANY_ATTEMPTS} exits or more: see to it");
                    self.alert_of_held(slot, text).await;
                }
                ExitEnd::StillOpen { end }
            }
            Rest::Finished { .. } => self.await_verification(slot).await,
        }
    }

    async fn record_exit(self: &Arc<Self>, slot: &SlotId, plan: &ExitPlan) -> Result<Recorded, ExitRefusal> {
        // The wait comes first: nothing is decided before it that could be untrue after it.
        let grant = self.broker.grant(Priority::Exit, BUDGET_WAIT).await;
        let grant = grant.map_err(|source| ExitRefusal::Budget { within: BUDGET_WAIT, source })?;
        if !self.lock.still_held() {
            self.halt_for_lock();
            return Err(ExitRefusal::LockLost);
        }
        self.check_switch(Level::Freeze).map_err(|pull| ExitRefusal::Frozen { pull })?;
        let short = self.held_short(slot).await;
        let claimed = loop {
            let claimed = self.claim_exit(slot, plan, &short)?;
            if self.write_intent(slot, &claimed, &short).await? {
                break claimed;
            }
            // The position has changed while the disk took its time: what is left of it is another order's to close.
        };
        // LOCK-6: once more, the disk may have taken its time. The intent is whoever's who has the lock now to settle.
        if !self.lock.still_held() {
            return Err(ExitRefusal::LockLost);
        }
        let Claimed { order, attempt, attended, .. } = claimed;
        tracing::info!(%slot, attempt, reason = plan.reason, "exit");
        Ok(Recorded { order, grant, _attended: attended })
    }

    /// Writes an exit's intent down, if it still closes what there is. Returns whether it did.
    async fn write_intent(
        self: &Arc<Self>,
        slot: &SlotId,
        claimed: &Claimed,
        short: &BTreeMap<Symbol, Decimal>,
    ) -> Result<bool, ExitRefusal> {
        let Claimed { order, attempt, unquoted, .. } = claimed;
        let purpose = Purpose::Close { attempt: *attempt };
        let (reserve, margin, notional) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
        let intent = Record::Intent { slot: slot.clone(), purpose, order: order.clone(), reserve, margin, notional };
        let mut records = vec![intent];
        if let Some(because) = unquoted {
            self.tally.lock().exit_unquoted(because);
            let way = if order.kind() == OrderKind::Market { "at the market" } else { "at the worst accepted price" };
            let text = format!("position {slot} leaves {way}, as the policy says for want of a fresh quote: {because}");
            tracing::warn!(text);
            records.push(Record::Alert { subject: slot.to_string(), text });
        }
        let (of, legs, short) = (slot.clone(), order.legs().to_vec(), short.clone());
        // EXIT-1: it may have left the book meanwhile, or be another by a late fill.
        let still = move |state: &State| state.held(&of).is_some_and(|left| closing_legs(left, &short) == legs);
        Ok(self.commit_if(records, still).await?)
    }

    /// The symbols of which the broker holds less than this exit is to close, and how much it holds: closing more would open
    /// the opposite (EXIT-1). Asked for where the last comparison says so, and only then, and believed only when it says
    /// so once more; a read that fails holds up no exit (law 4).
    async fn held_short(self: &Arc<Self>, slot: &SlotId) -> BTreeMap<Symbol, Decimal> {
        let wanted = self.wanted(slot);
        let suspects: Vec<Symbol> = {
            let state = self.state.lock();
            let drift = state.reconciled.iter().flat_map(|compared| &compared.drift);
            let short = drift.filter(|row| {
                let ours = row.tracked.saturating_add(row.difference());
                wanted.get(&row.symbol).is_some_and(|wanted| held_of(*wanted, ours) < wanted.abs())
            });
            short.map(|row| row.symbol.clone()).collect()
        };
        let (now, changed) = (self.clock.mono(), self.changed.lock().clone());
        // REC-3: the broker's list may lag behind a fill, of this process or of the one before it.
        let since = |symbol: &Symbol| now.since(changed.get(symbol).copied().unwrap_or(self.opened.mono));
        let young = |symbol: &Symbol| since(symbol) < self.config.settle;
        let suspects: Vec<Symbol> = suspects.into_iter().filter(|symbol| !young(symbol)).collect();
        if suspects.is_empty() {
            return BTreeMap::new();
        }
        let Ok(held) = self.broker.positions().await else { return BTreeMap::new() };
        let net = self.state.lock().net();
        let found = suspects.into_iter().filter_map(|symbol| {
            let wanted = wanted.get(&symbol)?;
            let tracked = net.get(&symbol).copied().unwrap_or_default();
            // REC-4: what is others' is not there to be closed.
            let ours = self.config.reconcile.others.ours(&symbol, tracked, net_of(&held, &symbol));
            let held = held_of(*wanted, ours);
            (held < wanted.abs()).then_some((symbol, held))
        });
        let found: BTreeMap<Symbol, Decimal> = found.collect();
        if !found.is_empty() {
            let rows = found.iter().map(|(symbol, held)| format!("{held} {symbol}")).collect::<Vec<_>>().join(", ");
            let text = format!(
                "of what position {slot} has to close the broker holds only {rows}: no more than that is closed, of a spread \
                 first what was written. Compare the account by hand"
            );
            self.alert_of_held(slot, text).await;
        }
        found
    }

    /// What is left of a position, signed, by symbol.
    pub(super) fn wanted(&self, slot: &SlotId) -> BTreeMap<Symbol, Decimal> {
        let state = self.state.lock();
        let legs = state.held(slot).into_iter().flat_map(Position::open_legs);
        legs.map(|leg| (leg.symbol.clone(), leg.left)).collect()
    }

    /// Decides, under one lock, that this exit is the only one, and for how much it is.
    fn claim_exit(
        self: &Arc<Self>,
        slot: &SlotId,
        plan: &ExitPlan,
        short: &BTreeMap<Symbol, Decimal>,
    ) -> Result<Claimed, ExitRefusal> {
        let state = self.state.lock();
        let position = state.held(slot).ok_or_else(|| ExitRefusal::NoPosition { slot: slot.clone() })?;
        // EXIT-2: not before the earlier exit is at rest by evidence.
        if let Some(by) = state.closing(slot) {
            return Err(ExitRefusal::Closing { slot: slot.clone(), by: by.clone() });
        }
        if position.is_flat() {
            return Err(ExitRefusal::Unverified { slot: slot.clone() });
        }
        let attempt = state.exits.get(slot).copied().unwrap_or_default().saturating_add(1);
        let id = slot.close_order(attempt, self.lock.fence()).map_err(Malformed::from)?;
        // Another exit of this moment has the same name, and is not in the records yet.
        if self.attended.lock().contains(&id) {
            return Err(ExitRefusal::Closing { slot: slot.clone(), by: id });
        }
        // EXIT-1: exactly what is left by measured fills, by closing sides only, and no more than there is.
        let legs = closing_legs(position, short);
        let unclosable = || position.open_legs().find_map(|leg| Some((leg, *short.get(&leg.symbol)?)));
        match (legs.is_empty(), unclosable(), position.open_legs().next()) {
            (true, Some((leg, held)), _) => {
                let (symbol, wanted) = (leg.symbol.clone(), leg.left.abs());
                return Err(ExitRefusal::NotHeld { slot: slot.clone(), symbol, wanted, held });
            }
            (true, None, Some(left)) => {
                let (slot, symbol) = (slot.clone(), left.symbol.clone());
                return Err(ExitRefusal::Fraction { slot, symbol, quantity: left.left });
            }
            _ => {}
        }
        // What is said of a whole spread is no price of some of its legs.
        let is_whole = legs.len() > 1 && unclosable().is_none();
        let (kind, unquoted) = match plan.at {
            ExitAt::Order(kind) => (if is_whole { kind } else { by_itself(kind) }, None),
            // By what is known now, after the wait for budget: whatever that is, it leaves (law 4).
            ExitAt::Policy => gate::priced_by_policy(&self.feed.lock(), &legs, &*self.clock),
        };
        let order = OrderRequest::new(id, position.underlying().clone(), legs, kind, TimeInForce::Day);
        let order = order.map_err(Malformed::from)?;
        let attended = self.attend(order.client_order_id());
        Ok(Claimed { order, attempt, attended, unquoted })
    }

    /// Asks the broker until its own lists agree that the position is gone; it may lag behind the fill.
    async fn await_verification(self: &Arc<Self>, slot: &SlotId) -> ExitEnd {
        let begun = self.clock.mono();
        loop {
            // A comparison that hangs holds up nobody's word for ever.
            let verified = timeout(self.config.settle, self.verify_closed(slot)).await;
            let reason = match verified {
                Ok(Ok(())) => return ExitEnd::Closed,
                Ok(Err(reason)) => reason,
                Err(_) => "the broker's lists do not come, or another comparison waits for them".to_owned(),
            };
            if self.clock.mono().since(begun) >= self.config.settle {
                return self.pend(slot, reason).await;
            }
            sleep(self.config.poll).await;
        }
    }

    async fn note_pending(self: &Arc<Self>, slot: &SlotId, reason: String) {
        let (slot, at) = (slot.clone(), self.clock.wall());
        let pend = move |state: &State| {
            let position = state.held(&slot)?;
            if position.pending().is_some_and(|pending| pending.reason == reason) {
                return None;
            }
            let change = state.book.clone().pend(&slot.position().ok()?, &reason, at).ok()?;
            Some(vec![Record::Book { change }])
        };
        if let Err(error) = self.commit_made(pend).await {
            tracing::error!(error = told(&error), "a record could not be written");
        }
    }

    async fn pend(self: &Arc<Self>, slot: &SlotId, reason: String) -> ExitEnd {
        self.note_pending(slot, reason.clone()).await;
        let text = format!("position {slot} is not verified as closed ({reason}). The bot goes on looking");
        self.alert_of_held(slot, text).await;
        // Another look may have proven it meanwhile.
        if self.state.lock().held(slot).is_none() { ExitEnd::Closed } else { ExitEnd::Pending { reason } }
    }
}

/// The legs that close what is left of `position`, of no more than there is.
///
/// Where legs of a spread are missing at the broker, what was written is bought back first, and by itself: that takes risk away
/// whether the list is right or not. What was bought is sold once nothing written is left beside it.
fn closing_legs(position: &Position, short: &BTreeMap<Symbol, Decimal>) -> Vec<Leg> {
    let is_broken = position.open_legs().any(|leg| short.contains_key(&leg.symbol));
    let is_written = |leg: &HeldLeg| leg.left.is_sign_negative();
    let written_first = is_broken && position.open_legs().any(is_written);
    let legs = position.open_legs().filter(|leg| !written_first || is_written(leg));
    legs.filter_map(|leg| closing_leg(leg, short.get(&leg.symbol))).collect()
}

/// How much of what is held has the direction of `wanted`.
fn held_of(wanted: Decimal, held: Decimal) -> Decimal {
    if wanted.is_sign_negative() == held.is_sign_negative() { held.abs() } else { Decimal::ZERO }
}

/// The leg that closes what is held, or `None` when that is less than one. A fraction beyond whole numbers is left.
fn closing_leg(held: &HeldLeg, most: Option<&Decimal>) -> Option<Leg> {
    let quantity = most.map_or(held.left.abs(), |most| held.left.abs().min(*most));
    let count = u32::try_from(quantity.trunc()).ok()?;
    let side = if held.left.is_sign_negative() { Side::Buy } else { Side::Sell };
    let quantity = Quantity::new(count).ok()?;
    Some(Leg { symbol: held.symbol.clone(), side, effect: PositionEffect::Close, quantity })
}

/// A spread of which some legs are left cannot be closed at the net price of all.
fn by_itself(kind: OrderKind) -> OrderKind {
    match kind {
        OrderKind::Debit { .. } | OrderKind::Credit { .. } | OrderKind::Even => OrderKind::Market,
        OrderKind::Market | OrderKind::Limit { .. } | OrderKind::Stop { .. } | OrderKind::StopLimit { .. } => kind,
    }
}

fn describe(end: &OrderEnd) -> String {
    match end {
        OrderEnd::Terminal { status } => format!("the exit ended {status}"),
        OrderEnd::Rejected { reason } | OrderEnd::NotSent { reason } => reason.clone(),
        OrderEnd::NotPlaced { .. } => "the exit never reached the broker".to_owned(),
        OrderEnd::Resolved { by, reason } => format!("the exit was settled by {by}: {reason}"),
    }
}
