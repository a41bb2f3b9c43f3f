//! All that can be asked for one request: ours, the floor and the peers, made for the same windows.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backstop_clock::{Clock, Mono, SystemClock, Timestamp};
use backstop_rate_limiter::{Limits, Priority, RateLimiter, Request, Start, Window};
use governor::clock::MonotonicClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter as Governor};
use parking_lot::Mutex;
use rate_limiters::RateLimiterShared as _;
use rate_limiters::sliding_window_log::{SlidingWindowLogConfig, SlidingWindowLogShared};
use throttle_net::{Hybrid, SlidingWindowLog, Throttle};
use tokio::sync::Semaphore;

/// So many in so much time.
pub(crate) type Pair = (u32, Duration);
pub(crate) type Try = Arc<dyn Fn() -> bool + Send + Sync>;

/// What all others are compared with.
pub(crate) const FLOOR: &str = "exact ring, both windows";
pub(crate) const CLOCK: &str = "clock alone (Instant::now)";

/// By name, and how to ask.
pub(crate) fn all(windows: [Pair; 2]) -> Vec<(&'static str, Try)> {
    let [first, second] = windows;
    let one = governor(first);
    let (a, b) = (governor(first), governor(second));
    let std_clock = governor_std(first);
    let ratelimit = ratelimit(first);
    let leaky = leaky(first);
    let ring = Ring::new(windows);
    let log = SlidingWindowLog::new(first.0, first.1);
    let [a_log, b_log] = windows.map(|(max, per)| SlidingWindowLog::new(max, per));
    let logs = Hybrid::builder().limiter(a_log).limiter(b_log).build();
    let throttle = Throttle::per_duration(first.0, first.1);
    let mut all: Vec<(&'static str, Try)> = vec![
        (CLOCK, Arc::new(|| Instant::now() > std::hint::black_box(Instant::now() - Duration::from_secs(1)))),
        (FLOOR, Arc::new(move || ring.try_take())),
        ("backstop, both windows", ours(windows, Arc::new(SystemClock::new()))),
        ("backstop, both windows, quanta's clock", ours(windows, Arc::new(Quanta::new()))),
        ("governor, one window", Arc::new(move || one.check().is_ok())),
        ("governor, one window, Instant", Arc::new(move || std_clock.check().is_ok())),
        ("governor twice", Arc::new(move || a.check().is_ok() && b.check().is_ok())),
        ("ratelimit, one window", Arc::new(move || ratelimit.try_wait().is_ok())),
        ("leaky-bucket, one window", Arc::new(move || leaky.try_acquire(1))),
        ("throttle-net Throttle, one window", Arc::new(move || throttle.try_acquire())),
        ("throttle-net SlidingWindowLog, one window", Arc::new(move || log.try_acquire())),
        ("throttle-net Hybrid of two logs", Arc::new(move || logs.try_acquire())),
        ("tokio Semaphore, topped up each window", topped_up(first)),
    ];
    // It counts by whole seconds.
    if first.1.subsec_nanos() == 0 {
        let config = SlidingWindowLogConfig { capacity: first.0, window_secs: first.1.as_secs() };
        let log = SlidingWindowLogShared::new(config);
        all.push(("rate_limiters SlidingWindowLog, one window", Arc::new(move || log.try_acquire(1))));
    }
    all
}

/// What is written where no limiter is taken: a thread gives back all permits once a window. Where the window is too short for
/// a thread to keep up with there are permits for all, since what is measured then is one try.
fn topped_up((max, per): Pair) -> Try {
    const SHORTEST: Duration = Duration::from_millis(1);
    let max = max as usize;
    let permits = Arc::new(Semaphore::new(if per < SHORTEST { Semaphore::MAX_PERMITS } else { max }));
    let held = Arc::downgrade(&permits);
    if per >= SHORTEST {
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(per);
                let Some(permits) = held.upgrade() else { return };
                permits.add_permits(max - permits.available_permits());
            }
        });
    }
    Arc::new(move || permits.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_ok())
}

fn ours(windows: [Pair; 2], clock: Arc<dyn Clock>) -> Try {
    let windows = windows.map(|(max, per)| Window::new(max, per).expect("a window"));
    let limits = Limits::new(&windows).expect("limits");
    let limiter = RateLimiter::new(&limits, clock, Start::Unused);
    Arc::new(move || limiter.try_acquire(Request::new(Priority::Polling)).is_ok())
}

fn quota((max, per): Pair) -> Quota {
    let max = NonZeroU32::new(max).expect("not zero");
    Quota::with_period(per / max.get()).expect("not zero").allow_burst(max)
}

fn governor(pair: Pair) -> governor::DefaultDirectRateLimiter {
    Governor::direct(quota(pair))
}

fn governor_std(pair: Pair) -> Governor<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<Instant>> {
    Governor::direct_with_clock(quota(pair), MonotonicClock)
}

fn ratelimit((max, per): Pair) -> ratelimit::Ratelimiter {
    ratelimit::Ratelimiter::builder(u64::from(max), per)
        .max_tokens(u64::from(max))
        .initial_available(u64::from(max))
        .build()
        .expect("a limiter")
}

fn leaky((max, per): Pair) -> leaky_bucket::RateLimiter {
    // It refills by the millisecond at the finest.
    let scale = (1_000_000 / nanos(per)).max(1);
    let (max, per) = (max as usize * scale as usize, per * scale as u32);
    leaky_bucket::RateLimiter::builder().max(max).initial(max).refill(max).interval(per).build()
}

/// The least that is exact: for each window a ring of the last grants, all under one lock.
struct Ring(Mutex<[One; 2]>, Instant);

struct One {
    per: u64,
    times: Vec<u64>,
    oldest: usize,
}

impl Ring {
    fn new(windows: [Pair; 2]) -> Self {
        let one = |(max, per): Pair| One { per: nanos(per), times: vec![0; max as usize], oldest: 0 };
        Self(Mutex::new(windows.map(one)), Instant::now() - Duration::from_secs(86_400))
    }

    fn try_take(&self) -> bool {
        let now = nanos(self.1.elapsed());
        let mut rings = self.0.lock();
        if rings.iter().any(|ring| now - ring.times[ring.oldest] < ring.per) {
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

/// The clock that governor reads, so that the limiters can be compared without their clocks.
#[derive(Debug)]
struct Quanta(quanta::Clock, u64);

impl Quanta {
    fn new() -> Self {
        let clock = quanta::Clock::new();
        let origin = clock.raw();
        Self(clock, origin)
    }
}

impl Clock for Quanta {
    fn mono(&self) -> Mono {
        Mono::from_origin(Duration::from_nanos(self.0.delta_as_nanos(self.1, self.0.raw())))
    }

    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}
