//! Comparing records and broker: after a start, on a schedule, on demand. Orders here; what is held is held against the book
//! in the module `book`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use backstop_broker::{
    BrokerOrderId, ClientOrderId, Decimal, Fill, Leg, Order, OrderList, Progress, ReadError, Symbol,
};
use backstop_clock::Timestamp;
use backstop_reconcile::{Drift, Unjudged};
use tokio::time::sleep;

use super::book::{Look, Seen};
use super::listed::named;
use super::settle::{Listed, Step, is_of, merge};
use super::{Desk, Inner};
use crate::SlotId;
use crate::record::{Purpose, Record};
use crate::state::{Issued, State};
use crate::told::told;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Operations that are still not at rest.
    pub open: usize,
    /// Symbols that differ, or that are expired and still there.
    pub drift: Vec<Drift>,
    /// Symbols that differ and were not judged yet, with the reason: an order in flight, a change that the broker's lists may
    /// lag behind (REC-3).
    pub unjudged: Vec<Unjudged>,
}

impl Desk {
    /// Settles what an earlier process left behind, then opens the gate for entries.
    ///
    /// While the settling time since the lock was taken is not over, a request of the earlier process may still land
    /// (DESK-7); what is unsettled after it is alerted and stays open for the reconciler. With nothing in the air and no
    /// change of the book within the broker's lag this returns after one comparison.
    ///
    /// # Errors
    /// [`ReadError`] when the broker did not answer; entries stay shut. Call again.
    ///
    /// # Cancel safety
    /// Cancel safe: entries stay shut until a call has returned `Ok`.
    pub async fn recover(&self) -> Result<Comparison, ReadError> {
        let inner = &self.inner;
        loop {
            let comparison = self.reconcile().await?;
            let waited = inner.clock.mono().since(inner.opened.mono) >= inner.config.settle;
            let left = inner.unattended();
            // REC-3: what changed just before this process came may not be in the broker's lists yet.
            let is_judged = comparison.unjudged.is_empty() && inner.reconciler.lock().has_compared();
            if (left.is_empty() && is_judged) || waited {
                for (id, _, _) in left {
                    inner.alert_unresolved(&id, "an earlier run left it behind").await;
                }
                inner.ready.store(true, Ordering::SeqCst);
                return Ok(comparison);
            }
            sleep(inner.config.poll).await;
        }
    }

    /// One comparison: settles what can be settled of orders that no task looks after, removes positions whose close
    /// is now proven, and reports what differs in any symbol of the account. Idempotent;
    /// may be asked for at any time, and has to be: what a task has given up is settled here and nowhere else.
    ///
    /// # Errors
    /// [`ReadError`] when one of the broker's lists could not be read; nothing was concluded from that one (REC-2).
    ///
    /// # Cancel safety
    /// The comparison is a task of its own. Dropping this future neither stops nor loses it.
    pub async fn reconcile(&self) -> Result<Comparison, ReadError> {
        self.inner.compare().await
    }
}

