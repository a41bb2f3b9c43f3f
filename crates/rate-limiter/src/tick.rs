//! A moment as a number of nanoseconds: what rings store and compare.

use std::time::Duration;

use backstop_clock::Mono;

/// Nanoseconds since the clock's origin. Half of what the number can hold, so that a window can be added to any of them,
/// and any of them taken from any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(i64);

impl Tick {
    /// Before every window that could reach the clock's origin.
    pub(crate) const NEVER: Self = Self(i64::MIN / 2);
    /// After every moment that a clock shows: a clock that shows more (in 146 years) stands still just before it.
    pub(crate) const LAST: Self = Self(i64::MAX / 2);

    pub(crate) fn of(mono: Mono) -> Self {
        Self(nanos(mono.since(Mono::ORIGIN)).min(Self::LAST.0 - 1))
    }

    /// A deadline beyond all that a clock shows is none.
    pub(crate) fn of_deadline(mono: Mono) -> Self {
        Self(nanos(mono.since(Mono::ORIGIN)))
    }

    /// The moment after this one.
    pub(crate) fn next(self) -> Self {
        self.plus(1)
    }

    pub(crate) fn mono(self) -> Mono {
        Mono::from_origin(Duration::from_nanos(u64::try_from(self.0).unwrap_or(0)))
    }

    /// A span is at most as long as [`nanos`] makes it, so this cannot overflow.
    pub(crate) fn plus(self, span: i64) -> Self {
        Self((self.0 + span).min(Self::LAST.0))
    }

    /// So long ago; what is long before the clock's origin is before all windows.
    pub(crate) fn before(self, span: Duration) -> Self {
        Self((self.0 - nanos(span)).max(Self::NEVER.0))
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// For an atomic: `LAST` and below, as bits.
    pub(crate) fn to_bits(self) -> u64 {
        self.0.cast_unsigned()
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits.cast_signed())
    }
}

/// `span` in nanoseconds, at most the last tick.
pub(crate) fn nanos(span: Duration) -> i64 {
    let nanos = span.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(span.subsec_nanos()));
    i64::try_from(nanos).map_or(Tick::LAST.0, |nanos| nanos.min(Tick::LAST.0))
}
