//! The clock that tests move by hand.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::sync::Mutex;
use crate::{Clock, Mono};

/// A clock that stands still until it is moved.
///
/// Both of its times move together under [`advance`](ManualClock::advance); the wall time alone can be stepped, as an
/// operator or a time daemon would. Shared between threads behind an `Arc`.
#[derive(Debug)]
pub struct ManualClock {
    time: Mutex<Time>,
    #[cfg(feature = "tokio")]
    followed: Option<tokio::time::Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Time {
    mono: Mono,
    wall: Timestamp,
}

impl ManualClock {
    /// A clock that shows `wall` and its own origin.
    pub fn new(wall: Timestamp) -> Self {
        Self {
            time: Mutex::new(Time { mono: Mono::ORIGIN, wall }),
            #[cfg(feature = "tokio")]
            followed: None,
        }
    }

    /// A clock that shows `wall` now and from here on runs with tokio's time: under a paused runtime it stands still
    /// until every task waits, and then jumps with tokio to the next timer. Outside one it runs with the real clock.
    #[cfg(feature = "tokio")]
    pub fn following_tokio(wall: Timestamp) -> Self {
        Self { followed: Some(tokio::time::Instant::now()), ..Self::new(wall) }
    }

    /// Moves both times forward. Saturates at the last moment that can be expressed.
    pub fn advance(&self, by: Duration) {
        let mut time = self.time.lock();
        time.mono = time.mono.plus(by);
        time.wall = later(time.wall, by);
    }

    /// Steps the wall time alone, either way: a set clock, a leap second, a time daemon. The monotonic time stays.
    pub fn step_wall(&self, by: SignedDuration) {
        let mut time = self.time.lock();
        let end = if by.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
        time.wall = time.wall.checked_add(by).unwrap_or(end);
    }

    #[cfg(feature = "tokio")]
    fn followed_for(&self) -> Duration {
        self.followed.map_or(Duration::ZERO, |origin| origin.elapsed())
    }

    #[cfg(not(feature = "tokio"))]
    #[expect(clippy::unused_self, reason = "the same call with and without the feature")]
    fn followed_for(&self) -> Duration {
        Duration::ZERO
    }
}

impl Clock for ManualClock {
    fn mono(&self) -> Mono {
        let followed = self.followed_for();
        self.time.lock().mono.plus(followed)
    }

    fn wall(&self) -> Timestamp {
        let followed = self.followed_for();
        later(self.time.lock().wall, followed)
    }
}

fn later(from: Timestamp, by: Duration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
