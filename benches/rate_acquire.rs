//! One request granted and one refused: two windows at once, with one core and with two. The floor is the least that is
//! exact: a ring of the last grants for each window, under one lock, and a reading of the clock.
//!
//! What others do for it, some of it less exact, is measured in `benches/rate-peers`.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a bench that cannot be set up stops")]
#![expect(clippy::disallowed_methods, reason = "a stopwatch, and the clock of the floor")]

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use backstop_clock::SystemClock;
use backstop_rate_limiter::{Limits, Priority, RateLimiter, Request, Start, Window};
use criterion::{Criterion, criterion_group, criterion_main};
use parking_lot::Mutex;

type Pair = (u32, Duration);

/// So wide that whoever asks without a pause is granted, and small enough for the cache.
const OPEN: [Pair; 2] = [(1_000, Duration::from_micros(10)), (6_000, Duration::from_micros(60))];
/// Used up at once.
const SHUT: [Pair; 2] = [(3, Duration::from_hours(1)), (950, Duration::from_hours(24))];

fn limiter(windows: [Pair; 2]) -> RateLimiter {
    let windows = windows.map(|(max, per)| Window::new(max, per).expect("a window"));
    RateLimiter::new(&Limits::new(&windows).expect("limits"), Arc::new(SystemClock::new()), Start::Unused)
}

struct Floor {
    rings: Mutex<[Ring; 2]>,
    origin: Instant,
}

struct Ring {
    length: u64,
    times: Vec<u64>,
    oldest: usize,
}

impl Floor {
    fn new(windows: [Pair; 2]) -> Self {
        let ring = |(max, per): Pair| Ring { length: nanos(per), times: vec![0; max as usize], oldest: 0 };
        let origin = Instant::now().checked_sub(Duration::from_hours(48)).unwrap_or_else(Instant::now);
        Self { rings: Mutex::new(windows.map(ring)), origin }
    }

    fn try_take(&self) -> bool {
        let now = nanos(self.origin.elapsed());
        let mut rings = self.rings.lock();
        if rings.iter().any(|ring| now.wrapping_sub(ring.times[ring.oldest]) < ring.length) {
            return false;
        }
        for ring in rings.iter_mut() {
            ring.times[ring.oldest] = now;
            ring.oldest = if ring.oldest + 1 == ring.times.len() { 0 } else { ring.oldest + 1 };
        }
        true
    }
}

fn nanos(span: Duration) -> u64 {
    span.as_secs() * 1_000_000_000 + u64::from(span.subsec_nanos())
}

fn ask(limiter: &RateLimiter) -> bool {
    limiter.try_acquire(Request::new(Priority::Polling)).is_ok()
}

fn one_thread(criterion: &mut Criterion) {
    for (name, windows) in [("granted", OPEN), ("refused", SHUT)] {
        let (floor, limiter) = (Floor::new(windows), limiter(windows));
        let mut group = criterion.benchmark_group(format!("rate_{name}"));
        group.bench_function("floor", |b| b.iter(|| black_box(&floor).try_take()));
        group.bench_function("backstop", |b| b.iter(|| ask(black_box(&limiter))));
        group.finish();
    }
}

fn two_threads(criterion: &mut Criterion) {
    for (name, windows) in [("granted", OPEN), ("refused", SHUT)] {
        let (floor, limiter) = (Floor::new(windows), limiter(windows));
        let mut group = criterion.benchmark_group(format!("rate_{name}_two_threads"));
        group.bench_function("floor", |b| b.iter_custom(|count| both(count, || floor.try_take())));
        group.bench_function("backstop", |b| b.iter_custom(|count| both(count, || ask(&limiter))));
        group.finish();
    }
}

/// Each of two threads asks so often.
fn both(count: u64, ask: impl Fn() -> bool + Sync) -> Duration {
    let ask = &ask;
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                for _ in 0..count {
                    black_box(ask());
                }
            });
        }
    });
    began.elapsed()
}

criterion_group!(benches, one_thread, two_threads);
criterion_main!(benches);
