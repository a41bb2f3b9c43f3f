//! The trait, and what a monotonic reading is.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// A source of time.
///
/// Implementors guarantee that [`mono`](Clock::mono) never returns less than it returned before, on any thread that
/// has seen the earlier reading. They guarantee nothing about [`wall`](Clock::wall).
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time since an origin that is fixed for the life of this clock.
    fn mono(&self) -> Mono;

    /// The date and time of day, in UTC, as the machine believes it to be.
    fn wall(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn mono(&self) -> Mono {
        (**self).mono()
    }

    fn wall(&self) -> Timestamp {
        (**self).wall()
    }
}

/// A reading of a monotonic clock. Readings of different clocks must not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(Duration);

impl Mono {
    /// The origin of every clock.
    pub const ORIGIN: Self = Self(Duration::ZERO);

    /// The reading `elapsed` after the origin. For implementors of [`Clock`].
    pub const fn from_origin(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after `earlier` this reading was taken; zero if it was taken before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The reading `by` later, or the last one that can be expressed.
    #[must_use]
    pub const fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}
