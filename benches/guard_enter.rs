//! An attempt at a trade: got and given back, and refused. One key; ten thousand, half of them held; with one core and
//! with two. The floor is one compare-and-swap and a store, behind a look-up where there are many keys. The peers are the
//! `try_lock` of mutexes, a semaphore of one, and maps in which a key stands while somebody is inside.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a bench that cannot be set up stops")]

use std::collections::HashMap;
use std::hint::black_box;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use backstop_clock::{Clock, Mono, SystemClock, Timestamp};
use backstop_trade_guard::{Handle, Key, Permit, Scope, Session, TradeGuard, WalStore};
use backstop_wal::{Append, Claim, DirStorage, Options};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

const KEYS: usize = 10_000;

/// A clock that costs a call and nothing else: what the machine's clocks cost is measured apart.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn mono(&self) -> Mono {
        Mono::ORIGIN
    }

    fn wall(&self) -> Timestamp {
        // In the first days of January 1970.
        Timestamp::UNIX_EPOCH
    }
}

fn guard(clock: impl Clock + 'static) -> TradeGuard {
    TradeGuard::in_memory(NonZeroU16::MIN, Arc::new(clock))
}

fn key(scope: &str) -> Key {
    Key::new(Scope::new(scope).expect("a scope"), Session::of("1970-01-01".parse().expect("a day")))
}

fn try_flag(flag: &AtomicBool) -> bool {
    !flag.load(Ordering::Acquire) && flag.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
}

fn enter_and_end(handle: &Handle) -> bool {
    handle.try_enter().is_ok_and(|permit| permit.not_executed("").is_ok())
}

/// One key that is known: a flag, a mutex, a handle.
fn one_key(criterion: &mut Criterion) {
    let (flag, mutex) = (AtomicBool::new(false), Mutex::new(()));
    let (std_mutex, tokio_mutex) = (std::sync::Mutex::new(()), tokio::sync::Mutex::new(()));
    let semaphore = Arc::new(Semaphore::new(1));
    let still = guard(Still);
    let handle = still.handle(&key("one")).expect("a handle");
    let clocked = guard(SystemClock::new()).handle(&key_of_today()).expect("a handle");
    let mut group = criterion.benchmark_group("guard_one_key");
    group.bench_function("floor", |b| {
        b.iter_custom(|count| {
            best(count, || {
                let got = try_flag(black_box(&flag));
                flag.store(false, Ordering::Release);
                got
            })
        });
    });
    group.bench_function("parking_lot", |b| {
        b.iter_custom(|count| best(count, || black_box(&mutex).try_lock().is_some()));
    });
    group.bench_function("std Mutex", |b| {
        b.iter_custom(|count| best(count, || black_box(&std_mutex).try_lock().is_ok()));
    });
    group.bench_function("tokio Mutex", |b| {
        b.iter_custom(|count| best(count, || black_box(&tokio_mutex).try_lock().is_ok()));
    });
    group.bench_function("tokio Semaphore", |b| {
        b.iter_custom(|count| best(count, || black_box(&semaphore).try_acquire().is_ok()));
    });
    group.bench_function("tokio Semaphore, owned permit", |b| {
        b.iter_custom(|count| best(count, || Arc::clone(black_box(&semaphore)).try_acquire_owned().is_ok()));
    });
    group.bench_function("backstop", |b| b.iter_custom(|count| best(count, || enter_and_end(black_box(&handle)))));
    group.bench_function("backstop, owned permit", |b| {
        b.iter_custom(|count| {
            best(count, || {
                let permit = black_box(&handle).try_enter().map(Permit::into_owned);
                permit.is_ok_and(|permit| permit.not_executed("").is_ok())
            })
        });
    });
    group.bench_function("backstop, with the machine's clocks", |b| {
        b.iter_custom(|count| best(count, || enter_and_end(black_box(&clocked))));
    });
    group.finish();

    flag.store(true, Ordering::Release);
    let _locked = mutex.lock();
    let _std_locked = std_mutex.lock().expect("nobody panicked");
    let _tokio_locked = tokio_mutex.try_lock().expect("free");
    let _taken = semaphore.try_acquire().expect("free");
    let _inside = handle.try_enter().expect("free");
    let _inside_too = clocked.try_enter().expect("free");
    let mut group = criterion.benchmark_group("guard_one_key_refused");
    group.bench_function("floor", |b| b.iter_custom(|count| best(count, || try_flag(black_box(&flag)))));
    group.bench_function("parking_lot", |b| {
        b.iter_custom(|count| best(count, || black_box(&mutex).try_lock().is_some()));
    });
    group.bench_function("std Mutex", |b| {
        b.iter_custom(|count| best(count, || black_box(&std_mutex).try_lock().is_ok()));
    });
    group.bench_function("tokio Mutex", |b| {
        b.iter_custom(|count| best(count, || black_box(&tokio_mutex).try_lock().is_ok()));
    });
    group.bench_function("tokio Semaphore", |b| {
        b.iter_custom(|count| best(count, || black_box(&semaphore).try_acquire().is_ok()));
    });
    group.bench_function("backstop", |b| b.iter_custom(|count| best(count, || black_box(&handle).try_enter().is_ok())));
    group.bench_function("backstop, with the machine's clocks", |b| {
        b.iter_custom(|count| best(count, || black_box(&clocked).try_enter().is_ok()));
    });
    group.finish();
}

