//! How many grants certainly fell into one window, for a client that asks as fast as it can.

use std::time::{Duration, Instant};

use crate::subjects::{self, Pair};

const WINDOWS: [(Pair, Pair); 2] = [
    ((3, Duration::from_millis(200)), (950, Duration::from_secs(60))),
    ((950, Duration::from_millis(600)), (100_000, Duration::from_secs(60))),
];

pub(crate) fn run() {
    for (first, second) in WINDOWS {
        let (max, per) = first;
        println!("\n## the most grants that certainly fell into one window: {max} in {per:?} are allowed");
        // The first "subject" is a clock, and what counts by a clock of its own is not to be judged by this one.
        let by_this_clock = |(name, _): &(&str, _)| !name.starts_with("clock") && !name.contains("quanta");
        for (name, subject) in subjects::all([first, second]).into_iter().filter(by_this_clock) {
            let mut most = 0;
            for late in [Duration::ZERO, per / 2, per * 9 / 10] {
                let mut grants: Vec<(Instant, Instant)> = Vec::new();
                let began = Instant::now();
                while began.elapsed() < late {}
                let began = Instant::now();
                while began.elapsed() < per * 4 {
                    let before = Instant::now();
                    if subject() {
                        grants.push((before, Instant::now()));
                    }
                }
                for place in 0..grants.len() {
                    // From the moment before the first was asked for to that after the last was granted.
                    let from = grants[place].0;
                    most = most.max(grants[place..].iter().take_while(|(_, after)| *after - from < per).count());
                }
                // What was used before must not count for the next start.
                let pause = Instant::now();
                while pause.elapsed() < per {}
            }
            println!("{name:<42} {most}");
        }
    }
}
