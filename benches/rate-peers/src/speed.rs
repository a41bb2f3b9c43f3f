//! What one try costs: granted and refused, by one thread and by two at once.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crate::subjects::{self, Pair, Try};

/// So wide that whoever asks without a pause is granted, and small enough for the cache.
const OPEN: [Pair; 2] = [(1_000, Duration::from_micros(10)), (6_000, Duration::from_micros(60))];
/// Used up at once.
const SHUT: [Pair; 2] = [(3, Duration::from_secs(3_600)), (950, Duration::from_secs(86_400))];
const BATCH: u32 = 2_000;
const ROUNDS: usize = 600;

pub(crate) fn run() {
    for (title, windows, granted) in [("granted", OPEN, true), ("refused", SHUT, false)] {
        let subjects = subjects::all(windows);
        for (threads, name) in [(1, "one thread"), (2, "two threads, each")] {
            println!("\n## {title}, {name}: ns for one try, p50 of {ROUNDS} batches in turns");
            let mut batches: Vec<Vec<u64>> = vec![Vec::new(); subjects.len()];
            for _ in 0..ROUNDS {
                for ((_, subject), times) in subjects.iter().zip(&mut batches) {
                    times.push(batch(subject, threads));
                }
            }
            let medians: Vec<u64> = batches.into_iter().map(median).collect();
            let floor = medians[1];
            for ((name, subject), median) in subjects.iter().zip(&medians) {
                // Where both ends of what was measured are seen: it did what the title says.
                let did = (0..100).filter(|_| subject()).count();
                let right = if granted { did >= 90 } else { did == 0 };
                let note = if right || name.starts_with("clock") { "" } else { " (NOT what the title says)" };
                let hundredths = median * 100 / floor.max(1);
                println!(
                    "{name:<42} {:>6}.{} ns  {}.{:02} x floor{note}",
                    median / 10,
                    median % 10,
                    hundredths / 100,
                    hundredths % 100
                );
            }
        }
    }
}

/// Tenths of a nanosecond for one try.
fn batch(subject: &Try, threads: usize) -> u64 {
    if threads == 1 {
        return tries(subject);
    }
    let start = Arc::new(Barrier::new(threads));
    let all: Vec<u64> = thread::scope(|scope| {
        let one = || {
            let start = start.clone();
            scope.spawn(move || {
                start.wait();
                tries(subject)
            })
        };
        let threads: Vec<_> = (0..threads).map(|_| one()).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    all.iter().sum::<u64>() / all.len() as u64
}

fn tries(subject: &Try) -> u64 {
    let began = Instant::now();
    for _ in 0..BATCH {
        black_box(subject());
    }
    let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    took * 10 / u64::from(BATCH)
}

fn median(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    times[times.len() / 2]
}
