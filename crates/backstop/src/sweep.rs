//! Canceling the entries of a bot from beside it: it may hang, or be dead (HALT-1).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backstop_broker::{Broker, BrokerOrderId, ClientOrderId, Order, OrderList, Outcome, PositionEffect, Progress};
use tokio::time::{Instant, sleep};

use crate::record::Purpose;
use crate::state::{Issued, Operation, State};
use crate::told::told;
use crate::{SlotId, StrategyName};

/// Between two looks at the broker.
const PAUSE: Duration = Duration::from_millis(400);

/// What became of the entries that might still have opened something, by client order id.
#[must_use = "an entry that is not confirmed to be at rest may still open a position"]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// Each entry that was not at rest when the sweep began, or that was found working.
    pub entries: BTreeMap<String, Fate>,
    /// Why nobody can say that these are all.
    pub blind: Option<String>,
}

/// What is known of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: known or not")]
pub enum Fate {
    /// Nothing more will happen to it.
    AtRest {
        /// How it came to rest, for people.
        how: String,
    },
    /// It may still open a position.
    Unconfirmed {
        /// Why, for people.
        why: String,
    },
}

impl Swept {
    /// Whether no entry can open anything any more.
    pub fn is_clean(&self) -> bool {
        self.blind.is_none() && self.unconfirmed().next().is_none()
    }

    /// The entries that may still open a position, and why.
    pub fn unconfirmed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().filter_map(|(id, fate)| match fate {
            Fate::Unconfirmed { why } => Some((id.as_str(), why.as_str())),
            Fate::AtRest { .. } => None,
        })
    }
}

