//! All keys of the newest session, and what older ones left open.
//!
//! Spread over shards, each behind a lock that is held for a look-up or an insertion, never while somebody is inside and
//! never for the disk. A shard moves on to a newer session when a key of that session first comes by; what nobody is
//! inside of and nothing is unresolved of is let go of then, so that keys do not pile up.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::key::{Key, Scope, Session};
use crate::node::{Budget, Node};
use crate::store::{Claims, Keeper};
use crate::sync::RwLock;
use crate::word::Phase;

/// As many as keep the cores of a machine apart.
#[cfg(not(all(test, loom)))]
const SHARDS: usize = 64;
#[cfg(all(test, loom))]
const SHARDS: usize = 1;

#[derive(Debug)]
pub(crate) struct Table {
    shards: Box<[Shard]>,
    /// Of scopes for which nothing else was said.
    limit: u16,
    keeper: Option<Arc<Keeper>>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(RwLock<Content>);

#[derive(Debug, Default)]
struct Content {
    /// Whose scopes these are.
    session: Option<Session>,
    scopes: HashMap<Scope, Entries, BuildHasherDefault<Spread>>,
    /// Keys of older sessions that were in progress or unresolved when those ended.
    past: Vec<Arc<Node>>,
}

/// The keys of one scope: one, or slots.
#[derive(Debug)]
enum Entries {
    Whole(Arc<Node>),
    Slots {
        nodes: BTreeMap<u32, Arc<Node>>,
        budget: Arc<Budget>,
    },
    /// Only a limit was set so far.
    Limited(u16),
}

/// Why a key is not in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// A newer session has begun.
    Past,
    /// The scope is entered by slots in this session and the key has none, or the other way around.
    Mixed,
}

impl Table {
    pub(crate) fn new(limit: u16, keeper: Option<Arc<Keeper>>) -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect(), limit, keeper }
    }

    /// Takes over what an earlier process left.
    pub(crate) fn restore(&self, claims: &Claims) {
        let is_newest = |key: &Key| Some(key.session()) == claims.newest();
        let mut slotted: BTreeMap<&Scope, u32> = BTreeMap::new();
        let newest = || claims.iter().filter(|(key, _)| is_newest(key));
        slotted.extend(newest().filter(|(key, _)| key.slot().is_some()).map(|(key, _)| (key.scope(), 0)));
        for (key, claim) in newest() {
            if let Some(taken) = slotted.get_mut(key.scope()) {
                *taken += u32::from(claim.executed) + u32::from(claim.open.is_some());
            }
        }
        for (key, claim) in claims.iter() {
            let mut content = self.shard(key).0.write();
            content.session = claims.newest();
            let new = |limit, budget| Arc::new(Node::new(*key, limit, budget, self.keeper.clone()).restored(claim));
            match (slotted.get(key.scope()), key.slot()) {
                _ if !is_newest(key) => content.past.push(new(self.limit, None)),
                (None, _) => {
                    content.scopes.insert(*key.scope(), Entries::Whole(new(self.limit, None)));
                }
                // Entered both ways, which no guard allows: counted, and kept where it can be resolved.
                (Some(_), None) => content.past.push(new(self.limit, None)),
                (Some(taken), Some(slot)) => {
                    let fresh = || Entries::slots(self.limit, *taken);
                    if let Entries::Slots { nodes, budget } = content.scopes.entry(*key.scope()).or_insert_with(fresh) {
                        nodes.insert(slot, new(1, Some(Arc::clone(budget))));
                    }
                }
            }
        }
    }

    /// Shows `visit` the node of `key`, which is made if there is none.
    pub(crate) fn with_node<T>(&self, key: &Key, visit: impl FnOnce(&Arc<Node>) -> T) -> Result<T, Absent> {
        let shard = self.shard(key);
        {
            let content = shard.0.read();
            if content.session == Some(key.session())
                && let Some(node) = content.find(key)
            {
                return Ok(visit(node));
            }
        }
        let mut content = shard.0.write();
        content.move_on(key.session())?;
        let node = content.find_or_insert(key, self.limit, self.keeper.as_ref())?;
        Ok(visit(node))
    }

    /// The node of `key` if there is one, also of an older session that left something open.
    pub(crate) fn find(&self, key: &Key) -> Option<Arc<Node>> {
        let content = self.shard(key).0.read();
        let current = content.find(key).filter(|node| node.key() == key);
        current.or_else(|| content.past.iter().find(|node| node.key() == key)).cloned()
    }

    /// From now on a scope may have so many entries in this session.
    pub(crate) fn set_limit(&self, scope: &Scope, session: Session, limit: u16) -> Result<(), Absent> {
        let mut content = self.shard(&Key::new(*scope, session)).0.write();
        content.move_on(session)?;
        match content.scopes.entry(*scope).or_insert(Entries::Limited(limit)) {
            Entries::Whole(node) => node.set_limit(limit),
            Entries::Slots { budget, .. } => budget.set_limit(limit),
            Entries::Limited(earlier) => *earlier = limit,
        }
        Ok(())
    }

    /// The nodes that are in progress or unresolved, of all sessions.
    pub(crate) fn occupied(&self) -> Vec<Arc<Node>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let content = shard.0.read();
            let all = content.scopes.values().flat_map(Entries::nodes).chain(&content.past);
            found.extend(all.filter(|node| is_occupied(node)).cloned());
        }
        found.sort_by_key(|node| *node.key());
        found
    }

    /// How many keys are kept.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn len(&self) -> usize {
        let kept = |shard: &Shard| {
            let content = shard.0.read();
            content.past.len() + content.scopes.values().flat_map(Entries::nodes).count()
        };
        self.shards.iter().map(kept).sum()
    }

    fn shard(&self, key: &Key) -> &Shard {
        // Other bits than those by which the map inside spreads.
        let index = usize::try_from(key.scope().spread() >> 40).unwrap_or(0) % SHARDS;
        #[expect(clippy::indexing_slicing, reason = "the remainder is below the number of shards")]
        &self.shards[index]
    }
}