impl Inner {
    pub(super) async fn compare(self: &Arc<Self>) -> Result<Comparison, ReadError> {
        let inner = Arc::clone(self);
        // GUARD-3: between the end of an order and what the guard learns of it, a caller that gives up would leave the two
        // with different stories.
        match tokio::spawn(async move { inner.reconcile().await }).await {
            Ok(compared) => compared,
            Err(died) => match died.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(ReadError::ConnectionLost { detail: "the runtime shut down".to_owned() }),
            },
        }
    }

    async fn reconcile(self: &Arc<Self>) -> Result<Comparison, ReadError> {
        let _one = self.reconciling.lock().await;
        self.note_switch().await;
        if let Some(complaint) = self.journal.complaint() {
            self.alert("checkpoint", complaint).await;
        }
        let (orders, asked) = self.list().await?;
        let listed = Listed { orders: &orders, asked };
        self.settle_unattended(listed).await;
        self.watch_for_strangers(&orders).await;
        self.adopt_late(&orders).await;
        let Seen { drift, unjudged, .. } = self.look_at_book(listed, Look::Whole).await?;
        self.say_overdrawn().await;
        let open = self.state.lock().operations.len();
        // TXN-3: a balance that was read before something was adopted may hold its fills already.
        if open == 0 && self.recount.load(Ordering::SeqCst) && matches!(self.read_cash().await, Ok(Some(_))) {
            self.recount.store(self.may_balance_lag(), Ordering::SeqCst);
        }
        Ok(Comparison { open, drift, unjudged })
    }

    /// Orders that are not at rest and that no task looks after.
    fn unattended(&self) -> Vec<(ClientOrderId, SlotId, Purpose)> {
        // DESK-2: the state first. An order is attended before its intent is in the state, and until its end is; looked at
        // the other way round, one that begins in between would be taken for nobody's.
        let state = self.state.lock();
        let attended = self.attended.lock();
        let open = state.operations.iter().filter(|(id, _)| !attended.contains(*id));
        open.map(|(id, operation)| (id.clone(), operation.slot.clone(), operation.purpose)).collect()
    }

    async fn settle_unattended(self: &Arc<Self>, listed: Listed<'_>) {
        for (id, slot, purpose) in self.unattended() {
            if let Step::Finished { fills, .. } = self.step(&id, Some(listed)).await {
                self.tell_guard(&id, &slot, purpose, !fills.is_empty()).await;
            }
        }
    }

    /// REC-7: every order with a label of ours has an intent, and no two have the same. Anything else is another instance
    /// on the account, or a broker that did one request twice.
    async fn watch_for_strangers(self: &Arc<Self>, orders: &OrderList) {
        let mut standing = Vec::new();
        // Each by itself: what somebody has resumed from hides no other.
        for text in self.violations(orders) {
            if self.halt_for(&text).await {
                standing.push(text);
            }
        }
        if !standing.is_empty() {
            self.alert("account", standing.join("; ")).await;
        }
        let unrecorded = self.unrecorded(orders);
        if !unrecorded.is_empty() {
            let held = unrecorded.iter().map(|(symbol, quantity)| format!("{quantity} {symbol}"));
            let text = format!(
                "orders under this strategy's name that are not in the records have left {} at the broker: if the journal \
                 was deleted or moved, put it back; otherwise close it by hand",
                held.collect::<Vec<_>>().join(", ")
            );
            self.alert("journal", text).await;
        }
        for (id, order) in self.surplus(orders) {
            self.cancel(&id, &order).await;
        }
    }

    /// What orders under this strategy's name have left open of which there is no record, symbol by symbol: an earlier
    /// state directory's, or a journal's that was lost.
    fn unrecorded(&self, orders: &OrderList) -> BTreeMap<Symbol, Decimal> {
        let state = self.state.lock();
        let mut net = BTreeMap::new();
        for order in orders.orders() {
            let Some((id, slot)) = named(order) else { continue };
            // Names are kept for two days only, and a broker's list may go back further than that.
            let is_kept = state.issued_from.is_none_or(|from| slot.session.day >= from);
            if slot.strategy != self.config.strategy || !is_kept || state.issued.contains_key(&id) {
                continue;
            }
            if let Progress::Final(fills) = order.progress() {
                for fill in fills {
                    let sum = net.entry(fill.symbol.clone()).or_insert(Decimal::ZERO);
                    *sum = sum.saturating_add(fill.signed_quantity());
                }
            }
        }
        net.retain(|_, quantity| !quantity.is_zero());
        net
    }

    /// Orders that work under a name of ours, beside the one that is known or after the name came to rest.
    fn surplus(&self, orders: &OrderList) -> Vec<(ClientOrderId, BrokerOrderId)> {
        let state = self.state.lock();
        let working = orders.orders().iter().filter(|order| !order.status.is_terminal());
        let named = working.filter_map(|order| Some((ClientOrderId::new(order.label.as_deref()?).ok()?, &order.id)));
        let surplus = named.filter(|(id, order)| match (state.issued.get(id), state.operations.get(id)) {
            (Some(Issued::Placed | Issued::Absent), _) => true,
            (Some(Issued::InFlight), Some(known)) => {
                known.broker_order_id.as_ref().is_some_and(|known| known != *order)
            }
            (Some(Issued::InFlight) | None, _) => false,
        });
        surplus.map(|(id, order)| (id, order.clone())).collect()
    }

    /// Whether an order was made since this process came: by its own stamp, or because the first list did not have it, which
    /// no difference of the clocks can hide.
    fn is_young(&self, order: &Order) -> bool {
        order.created_at.is_none_or(|at| at >= self.opened.wall) || !self.rows.lock().were_there_first(&order.id)
    }

    fn violations(&self, orders: &OrderList) -> BTreeSet<String> {
        let state = self.state.lock();
        let mut found = BTreeSet::new();
        let mut of_label: BTreeMap<&str, BTreeSet<&BrokerOrderId>> = BTreeMap::new();
        for order in orders.orders() {
            let Some(label) = order.label.as_deref() else { continue };
            let Some(slot) = SlotId::of_label(label).filter(|slot| slot.strategy == self.config.strategy) else {
                continue;
            };
            let became = ClientOrderId::new(label).ok().and_then(|id| state.issued.get(&id));
            // What came to rest before this process came may be of an earlier state directory; what is of earlier days than
            // the names that are kept, too. What works may still fill, and nobody would watch it.
            let kept = state.issued_from.is_none_or(|from| slot.session.day >= from);
            if became.is_none() && !(kept && (!order.status.is_terminal() || self.is_young(order))) {
                continue;
            }
            of_label.entry(label).or_default().insert(&order.id);
            // One that was refused holds nothing, whatever was concluded of it.
            let holds_nothing = matches!(order.progress(), Progress::Final(fills) if fills.is_empty());
            match became {
                None => {
                    found.insert(format!(
                        "order {} bears {label}, which was never issued here: another instance trades on this account, or the \
                         journal that has it is lost",
                        order.id
                    ));
                }
                Some(Issued::Absent) if !holds_nothing => {
                    found.insert(format!(
                        "order {} bears {label}, of which the records say that no order came: it is at the broker all the \
                         same. It is canceled if it works, and what it fills is adopted; see why it came so late",
                        order.id
                    ));
                }
                Some(_) => {}
            }
        }
        for (label, ids) in of_label.into_iter().filter(|(_, ids)| ids.len() > 1) {
            found.insert(several(label, ids));
        }
        found
    }

    /// Takes into the book what orders have filled whose name is settled: as having filled nothing, because they were on their
    /// way for longer than anybody believed or the operator was wrong; or with another order, because the broker did one
    /// request twice. While one of them can still fill, it is being canceled.
    async fn adopt_late(self: &Arc<Self>, orders: &OrderList) {
        for order in orders.orders() {
            let Some((id, slot)) = named(order) else { continue };
            let Some(Late { purpose, legs, since, why }) = self.late(&id, &order.id) else { continue };
            // REC-7: another state directory's, under the same name.
            if since.is_some_and(|since| self.is_older(order, since)) {
                continue;
            }
            let Some(fills) = measured(order).map(merge).filter(|fills| !fills.is_empty()) else { continue };
            if let Some(fill) = fills.iter().find(|fill| !is_of(fill, &legs)) {
                // BRK-2: an answer that cannot be about our order says nothing about it.
                let text =
                    format!("order {} shows a {:?} of {}, which was not asked for", order.id, fill.side, fill.symbol);
                self.halt_aloud(id.as_str(), text).await;
                continue;
            }
            let text = format!("order {} ({id}) {why}; what it filled is adopted into position {slot}", order.id);
            let record = Record::Adopted { client_order_id: id.clone(), broker_order_id: order.id.clone(), fills };
            let of = (id.clone(), order.id.clone());
            match self.commit_if(vec![record], move |state| late_in(state, &of.0, &of.1).is_some()).await {
                Ok(true) => {
                    self.recount.store(true, Ordering::SeqCst);
                    self.tell_guard(&id, &slot, purpose, true).await;
                    self.alert_of_held(&slot, text).await;
                }
                Ok(false) => {}
                Err(error) => tracing::error!(error = told(&error), "a late order could not be adopted"),
            }
        }
    }

    fn late(&self, id: &ClientOrderId, order: &BrokerOrderId) -> Option<Late> {
        late_in(&self.state.lock(), id, order)
    }

    /// Orders that no task looks after, and that have been in doubt for long.
    pub(super) fn old_doubts(&self) -> BTreeSet<ClientOrderId> {
        let now = self.clock.mono();
        // REC-3: the state first, as in `unattended`.
        let state = self.state.lock();
        let attended = self.attended.lock();
        let unattended = state.operations.keys().filter(|id| !attended.contains(*id));
        unattended.filter(|id| now.since(self.sent(id).mono) >= self.patience()).cloned().collect()
    }
}

