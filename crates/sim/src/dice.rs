//! Random streams that do not disturb each other: each is named, and each draw stands on its own.

use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// A stream of draws. The n-th draw depends on the seed, the stream's name and n, and on nothing else, so that an
/// extra draw in one stream changes no other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Dice {
    seed: u64,
    drawn: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64, stream: &str) -> Self {
        // FNV-1a: a name's hash that is the same in every build.
        let name = stream
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self { seed: mix(seed ^ name), drawn: 0 }
    }

    /// A generator for the next draw.
    pub(crate) fn roll(&mut self) -> Rng {
        self.drawn = self.drawn.wrapping_add(1);
        Rng::with_seed(mix(self.seed.wrapping_add(self.drawn)))
    }

    pub(crate) fn chance(&mut self, per_mille: u16) -> bool {
        self.roll().u16(0..1000) < per_mille
    }

    /// A whole number of milliseconds from `min` to `max`.
    pub(crate) fn between(&mut self, min: Duration, max: Duration) -> Duration {
        let (min, max) = (millis(min), millis(max.max(min)));
        Duration::from_millis(self.roll().u64(min..=max))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The finalizer of `SplitMix64` (Steele, Lea, Flood 2014).
pub(crate) fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
