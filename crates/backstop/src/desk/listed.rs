//! The broker's list of orders, and since when this process has known each of its rows. A row that was there before a
//! moment was not created after it, whatever the wall clocks say.

use std::collections::BTreeMap;

use backstop_broker::{BrokerOrderId, ClientOrderId, Order, OrderList, ReadError};
use backstop_clock::{Mono, Timestamp};

use super::Inner;
use crate::SlotId;
use crate::state::Operation;

/// Since when the broker's orders are known.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// When the first list was asked for.
    first: Option<Mono>,
    /// When the earliest list that has the order was asked for, or when the broker named it in an answer.
    since: BTreeMap<BrokerOrderId, Mono>,
}

impl Rows {
    pub(super) fn note(&mut self, id: &BrokerOrderId, at: Mono) {
        let since = self.since.entry(id.clone()).or_insert(at);
        *since = at.min(*since);
    }

    fn note_list(&mut self, orders: &OrderList, asked: Mono) {
        let first = self.first.get_or_insert(asked);
        *first = asked.min(*first);
        for order in orders.orders() {
            self.note(&order.id, asked);
        }
    }

    /// Whether an order is not known to have been there at `moment`, nor when this process first looked.
    fn is_later(&self, id: &BrokerOrderId, moment: Mono) -> bool {
        let after = self.first.map_or(moment, |first| first.max(moment));
        self.since.get(id).is_none_or(|since| *since > after)
    }

    /// Whether an order was there when this process first looked.
    pub(super) fn were_there_first(&self, id: &BrokerOrderId) -> bool {
        let since = self.since.get(id);
        since.is_some_and(|since| self.first.is_some_and(|first| *since <= first))
    }
}

impl Inner {
    /// The broker's list of orders, and when it was asked for. Every list is read here.
    pub(super) async fn list(&self) -> Result<(OrderList, Mono), ReadError> {
        let asked = self.clock.mono();
        let orders = self.broker.orders().await?;
        self.rows.lock().note_list(&orders, asked);
        Ok((orders, asked))
    }

    /// Whether an order is older than an intent of `since`, so that it cannot be of it: brokers take one label twice, and
    /// another state directory may use the same.
    pub(super) fn is_older(&self, order: &Order, since: Timestamp) -> bool {
        let earliest = since.checked_sub(self.config.clock_tolerance).unwrap_or(Timestamp::MIN);
        order.created_at.is_some_and(|at| at < earliest)
    }

    /// The orders that bear the name of an operation: those that may be its own, and those that are older.
    pub(super) fn named(
        &self,
        orders: &OrderList,
        id: &ClientOrderId,
        operation: &Operation,
    ) -> (Vec<Order>, Vec<Order>) {
        let named = orders.orders().iter().filter(|order| order.label.as_deref() == Some(id.as_str())).cloned();
        named.partition(|order| {
            operation.broker_order_id.as_ref() == Some(&order.id) || !self.is_older(order, operation.since)
        })
    }

    /// The rows that were not there yet at `moment`.
    pub(super) fn later_rows(&self, orders: &OrderList, moment: Mono) -> OrderList {
        let rows = self.rows.lock();
        OrderList::complete(orders.orders().iter().filter(|order| rows.is_later(&order.id, moment)).cloned().collect())
    }
}

/// Our name of an order and the slot in it, if the order bears a name of any strategy's.
pub(super) fn named(order: &Order) -> Option<(ClientOrderId, SlotId)> {
    let id = ClientOrderId::new(order.label.as_deref()?).ok()?;
    let slot = SlotId::of_label(id.as_str())?;
    Some((id, slot))
}
