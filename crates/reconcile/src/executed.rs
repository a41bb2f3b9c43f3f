//! What an order at rest has filled, in the broker's word.

use backstop_broker::{BrokerOrderId, ClientOrderId, Fill, Order, Progress};
use serde::{Deserialize, Serialize};

/// The fills of an order of ours that is at rest. Made from the broker's report of it, and read back from records.
///
/// A report that may still change, or that does not say how much was filled, makes none: a position is only ever closed
/// by what is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Executed {
    client_order_id: ClientOrderId,
    broker_order_id: BrokerOrderId,
    fills: Vec<Fill>,
}

impl Executed {
    /// What `order`, which was sent as `client_order_id`, has filled; possibly nothing. `None` while it works, while its
    /// report contradicts itself, and when the broker knows it by another label.
    pub fn of(client_order_id: &ClientOrderId, order: &Order) -> Option<Self> {
        let is_ours = order.label.as_deref().is_none_or(|label| label == client_order_id.as_str());
        match order.progress() {
            Progress::Final(fills) if is_ours => {
                let (client_order_id, broker_order_id) = (client_order_id.clone(), order.id.clone());
                Some(Self { client_order_id, broker_order_id, fills })
            }
            Progress::Final(_) | Progress::Working | Progress::Unmeasured => None,
        }
    }

    /// As a record of it says, which was made from the broker's report or on a person's word: for reading records back.
    pub fn recorded(client_order_id: ClientOrderId, broker_order_id: BrokerOrderId, fills: Vec<Fill>) -> Self {
        Self { client_order_id, broker_order_id, fills }
    }

    /// Our name for the order.
    pub fn client_order_id(&self) -> &ClientOrderId {
        &self.client_order_id
    }

    /// The broker's.
    pub fn broker_order_id(&self) -> &BrokerOrderId {
        &self.broker_order_id
    }

    /// What was filled.
    pub fn fills(&self) -> &[Fill] {
        &self.fills
    }
}
