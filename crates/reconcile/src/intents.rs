//! Our orders, as our own records have them, held against the broker's list, both ways (REC-7).

use std::collections::{BTreeMap, BTreeSet};

use backstop_broker::{BrokerOrderId, ClientOrderId, Decimal, Leg, Order, Progress, Symbol};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::book::Book;
use crate::config::{Config, Names};
use crate::id::PositionId;

/// Every order that we ever meant to send and that a broker's list may still show, by our name for it.
pub type Intents = BTreeMap<ClientOrderId, Intent>;

/// An order that we meant to send.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by the caller; what is left out would not be judged")]
pub struct Intent {
    /// The position that it opens or closes.
    pub position: PositionId,
    /// What it was to buy and sell.
    pub legs: Vec<Leg>,
    /// When it was written down, before anything was sent.
    pub since: Timestamp,
    /// What is known of it.
    pub stage: Stage,
}

/// What our records know of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Stage {
    /// It may be sent, on its way, or at the market. Its symbols are not judged (REC-3).
    InFlight {
        /// The broker's name for it, once known.
        order: Option<BrokerOrderId>,
    },
    /// Nobody knows, and has not for so long that its symbols are judged and reported all the same. No position that it
    /// is of is proven closed.
    InDoubt {
        /// The broker's name for it, if known.
        order: Option<BrokerOrderId>,
    },
    /// It came to rest at the broker.
    AtRest {
        /// The broker's names for it: more than one when the broker made several of one request.
        orders: BTreeSet<BrokerOrderId>,
    },
    /// It was refused, never sent, or proven never to have been placed.
    NothingFilled,
}

/// Broker and records disagree about an order. Each is a reason to halt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "violation", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Violation {
    /// It bears a name of ours that was never given.
    #[error(
        "order {order} bears {label}, which was never issued here: another instance trades on this account, or the records \
         that have it are lost"
    )]
    NeverIssued {
        /// The broker's name for it.
        order: BrokerOrderId,
        /// Its label.
        label: String,
        /// Whether it can still fill.
        works: bool,
    },
    /// One intent has several orders.
    #[error("one intent has {} orders at the broker: {} all bear {client_order_id}", orders.len(), list(orders))]
    Several {
        /// The intent.
        client_order_id: ClientOrderId,
        /// Its orders.
        orders: BTreeSet<BrokerOrderId>,
    },
    /// Our records say that nothing came of it.
    #[error(
        "order {order} bears {client_order_id}, of which the records say that nothing came: cancel it, or book its fills"
    )]
    Late {
        /// The broker's name for it.
        order: BrokerOrderId,
        /// Ours.
        client_order_id: ClientOrderId,
        /// Whether it can still fill.
        works: bool,
    },
    /// It has filled more than it was for.
    #[error("order {order} ({client_order_id}) has filled {filled} {symbol} and was for {asked}")]
    Overfill {
        /// The broker's name for it.
        order: BrokerOrderId,
        /// Ours.
        client_order_id: ClientOrderId,
        /// Of what.
        symbol: Symbol,
        /// How many it was for.
        asked: Decimal,
        /// How many were filled.
        filled: Decimal,
    },
}

fn list(orders: &BTreeSet<BrokerOrderId>) -> String {
    orders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What an order at rest has done to one symbol.
#[derive(Debug, Clone)]
pub(crate) struct Traded<'a> {
    pub(crate) order: &'a Order,
    /// Signed.
    pub(crate) quantity: Decimal,
    /// Whether the order was for more.
    pub(crate) is_part: bool,
}

/// The broker's list of orders, by symbol.
#[derive(Debug, Default)]
pub(crate) struct OrdersSeen<'a> {
    /// Orders that may still fill, those of declared others aside.
    pub(crate) working: BTreeMap<&'a Symbol, Vec<&'a Order>>,
    /// Fills of ours that are in no position.
    pub(crate) unbooked: BTreeMap<&'a Symbol, Vec<Traded<'a>>>,
    /// Fills of people who are neither ours nor declared.
    pub(crate) foreign: BTreeMap<&'a Symbol, Vec<Traded<'a>>>,
    /// Orders of ours that have filled more than they were for.
    pub(crate) overfilled: BTreeMap<&'a Symbol, BTreeSet<BrokerOrderId>>,
    pub(crate) violations: BTreeSet<Violation>,
    /// Which are in the list.
    pub(crate) listed: BTreeSet<&'a BrokerOrderId>,
    labels: BTreeMap<&'a ClientOrderId, BTreeSet<BrokerOrderId>>,
}

