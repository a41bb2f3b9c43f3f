//! What became of an order: one step of finding out, and the loop that repeats it.
//!
//! The same step serves an entry that is being followed, an exit, the recovery after a crash and the reconciler.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop_broker::{
    BrokerOrderId, ClientOrderId, Fill, Grant, Leg, Order, OrderList, OrderRequest, Outcome, Progress,
};
use backstop_clock::{Mono, Timestamp};
use tokio::time::sleep;

use super::reconcile::several;
use super::tasks::Running;
use super::{Inner, Moment};
use crate::record::{OrderEnd, Purpose, Record};
use crate::state::Operation;
use crate::switch::Level;
use crate::told::told;

/// The longest pause between two looks for an order that cannot be found.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How following an order ended.
pub(super) enum Rest {
    /// At rest, and recorded.
    Finished { end: OrderEnd, fills: Vec<Fill> },
    /// Given up to the reconciler.
    Unresolved { reason: String },
}

/// What one look at an order showed.
pub(super) enum Step {
    /// At rest, and recorded.
    Finished { end: OrderEnd, fills: Vec<Fill> },
    /// At the broker, not at rest.
    Working,
    /// Not found, or not to be asked.
    Unseen { reason: String },
}

/// A list of orders, and when it was asked for: what landed later is not in it.
#[derive(Clone, Copy)]
pub(super) struct Listed<'a> {
    pub(super) orders: &'a OrderList,
    pub(super) asked: Mono,
}

impl Inner {
    /// Submits once, and finds out what became of it.
    pub(super) async fn send(self: &Arc<Self>, order: &OrderRequest, grant: Grant) -> Rest {
        let id = order.client_order_id();
        // BRK-1: a call ends in time. If this task dies in it, that is when it was over at the latest.
        let latest = Moment::now(&*self.clock).plus(self.broker.call_timeout());
        self.sent.lock().insert(id.clone(), latest);
        let outcome = self.broker.submit(order, grant).await;
        self.sent.lock().insert(id.clone(), Moment::now(&*self.clock));
        let end = match outcome {
            Outcome::Rejected(rejection) => {
                self.no_doubt();
                OrderEnd::Rejected { reason: rejection.to_string() }
            }
            Outcome::NotSent(why) => OrderEnd::NotSent { reason: told(&why) },
            Outcome::Accepted(broker_order_id) => {
                self.no_doubt();
                self.rows.lock().note(&broker_order_id, self.clock.mono());
                self.note(vec![Record::Accepted { client_order_id: id.clone(), broker_order_id }]).await;
                return self.follow(id).await;
            }
            Outcome::Unknown(doubt) => {
                self.note(vec![Record::Doubted { client_order_id: id.clone(), reason: doubt.to_string() }]).await;
                self.count_doubt().await;
                return self.follow(id).await;
            }
        };
        self.end(id, end).await
    }

    /// Ends an order of which nothing can have reached the market.
    pub(super) async fn end(self: &Arc<Self>, id: &ClientOrderId, end: OrderEnd) -> Rest {
        match self.finish(id, end, Vec::new()).await {
            Step::Finished { end, fills } => Rest::Finished { end, fills },
            Step::Working => Rest::Unresolved { reason: "it does not come to rest".to_owned() },
            Step::Unseen { reason } => Rest::Unresolved { reason },
        }
    }

