//! When the bots are killed, and when a second one is started beside each: drawn from the seed, the same for both.

use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;

/// The stretches of the time of all slots, in per mille, from which the moments are drawn: apart, so that each of them
/// finds a bot at work.
const FIRST_KILL: Range<u32> = 150..350;
const SECOND_BOT: Range<u32> = 450..600;
const SECOND_KILL: Range<u32> = 650..900;
/// How long a bot is down, in milliseconds.
const DOWN_MS: Range<u64> = 400..1_000;

/// What is done to both bots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) kills: Vec<Kill>,
    /// A second instance is started while the first one runs, as a deployment does.
    pub(crate) second_bot: Duration,
}

/// SIGKILL, and a new start on the same directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kill {
    pub(crate) at: Duration,
    pub(crate) down: Duration,
}

impl Schedule {
    /// The schedule of a seed, for slots that take `window` together.
    pub(crate) fn of(seed: u64, window: Duration) -> Self {
        let mut dice = Rng::with_seed(seed);
        let mut within = |part: Range<u32>| window * dice.u32(part) / 1_000;
        let [first, second_bot, second] = [FIRST_KILL, SECOND_BOT, SECOND_KILL].map(&mut within);
        let kills = [first, second].map(|at| Kill { at, down: Duration::from_millis(dice.u64(DOWN_MS)) });
        Self { kills: kills.to_vec(), second_bot }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_every_moment_and_none_falls_into_another() {
        let window = Duration::from_secs(20);
        for seed in 0..200 {
            let Schedule { kills, second_bot } = Schedule::of(seed, window);
            assert_eq!(Schedule::of(seed, window).kills, kills);
            let [first, second] = kills[..] else { panic!("{kills:?}") };
            assert!(first.at + first.down < second_bot && second_bot < second.at, "{seed}");
            assert!(second.at + second.down < window, "{seed}: the last slots come after it");
        }
        assert_ne!(Schedule::of(1, window), Schedule::of(2, window));
    }
}
