//! The guard: who may try, decided at once.

use std::borrow::Cow;
use std::num::NonZeroU16;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backstop_clock::Clock;
use jiff::tz::TimeZone;

use crate::key::{Key, Scope, Session};
use crate::node::{Node, Shut};
use crate::permit::{Attempt, Claiming, Permit};
use crate::refusal::{Inside, Refusal};
use crate::store::{ClaimStore, Keeper, StoreError};
use crate::sync::{AtomicU64, Ordering};
use crate::table::{Absent, Table};
use crate::word::{CALLERS, Phase, Word};

/// One attempt at a time for a key, and at most so many executed entries a session.
///
/// Cheap to clone; all clones are one guard. Each carries the name of its caller ([`named`](TradeGuard::named)), which
/// others are told while that caller is inside.
#[derive(Debug, Clone)]
pub struct TradeGuard {
    shared: Arc<Shared>,
    caller: u8,
}

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    table: Table,
    /// The [`rank`](Session::rank) of the newest session seen; zero for none. Only grows, and stands for no other memory, so
    /// Relaxed will do.
    newest: AtomicU64,
    /// Written once each, from the front.
    callers: [OnceLock<&'static str>; CALLERS],
    keeper: Option<Arc<Keeper>>,
}

/// How many callers have a name; one place is for those without.
const NAMES: usize = CALLERS - 1;

/// The name of callers without one.
const UNNAMED: &str = "an unnamed caller";

/// More names than a guard remembers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a guard knows {NAMES} callers by name at most; {name:?} is one more, give it the name of another")]
#[non_exhaustive]
pub struct TooManyCallers {
    /// The one that found no room.
    pub name: &'static str,
}

/// Something that is in progress or unresolved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Occupied {
    /// Which attempt.
    pub attempt: Attempt,
    /// Whether it ended without anybody knowing how. If not, it is in progress.
    pub is_unresolved: bool,
    /// Whose, since when, and the count of its session.
    pub inside: Inside,
}

impl TradeGuard {
    /// A guard whose claims end with the process. A scope may have `limit` entries a session. Two of them know nothing of
    /// each other: make one, and clone it.
    pub fn in_memory(limit: NonZeroU16, clock: Arc<dyn Clock>) -> Self {
        Self::new(limit, clock, None)
    }

    /// A guard whose claims are in `store`. What was in progress when the last guard on it ended is unresolved now, and
    /// what was executed counts. A scope may have `limit` entries a session.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot say what it holds, or has a guard already.
    pub fn open(limit: NonZeroU16, clock: Arc<dyn Clock>, store: Arc<dyn ClaimStore>) -> Result<Self, StoreError> {
        let claims = store.load()?;
        let keeper = Keeper { store, clock: Arc::clone(&clock) };
        let guard = Self::new(limit, clock, Some(Arc::new(keeper)));
        guard.shared.table.restore(&claims);
        if let Some(newest) = claims.newest() {
            guard.shared.newest.store(newest.rank(), Ordering::Relaxed);
        }
        Ok(guard)
    }

    fn new(limit: NonZeroU16, clock: Arc<dyn Clock>, keeper: Option<Arc<Keeper>>) -> Self {
        let shared = Shared {
            clock,
            table: Table::new(limit.get(), keeper.clone()),
            newest: AtomicU64::new(0),
            callers: [const { OnceLock::new() }; CALLERS],
            keeper,
        };
        Self { shared: Arc::new(shared), caller: 0 }
    }

    /// The same guard for a caller with this name: `scheduler`, `button`.
    ///
    /// # Errors
    /// [`TooManyCallers`] with the 64th name: they are for the kinds of callers that a program has.
    pub fn named(&self, name: &'static str) -> Result<Self, TooManyCallers> {
        // The first place is for those without a name.
        for (index, place) in self.shared.callers.iter().enumerate().skip(1) {
            if *place.get_or_init(|| name) == name {
                let caller = u8::try_from(index).unwrap_or(0);
                return Ok(Self { shared: Arc::clone(&self.shared), caller });
            }
        }
        Err(TooManyCallers { name })
    }