fn is_occupied(node: &Node) -> bool {
    matches!(node.word().phase(), Phase::InProgress | Phase::Unresolved)
}

impl Content {
    /// Moves on to `session` if that is newer.
    fn move_on(&mut self, session: Session) -> Result<(), Absent> {
        if self.session > Some(session) {
            return Err(Absent::Past);
        }
        if self.session < Some(session) {
            self.session = Some(session);
            let ended = self.scopes.drain().flat_map(|(_, entries)| entries.into_nodes());
            self.past.extend(ended);
            // GUARD-3: what is in progress or unresolved stays in sight, whatever the date. The rest cannot be entered any
            // more, so that nobody gets in unseen through a handle from yesterday.
            self.past.retain(|node| !node.retire());
        }
        Ok(())
    }

    fn find(&self, key: &Key) -> Option<&Arc<Node>> {
        match (self.scopes.get(key.scope())?, key.slot()) {
            (Entries::Whole(node), None) => Some(node),
            (Entries::Slots { nodes, .. }, Some(slot)) => nodes.get(&slot),
            _ => None,
        }
    }

    fn find_or_insert(&mut self, key: &Key, limit: u16, keeper: Option<&Arc<Keeper>>) -> Result<&Arc<Node>, Absent> {
        let entries = self.scopes.entry(*key.scope()).or_insert(Entries::Limited(limit));
        let new = |limit, budget| Arc::new(Node::new(*key, limit, budget, keeper.cloned()));
        if let Entries::Limited(limit) = *entries {
            *entries = match key.slot() {
                None => Entries::Whole(new(limit, None)),
                Some(_) => Entries::slots(limit, 0),
            };
        }
        match (entries, key.slot()) {
            (Entries::Whole(node), None) => Ok(node),
            (Entries::Slots { nodes, budget }, Some(slot)) => {
                Ok(nodes.entry(slot).or_insert_with(|| new(1, Some(Arc::clone(budget)))))
            }
            _ => Err(Absent::Mixed),
        }
    }
}

impl Entries {
    fn slots(limit: u16, taken: u32) -> Self {
        Self::Slots { nodes: BTreeMap::new(), budget: Arc::new(Budget::new(limit, taken)) }
    }

    fn nodes(&self) -> Box<dyn Iterator<Item = &Arc<Node>> + '_> {
        match self {
            Self::Whole(node) => Box::new(std::iter::once(node)),
            Self::Slots { nodes, .. } => Box::new(nodes.values()),
            Self::Limited(_) => Box::new(std::iter::empty()),
        }
    }

    fn into_nodes(self) -> Vec<Arc<Node>> {
        match self {
            Self::Whole(node) => vec![node],
            Self::Slots { nodes, .. } => nodes.into_values().collect(),
            Self::Limited(_) => Vec::new(),
        }
    }
}

/// Passes on the number that a scope was given when it was made.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
