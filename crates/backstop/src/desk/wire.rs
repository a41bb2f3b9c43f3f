//! What goes out, counted beside the records: no order leaves without an intent of its own (LIMIT-3).

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use backstop_broker::{
    Balances, Broker, BrokerOrderId, ClientOrderId, ClosedLot, Doubt, DoubtCause, Grant, MarketClock, NotGranted,
    NotSent, Order, OrderList, OrderRequest, Outcome, Position, Priority, Quotes, ReadError, Symbol,
};
use jiff::civil::Date;
use parking_lot::Mutex;

use super::Inner;
use crate::record::{Batch, Record};

/// The broker, as the desk has it. The journal's side of the count is told what was written; the other side counts the
/// calls themselves, whoever makes them. Where they differ nothing is passed on, and the desk halts.
#[derive(Debug)]
pub(super) struct Wire {
    broker: Arc<dyn Broker>,
    /// Orders of this process that are not at rest.
    counts: Mutex<BTreeMap<ClientOrderId, Count>>,
    desk: OnceLock<Weak<Inner>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    intents: u32,
    orders: u32,
}

impl Wire {
    pub(super) fn new(broker: Arc<dyn Broker>) -> Self {
        Self { broker, counts: Mutex::default(), desk: OnceLock::new() }
    }

    /// From now on a difference halts `desk`.
    pub(super) fn halts(&self, desk: &Arc<Inner>) {
        self.desk.get_or_init(|| Arc::downgrade(desk));
    }

    /// Counts the intents that are on disk now.
    pub(super) fn written(&self, batch: &Batch) {
        let mut counts = self.counts.lock();
        for record in &batch.records {
            match record {
                Record::Intent { order, .. } => {
                    let count = counts.entry(order.client_order_id().clone()).or_default();
                    count.intents = count.intents.saturating_add(1);
                }
                // From here on one more order of it has no intent.
                Record::Finished { client_order_id, .. } => drop(counts.remove(client_order_id)),
                _ => {}
            }
        }
    }

    /// Counts an order that is about to go out. `Err` says how many there would be of how many intents.
    fn count(&self, id: &ClientOrderId) -> Result<(), Count> {
        let mut counts = self.counts.lock();
        let Some(count) = counts.get_mut(id) else { return Err(Count { intents: 0, orders: 1 }) };
        let orders = count.orders.saturating_add(1);
        if orders > count.intents {
            return Err(Count { orders, ..*count });
        }
        count.orders = orders;
        Ok(())
    }
}

#[async_trait]
impl Broker for Wire {
    fn call_timeout(&self) -> Duration {
        self.broker.call_timeout()
    }

    async fn grant(&self, priority: Priority, within: Duration) -> Result<Grant, NotGranted> {
        self.broker.grant(priority, within).await
    }

    async fn submit(&self, order: &OrderRequest, grant: Grant) -> Outcome<BrokerOrderId> {
        let id = order.client_order_id();
        let Err(Count { intents, orders }) = self.count(id) else { return self.broker.submit(order, grant).await };
        let detail = format!("{orders} order(s) of {id} for {intents} intent(s): this is a bug in Backstop");
        if let Some(desk) = self.desk.get().and_then(Weak::upgrade) {
            desk.halt_aloud(id.as_str(), format!("{detail}. The last one was not sent")).await;
        }
        if intents == 0 {
            return Outcome::NotSent(NotSent::HeldBack { detail });
        }
        // What became of the one that went out is not known here.
        Outcome::Unknown(Doubt { cause: DoubtCause::HeldBack, detail })
    }

    async fn cancel(&self, id: &BrokerOrderId) -> Outcome<()> {
        self.broker.cancel(id).await
    }

    async fn order(&self, id: &BrokerOrderId) -> Result<Order, ReadError> {
        self.broker.order(id).await
    }

    async fn orders(&self) -> Result<OrderList, ReadError> {
        self.broker.orders().await
    }

    async fn positions(&self) -> Result<Vec<Position>, ReadError> {
        self.broker.positions().await
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<Quotes, ReadError> {
        self.broker.quotes(symbols).await
    }

    async fn balances(&self) -> Result<Balances, ReadError> {
        self.broker.balances().await
    }

    async fn closed_lots(&self, since: Date) -> Result<Option<Vec<ClosedLot>>, ReadError> {
        self.broker.closed_lots(since).await
    }

    async fn market_clock(&self) -> Result<MarketClock, ReadError> {
        self.broker.market_clock().await
    }
}

#[cfg(test)]
mod tests;