    /// Lets the caller try once, or says at once why not. Never waits for whoever is inside, never spins.
    ///
    /// With a claim store, the claim is on disk before the permit exists (GUARD-5), and the calling thread waits for that:
    /// tasks take [`try_enter_async`](TradeGuard::try_enter_async).
    ///
    /// # Errors
    /// [`Refusal`]; nothing may be sent.
    pub fn try_enter(&self, key: &Key) -> Result<Permit<'static>, Refusal> {
        let permit = self.claim(key)?;
        if self.shared.keeper.is_some() { self.write(permit) } else { Ok(permit) }
    }

    /// As [`try_enter`](TradeGuard::try_enter), for tasks: does not hold up a runtime's worker, and needs no runtime.
    ///
    /// # Errors
    /// As [`try_enter`](TradeGuard::try_enter).
    ///
    /// # Cancel safety
    /// Dropped, nobody has the permit and the key is as it was before. The claim may be found on disk all the same if the
    /// process dies before the next claim of the key, and is unresolved then.
    pub async fn try_enter_async(&self, key: &Key) -> Result<Permit<'static>, Refusal> {
        let claiming = Claiming::new(self.claim(key)?);
        if let Some((keeper, record)) = claiming.record(self.name()) {
            let written = keeper.store.append_async(&record).await;
            written.map_err(|source| Refusal::Store { key: *key, source })?;
        }
        Ok(claiming.given())
    }

    /// A handle on one key, for who enters it again and again in its session: no look-up, no lock.
    ///
    /// # Errors
    /// [`Refusal::PastSession`], [`Refusal::EndedSession`], [`Refusal::FutureSession`], [`Refusal::MixedSlots`].
    pub fn handle(&self, key: &Key) -> Result<Handle, Refusal> {
        self.begin(key)?;
        let node = self.shared.table.with_node(key, Arc::clone).map_err(|absent| self.absent(key, absent))?;
        Ok(Handle { guard: self.clone(), node })
    }

    /// From now on `scope` may have `limit` entries in `session`, instead of what the guard was made with. If it had more,
    /// it gets no further one. Not written down: whoever opens the guard says it again.
    ///
    /// # Errors
    /// [`Refusal::PastSession`], [`Refusal::EndedSession`], [`Refusal::FutureSession`].
    pub fn set_limit(&self, scope: &Scope, session: Session, limit: NonZeroU16) -> Result<(), Refusal> {
        let key = Key::new(*scope, session);
        self.begin(&key)?;
        let set = self.shared.table.set_limit(scope, session, limit.get());
        set.map_err(|absent| self.absent(&key, absent))
    }

    /// What is in progress or unresolved, of all sessions, in the order of its keys.
    pub fn occupied(&self) -> Vec<Occupied> {
        let nodes = self.shared.table.occupied();
        let found = nodes.iter().filter_map(|node| {
            let (number, word) = node.seen();
            let is_unresolved = match word.phase() {
                Phase::InProgress => false,
                Phase::Unresolved => true,
                Phase::Free | Phase::Retired => return None,
            };
            let attempt = Attempt { key: *node.key(), number };
            Some(Occupied { attempt, is_unresolved, inside: self.inside(node, word) })
        });
        found.collect()
    }

    /// What is unresolved: an order may live, and somebody has to find out.
    pub fn unresolved(&self) -> Vec<Occupied> {
        self.occupied().into_iter().filter(|occupied| occupied.is_unresolved).collect()
    }

    /// What is in progress or unresolved for longer than `bound`.
    pub fn stuck(&self, bound: Duration) -> Vec<Occupied> {
        self.occupied().into_iter().filter(|occupied| occupied.inside.held_for() > bound).collect()
    }

    /// The newest session that anybody tried to enter.
    pub fn newest_session(&self) -> Option<Session> {
        Session::of_rank(self.shared.newest.load(Ordering::Relaxed))
    }

    pub(crate) fn node(&self, key: &Key) -> Option<Arc<Node>> {
        self.shared.table.find(key)
    }

    fn claim(&self, key: &Key) -> Result<Permit<'static>, Refusal> {
        self.begin(key)?;
        let clock = &*self.shared.clock;
        let decide = |node: &Arc<Node>| match node.claim(self.caller, clock) {
            Ok(()) => Ok(Permit::owned(Arc::clone(node))),
            Err(shut) => Err(self.refusal(node, shut)),
        };
        let decided = self.shared.table.with_node(key, decide).map_err(|absent| self.absent(key, absent))?;
        decided.map_err(|refusal| self.with_holder(refusal))
    }

    /// GUARD-5: only what is durable is handed out.
    #[cold]
    fn write<'a>(&self, permit: Permit<'a>) -> Result<Permit<'a>, Refusal> {
        let claiming = Claiming::new(permit);
        if let Some((keeper, record)) = claiming.record(self.name()) {
            let written = keeper.store.append(&record);
            written.map_err(|source| Refusal::Store { key: record.key, source })?;
        }
        Ok(claiming.given())
    }

    /// GUARD-6: what is older than the newest session opens nothing; what is newer becomes the newest, if it can be.
    fn begin(&self, key: &Key) -> Result<(), Refusal> {
        self.begin_rank(key, key.session().rank())
    }

    #[inline]
    fn begin_rank(&self, key: &Key, rank: u64) -> Result<(), Refusal> {
        if rank == self.shared.newest.load(Ordering::Relaxed) { Ok(()) } else { self.roll(key, rank) }
    }

    #[cold]
    fn roll(&self, key: &Key, rank: u64) -> Result<(), Refusal> {
        if rank < self.shared.newest.load(Ordering::Relaxed) {
            return Err(self.absent(key, Absent::Past));
        }
        let now = self.shared.clock.wall();
        // No place on earth is further from UTC than a day.
        let (day, today) = (key.session().day(), now.to_zoned(TimeZone::UTC).date());
        if today.tomorrow().is_ok_and(|latest| day > latest) {
            return Err(Refusal::FutureSession { key: *key, now });
        }
        if today.yesterday().is_ok_and(|earliest| day < earliest) {
            return Err(Refusal::EndedSession { key: *key, now });
        }
        if self.shared.newest.fetch_max(rank, Ordering::Relaxed) > rank {
            return Err(self.absent(key, Absent::Past));
        }
        Ok(())
    }

    fn absent(&self, key: &Key, absent: Absent) -> Refusal {
        match absent {
            Absent::Past => Refusal::PastSession { key: *key, newest: self.newest_session().unwrap_or(key.session()) },
            Absent::Mixed => Refusal::MixedSlots { key: *key },
        }
    }

    #[inline(never)]
    fn refusal(&self, node: &Node, shut: Shut) -> Refusal {
        let key = *node.key();
        match shut {
            Shut::Occupied(word) if word.phase() == Phase::Unresolved => Refusal::Unresolved(self.inside(node, word)),
            Shut::Occupied(word) => Refusal::InProgress(self.inside(node, word)),
            Shut::Spent => {
                let (taken, limit) = node.taken(node.word());
                Refusal::Spent { key, taken, limit }
            }
            Shut::Full => {
                let (taken, limit) = node.taken(node.word());
                Refusal::Limit { key, taken, limit, holding: None }
            }
            Shut::Retired => self.absent(&key, Absent::Past),
        }
    }

    /// Names in the refusal of a slot whoever takes up its room for longest. Looks through the table, so no lock of it may be
    /// held.
    fn with_holder(&self, mut refusal: Refusal) -> Refusal {
        if let Refusal::Limit { key, holding, .. } = &mut refusal
            && key.slot().is_some()
        {
            let beside = |other: &Key| other.scope() == key.scope() && other.session() == key.session();
            let occupied = self.occupied().into_iter().map(|occupied| occupied.inside);
            *holding = occupied.filter(|inside| beside(inside.key())).max_by_key(Inside::held_for).map(Box::new);
        }
        refusal
    }

    /// Who made `word` what it is.
    fn inside(&self, node: &Node, word: Word) -> Inside {
        let clock = &*self.shared.clock;
        let (taken, limit) = node.taken(word);
        let (by, now, held_for) = if let Some(left) = node.left() {
            let now = clock.wall();
            let held_for = now.duration_since(left.at).try_into().unwrap_or_default();
            (Cow::Owned(left.by.clone()), now, held_for)
        } else {
            let name = self.shared.callers.get(usize::from(word.caller())).and_then(OnceLock::get);
            let held_for = clock.mono().since(word.since());
            (Cow::Borrowed(name.copied().unwrap_or(UNNAMED)), clock.wall(), held_for)
        };
        let held_millis = u64::try_from(held_for.as_millis()).unwrap_or(u64::MAX);
        let since_millis = now.as_millisecond().saturating_sub_unsigned(held_millis);
        Inside { key: *node.key(), by, since_millis, held_millis, taken, limit }
    }

    fn name(&self) -> &'static str {
        self.shared.callers.get(usize::from(self.caller)).and_then(OnceLock::get).copied().unwrap_or(UNNAMED)
    }
}

/// A handle on one key of a guard.
#[derive(Debug, Clone)]
pub struct Handle {
    guard: TradeGuard,
    node: Arc<Node>,
}

impl Handle {
    /// What it is a handle on.
    pub fn key(&self) -> &Key {
        self.node.key()
    }

    /// As [`TradeGuard::try_enter`].
    ///
    /// # Errors
    /// As [`TradeGuard::try_enter`]; once a newer session has begun, always [`Refusal::PastSession`].
    #[inline]
    pub fn try_enter(&self) -> Result<Permit<'_>, Refusal> {
        let guard = &self.guard;
        guard.begin_rank(self.node.key(), self.node.rank())?;
        match self.node.claim(guard.caller, &*guard.shared.clock) {
            Ok(()) if guard.shared.keeper.is_some() => guard.write(Permit::borrowed(&self.node)),
            Ok(()) => Ok(Permit::borrowed(&self.node)),
            Err(shut) => Err(guard.with_holder(guard.refusal(&self.node, shut))),
        }
    }
}

#[cfg(test)]
mod tests;
