//! A moment, on both clocks.

use backstop_clock::{Clock, Mono, Timestamp};

/// A reading of both clocks: the monotonic one says how long, the wall says when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a reading of both clocks, and nothing else")]
pub struct Moment {
    /// For durations.
    pub mono: Mono,
    /// For records, for days, and for comparison with the broker's stamps.
    pub wall: Timestamp,
}

impl Moment {
    /// The moment that `clock` shows.
    pub fn of(clock: &dyn Clock) -> Self {
        Self { mono: clock.mono(), wall: clock.wall() }
    }
}
