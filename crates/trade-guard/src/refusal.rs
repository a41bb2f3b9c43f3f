//! Why somebody was turned away, and who is inside.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use backstop_clock::Timestamp;

use crate::key::{Key, Session};
use crate::store::StoreError;

/// Why an attempt was turned away. Nothing was claimed, and nothing may be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Somebody is inside.
    #[error("{} is in progress {}; it ends with that attempt's verdict", .0.key, .0)]
    InProgress(Inside),
    /// An attempt ended without anybody knowing how: an order may live. Stays so until it is resolved.
    #[error("{} is unresolved: entered {}; find out at the broker what became of it, and resolve it", .0.key, .0)]
    Unresolved(Inside),
    /// The slot had its entry.
    #[error("{key} had its entry; {taken} of {limit} entries of the session are taken")]
    Spent {
        /// The slot.
        key: Key,
        /// Entries of all slots that are executed, in progress or unresolved.
        taken: u32,
        /// How many there may be.
        limit: u16,
    },
    /// The session had its entries.
    #[error("{key} had {taken} of {limit} entries, those that may have been executed included{}", Held(holding.as_deref()))]
    Limit {
        /// What was to be entered.
        key: Key,
        /// Entries that are executed, in progress or unresolved.
        taken: u32,
        /// How many there may be.
        limit: u16,
        /// Of those that are in progress or unresolved, in other slots, the one that has been so for longest (GUARD-4).
        holding: Option<Box<Inside>>,
    },
    /// A newer session has begun (GUARD-6): a clock was set back, or somebody came late.
    #[error("{key} is over since session {newest} began; check the clock")]
    PastSession {
        /// What was to be entered.
        key: Key,
        /// The newest session seen.
        newest: Session,
    },
    /// The session is new here, and its day is over wherever one is on earth (GUARD-6): what it had may be forgotten. One
    /// that was begun before goes on, whatever the clock says.
    #[error("{key} cannot begin any more: in UTC it is {now}; check the clock and the calendar")]
    EndedSession {
        /// What was to be entered.
        key: Key,
        /// The wall clock.
        now: Timestamp,
    },
    /// The session is further ahead than any place on earth is (GUARD-6). To believe it would shut all days until then.
    #[error("{key} cannot be now: in UTC it is {now}; check the clock and the calendar")]
    FutureSession {
        /// What was to be entered.
        key: Key,
        /// The wall clock.
        now: Timestamp,
    },
    /// In this session the scope was entered by slots and the key has none, or the other way around: the two would not be
    /// counted together.
    #[error("{key}: this scope is entered with slots and without; decide for one of them")]
    MixedSlots {
        /// What was to be entered.
        key: Key,
    },
    /// The claim could not be written down (GUARD-5). In this process the key is as it was before.
    #[error("{key} could not be claimed in the store, so nobody entered; send nothing, and mend what the store says")]
    Store {
        /// What was to be entered.
        key: Key,
        /// Why. After [`StoreError::Failed`] the claim may be found at the next opening, and is unresolved then.
        source: StoreError,
    },
}

impl Refusal {
    /// What was to be entered.
    pub fn key(&self) -> &Key {
        match self {
            Self::InProgress(inside) | Self::Unresolved(inside) => &inside.key,
            Self::Spent { key, .. }
            | Self::Limit { key, .. }
            | Self::PastSession { key, .. }
            | Self::EndedSession { key, .. }
            | Self::FutureSession { key, .. }
            | Self::MixedSlots { key }
            | Self::Store { key, .. } => key,
        }
    }

    /// Which layer refused, in one word, for records.
    pub fn layer(&self) -> &'static str {
        match self {
            Self::InProgress(_) => "in progress",
            Self::Unresolved(_) => "unresolved",
            Self::Spent { .. } => "slot",
            Self::Limit { .. } => "limit",
            Self::PastSession { .. } | Self::EndedSession { .. } | Self::FutureSession { .. } => "session",
            Self::MixedSlots { .. } => "slots",
            Self::Store { .. } => "store",
        }
    }
}

/// Who takes room that may come free.
struct Held<'a>(Option<&'a Inside>);

impl fmt::Display for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |inside| write!(f, "; {} is one of them, {inside}", inside.key))
    }
}

/// Who is inside of a key, or was last, and how many were (GUARD-4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    pub(crate) key: Key,
    pub(crate) by: Cow<'static, str>,
    /// On the wall clock.
    pub(crate) since_millis: i64,
    pub(crate) held_millis: u64,
    pub(crate) taken: u32,
    pub(crate) limit: u16,
}

impl Inside {
    /// Of what.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Who: the name of the caller, as given to [`TradeGuard::named`](crate::TradeGuard::named).
    pub fn by(&self) -> &str {
        &self.by
    }

    /// Since when. Reckoned back from now on the wall clock by [`held_for`](Inside::held_for); so a clock that was
    /// set meanwhile, or a machine that slept, moves it.
    pub fn since(&self) -> Timestamp {
        Timestamp::from_millisecond(self.since_millis).unwrap_or(Timestamp::MIN)
    }

    /// For how long, to the millisecond: by the monotonic clock, which does not count while the machine sleeps; where an
    /// earlier process was inside, by the wall clock, and zero if that was set back.
    pub fn held_for(&self) -> Duration {
        Duration::from_millis(self.held_millis)
    }

    /// Entries of the session that are executed, in progress or unresolved, this one included. Where slots are entered
    /// side by side, of all of them.
    pub fn taken(&self) -> u32 {
        self.taken
    }

    /// How many there may be.
    pub fn limit(&self) -> u16 {
        self.limit
    }
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, taken, limit, .. } = self;
        let (since, held_for) = (self.since(), self.held_for());
        write!(f, "by {by} since {since} ({held_for:?} ago), {taken} of {limit} entries taken")
    }
}
