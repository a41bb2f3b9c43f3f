//! An attempt at a trade: got and given back, and refused. One key; ten thousand, half of them held; with one core and
//! with two. The floor is one compare-and-swap and a store, behind a look-up where there are many keys.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a bench that cannot be set up stops")]

use std::collections::HashMap;
use std::hint::black_box;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use backstop_clock::{Clock, Mono, SystemClock, Timestamp};
use backstop_trade_guard::{Handle, Key, Scope, Session, TradeGuard, WalStore};
use backstop_wal::{Append, Claim, DirStorage, Options};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parking_lot::Mutex;

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
    group.bench_function("backstop", |b| b.iter_custom(|count| best(count, || enter_and_end(black_box(&handle)))));
    group.bench_function("backstop, owned permit", |b| {
        b.iter_custom(|count| {
            best(count, || {
                let permit = black_box(&handle).try_enter().map(backstop_trade_guard::Permit::into_owned);
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
    let _inside = handle.try_enter().expect("free");
    let _inside_too = clocked.try_enter().expect("free");
    let mut group = criterion.benchmark_group("guard_one_key_refused");
    group.bench_function("floor", |b| b.iter_custom(|count| best(count, || try_flag(black_box(&flag)))));
    group.bench_function("parking_lot", |b| {
        b.iter_custom(|count| best(count, || black_box(&mutex).try_lock().is_some()));
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

/// Ten thousand keys in an order that no cache foresees; every second one is held.
fn many_keys(criterion: &mut Criterion) {
    let names: Vec<String> = (0..KEYS).map(|n| format!("strategy-{:05}", n * 7919 % KEYS)).collect();
    let flags: HashMap<String, AtomicBool> = names.iter().map(|name| (name.clone(), AtomicBool::new(false))).collect();
    let still = guard(Still);
    let keys: Vec<Key> = names.iter().map(|name| key(name)).collect();
    let mut held = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let permit = still.try_enter(key).expect("free");
        if at % 2 == 0 {
            held.push(permit);
            flags[&names[at]].store(true, Ordering::Release);
        } else {
            permit.not_executed("").expect("in memory");
        }
    }
    for (outcome, first) in [("got", 1), ("refused", 0)] {
        let mut group = criterion.benchmark_group(format!("guard_many_keys_{outcome}"));
        let mut at = first;
        group.bench_function("floor", |b| {
            b.iter_custom(|count| {
                best(count, || {
                    at = (at + 2) % KEYS;
                    let flag = &flags[black_box(&names[at])];
                    let got = try_flag(flag);
                    if got {
                        flag.store(false, Ordering::Release);
                    }
                    got
                })
            });
        });
        let mut at = first;
        group.bench_function("backstop", |b| {
            b.iter_custom(|count| {
                best(count, || {
                    at = (at + 2) % KEYS;
                    still.try_enter(black_box(&keys[at])).is_ok_and(|permit| permit.not_executed("").is_ok())
                })
            });
        });
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

    let names: Vec<String> = (0..KEYS).map(|n| format!("strategy-{:05}", n * 7919 % KEYS)).collect();
    let flags: HashMap<String, AtomicBool> = names.iter().map(|name| (name.clone(), AtomicBool::new(false))).collect();
    let keys: Vec<Key> = names.iter().map(|name| key(name)).collect();
    for key in &keys {
        still.try_enter(key).expect("free").not_executed("").expect("in memory");
    }
    let mut group = criterion.benchmark_group("guard_many_keys_two_threads");
    group.throughput(Throughput::Elements(1));
    group.bench_function("floor", |b| {
        b.iter_custom(|count| {
            both(count, |at| {
                let flag = &flags[&names[at]];
                if try_flag(flag) {
                    flag.store(false, Ordering::Release);
                }
            })
        });
    });
    group.bench_function("backstop", |b| {
        b.iter_custom(|count| {
            both(count, |at| {
                black_box(still.try_enter(&keys[at]).is_ok_and(|permit| permit.not_executed("").is_ok()));
            })
        });
    });
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
