//! The machine's own clocks: the one place in the workspace that reads them.

use std::time::Instant;

use jiff::Timestamp;

use crate::{Clock, Mono};

/// The machine's clocks.
///
/// The monotonic side is [`std::time::Instant`]. On Linux that is `CLOCK_MONOTONIC`, which stands still while the
/// machine is suspended (`clock_gettime(2)`); whoever must notice a suspended laptop compares the wall clock too.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose origin is now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that all others are told to take")]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn mono(&self) -> Mono {
        Mono::from_origin(self.origin.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock that all others are told to take")]
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
}
