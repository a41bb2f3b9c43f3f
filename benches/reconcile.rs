//! The book held against the broker's answer: a whole run, beside what a user would write (a join over a map of strings) and
//! the least that looks at everything once. And an answer of the broker read and judged, beside reading it.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up stops")]

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::time::Duration;

use backstop_broker::{
    Decimal, Order, OrderLeg, OrderList, OrderStatus, Position, PositionEffect, ReadError, Side, Symbol,
};
use backstop_clock::{Mono, Timestamp};
use backstop_reconcile::{Book, Config, Executed, Intents, Moment, PositionId, Read, Reads, Reconciler};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Prime, so that a step through it comes everywhere.
const MANY: u64 = 100_003;
const SOME: u64 = 10_007;

fn symbol(number: u64) -> Symbol {
    format!("SPXW281215{}{:08}", if number.is_multiple_of(2) { 'C' } else { 'P' }, number * 500 + 500)
        .parse()
        .expect("a symbol")
}

fn moment(seconds: u64) -> Moment {
    let wall = Timestamp::from_second(1_767_628_800).expect("a moment") + Duration::from_secs(seconds);
    Moment { mono: Mono::from_origin(Duration::from_secs(seconds)), wall }
}

/// A book of so many positions, made of fills as any other.
fn book(count: u64) -> Book {
    let mut book = Book::new();
    for number in 0..count {
        let label = format!("bs-{number}");
        let leg = OrderLeg {
            symbol: symbol(number),
            side: Side::Buy,
            effect: PositionEffect::Open,
            quantity: Decimal::from(number % 9 + 1),
            filled: Some(Decimal::from(number % 9 + 1)),
            price: Some(Decimal::ONE),
        };
        let order = Order {
            id: number.to_string().parse().expect("an id"),
            label: Some(label.clone()),
            status: OrderStatus::Filled,
            legs: vec![leg],
            net_price: Some(Decimal::ONE),
            created_at: None,
            reason: None,
        };
        let executed = Executed::of(&label.parse().expect("an id"), &order).expect("at rest");
        let id = PositionId::new(&label).expect("a name");
        book.book(&id, &"SPX".parse().expect("a symbol"), &executed, moment(0).wall).expect("room");
    }
    book
}

/// The same as the broker has it; `step` says in which order.
fn rows(count: u64, step: u64) -> Vec<Position> {
    let row = |number: u64| Position {
        symbol: symbol(number),
        quantity: Decimal::from(number % 9 + 1),
        cost_basis: None,
        acquired_at: None,
    };
    (0..count).map(|at| row(at * step % count)).collect()
}

fn reads(positions: Result<Vec<Position>, ReadError>) -> Reads {
    let asked = moment(60);
    Reads {
        positions: Read::new(asked, positions),
        orders: Read::new(asked, Ok(OrderList::default())),
        balances: None,
        closed: None,
        settlements: Vec::new(),
    }
}

fn reconciler(book: &Book) -> Reconciler {
    Reconciler::new(Config::new("bs-"), book, moment(0)).expect("in order")
}

fn texts(rows: &[Position]) -> Vec<(String, Decimal)> {
    rows.iter().map(|row| (row.symbol.as_str().to_owned(), row.quantity)).collect()
}

fn diff(criterion: &mut Criterion) {
    let book = book(MANY);
    let intents = Intents::new();
    let shuffled = rows(MANY, 57_119);
    let mut sorted = shuffled.clone();
    sorted.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    // An answer is read in the order in which it comes, and its texts lie in memory in that order: those of the floor do too.
    for row in &mut sorted {
        row.symbol = row.symbol.as_str().parse().expect("a symbol");
    }
    // Both sides of the peers are in an order of their own, as ours are.
    let (ours, theirs) = (texts(&rows(MANY, 31_337)), texts(&shuffled));

    let mut group = criterion.benchmark_group("reconcile_diff");
    group.sample_size(20);
    group.bench_function("floor: each symbol and quantity touched", |b| {
        b.iter(|| {
            let touch = |sum: u64, (text, quantity): &(String, Decimal)| {
                let first = text.as_bytes().iter().fold(0, |sum, byte| sum ^ u64::from(*byte));
                sum ^ first ^ u64::from(quantity.is_sign_negative())
            };
            black_box(&ours).iter().chain(black_box(&theirs)).fold(0, touch)
        });
    });
    group.bench_function("join over a HashMap of Strings", |b| {
        b.iter(|| {
            let tracked: HashMap<&str, Decimal> =
                black_box(&ours).iter().map(|(text, quantity)| (text.as_str(), *quantity)).collect();
            black_box(&theirs).iter().filter(|(text, quantity)| tracked.get(text.as_str()) != Some(quantity)).count()
        });
    });
    let kept: BTreeMap<&str, Decimal> = ours.iter().map(|(text, quantity)| (text.as_str(), *quantity)).collect();
    let walked: BTreeMap<&str, Decimal> = theirs.iter().map(|(text, quantity)| (text.as_str(), *quantity)).collect();
    group.bench_function("two BTreeMaps, kept in order, walked", |b| {
        b.iter(|| black_box(&kept).iter().zip(black_box(&walked)).filter(|(a, b)| a != b).count());
    });
    for (name, rows) in [("backstop, a whole run", shuffled), ("backstop, a whole run, the answer sorted", sorted)] {
        let mut reconciler = reconciler(&book);
        let reads = reads(Ok(rows));
        let run = reconciler.run(&book, &intents, &reads, moment(60));
        assert!(run.is_complete && run.drift.is_empty());
        group.bench_function(name, |b| b.iter(|| reconciler.run(&book, &intents, black_box(&reads), moment(60))));
    }
    group.finish();
}

/// A row as Tradier writes it, its numbers as text.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    quantity: &'a RawValue,
    symbol: &'a str,
    #[serde(borrow)]
    cost_basis: &'a RawValue,
}

fn wire(rows: &[Position]) -> String {
    let row = |(number, row): (usize, &Position)| {
        format!(
            r#"{{"cost_basis":1904.50,"date_acquired":"2030-01-02T14:31:05.120Z","id":{number},"quantity":{}.00000000,"symbol":"{}"}}"#,
            row.quantity, row.symbol
        )
    };
    format!("[{}]", rows.iter().enumerate().map(row).collect::<Vec<_>>().join(","))
}

fn parsed(text: &str) -> Vec<Wire<'_>> {
    serde_json::from_str(text).expect("rows")
}

fn position(row: &Wire<'_>) -> Position {
    Position {
        symbol: row.symbol.parse().expect("a symbol"),
        quantity: row.quantity.get().parse().expect("a number"),
        cost_basis: row.cost_basis.get().parse().ok(),
        acquired_at: None,
    }
}

fn parse(criterion: &mut Criterion) {
    let book = book(SOME);
    let intents = Intents::new();
    let text = wire(&rows(SOME, 5_003));
    let mut group = criterion.benchmark_group("reconcile_parse");
    group.sample_size(20);
    group.bench_function("floor: serde_json, borrowed", |b| b.iter(|| parsed(black_box(&text)).len()));
    group.bench_function("and made positions", |b| {
        b.iter(|| parsed(black_box(&text)).iter().map(position).collect::<Vec<_>>());
    });
    group.bench_function("and judged by backstop", |b| {
        b.iter_batched(
            || reconciler(&book),
            |mut reconciler| {
                let rows = parsed(black_box(&text)).iter().map(position).collect();
                let reads = reads(Ok(rows));
                let run = reconciler.run(&book, &intents, &reads, moment(60));
                assert!(run.drift.is_empty());
                run
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, diff, parse);
criterion_main!(benches);