    /// Looks at an order until it is at rest, or long after it should have been.
    pub(super) async fn follow(self: &Arc<Self>, id: &ClientOrderId) -> Rest {
        let begun = self.clock.mono();
        let patience = self.patience();
        let mut pause = self.config.poll;
        loop {
            let reason = match self.step(id, None).await {
                Step::Finished { end, fills } => return Rest::Finished { end, fills },
                Step::Working => {
                    pause = self.config.poll;
                    "it does not come to rest".to_owned()
                }
                Step::Unseen { reason } => {
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE.max(self.config.poll));
                    reason
                }
            };
            if self.clock.mono().since(begun) > patience {
                self.alert_unresolved(id, &reason).await;
                return Rest::Unresolved { reason };
            }
            sleep(pause).await;
        }
    }

    /// How long an order may take to come to rest before somebody should look.
    pub(super) fn patience(&self) -> Duration {
        self.config.fill_timeout.saturating_add(self.config.settle.saturating_mul(2))
    }

    /// When an order was sent, at the latest.
    pub(super) fn sent(&self, id: &ClientOrderId) -> Moment {
        self.sent.lock().get(id).copied().unwrap_or(self.opened)
    }

    pub(super) async fn alert_unresolved(self: &Arc<Self>, id: &ClientOrderId, reason: &str) {
        let text = format!(
            "the outcome of order {id} is unknown ({reason}). It may be live. The bot goes on looking; look for the \
             label at the broker, and do not place it again"
        );
        let of = id.clone();
        self.alert_while(id.as_str(), text, move |state| state.operations.contains_key(&of)).await;
    }

    /// One look at an order that is not at rest, by `listed` if the caller has just read it.
    pub(super) async fn step(self: &Arc<Self>, id: &ClientOrderId, listed: Option<Listed<'_>>) -> Step {
        let Some(operation) = self.state.lock().operations.get(id).cloned() else {
            return Step::Unseen { reason: "it is not in the records".to_owned() };
        };
        let asked = listed.map_or_else(|| self.clock.mono(), |listed| listed.asked);
        let found = self.find(id, &operation, listed).await;
        if operation.purpose == Purpose::Open && found.as_ref().is_ok_and(Found::holds_nothing) {
            self.note_unfilled(&operation.slot, Moment { mono: asked, wall: self.clock.wall() });
        }
        match found {
            Ok(Found::Orders(orders)) => self.judge(id, &operation, &orders).await,
            Ok(Found::Nothing { list, asked }) => {
                self.judge_absent(id, &operation, Listed { orders: &list, asked }).await
            }
            // REC-2: an error says nothing about the order.
            Err(reason) => Step::Unseen { reason },
        }
    }

    async fn find(
        self: &Arc<Self>,
        id: &ClientOrderId,
        operation: &Operation,
        listed: Option<Listed<'_>>,
    ) -> Result<Found, String> {
        let mut failed = None;
        if let Some(broker_order_id) = &operation.broker_order_id {
            match self.broker.order(broker_order_id).await {
                Ok(order)
                    if order.id == *broker_order_id && order.label.as_deref().is_none_or(|l| l == id.as_str()) =>
                {
                    return Ok(Found::Orders(vec![order]));
                }
                Ok(other) => failed = Some(format!("asked for order {broker_order_id}, got order {}", other.id)),
                Err(error) => failed = Some(told(&error)),
            }
        }
        // Also for an order that could not be read by its number: the list may show it.
        let (list, asked) = if let Some(Listed { orders, asked }) = listed {
            (orders.clone(), asked)
        } else {
            self.list().await.map_err(|error| told(&error))?
        };
        let (ours, older) = self.named(&list, id, operation);
        let older = older.first().map(|order| {
            format!(
                "order {} bears {id} and is older than its intent: another state directory trades under this name",
                order.id
            )
        });
        if let Some(text) = &older {
            // REC-7: it is not ours, and while it is there the list proves nothing about the one that is.
            self.halt_aloud(id.as_str(), text.clone()).await;
        }
        match (ours.is_empty(), older.or(failed)) {
            (false, _) => Ok(Found::Orders(ours)),
            // It is at the broker: that a list lacks it proves nothing.
            (true, Some(reason)) => Err(reason),
            (true, None) => Ok(Found::Nothing { list, asked }),
        }
    }

    async fn judge(self: &Arc<Self>, id: &ClientOrderId, operation: &Operation, orders: &[Order]) -> Step {
        // REC-7: of several the one that is known stands for the name; what the others fill the reconciler adopts.
        let known = orders.iter().find(|order| operation.broker_order_id.as_ref() == Some(&order.id));
        let Some(order) = known.or_else(|| orders.iter().min_by(|one, other| one.id.cmp(&other.id))) else {
            return Step::Unseen { reason: "it is not listed".to_owned() };
        };
        if operation.broker_order_id.is_none() {
            self.note(vec![Record::Accepted { client_order_id: id.clone(), broker_order_id: order.id.clone() }]).await;
        }
        if orders.len() > 1 {
            self.halt_on_several(id, orders).await;
            for surplus in orders.iter().filter(|other| other.id != order.id && !other.status.is_terminal()) {
                self.cancel(id, &surplus.id).await;
            }
        }
        match order.progress() {
            Progress::Final(fills) => {
                if let Some(fill) = fills.iter().find(|fill| !is_of(fill, operation.order.legs())) {
                    // BRK-2: an answer that cannot be about our order says nothing about it.
                    let text = format!(
                        "order {} shows a {:?} of {}, which was not asked for",
                        order.id, fill.side, fill.symbol
                    );
                    self.halt_aloud(id.as_str(), text.clone()).await;
                    return Step::Unseen { reason: text };
                }
                if fills.is_empty() && operation.purpose == Purpose::Open {
                    return self.finish_unfilled(id, operation, order).await;
                }
                self.finish(id, OrderEnd::Terminal { status: describe(order) }, merge(fills)).await
            }
            Progress::Unmeasured => Step::Working,
            Progress::Working => {
                self.cancel_if_due(id, operation, order, orders.len() > 1).await;
                Step::Working
            }
        }
    }

    /// GUARD-2: an entry of which nothing was filled gives its place in the session back, so it has to be certain that the
    /// broker made no other order of its request. What such a one has filled comes into the book in the same batch.
    async fn finish_unfilled(self: &Arc<Self>, id: &ClientOrderId, operation: &Operation, order: &Order) -> Step {
        let (listed, asked) = match self.list().await {
            Ok(list) => list,
            Err(error) => return Step::Unseen { reason: told(&error) },
        };
        // DESK-7: within the settling time another one may still land, and is not in this list.
        if asked.since(self.sent(id).mono) < self.config.settle {
            return Step::Working;
        }
        let (of_it, _) = self.named(&listed, id, operation);
        let others: Vec<Order> = of_it.into_iter().filter(|other| other.id != order.id).collect();
        let (mut more, mut fills) = (Vec::new(), Vec::new());
        for other in others {
            match other.progress() {
                Progress::Final(of_other) if of_other.is_empty() => {}
                Progress::Final(of_other) => {
                    if let Some(fill) = of_other.iter().find(|fill| !is_of(fill, operation.order.legs())) {
                        let text =
                            format!("order {} shows a fill of {}, which was not asked for", other.id, fill.symbol);
                        self.halt_aloud(id.as_str(), text.clone()).await;
                        return Step::Unseen { reason: text };
                    }
                    let of_other = merge(of_other);
                    fills.extend(of_other.clone());
                    let (client_order_id, broker_order_id) = (id.clone(), other.id.clone());
                    more.push(Record::Adopted { client_order_id, broker_order_id, fills: of_other });
                }
                Progress::Unmeasured => return Step::Working,
                Progress::Working => {
                    self.cancel(id, &other.id).await;
                    return Step::Working;
                }
            }
        }
        if !more.is_empty() {
            self.recount.store(true, Ordering::SeqCst);
        }
        match self.finish_with(id, OrderEnd::Terminal { status: describe(order) }, Vec::new(), more).await {
            Step::Finished { end, .. } => Step::Finished { end, fills: merge(fills) },
            step => step,
        }
    }

    /// REC-7: an intent has at most one order. More are the broker's doing or another instance's: nothing new until a
    /// person has looked; what was filled is held all the same.
    async fn halt_on_several(self: &Arc<Self>, id: &ClientOrderId, orders: &[Order]) {
        let text = several(id.as_str(), orders.iter().map(|order| &order.id));
        self.halt_aloud(id.as_str(), text).await;
    }

    async fn cancel_if_due(self: &Arc<Self>, id: &ClientOrderId, operation: &Operation, order: &Order, surplus: bool) {
        let now = self.clock.mono();
        // By either clock: the wall clock knows of the time before this process, and may be set back.
        let age = Duration::try_from(self.clock.wall().duration_since(operation.since)).unwrap_or_default();
        let timed_out = age.max(now.since(self.sent(id).mono)) >= self.config.fill_timeout;
        let level = self.switch.standing().level();
        let due = match operation.purpose {
            Purpose::Open => timed_out || self.is_stopping() || level.is_some(),
            // HALT-2: frozen, an exit that works could not be sent again.
            Purpose::Close { .. } => timed_out && level < Some(Level::Freeze),
        };
        if due || surplus {
            self.cancel(id, &order.id).await;
        }
    }

    /// Asks for a cancel, unless the broker has just taken one. Whatever it answers, the order's own status decides: the
    /// fill may win.
    pub(super) async fn cancel(self: &Arc<Self>, id: &ClientOrderId, broker_order_id: &BrokerOrderId) {
        let now = self.clock.mono();
        let key = (id.clone(), broker_order_id.clone());
        let asked = self.canceled.lock().get(&key).is_some_and(|at| now.since(*at) < self.config.settle);
        // LOCK-6: without the lock it may be another instance's order.
        if asked || !self.lock.still_held() {
            return;
        }
        // LIMIT-2: counted, and not waited for: no disk holds up a cancel.
        let (inner, running) = (Arc::clone(self), Running::new(self));
        let record = Record::Canceling { client_order_id: id.clone(), broker_order_id: broker_order_id.clone() };
        tokio::spawn(async move {
            let _running = running;
            inner.note(vec![record]).await;
        });
        let outcome = self.broker.cancel(broker_order_id).await;
        tracing::debug!(order = %broker_order_id, ?outcome, "cancel");
        if let Outcome::Accepted(()) = outcome {
            self.canceled.lock().insert(key, now);
        }
    }

    async fn judge_absent(self: &Arc<Self>, id: &ClientOrderId, operation: &Operation, listed: Listed<'_>) -> Step {
        let sent = self.sent(id);
        let unseen = |reason: &str| Step::Unseen { reason: reason.to_owned() };
        // DESK-7: within the settling time the request may still be on its way, and what lands after the list was asked
        // for is not in it.
        if listed.asked.since(sent.mono) < self.config.settle {
            return unseen("it is not listed, and may still be on its way");
        }
        // DESK-7: what was in a list before the submit came before it, and so did what is older than the intent: the clock
        // of this process may be behind that of the one which sent it.
        let later = self.later_rows(listed.orders, sent.mono);
        let since = Moment { wall: sent.wall.max(operation.since), ..sent };
        let sent_by = since.plus(self.config.clock_tolerance).wall;
        let unproven = "it is not listed, and no later order shows that the list is complete";
        if later.proof_of_absence(id, sent_by).is_none() {
            return unseen(unproven);
        }
        // DESK-7: the list is of the broker's day. One of another day lacks the order whatever became of it.
        let asked = self.clock.mono();
        let clock = match self.broker.market_clock().await {
            Ok(clock) if operation.day == Some(clock.date) => clock,
            Ok(_) => return unseen("it is of another day, whose orders the broker does not list any more"),
            Err(error) => return Step::Unseen { reason: told(&error) },
        };
        // DESK-7: and later by the broker's own clock: ours may be wrong by more than anybody allowed for.
        let by_its_clock = clock.at.and_then(|at| at.checked_sub(asked.since(sent.mono)).ok());
        let since = Moment { wall: by_its_clock.map_or(since.wall, |at| at.max(since.wall)), ..sent };
        let sent_by = since.plus(self.config.clock_tolerance).wall;
        let Some(proof) = later.proof_of_absence(id, sent_by) else { return unseen(unproven) };
        let end = OrderEnd::NotPlaced { witness: proof.witness().clone() };
        self.finish(proof.client_order_id(), end, Vec::new()).await
    }

    /// Writes down how an order came to rest.
    pub(super) async fn finish(self: &Arc<Self>, id: &ClientOrderId, end: OrderEnd, fills: Vec<Fill>) -> Step {
        self.finish_with(id, end, fills, Vec::new()).await
    }

    async fn finish_with(
        self: &Arc<Self>,
        id: &ClientOrderId,
        end: OrderEnd,
        fills: Vec<Fill>,
        more: Vec<Record>,
    ) -> Step {
        let record = Record::Finished { client_order_id: id.clone(), end: end.clone(), fills: fills.clone() };
        let records = std::iter::once(record).chain(more).collect();
        let of = id.clone();
        match self.commit_if(records, move |state| state.operations.contains_key(&of)).await {
            Ok(true) => {
                self.sent.lock().remove(id);
                self.canceled.lock().retain(|(of, _), _| of != id);
                Step::Finished { end, fills }
            }
            Ok(false) => Step::Unseen { reason: "it came to rest meanwhile".to_owned() },
            Err(error) => Step::Unseen { reason: format!("its end could not be recorded: {}", told(&error)) },
        }
    }
}

