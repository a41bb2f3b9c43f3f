//! How many grants certainly fell into one window, for a client that asks as fast as it can.

use std::time::{Duration, Instant};

use crate::report::Report;
use crate::subjects::{self, Pair};

/// The first window of each is the one that is judged. The last is for who counts by whole seconds.
const WINDOWS: [(Pair, Pair); 3] = [
    ((3, Duration::from_millis(200)), (950, Duration::from_secs(60))),
    ((950, Duration::from_millis(600)), (100_000, Duration::from_secs(60))),
    ((3, Duration::from_secs(1)), (950, Duration::from_secs(60))),
];

pub(crate) fn run(report: &Report, is_quick: bool) {
    for (first, second) in WINDOWS.into_iter().take(if is_quick { 1 } else { WINDOWS.len() }) {
        let (max, per) = first;
        report.title(&format!("the most grants that certainly fell into one window: {max} in {per:?} are allowed"));
        // What counts by a clock of its own is not to be judged by this one.
        let by_this_clock = |name: &str| name != subjects::CLOCK && !name.contains("quanta");
        let is_due = |name: &str| per.subsec_nanos() != 0 || name.starts_with("rate_limiters");
        let judged = |(name, _): &(&str, _)| by_this_clock(name) && is_due(name);
        for (name, subject) in subjects::all([first, second]).into_iter().filter(judged) {
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
            report.row(&format!("rate_peers_most/{max}"), name, &[most as f64], &most.to_string());
        }
    }
}