fn key_of_today() -> Key {
    let today = SystemClock::new().wall().to_zoned(jiff::tz::TimeZone::UTC).date();
    Key::new(Scope::new("one").expect("a scope"), Session::of(today))
}

/// Ten thousand keys that are known, each as everybody wants it.
struct Known {
    names: Vec<String>,
    shared: Vec<Arc<str>>,
    keys: Vec<Key>,
    flags: HashMap<String, AtomicBool>,
    guard: TradeGuard,
    dash: DashMap<Arc<str>, ()>,
    scc: scc::HashMap<String, ()>,
}

impl Known {
    /// In an order that no cache foresees.
    fn new() -> Self {
        let names: Vec<String> = (0..KEYS).map(|n| format!("strategy-{:05}", n * 7919 % KEYS)).collect();
        let keys: Vec<Key> = names.iter().map(|name| key(name)).collect();
        let guard = guard(Still);
        for key in &keys {
            guard.try_enter(key).expect("free").not_executed("").expect("in memory");
        }
        Self {
            shared: names.iter().map(|name| Arc::from(name.as_str())).collect(),
            flags: names.iter().map(|name| (name.clone(), AtomicBool::new(false))).collect(),
            names,
            keys,
            guard,
            dash: DashMap::new(),
            scc: scc::HashMap::new(),
        }
    }

    fn floor(&self, at: usize) -> bool {
        let flag = &self.flags[black_box(&self.names[at])];
        let got = try_flag(flag);
        if got {
            flag.store(false, Ordering::Release);
        }
        got
    }

    fn dashmap(&self, at: usize) -> bool {
        let name = black_box(&self.shared[at]);
        let got = match self.dash.entry(Arc::clone(name)) {
            dashmap::Entry::Vacant(place) => {
                place.insert(());
                true
            }
            dashmap::Entry::Occupied(_) => false,
        };
        if got {
            self.dash.remove(name);
        }
        got
    }

    fn scc(&self, at: usize) -> bool {
        let name = black_box(&self.names[at]);
        let got = self.scc.insert_sync(name.clone(), ()).is_ok();
        if got {
            self.scc.remove_sync(name);
        }
        got
    }

    fn backstop(&self, at: usize) -> bool {
        self.guard.try_enter(black_box(&self.keys[at])).is_ok_and(|permit| permit.not_executed("").is_ok())
    }

    /// Somebody is inside of every second one.
    fn hold_half(&self) -> Vec<Permit<'static>> {
        let held = (0..KEYS).step_by(2).map(|at| {
            self.flags[&self.names[at]].store(true, Ordering::Release);
            self.dash.insert(Arc::clone(&self.shared[at]), ());
            self.scc.insert_sync(self.names[at].clone(), ()).expect("free");
            self.guard.try_enter(&self.keys[at]).expect("free")
        });
        held.collect()
    }
}

type Attempt = fn(&Known, usize) -> bool;

const SUBJECTS: [(&str, Attempt); 4] =
    [("floor", Known::floor), ("dashmap", Known::dashmap), ("scc", Known::scc), ("backstop", Known::backstop)];

