//! What is asked for, what is granted, and what is refused.

use std::io;
use std::num::NonZeroU32;
use std::time::Duration;

use backstop_clock::Mono;

use crate::tick::Tick;

/// Who goes first when requests are scarce (RATE-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an order of three; a fourth would change what the others mean")]
pub enum Priority {
    /// What takes risk away: leaving a position, canceling an order. Goes before everything.
    Exit,
    /// What adds risk: opening a position.
    Entry,
    /// Everything else: quotes, lists, balances.
    Polling,
}

impl Priority {
    pub(crate) const COUNT: usize = 3;
    /// First come those that go first.
    pub(crate) const ALL: [Self; Self::COUNT] = [Self::Exit, Self::Entry, Self::Polling];

    /// Its own of what there is one of for each.
    pub(crate) fn of<T>(self, each: &[T; Self::COUNT]) -> &T {
        let [exits, entries, polling] = each;
        match self {
            Self::Exit => exits,
            Self::Entry => entries,
            Self::Polling => polling,
        }
    }

    /// The same, to be changed.
    pub(crate) fn of_mut<T>(self, each: &mut [T; Self::COUNT]) -> &mut T {
        let [exits, entries, polling] = each;
        match self {
            Self::Exit => exits,
            Self::Entry => entries,
            Self::Polling => polling,
        }
    }
}

/// One of the budgets that a server counts apart, in the order in which [`Limits`](crate::Limits) was given them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(u8);

impl Class {
    /// The first, and the only one where nothing else is said.
    pub const FIRST: Self = Self(0);

    /// The one that has `number` others before it.
    pub const fn nth(number: u8) -> Self {
        Self(number)
    }

    /// How many are before it.
    pub const fn number(self) -> u8 {
        self.0
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What somebody wants to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    pub(crate) class: Class,
    pub(crate) priority: Priority,
    pub(crate) weight: NonZeroU32,
}

impl Request {
    /// One unit of the first class.
    pub const fn new(priority: Priority) -> Self {
        Self { class: Class::FIRST, priority, weight: NonZeroU32::MIN }
    }

    /// The same in another class.
    #[must_use]
    pub const fn in_class(self, class: Class) -> Self {
        Self { class, ..self }
    }

    /// The same, for which the server counts `weight` units.
    #[must_use]
    pub const fn weighing(self, weight: NonZeroU32) -> Self {
        Self { weight, ..self }
    }
}

/// Leave to send one request, now. The budget is used, whether it is sent or not.
#[must_use = "what is not sent was budget for nothing"]
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    pub(crate) class: Class,
    pub(crate) at: Tick,
    /// Units of the class up to this one, it included.
    pub(crate) count: u64,
    pub(crate) apart: Option<io::ErrorKind>,
}

impl Permit {
    /// When it was granted, by the limiter's clock.
    pub fn at(&self) -> Mono {
        self.at.mono()
    }

    /// Of which class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Why it was granted by what this process knows alone: the window that it shares with others is lost, and it is an
    /// exit (RATE-6). What the system said; `NotFound` where the file was deleted or replaced, `WouldBlock` where somebody
    /// keeps it locked. Tell a person: nothing but exits passes meanwhile.
    pub fn apart(&self) -> Option<io::ErrorKind> {
        self.apart
    }
}

/// Why there is no leave. Nothing was used up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is no room now, or none up to the deadline.
    #[error("the request budget has room in {:?} at the earliest", in_milliseconds(*after))]
    Full {
        /// How long that is from now.
        after: Duration,
    },
    /// The deadline was over before it was asked for.
    #[error("the deadline for request budget passed {ago:?} ago; give one that is ahead")]
    DeadlinePassed {
        /// How long ago.
        ago: Duration,
    },
    /// No window could ever take it.
    #[error("a request of {weight} units never passes a window that has {most} for it; split it")]
    TooHeavy {
        /// What was asked for.
        weight: u32,
        /// What the tightest window has for that priority.
        most: u32,
    },
    /// The limits have no such class.
    #[error("there is no class {class} among {classes}; use one that the limits were made with")]
    NoSuchClass {
        /// Which one.
        class: u8,
        /// How many there are.
        classes: usize,
    },
    /// The window that processes share could not be used, so nobody knows what is left (RATE-6). Never said to an exit.
    #[error(
        "cannot {action} the window that is shared with other processes: {kind}; see to the file, or start without it"
    )]
    Shared {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        kind: std::io::ErrorKind,
    },
    /// So many wait that one more is a fault in the program.
    #[error("{waiting} requests wait already; find out what makes so many")]
    Crowded {
        /// How many.
        waiting: usize,
    },
}

/// Rounded up: for people, and nobody comes too early by it.
fn in_milliseconds(duration: Duration) -> Duration {
    let rest = duration.subsec_nanos() % 1_000_000;
    if rest == 0 { duration } else { duration.saturating_add(Duration::from_nanos(u64::from(1_000_000 - rest))) }
}
