//! A crash after every operation.

use crate::crash::{Effort, Tally, explore};
use crate::sim::Depth;

const FULL: Depth = Depth { exhaustive_up_to: 12, random: 1000 };

/// For every submission: full depth at some steps of each history, in turn.
const CI: Effort = Effort {
    depth: Depth { exhaustive_up_to: 2, random: 2 },
    full: FULL,
    full_every: 96,
    cuts_every: 32,
    second: Depth { exhaustive_up_to: 2, random: 2 },
    second_every: 96,
};

/// Full depth at every step of each history, and the recovery from each distinct state crashed in its turn.
const DEEP: Effort = Effort {
    depth: FULL,
    full: FULL,
    full_every: 1,
    cuts_every: 1,
    second: Depth { exhaustive_up_to: 4, random: 4 },
    second_every: 1,
};

/// One thread's share of the histories of `seeds`.
fn explore_all(seeds: std::ops::Range<u64>, effort: Effort) -> Tally {
    let threads = 2;
    let share = |thread: u64| {
        let mut tally = Tally::default();
        for seed in seeds.clone().filter(|seed| seed % threads == thread) {
            if let Err(text) = explore(seed, effort, &mut tally) {
                panic!("{text}; to replay: BACKSTOP_SEED={seed}");
            }
        }
        tally
    };
    let mut all = Tally::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(move || share(thread))).collect();
        for worker in workers {
            all.add(worker.join().unwrap());
        }
    });
    all
}

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// `BACKSTOP_CRASH_STATES` sets how many states are wanted (a million is usual; from ten million on every step has full
/// depth), `BACKSTOP_SEED` where the seeds begin.
// proves: LOCK-5, WAL-1, WAL-2, WAL-3, WAL-5, WAL-6
#[test]
fn every_crash_of_every_history_loses_nothing_that_was_acknowledged() {
    let wanted = number_from_environment("BACKSTOP_CRASH_STATES").unwrap_or(1_000_000);
    let first = number_from_environment("BACKSTOP_SEED").unwrap_or(0);
    let (effort, histories, batch) = if wanted < 10_000_000 { (CI, wanted / 500, 100) } else { (DEEP, 1, 4) };
    let mut all = Tally::default();
    let mut next = first;
    let enough =
        |all: &Tally| all.states >= wanted && all.distinct.len() as u64 >= wanted / 5 && all.histories >= histories;
    while !enough(&all) {
        all.add(explore_all(next..next + batch, effort));
        next += batch;
    }
    println!(
        "seeds {first}..{next}: {} histories, {} crash states, {} of them of recoveries, {} distinct; {} recoveries, \
         {} records recovered",
        all.histories,
        all.states,
        all.second_level,
        all.distinct.len(),
        all.recovered,
        all.records
    );
    assert!(all.second_level > wanted / 10);
}