/// Cancels every entry of the bot whose journal `read` reads, at the broker and by client order id, until none can open
/// anything any more or `within` is over. Exits are left alone, and so is what other people and other bots placed.
///
/// To be called once the switch is pulled: the bot writes its intent before it asks the switch and the switch before it
/// sends, so an entry whose intent is not in the journal by then will not be sent. One whose intent is there and that the
/// broker does not show stays unconfirmed: the bot may be anywhere between the switch and the wire.
///
/// An entry that works under the name of a strategy of this bot, or of any where the journal has none, and that is not in
/// the journal is left alone and stays unconfirmed: the journal that has it may be lost, or it is another bot's.
///
/// Where the journal cannot be read, every working entry with a label of this library's is canceled.
///
/// Idempotent. Takes `within` and two calls of the broker at the longest.
///
/// # Cancel safety
/// Cancel safe: what was asked for is asked for.
pub async fn cancel_entries(broker: &dyn Broker, read: impl Fn() -> Result<State, String>, within: Duration) -> Swept {
    let deadline = Instant::now() + within;
    let mut swept = Swept::default();
    loop {
        let state = read();
        swept.blind = state.as_ref().err().map(|why| format!("the records cannot be read: {why}"));
        look(broker, state.as_ref().ok(), &mut swept, deadline).await;
        if swept.blind.is_none() && swept.is_clean() || Instant::now() >= deadline {
            return swept;
        }
        sleep(PAUSE.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
}

/// One look, and whatever it asks for.
async fn look(broker: &dyn Broker, state: Option<&State>, swept: &mut Swept, deadline: Instant) {
    let entries = || {
        let operations = state.into_iter().flat_map(|state| &state.operations);
        operations.filter(|(_, operation)| operation.purpose == Purpose::Open)
    };
    for (id, fate) in &mut swept.entries {
        let became = ClientOrderId::new(id).ok().and_then(|id| state?.issued.get(&id).copied());
        if let (Fate::Unconfirmed { .. }, Some(Issued::Placed | Issued::Absent)) = (&*fate, became) {
            *fate = Fate::AtRest { how: "the bot has seen its end".to_owned() };
        }
    }
    let orders = match broker.orders().await {
        Ok(orders) => orders,
        Err(error) => {
            let why = format!("the broker could not be asked: {}", told(&error));
            for (id, _) in entries() {
                swept.entries.insert(id.to_string(), Fate::Unconfirmed { why: why.clone() });
            }
            swept.blind.get_or_insert(why);
            return;
        }
    };
    let mut rows = working_entries(&orders, state, swept);
    for (id, operation) in entries() {
        rows.entry(id.to_string()).or_default();
        find(broker, id, operation, &orders, rows.entry(id.to_string()).or_default()).await;
    }
    for (id, orders) in rows {
        let mut fates = Vec::new();
        let is_known = ClientOrderId::new(&id).is_ok_and(|id| is_issued(state, &id));
        for order in &orders {
            if !is_known && !order.status.is_terminal() {
                fates.push(Fate::Unconfirmed {
                    why: format!(
                        "order {} works and is not in the records: cancel it by hand unless it is another bot's",
                        order.id
                    ),
                });
                continue;
            }
            // However many there are, the time is the caller's.
            if Instant::now() >= deadline && !order.status.is_terminal() {
                fates.push(Fate::Unconfirmed { why: format!("order {} works, and the time is over", order.id) });
            } else {
                fates.push(end(broker, order).await);
            }
        }
        let worst = fates.iter().position(|fate| matches!(fate, Fate::Unconfirmed { .. }));
        let fate = match worst.and_then(|at| fates.get(at)).or(fates.first()) {
            Some(fate) => fate.clone(),
            None => Fate::Unconfirmed {
                why: "its intent is written, and the broker does not show it: it may be on its way, or still be sent when a \
                      bot that hangs goes on"
                    .to_owned(),
            },
        };
        swept.entries.insert(id, fate);
    }
}

/// The orders at the broker that work and open, under names that are or may be of this bot: that it issued, or whose
/// records are lost. Without its records, under any name of this library's. And what became of those that `swept` names.
fn working_entries(orders: &OrderList, state: Option<&State>, swept: &Swept) -> BTreeMap<String, Vec<Order>> {
    let own: BTreeSet<StrategyName> = state.into_iter().flat_map(strategies).collect();
    let mut found: BTreeMap<String, Vec<Order>> = BTreeMap::new();
    for order in orders.orders() {
        let Some(label) = order.label.as_deref() else { continue };
        let (Some(slot), Ok(id)) = (SlotId::of_label(label), ClientOrderId::new(label)) else { continue };
        let opens = order.legs.iter().all(|leg| leg.effect == PositionEffect::Open);
        let is_known = is_issued(state, &id);
        let may_be_ours = is_known || own.is_empty() || own.contains(&slot.strategy);
        let was_named = !is_known && swept.entries.contains_key(label);
        if opens && may_be_ours && (was_named || !order.status.is_terminal()) {
            found.entry(label.to_owned()).or_default().push(order.clone());
        }
    }
    found
}

/// Whether a name is this bot's. Without its records, every one is.
fn is_issued(state: Option<&State>, id: &ClientOrderId) -> bool {
    state.is_none_or(|state| state.issued.contains_key(id))
}

/// Whose entries the records are about.
fn strategies(state: &State) -> impl Iterator<Item = StrategyName> {
    let issued = state.issued.keys().filter_map(|id| SlotId::of_label(id.as_str()));
    issued.chain(state.positions().map(|(slot, _)| slot)).map(|slot| slot.strategy)
}

/// Adds to `rows` what the list, or else the broker by its own number, shows of an entry.
async fn find(
    broker: &dyn Broker,
    id: &ClientOrderId,
    operation: &Operation,
    orders: &OrderList,
    rows: &mut Vec<Order>,
) {
    let listed = orders.orders().iter().filter(|order| order.label.as_deref() == Some(id.as_str()));
    let known: Vec<BrokerOrderId> = rows.iter().map(|order| order.id.clone()).collect();
    rows.extend(listed.filter(|order| !known.contains(&order.id)).cloned());
    if let (true, Some(number)) = (rows.is_empty(), &operation.broker_order_id)
        && let Ok(order) = broker.order(number).await
        && order.id == *number
    {
        rows.push(order);
    }
}

/// Asks for a cancel of what works. Whatever is answered, the order's own status decides at the next look.
async fn end(broker: &dyn Broker, order: &Order) -> Fate {
    let id = &order.id;
    match order.progress() {
        Progress::Final(fills) if fills.is_empty() => {
            Fate::AtRest { how: format!("order {id} is {}, nothing was filled", order.status) }
        }
        Progress::Final(fills) => {
            let filled = fills.iter().map(|fill| format!("{} {}", fill.signed_quantity(), fill.symbol));
            let filled = filled.collect::<Vec<_>>().join(", ");
            Fate::AtRest { how: format!("order {id} is {}, {filled} filled before", order.status) }
        }
        Progress::Unmeasured => {
            Fate::AtRest { how: format!("order {id} is {}, what it filled is not told yet", order.status) }
        }
        Progress::Working => match broker.cancel(id).await {
            Outcome::Accepted(()) => {
                Fate::Unconfirmed { why: format!("the cancel of order {id} is taken, its end not seen yet") }
            }
            Outcome::Rejected(why) => {
                Fate::Unconfirmed { why: format!("the cancel of order {id} was refused: {}", why.reason) }
            }
            Outcome::NotSent(why) => {
                Fate::Unconfirmed { why: format!("the cancel of order {id} was not sent: {}", told(&why)) }
            }
            Outcome::Unknown(doubt) => Fate::Unconfirmed { why: format!("the cancel of order {id}: {doubt}") },
        },
    }
}
