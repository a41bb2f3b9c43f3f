//! A transaction of four changes, kept and taken back, in a portfolio of ten positions, a thousand and a hundred thousand. The
//! floor is the same four changes and their inverses by hand under one lock; the peer is what it replaces: a copy of the whole
//! portfolio before, and put back. Then the ledger: an order from its reservation to its end, what a look at everything costs, and how long
//! one who trades waits while another looks all the time.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a bench that cannot be set up stops")]
#![expect(clippy::print_stderr, reason = "a distribution is no single figure")]

mod kept;

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use backstop_rollback::{CannotUndo, Caps, Decimal, Evidence, Hold, Ledger, Part, Store, Transaction};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use parking_lot::Mutex;

const SIZES: [u64; 3] = [10, 1_000, 100_000];

#[derive(Debug, Clone)]
struct Position {
    symbol: String,
    quantity: i64,
}

type Portfolio = HashMap<u64, Position>;

fn portfolio(size: u64) -> Portfolio {
    (0..size).map(|key| (key, Position { symbol: format!("SPXW300118P{key:08}"), quantity: 10 })).collect()
}

/// Four positions that no cache foresees.
fn four(round: u64, size: u64) -> [u64; 4] {
    [1, 3, 5, 7].map(|step| (round * 7_919 + step * 104_729) % size)
}

fn add(portfolio: &mut Portfolio, key: u64, amount: i64) -> Result<(), CannotUndo> {
    let position = portfolio.get_mut(&key).ok_or_else(|| CannotUndo::new("no such position"))?;
    position.quantity += amount;
    Ok(())
}

fn by_hand(portfolio: &Mutex<Portfolio>, keys: [u64; 4], is_kept: bool) {
    let mut portfolio = portfolio.lock();
    for key in keys {
        add(&mut portfolio, key, 1).expect("it is there");
    }
    if !is_kept {
        for key in keys.into_iter().rev() {
            add(&mut portfolio, key, -1).expect("it is there");
        }
    }
}

fn by_copy(portfolio: &Mutex<Portfolio>, keys: [u64; 4], is_kept: bool) {
    let before = portfolio.lock().clone();
    for key in keys {
        add(&mut portfolio.lock(), key, 1).expect("it is there");
    }
    if !is_kept {
        *portfolio.lock() = before;
    }
}

fn change(trade: &mut Transaction<'_, Portfolio>, key: u64) {
    let change = |portfolio: &mut Portfolio| {
        add(portfolio, key, 1)?;
        Ok::<_, CannotUndo>(((), move |portfolio: &mut Portfolio| add(portfolio, key, -1)))
    };
    trade.apply(change).expect("it is there");
}

fn by_transaction(store: &Store<Portfolio>, keys: [u64; 4], is_kept: bool) {
    let mut trade = store.begin();
    for key in keys {
        change(&mut trade, key);
    }
    if is_kept {
        trade.commit().expect("nothing was refused");
    }
}

fn transactions(criterion: &mut Criterion) {
    for (name, is_kept) in [("rollback_commit", true), ("rollback_undo", false)] {
        let mut group = criterion.benchmark_group(name);
        for size in SIZES {
            let (plain, store) = (Mutex::new(portfolio(size)), Store::new(portfolio(size)));
            let mut round = 0;
            let mut next = move || {
                round += 1;
                four(round, size)
            };
            group.bench_function(BenchmarkId::new("floor", size), |b| {
                b.iter(|| by_hand(&plain, black_box(next()), is_kept));
            });
            group.bench_function(BenchmarkId::new("backstop", size), |b| {
                b.iter(|| by_transaction(&store, black_box(next()), is_kept));
            });
            group.bench_function(BenchmarkId::new("deep copy", size), |b| {
                b.iter(|| by_copy(&plain, black_box(next()), is_kept));
            });
            assert!(plain.lock().values().all(|position| !position.symbol.is_empty()));
        }
        group.finish();
    }
}

type Key = Arc<str>;

fn key(number: u64) -> Key {
    format!("bs-spread-20300102-1-{number}-open-7").into()
}

fn hold() -> Hold {
    Hold { symbol: "SPX".to_owned(), quantity: Decimal::ONE, worst: Decimal::TEN, margin: Decimal::ZERO }
}

fn part(paid: i64) -> Part {
    Part { quantity: Decimal::ONE, paid: paid.into(), fee: Decimal::ZERO }
}

