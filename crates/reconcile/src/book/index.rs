//! What is looked up in the book by symbol, by order and by day, kept with every change: a comparison with the broker must
//! not cost a walk over all positions for each symbol.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::OnceLock;

use backstop_broker::{BrokerOrderId, Decimal, Symbol};
use jiff::civil::Date;

use crate::executed::Executed;
use crate::id::PositionId;
use crate::key::Key;
use crate::position::Position;

/// The book by symbol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Index {
    net: BTreeMap<Key, Net>,
    expirations: BTreeMap<Date, BTreeSet<Symbol>>,
    flat: BTreeSet<PositionId>,
    pending: BTreeSet<PositionId>,
    orders: BTreeMap<BrokerOrderId, PositionId>,
    open: usize,
    sums: Sums,
}

/// All that the book has of one symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Net {
    pub(crate) symbol: Symbol,
    /// The signed sum.
    pub(crate) quantity: Decimal,
    /// The number of the change that last touched it.
    pub(crate) revision: u64,
    /// Every position with a leg of it, also with a closed one.
    pub(crate) holders: BTreeSet<PositionId>,
}

/// The net quantities one beside the other, put together when they are first asked for after a change: a book is compared far
/// more often than it changes, and the map is spread over memory.
#[derive(Clone, Default)]
struct Sums(OnceLock<Vec<(Key, Decimal)>>);

impl fmt::Debug for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sums")
    }
}

impl PartialEq for Sums {
    fn eq(&self, _: &Self) -> bool {
        true // They follow from the rest.
    }
}

impl Eq for Sums {}

impl Index {
    /// The net quantities, in the order of their symbols.
    pub(crate) fn sums(&self) -> &[(Key, Decimal)] {
        self.sums.0.get_or_init(|| self.net.iter().map(|(key, net)| (*key, net.quantity)).collect())
    }

    /// All that the book has of the symbol with that text.
    pub(crate) fn at(&self, key: &Key) -> Option<&Net> {
        self.net.get(key)
    }

    /// The net quantity of a symbol, where any position has a leg of it.
    pub(crate) fn of(&self, symbol: &Symbol) -> Option<&Net> {
        self.net.get(&Key::of(symbol))
    }

    /// Positions that their fills have closed.
    pub(crate) fn flat(&self) -> &BTreeSet<PositionId> {
        &self.flat
    }

    /// Positions whose close could not be verified.
    pub(crate) fn pending(&self) -> &BTreeSet<PositionId> {
        &self.pending
    }

    pub(crate) fn pend(&mut self, id: &PositionId) {
        self.pending.insert(id.clone());
    }

    /// How many positions are not flat.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// The options that expire on `last` or before.
    pub(crate) fn expiring_by(&self, last: Date) -> impl Iterator<Item = (Date, &Symbol)> {
        self.expirations.range(..=last).flat_map(|(day, symbols)| symbols.iter().map(|symbol| (*day, symbol)))
    }

    /// The position that an order is booked in, and how.
    pub(crate) fn booked<'a>(
        &'a self,
        positions: &'a BTreeMap<PositionId, Position>,
        order: &BrokerOrderId,
    ) -> Option<(&'a PositionId, &'a Executed)> {
        let holder = self.orders.get(order)?;
        let booked = positions.get(holder)?.orders.iter().find(|booked| booked.broker_order_id() == order)?;
        Some((holder, booked))
    }

    /// Whether an order is booked.
    pub(crate) fn has_booked(&self, order: &BrokerOrderId) -> bool {
        self.orders.contains_key(order)
    }

    /// Takes a position in, as of change number `revision`.
    pub(crate) fn put(&mut self, id: &PositionId, position: &Position, revision: u64) {
        self.sums = Sums::default();
        for leg in &position.legs {
            if let Some(option) = leg.symbol.option() {
                self.expirations.entry(option.expiration()).or_default().insert(leg.symbol.clone());
            }
            let new =
                || Net { symbol: leg.symbol.clone(), quantity: Decimal::ZERO, revision, holders: BTreeSet::new() };
            let net = self.net.entry(Key::of(&leg.symbol)).or_insert_with(new);
            net.quantity += leg.left;
            net.revision = net.revision.max(revision);
            net.holders.insert(id.clone());
        }
        for order in &position.orders {
            self.orders.insert(order.broker_order_id().clone(), id.clone());
        }
        if position.pending.is_some() {
            self.pend(id);
        }
        if position.is_flat() {
            self.flat.insert(id.clone());
        } else {
            self.open += 1;
        }
    }

    /// Takes a position out.
    pub(crate) fn drop(&mut self, id: &PositionId, position: &Position, revision: u64) {
        self.sums = Sums::default();
        for leg in &position.legs {
            let Some(net) = self.net.get_mut(&Key::of(&leg.symbol)) else { continue };
            net.quantity -= leg.left;
            net.revision = net.revision.max(revision);
            net.holders.remove(id);
            if !net.holders.is_empty() {
                continue;
            }
            self.net.remove(&Key::of(&leg.symbol));
            if let Some(day) = leg.symbol.option().map(|option| option.expiration())
                && let Some(symbols) = self.expirations.get_mut(&day)
            {
                symbols.remove(&leg.symbol);
                if symbols.is_empty() {
                    self.expirations.remove(&day);
                }
            }
        }
        for order in &position.orders {
            self.orders.remove(order.broker_order_id());
        }
        self.pending.remove(id);
        if !self.flat.remove(id) {
            self.open -= 1;
        }
    }
}
