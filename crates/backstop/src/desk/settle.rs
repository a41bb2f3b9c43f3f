//! What became of an order: one step of finding out, and the loop that repeats it.
//!
//! The same step serves an entry that is being followed, an exit, the recovery after a crash and the reconciler.

use std::sync::Arc;
use std::time::Duration;

use backstop_broker::{ClientOrderId, Fill, Lookup, Order, OrderList, Progress, ReadError};
use tokio::time::sleep;

use super::{Inner, Moment};
use crate::record::{OrderEnd, Purpose, Record};
use crate::state::Operation;

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

impl Inner {
    /// Looks at an order until it is at rest, or long after it should have been.
    pub(super) async fn follow(self: &Arc<Self>, id: &ClientOrderId) -> Rest {
        let begun = self.clock.mono();
        let patience = self.config.fill_timeout + self.config.settle * 2;
        let mut pause = self.config.poll;
        loop {
            let reason = match self.step(id, None).await {
                Step::Finished { end, fills } => return Rest::Finished { end, fills },
                Step::Working => {
                    pause = self.config.poll;
                    "it does not come to rest".to_owned()
                }
                Step::Unseen { reason } => {
                    pause = (pause * 2).min(LONGEST_PAUSE.max(self.config.poll));
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

    pub(super) async fn alert_unresolved(&self, id: &ClientOrderId, reason: &str) {
        let text = format!(
            "the outcome of order {id} is unknown ({reason}). It may be live. The bot goes on looking; look for the \
             label at the broker, and do not place it again"
        );
        self.alert(id.as_str(), text).await;
    }

    /// One look at an order that is not at rest, by `orders` if the caller has just read them.
    pub(super) async fn step(&self, id: &ClientOrderId, orders: Option<&OrderList>) -> Step {
        let Some(operation) = self.state.lock().operations.get(id).cloned() else {
            return Step::Unseen { reason: "it is not in the records".to_owned() };
        };
        match self.find(id, &operation, orders).await {
            Ok(Found::Orders(orders)) => self.judge(id, &operation, &orders).await,
            Ok(Found::Nothing(list)) => self.judge_absent(id, &list).await,
            // REC-2: an error says nothing about the order.
            Err(error) => Step::Unseen { reason: error.to_string() },
        }
    }

    async fn find(
        &self,
        id: &ClientOrderId,
        operation: &Operation,
        listed: Option<&OrderList>,
    ) -> Result<Found, ReadError> {
        if let Some(broker_order_id) = &operation.broker_order_id {
            let order = self.broker.order(broker_order_id).await?;
            return Ok(Found::Orders(vec![order]));
        }
        let list = match listed {
            Some(list) => list.clone(),
            None => self.broker.orders().await?,
        };
        Ok(match list.find(id) {
            Lookup::One(order) => Found::Orders(vec![*order]),
            Lookup::Several(orders) => Found::Orders(orders),
            Lookup::NotListed => Found::Nothing(list),
        })
    }

    async fn judge(&self, id: &ClientOrderId, operation: &Operation, orders: &[Order]) -> Step {
        if let [order] = orders {
            if operation.broker_order_id.is_none() {
                self.note(vec![Record::Accepted { client_order_id: id.clone(), broker_order_id: order.id.clone() }])
                    .await;
            }
        } else {
            self.halt_on_several(id, orders).await;
        }
        let mut fills = Vec::new();
        let mut at_rest = true;
        for order in orders {
            match order.progress() {
                Progress::Final(of_order) => fills.extend(of_order),
                Progress::Unmeasured => at_rest = false,
                Progress::Working => {
                    at_rest = false;
                    self.cancel_if_due(operation, order, orders.len() > 1).await;
                }
            }
        }
        if !at_rest {
            return Step::Working;
        }
        let status = orders.iter().map(describe).collect::<Vec<_>>().join(", ");
        self.finish(id, OrderEnd::Terminal { status }, merge(fills)).await
    }

    /// REC-7: an intent has at most one order. More are the broker's doing or another instance's: nothing new until a
    /// person has looked; what was filled is held all the same.
    async fn halt_on_several(&self, id: &ClientOrderId, orders: &[Order]) {
        let ids = orders.iter().map(|order| order.id.to_string()).collect::<Vec<_>>().join(", ");
        let text = format!("one intent has {} orders at the broker: {ids} all bear {id}", orders.len());
        if let Err(error) = self.halt(&text).await {
            tracing::error!(%error, "the halt could not be recorded");
        }
        self.alert(id.as_str(), text).await;
    }

    async fn cancel_if_due(&self, operation: &Operation, order: &Order, surplus: bool) {
        let age = self.clock.wall().duration_since(operation.since);
        let timed_out = Duration::try_from(age).is_ok_and(|age| age >= self.config.fill_timeout);
        let unwanted = operation.purpose == Purpose::Open && self.is_stopping();
        if timed_out || unwanted || surplus {
            // Whatever it answers, the order's own status decides: the fill may win.
            let outcome = self.broker.cancel(&order.id).await;
            tracing::debug!(order = %order.id, ?outcome, "cancel");
        }
    }

    async fn judge_absent(&self, id: &ClientOrderId, list: &OrderList) -> Step {
        let sent = self.sent.lock().get(id).copied().unwrap_or(self.opened);
        let unseen = |reason: &str| Step::Unseen { reason: reason.to_owned() };
        // DESK-7: within the settling time the request may still be on its way.
        if self.clock.mono().since(sent.mono) < self.config.settle {
            return unseen("it is not listed, and may still be on its way");
        }
        let sent_by = Moment::plus(sent, self.config.clock_tolerance).wall;
        match list.proof_of_absence(id, sent_by) {
            Some(proof) => {
                let end = OrderEnd::NotPlaced { witness: proof.witness().clone() };
                self.finish(proof.client_order_id(), end, Vec::new()).await
            }
            None => unseen("it is not listed, and no later order shows that the list is complete"),
        }
    }

    async fn finish(&self, id: &ClientOrderId, end: OrderEnd, fills: Vec<Fill>) -> Step {
        let record = Record::Finished { client_order_id: id.clone(), end: end.clone(), fills: fills.clone() };
        match self.commit_if(vec![record], |state| state.operations.contains_key(id)).await {
            Ok(true) => {
                self.sent.lock().remove(id);
                Step::Finished { end, fills }
            }
            Ok(false) => Step::Unseen { reason: "it came to rest meanwhile".to_owned() },
            Err(error) => Step::Unseen { reason: format!("its end could not be recorded: {error}") },
        }
    }
}

enum Found {
    Orders(Vec<Order>),
    Nothing(OrderList),
}

impl Moment {
    fn plus(self, by: Duration) -> Self {
        let wall = jiff::SignedDuration::try_from(by).ok().and_then(|by| self.wall.checked_add(by).ok());
        Self { mono: self.mono.plus(by), wall: wall.unwrap_or(jiff::Timestamp::MAX) }
    }
}

fn describe(order: &Order) -> String {
    match &order.reason {
        Some(reason) => format!("{} ({reason})", order.status),
        None => order.status.to_string(),
    }
}

/// Puts fills of the same leg together, at their average price: duplicates of one order hold one position.
fn merge(fills: Vec<Fill>) -> Vec<Fill> {
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