fn trade(ledger: &Ledger<Key>, key: &Key, evidence: &Evidence) {
    let mut order = ledger.reserve(Arc::clone(key), &hold()).expect("there is cash").send();
    order.fill(part(9)).expect("within its worst case");
    order.end(evidence).expect("once");
}

fn ledger(size: u64) -> Ledger<Key> {
    let caps =
        Caps { positions: 1_000_000, per_symbol: 1_000_000, per_order: Decimal::TEN, in_all: 1_000_000_000.into() };
    let (ledger, evidence) = (Ledger::new(caps), evidence());
    ledger.deposit(1_000_000_000.into()).expect("cash");
    for number in 0..size {
        trade(&ledger, &key(number), &evidence);
    }
    ledger
}

fn evidence() -> Evidence {
    Evidence::new("order 17 is filled").expect("it says something")
}

fn orders(criterion: &mut Criterion) {
    let (evidence, new) = (evidence(), key(u64::MAX));
    let mut group = criterion.benchmark_group("rollback_ledger");
    for size in SIZES {
        let ledger = ledger(size);
        group.bench_function(BenchmarkId::new("reserved and dropped", size), |b| {
            b.iter(|| drop(black_box(ledger.reserve(Arc::clone(&new), &hold()).expect("there is cash"))));
        });
        group.bench_function(BenchmarkId::new("reserved, filled, ended, closed", size), |b| {
            b.iter(|| {
                trade(&ledger, &new, &evidence);
                ledger.close(&new, part(-9)).expect("it is open");
            });
        });
        group.bench_function(BenchmarkId::new("snapshot", size), |b| b.iter(|| ledger.snapshot()));
        group.bench_function(BenchmarkId::new("reserved and dropped behind a snapshot", size), |b| {
            b.iter_batched(
                || ledger.snapshot(),
                |snapshot| {
                    drop(black_box(ledger.reserve(Arc::clone(&new), &hold()).expect("there is cash")));
                    snapshot
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// How long each of many orders takes, in order of time, while somebody else does `meanwhile` all the time.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn waits(ledger: &Ledger<Key>, rounds: u64, meanwhile: impl Fn() + Send + Sync) -> Vec<Duration> {
    let (is_over, evidence) = (AtomicBool::new(false), evidence());
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                meanwhile();
            }
        });
        let mut waits = Vec::new();
        for number in 0..rounds {
            let key = key(1_000_000 + number);
            let begun = Instant::now();
            trade(ledger, &key, &evidence);
            ledger.close(&key, part(-9)).expect("it is open");
            waits.push(begun.elapsed());
        }
        is_over.store(true, Ordering::Relaxed);
        waits.sort_unstable();
        waits
    })
}

/// What the longest wait is made of shows beside the same with somebody who only keeps the other core busy.
fn stalls(_criterion: &mut Criterion) {
    let rounds = if std::env::args().any(|argument| argument == "--test") { 100 } else { 200_000 };
    let mut measured = Vec::new();
    for size in SIZES {
        let ledger = ledger(size);
        let busy = waits(&ledger, rounds, || drop(black_box(vec![0_u8; 64])));
        let looking = waits(&ledger, rounds, || {
            let snapshot = ledger.snapshot();
            black_box(snapshot.positions().map(|(_, position)| position.quantity).sum::<Decimal>());
        });
        for (name, waits) in [("nobody looks", busy), ("somebody always looks", looking)] {
            let at = |per_mille: usize| waits[(waits.len() - 1) * per_mille / 1_000];
            let over = waits.iter().filter(|wait| **wait > Duration::from_millis(1)).count();
            eprintln!(
                "rollback_stall/{size}/{name}: median {:?}, 99 % {:?}, 99.9 % {:?}, longest {:?}, {over} of {} over 1 ms",
                at(500),
                at(990),
                at(999),
                at(1_000),
                waits.len(),
            );
            let nanos = |wait: Duration| u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
            let mut tell =
                |what: &str, value| measured.push((format!("rollback_stall/{size}/{name}/{what}"), vec![value]));
            for (what, per_mille) in [("median", 500), ("99 %", 990), ("99.9 %", 999), ("longest", 1_000)] {
                tell(what, nanos(at(per_mille)));
            }
            tell("over 1 ms", over as u64);
        }
    }
    kept::keep("rollback_txn", &measured);
}

criterion_group!(benches, transactions, orders, stalls);
criterion_main!(benches);
