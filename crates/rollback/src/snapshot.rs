//! Tables that are cheap to look at as they were: a look shares what has not been changed since.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::books::Balances;

/// How many parts a table has, and how many parts each of those. A look costs one pointer; a writer copies at most this many
/// twice, and one small part, of what a look still shares.
const WIDTH: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table<K, V> {
    parts: Shared<Shared<Arc<BTreeMap<K, V>>>>,
}

type Shared<T> = Arc<Vec<T>>;

impl<K: Ord + Hash + Clone, V: Clone> Table<K, V> {
    pub(crate) fn new() -> Self {
        // All of them one and the same, until they differ.
        let (part, width) = (Arc::default(), 0..WIDTH);
        let parts = Arc::new(width.clone().map(|_| Arc::clone(&part)).collect());
        Self { parts: Arc::new(width.map(|_| Arc::clone(&parts)).collect()) }
    }

    fn place_of(key: &K) -> (usize, usize) {
        // Not keyed: whoever chooses the keys is the bot itself.
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        let digit = |hash: u64| usize::try_from(hash % WIDTH as u64).unwrap_or_default();
        (digit(hash), digit(hash / WIDTH as u64))
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let (outer, inner) = Self::place_of(key);
        self.parts.get(outer)?.get(inner)?.get(key)
    }

    /// The part that a key belongs to, shared with nobody.
    fn own(&mut self, key: &K) -> Option<&mut BTreeMap<K, V>> {
        let (outer, inner) = Self::place_of(key);
        let parts = Arc::make_mut(Arc::make_mut(&mut self.parts).get_mut(outer)?);
        parts.get_mut(inner).map(Arc::make_mut)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if let Some(part) = self.own(&key) {
            part.insert(key, value);
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        // Not before it is known to be there: that would copy what is shared.
        self.get(key)?;
        self.own(key)?.remove(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.parts.iter().flat_map(|parts| parts.iter()).flat_map(|part| part.iter())
    }
}

/// Written down it is one map, in the order of its keys.
impl<K: Ord + Serialize, V: Serialize> Serialize for Table<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.parts.iter().flat_map(|parts| parts.iter()).flat_map(|part| part.iter()).collect::<BTreeMap<_, _>>(),
        )
    }
}

impl<'de, K: Ord + Hash + Clone + Deserialize<'de>, V: Clone + Deserialize<'de>> Deserialize<'de> for Table<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Self::new();
        for (key, value) in BTreeMap::<K, V>::deserialize(deserializer)? {
            table.insert(key, value);
        }
        Ok(table)
    }
}

/// An order that cash is set aside for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OrderView {
    /// What its symbol is.
    pub symbol: String,
    /// Whether it may have left: then only evidence frees what it was given.
    pub in_flight: bool,
    /// What is still set aside for it.
    pub reserved: Decimal,
    /// How much of it has not been filled.
    pub left: Decimal,
    pub(crate) margin: Decimal,
}

/// A position that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PositionView {
    /// What its symbol is.
    pub symbol: String,
    /// How much is held, without a sign.
    pub quantity: Decimal,
    /// What it has cost; below zero if it was paid for.
    pub cost: Decimal,
    /// What is held for it as margin.
    pub margin: Decimal,
}

/// The ledger at one moment. Later changes do not show in it, and it keeps nobody from making them.
#[derive(Debug, Clone)]
pub struct Snapshot<K> {
    pub(crate) balances: Balances,
    pub(crate) orders: Table<K, OrderView>,
    pub(crate) positions: Table<K, PositionView>,
}

impl<K: Ord + Hash + Clone> Snapshot<K> {
    /// All amounts.
    #[must_use]
    pub fn balances(&self) -> &Balances {
        &self.balances
    }

    /// Orders that cash is set aside for, in no order.
    pub fn orders(&self) -> impl Iterator<Item = (&K, &OrderView)> {
        self.orders.iter()
    }

    /// Open positions, in no order.
    pub fn positions(&self) -> impl Iterator<Item = (&K, &PositionView)> {
        self.positions.iter()
    }

    /// An open position.
    #[must_use]
    pub fn position(&self, key: &K) -> Option<&PositionView> {
        self.positions.get(key)
    }
}
