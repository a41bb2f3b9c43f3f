//! The list of the session's orders, and the one conclusion from absence that it allows.

use jiff::Timestamp;

use crate::{BrokerOrderId, ClientOrderId, Order};

/// All orders of the session, every page of them.
///
/// An adapter makes one only from a complete read (BRK-2): a page that failed makes the whole read an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderList(Vec<Order>);

impl OrderList {
    /// For adapters: the complete list, in any order.
    pub fn complete(orders: Vec<Order>) -> Self {
        Self(orders)
    }

    /// The orders.
    pub fn orders(&self) -> &[Order] {
        &self.0
    }

    /// Looks for our label. Brokers do not refuse a second order with the same one, so there may be several.
    pub fn find(&self, id: &ClientOrderId) -> Lookup {
        let mut found = self.0.iter().filter(|order| order.label.as_deref() == Some(id.as_str())).cloned();
        match (found.next(), found.next()) {
            (None, _) => Lookup::NotListed,
            (Some(order), None) => Lookup::One(Box::new(order)),
            (Some(first), Some(second)) => Lookup::Several([first, second].into_iter().chain(found).collect()),
        }
    }

    /// Concludes that a request was never placed, if this list is positive proof of it (DESK-7).
    ///
    /// That takes a list that demonstrably reaches past the moment in question: it holds an order that the broker
    /// created at or after `sent_by`, and lacks `id`. An empty list proves nothing. The caller sees to the rest: that
    /// the list was asked for after the settling time, in which a request on its way may still land; that `sent_by`
    /// leaves room for the difference between the broker's clock and ours; and that the order is of the broker's day
    /// ([`Broker::market_clock`](crate::Broker::market_clock), asked after the list), because a list of another day lacks
    /// it whatever became of it.
    pub fn proof_of_absence(&self, id: &ClientOrderId, sent_by: Timestamp) -> Option<NotPlaced> {
        if !matches!(self.find(id), Lookup::NotListed) {
            return None;
        }
        let witness = self.0.iter().find(|order| order.created_at.is_some_and(|at| at >= sent_by))?;
        Some(NotPlaced { client_order_id: id.clone(), witness: witness.id.clone() })
    }
}

/// What a search by client order id found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The order.
    One(Box<Order>),
    /// More orders than were ever intended, at least two.
    Several(Vec<Order>),
    /// Not in the list. That alone proves nothing: see [`OrderList::proof_of_absence`].
    NotListed,
}

/// Proof that a request never became an order: a complete list that reaches past the moment of the submit and lacks it.
///
/// ```compile_fail,E0451
/// use backstop_broker::{BrokerOrderId, ClientOrderId, NotPlaced};
/// fn forge(client_order_id: ClientOrderId, witness: BrokerOrderId) -> NotPlaced {
///     NotPlaced { client_order_id, witness }
/// }
/// ```
#[must_use = "a proof that is not spent leaves the operation open"]
#[derive(Debug, PartialEq, Eq)]
pub struct NotPlaced {
    client_order_id: ClientOrderId,
    witness: BrokerOrderId,
}

impl NotPlaced {
    /// The request that never became an order.
    pub fn client_order_id(&self) -> &ClientOrderId {
        &self.client_order_id
    }

    /// The order that shows how far the list reaches.
    pub fn witness(&self) -> &BrokerOrderId {
        &self.witness
    }
}

#[cfg(test)]
mod tests;