fn many_keys(criterion: &mut Criterion) {
    let keys = Known::new();
    let _held = keys.hold_half();
    for (outcome, first) in [("got", 1), ("refused", 0)] {
        let mut group = criterion.benchmark_group(format!("guard_many_keys_{outcome}"));
        for (name, attempt) in SUBJECTS {
            let mut at = first;
            group.bench_function(name, |b| {
                b.iter_custom(|count| {
                    best(count, || {
                        at = (at + 2) % KEYS;
                        attempt(&keys, at)
                    })
                });
            });
        }
        group.finish();
    }
}

/// Both cores at it: the time for one attempt of one of them, over both.
fn two_threads(criterion: &mut Criterion) {
    let (flag, mutex) = (AtomicBool::new(false), Mutex::new(()));
    let still = guard(Still);
    let handle = still.handle(&key("one")).expect("a handle");
    let mut group = criterion.benchmark_group("guard_one_key_two_threads");
    group.throughput(Throughput::Elements(1));
    let floor = || {
        if try_flag(&flag) {
            flag.store(false, Ordering::Release);
        }
    };
    group.bench_function("floor", |b| b.iter_custom(|count| both(count, |_| floor())));
    group.bench_function("parking_lot", |b| b.iter_custom(|count| both(count, |_| drop(black_box(mutex.try_lock())))));
    group.bench_function("backstop", |b| {
        b.iter_custom(|count| {
            both(count, |_| {
                black_box(enter_and_end(&handle));
            })
        });
    });
    group.finish();

    let keys = Known::new();
    let mut group = criterion.benchmark_group("guard_many_keys_two_threads");
    group.throughput(Throughput::Elements(1));
    for (name, attempt) in SUBJECTS {
        group.bench_function(name, |b| {
            b.iter_custom(|count| {
                both(count, |at| {
                    black_box(attempt(&keys, at));
                })
            });
        });
    }
    group.finish();
}

/// How long `count` attempts take at the pace of the best thousand of them: what else the machine does hits the floor and us
/// at different moments, and in most thousands nothing of it is.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn best<T>(count: u64, mut attempt: impl FnMut() -> T) -> Duration {
    const BATCH: u64 = 1000;
    let mut best = Duration::MAX;
    for _ in 0..count.div_ceil(BATCH) {
        let begun = Instant::now();
        for _ in 0..BATCH {
            black_box(attempt());
        }
        best = best.min(begun.elapsed());
    }
    let count = u128::from(count) * best.as_nanos() / u128::from(BATCH);
    Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX))
}

/// How long two threads take for `count` attempts between them.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn both(count: u64, attempt: impl Fn(usize) + Sync) -> Duration {
    let begun = Instant::now();
    thread::scope(|scope| {
        for index in 0..2 {
            let attempt = &attempt;
            scope.spawn(move || {
                let mut at = index * KEYS / 2;
                for _ in 0..count / 2 {
                    at = (at + 1) % KEYS;
                    attempt(at);
                }
            });
        }
    });
    begun.elapsed()
}

/// With claims on disk: the floor is one durable append to the same kind of log.
fn stored(criterion: &mut Criterion) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let claim = Claim { label: "bench".to_owned(), since: Timestamp::UNIX_EPOCH };
    let disk = |name| Arc::new(DirStorage::create_or_open(folder.path().join(name)).expect("a directory"));
    let (log, _) = Options::new(claim.clone()).open(disk("log"), |_| {}).expect("a log");
    let (store, _) = WalStore::open(disk("claims"), &Options::new(claim)).expect("a store");
    let guard = TradeGuard::open(NonZeroU16::MIN, Arc::new(Still), Arc::new(store)).expect("a guard");
    let key = key("one");
    let mut group = criterion.benchmark_group("guard_stored");
    let record = [b'x'; 180];
    group.bench_function("floor: two appends", |b| {
        b.iter(|| {
            log.append(&record, Append::DURABLE).expect("appended");
            log.append(&record, Append::DURABLE).expect("appended");
        });
    });
    group.bench_function("backstop, entered and ended", |b| {
        b.iter(|| guard.try_enter(&key).expect("free").not_executed("").expect("on disk"));
    });
    group.finish();
}

criterion_group!(benches, one_key, many_keys, two_threads, stored);
criterion_main!(benches);
