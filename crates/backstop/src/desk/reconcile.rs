//! Comparing records and broker: after a start, on a schedule, on demand. The wall behind which the reconcile crate
//! will stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use backstop_broker::{
    BrokerOrderId, ClientOrderId, Decimal, OrderList, Position as BrokerPosition, ReadError, Symbol,
};
use tokio::time::sleep;

use super::settle::Step;
use super::verify::{VerifiedClosed, net_of};
use super::{Desk, Inner};
use crate::SlotId;
use crate::gate::Verdict;
use crate::record::{Drift, Purpose, Record};

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Operations that are still not at rest.
    pub open: usize,
    /// Symbols whose quantities differ.
    pub drift: Vec<Drift>,
}

impl Desk {
    /// Settles what an earlier process left behind, then opens the gate for entries.
    ///
    /// While the settling time since the lock was taken is not over, a request of the earlier process may still land
    /// (DESK-7); what is unsettled after it is alerted and stays open for the reconciler. With nothing in the air this
    /// returns after one comparison.
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
            let left: Vec<ClientOrderId> = inner.state.lock().operations.keys().cloned().collect();
            if left.is_empty() || waited {
                for id in left {
                    inner.alert_unresolved(&id, "an earlier run left it behind").await;
                }
                inner.ready.store(true, Ordering::SeqCst);
                return Ok(comparison);
            }
            sleep(inner.config.poll).await;
        }
    }

    /// One comparison: settles what can be settled of orders that no task looks after, removes positions whose close
    /// is now proven, and reports every symbol whose quantities differ. Idempotent; may be asked for at any time.
    ///
    /// # Errors
    /// [`ReadError`] when the broker's lists could not be read; nothing was concluded (REC-2).
    ///
    /// # Cancel safety
    /// Cancel safe: what was concluded is recorded, the rest is left for the next call.
    pub async fn reconcile(&self) -> Result<Comparison, ReadError> {
        let inner = &self.inner;
        let _one = inner.reconciling.lock().await;
        let orders = inner.broker.orders().await?;
        inner.settle_unattended(&orders).await;
        inner.watch_for_strangers(&orders).await;
        // Read after the orders: what those show as filled can be missing here, and is then judged in the next cycle.
        let held = inner.broker.positions().await?;
        inner.verify_pending(&orders, &held).await;
        let drift = inner.drift(&held);
        let open = {
            let state = inner.state.lock();
            state.operations.len()
        };
        inner.note(vec![Record::Reconciled { drift: drift.clone() }]).await;
        Ok(Comparison { open, drift })
    }

    /// Sets the book's cash by the broker's balances. Only at rest, when no order is in flight: in between, nobody
    /// knows which fills the balance holds already.
    ///
    /// # Errors
    /// [`ReadError`] when the balances could not be read; the old figure stays (TXN-7).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn read_cash(&self) -> Result<Decimal, ReadError> {
        let total = self.inner.broker.balances().await?.total_cash;
        let at_rest = self.inner.state.lock().operations.is_empty();
        if at_rest || self.inner.state.lock().cash.is_none() {
            self.inner.note(vec![Record::CashRead { total }]).await;
        }
        Ok(total)
    }
}

impl Inner {
    async fn settle_unattended(&self, orders: &OrderList) {
        let unattended: Vec<(ClientOrderId, SlotId, Purpose)> = {
            let attended = self.attended.lock().clone();
            let state = self.state.lock();
            let open = state.operations.iter().filter(|(id, _)| !attended.contains(*id));
            open.map(|(id, operation)| (id.clone(), operation.slot.clone(), operation.purpose)).collect()
        };
        for (id, slot, purpose) in unattended {
            match (self.step(&id, Some(orders)).await, purpose) {
                (Step::Finished { fills, .. }, Purpose::Open) => {
                    let verdict = if fills.is_empty() { Verdict::NotExecuted } else { Verdict::Executed };
                    self.guard.resolve(&slot, verdict);
                }
                (Step::Finished { .. } | Step::Working | Step::Unseen { .. }, _) => {}
            }
        }
    }

    /// REC-7: every order with a label of ours has an intent, and no two have the same. Anything else is another instance
    /// on the account, or a broker that did one request twice.
    async fn watch_for_strangers(&self, orders: &OrderList) {
        if let Some(text) = self.violation(orders) {
            if let Err(error) = self.halt(&text).await {
                tracing::error!(%error, "the halt could not be recorded");
            }
            self.alert("account", text).await;
        }
    }

    fn violation(&self, orders: &OrderList) -> Option<String> {
        let state = self.state.lock();
        let mut seen: BTreeMap<&str, &BrokerOrderId> = BTreeMap::new();
        for order in orders.orders() {
            let Some(label) = order.label.as_deref() else { continue };
            let of_ours = SlotId::of_label(label).is_some_and(|slot| slot.strategy == self.config.strategy);
            // What was there before this process came may be of an earlier state directory.
            let young = order.created_at.is_some_and(|at| at >= self.opened.wall);
            if !of_ours || !young {
                continue;
            }
            if let Some(other) = seen.insert(label, &order.id) {
                return Some(format!(
                    "one intent has two orders at the broker: {other} and {} both bear {label}",
                    order.id
                ));
            }
            if !state.issued.iter().any(|id| id.as_str() == label) {
                return Some(format!(
                    "order {} bears {label}, which was never issued here: another instance trades on this account",
                    order.id
                ));
            }
        }
        None
    }

    async fn verify_pending(&self, orders: &OrderList, held: &[BrokerPosition]) {
        let flat: Vec<SlotId> = {
            let attended: BTreeSet<SlotId> =
                self.attended.lock().iter().filter_map(|id| SlotId::of_label(id.as_str())).collect();
            let state = self.state.lock();
            let flat =
                state.positions.iter().filter(|(slot, position)| position.is_flat() && !attended.contains(*slot));
            flat.map(|(slot, _)| slot.clone()).collect()
        };
        for slot in flat {
            let proof = VerifiedClosed::check(&self.state.lock(), &slot, orders, held);
            match proof {
                Ok(proof) => {
                    if let Err(reason) = self.remove(proof).await {
                        tracing::error!(%slot, reason, "a verified close could not be recorded");
                    }
                }
                Err(reason) => tracing::debug!(%slot, reason, "not verified yet"),
            }
        }
    }

    /// Signed net quantities that differ, symbol by symbol (REC-4). What is in flight or freshly filled is not judged
    /// (REC-3); symbols that the book never held are other people's.
    fn drift(&self, held: &[BrokerPosition]) -> Vec<Drift> {
        let state = self.state.lock();
        let in_flight: BTreeSet<&Symbol> =
            state.operations.values().flat_map(|operation| operation.order.legs()).map(|leg| &leg.symbol).collect();
        let now = self.clock.wall();
        let settle = jiff::SignedDuration::try_from(self.config.settle).unwrap_or(jiff::SignedDuration::MAX);
        let young: BTreeSet<&Symbol> = (state.positions.values())
            .filter(|position| now.duration_since(position.opened_at) < settle || position.pending_close.is_some())
            .flat_map(|position| &position.legs)
            .map(|leg| &leg.symbol)
            .collect();
        let net = state.net();
        let judged = net.keys().filter(|symbol| !in_flight.contains(symbol) && !young.contains(symbol));
        judged
            .filter_map(|symbol| {
                let tracked = net.get(symbol).copied().unwrap_or_default();
                let broker = net_of(held, symbol);
                (tracked != broker).then(|| Drift { symbol: symbol.clone(), tracked, broker })
            })
            .collect()
    }
}