impl<'a> OrdersSeen<'a> {
    pub(crate) fn new(orders: &'a [Order], intents: &'a Intents, book: &Book, config: &Config) -> Self {
        let mut seen = Self::default();
        for order in orders {
            // Pages overlap when orders come while they are being read.
            if seen.listed.insert(&order.id) {
                seen.take(order, intents, book, config);
            }
        }
        for (client_order_id, orders) in std::mem::take(&mut seen.labels) {
            if orders.len() > 1 {
                let client_order_id = client_order_id.clone();
                seen.violations.insert(Violation::Several { client_order_id, orders });
            }
        }
        seen
    }

    fn take(&mut self, order: &'a Order, intents: &'a Intents, book: &Book, config: &Config) {
        let label = order.label.as_deref();
        let known = label.and_then(|label| ClientOrderId::new(label).ok()).and_then(|id| intents.get_key_value(&id));
        let known = known.filter(|(_, intent)| !is_older(order, intent.since, &config.names));
        let is_ours = known.is_some() || config.names.are_ours(label);
        let works = !order.status.is_terminal();
        if works && !config.others.bear(label) {
            for leg in &order.legs {
                self.working.entry(&leg.symbol).or_default().push(order);
            }
        }
        if let (Some((id, _)), true) = (known, is_ours) {
            self.overfill(id, order);
        }
        let fills = match order.progress() {
            Progress::Final(fills) => Some(fills),
            Progress::Working | Progress::Unmeasured => None,
        };
        for fill in fills.iter().flatten() {
            let Some(leg) = order.legs.iter().find(|leg| leg.symbol == fill.symbol) else { continue };
            let by_symbol = match is_ours {
                true if !book.knows(&order.id) => &mut self.unbooked,
                // REC-5: one that the book has followed already explains nothing more.
                false if !config.others.bear(label) && !book.knows(&order.id) => &mut self.foreign,
                true | false => continue,
            };
            let (quantity, is_part) = (fill.signed_quantity(), fill.quantity < leg.quantity);
            by_symbol.entry(&leg.symbol).or_default().push(Traded { order, quantity, is_part });
        }
        // One that was refused holds nothing, whatever was concluded of it.
        let holds_nothing = fills.is_some_and(|fills| fills.is_empty());
        match known {
            Some((id, intent)) => {
                self.labels.entry(id).or_default().insert(order.id.clone());
                if intent.stage == Stage::NothingFilled && !holds_nothing {
                    let (order, client_order_id) = (order.id.clone(), id.clone());
                    self.violations.insert(Violation::Late { order, client_order_id, works });
                }
            }
            None if is_ours && (works || !is_before_names(order, &config.names)) => {
                let (order, label) = (order.id.clone(), label.unwrap_or_default().to_owned());
                self.violations.insert(Violation::NeverIssued { order, label, works });
            }
            None => {}
        }
    }

    fn overfill(&mut self, id: &ClientOrderId, order: &'a Order) {
        for leg in &order.legs {
            let Some(filled) = leg.filled.filter(|filled| *filled > leg.quantity) else { continue };
            self.overfilled.entry(&leg.symbol).or_default().insert(order.id.clone());
            self.violations.insert(Violation::Overfill {
                order: order.id.clone(),
                client_order_id: id.clone(),
                symbol: leg.symbol.clone(),
                asked: leg.quantity,
                filled,
            });
        }
    }
}

/// Brokers take one label twice, and an earlier state of the records may have used it.
fn is_older(order: &Order, than: Timestamp, names: &Names) -> bool {
    let earliest = than.checked_sub(names.clock_tolerance).unwrap_or(Timestamp::MIN);
    order.created_at.is_some_and(|at| at < earliest)
}

fn is_before_names(order: &Order, names: &Names) -> bool {
    names.since.is_some_and(|since| is_older(order, since, names))
}

#[cfg(test)]
mod tests;