/// An order whose name is settled without it.
struct Late {
    purpose: Purpose,
    legs: Vec<Leg>,
    /// When the intent was written.
    since: Option<Timestamp>,
    why: &'static str,
}

fn late_in(state: &State, id: &ClientOrderId, order: &BrokerOrderId) -> Option<Late> {
    if let Some(absent) = state.absent.get(id) {
        let why = "turned up after it had been settled as having filled nothing";
        return Some(Late {
            purpose: absent.purpose,
            legs: absent.order.legs().to_vec(),
            since: Some(absent.since),
            why,
        });
    }
    let placed = state.placed.get(id)?;
    // Settled by hand it has no number, and nobody can say which order that was.
    let is_other = !placed.orders.is_empty() && !placed.orders.contains(order);
    let why = "is a second one that the broker made of one request";
    is_other.then(|| Late { purpose: placed.purpose, legs: placed.legs.clone(), since: placed.since, why })
}

/// That one intent has several orders, in the same words whatever the order of the list.
pub(super) fn several<'a>(label: &str, ids: impl IntoIterator<Item = &'a BrokerOrderId>) -> String {
    let ids: BTreeSet<String> = ids.into_iter().map(ToString::to_string).collect();
    let (count, ids) = (ids.len(), ids.into_iter().collect::<Vec<_>>().join(", "));
    format!("one intent has {count} orders at the broker: {ids} all bear {label}")
}

/// What an order has filled, once nothing more will be; `None` while that is open.
fn measured(order: &Order) -> Option<Vec<Fill>> {
    match order.progress() {
        Progress::Final(fills) => Some(fills),
        Progress::Working | Progress::Unmeasured => None,
    }
}