enum Found {
    Orders(Vec<Order>),
    /// Not in this list, which was asked for then.
    Nothing {
        list: OrderList,
        asked: Mono,
    },
}

impl Found {
    /// WATCH-1: whether this look shows that nothing was filled so far: nothing is held that somebody would have to check.
    fn holds_nothing(&self) -> bool {
        let unfilled = |order: &Order| match order.progress() {
            Progress::Final(fills) => fills.is_empty(),
            Progress::Unmeasured => false,
            Progress::Working => order.legs.iter().all(|leg| leg.filled.is_some_and(|filled| filled.is_zero())),
        };
        match self {
            Self::Nothing { .. } => true,
            Self::Orders(orders) => orders.iter().all(unfilled),
        }
    }
}

impl Moment {
    fn plus(self, by: Duration) -> Self {
        Self { mono: self.mono.plus(by), wall: self.wall.checked_add(by).unwrap_or(Timestamp::MAX) }
    }
}

/// Whether a fill can be of an order with these legs.
pub(super) fn is_of(fill: &Fill, legs: &[Leg]) -> bool {
    legs.iter().any(|leg| leg.symbol == fill.symbol && leg.side == fill.side)
}

fn describe(order: &Order) -> String {
    match &order.reason {
        Some(reason) => format!("{} ({reason})", order.status),
        None => order.status.to_string(),
    }
}

/// Puts fills of the same leg together, at their average price: duplicates of one order hold one position.
pub(super) fn merge(fills: Vec<Fill>) -> Vec<Fill> {
    let mut merged: Vec<Fill> = Vec::new();
    for fill in fills {
        match merged.iter_mut().find(|known| known.symbol == fill.symbol && known.side == fill.side) {
            Some(known) => {
                let quantity = known.quantity.saturating_add(fill.quantity);
                let paid =
                    known.quantity.saturating_mul(known.price).saturating_add(fill.quantity.saturating_mul(fill.price));
                known.price = paid.checked_div(quantity).unwrap_or(known.price);
                known.quantity = quantity;
            }
            None => merged.push(fill),
        }
    }
    merged
}
