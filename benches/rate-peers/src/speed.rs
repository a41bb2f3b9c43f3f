//! What one try costs: granted and refused, by one thread and by two at once.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crate::report::Report;
use crate::subjects::{self, Pair, Try};

/// So wide that whoever asks without a pause is granted, and small enough for the cache.
const OPEN: [Pair; 2] = [(1_000, Duration::from_micros(10)), (6_000, Duration::from_micros(60))];
/// Used up at once.
const SHUT: [Pair; 2] = [(3, Duration::from_secs(3_600)), (950, Duration::from_secs(86_400))];
const BATCH: u32 = 2_000;
const ROUNDS: usize = 600;
/// Each part has a median of its own, and what they differ by is the spread.
const PARTS: usize = 5;

pub(crate) fn run(report: &Report, is_quick: bool) {
    let rounds = if is_quick { ROUNDS / 10 } else { ROUNDS };
    for (title, windows, granted) in [("granted", OPEN, true), ("refused", SHUT, false)] {
        let subjects = subjects::all(windows);
        for (threads, name) in [(1, "one thread"), (2, "two threads")] {
            report.title(&format!("{title}, {name}: ns for one try, each; p50 of {rounds} batches in turns"));
            let mut batches: Vec<Vec<f64>> = vec![Vec::new(); subjects.len()];
            for _ in 0..rounds {
                for ((_, subject), times) in subjects.iter().zip(&mut batches) {
                    times.push(batch(subject, threads));
                }
            }
            let place = subjects.iter().position(|(name, _)| *name == subjects::FLOOR).expect("the floor");
            let floor = median(&batches[place]);
            for ((name, subject), times) in subjects.iter().zip(&batches) {
                // Where both ends of what was measured are seen: it did what the title says.
                let did = (0..100).filter(|_| subject()).count();
                let right = if granted { did >= 90 } else { did == 0 };
                let note = if right || *name == subjects::CLOCK { "" } else { " (NOT what the title says)" };
                if !note.is_empty() && report.is_json {
                    eprintln!("{title}, {threads} threads: {name}{note}");
                    continue;
                }
                let parts: Vec<f64> = times.chunks(rounds / PARTS).map(median).collect();
                let text = format!("{:>6.1} ns  {:.2} x floor{note}", median(times), median(times) / floor);
                report.row(&format!("rate_peers_{title}/{threads}"), name, &parts, &text);
            }
        }
    }
}

/// Nanoseconds for one try.
fn batch(subject: &Try, threads: usize) -> f64 {
    if threads == 1 {
        return tries(subject);
    }
    let start = Arc::new(Barrier::new(threads));
    let all: Vec<f64> = thread::scope(|scope| {
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
    all.iter().sum::<f64>() / all.len() as f64
}

fn tries(subject: &Try) -> f64 {
    let began = Instant::now();
    for _ in 0..BATCH {
        black_box(subject());
    }
    began.elapsed().as_nanos() as f64 / f64::from(BATCH)
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}
