//! A quote: taken in when it comes, and judged when it is to be used. The floor is what a naive bot does: look the symbol up,
//! compare one age, copy the quote.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up stops")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Duration;

use backstop_clock::{Clock, Mono, SystemClock, Timestamp};
use backstop_quote::{
    Decimal, Feed, Field, Market, MarketState, Need, Now, Policy, PolicyConfig, Quote, QuoteSide, Received, Symbol,
};
use criterion::{Criterion, criterion_group, criterion_main};

const SYMBOLS: usize = 1_000;

/// A quote of 100.00 to 100.10, stamped and received at `millis`.
fn quote(symbol: &Symbol, millis: i64) -> Quote {
    let wall = Timestamp::from_millisecond(1_893_596_400_000 + millis).expect("a moment");
    let mono = Mono::from_origin(Duration::from_millis(u64::try_from(millis).expect("positive")));
    let side = |cents| QuoteSide {
        price: Field::Value(Decimal::new(cents, 2)),
        size: Field::Value(Decimal::TEN),
        at: Field::Value(wall),
    };
    Quote {
        symbol: symbol.clone(),
        bid: side(10_000),
        ask: side(10_010),
        last: Field::Missing,
        last_at: Field::Missing,
        received: Received { mono, wall },
    }
}

fn now(of: &Quote) -> Now {
    Now { mono: of.received.mono, wall: of.received.wall }
}

fn feed(config: PolicyConfig, symbols: &[Symbol]) -> Feed {
    let mut feed = Feed::new(Policy::new(config).expect("in order"));
    for symbol in symbols {
        feed.follow(symbol, Mono::ORIGIN).expect("room");
    }
    feed
}

fn check(criterion: &mut Criterion) {
    let symbols: Vec<Symbol> =
        (0..SYMBOLS).map(|n| format!("SPXW300102P0{n:04}000").parse().expect("a symbol")).collect();
    let quotes: Vec<Quote> = symbols.iter().map(|symbol| quote(symbol, 1_000)).collect();
    for (source, config) in [("stream", PolicyConfig::stream()), ("tradier", PolicyConfig::tradier())] {
        let mut feed = feed(config, &symbols);
        let mut group = criterion.benchmark_group(format!("quote_receive/{source}"));
        let mut naive: HashMap<Symbol, Quote> = quotes.iter().map(|q| (q.symbol.clone(), q.clone())).collect();
        let mut at = 0;
        let mut next = || {
            at = (at + 7) % SYMBOLS;
            quotes.get(at).expect("one of them")
        };
        group.bench_function("floor: looked up and copied", |b| {
            b.iter(|| {
                let quote = black_box(next());
                naive.insert(quote.symbol.clone(), quote.clone())
            });
        });
        group.bench_function("backstop", |b| b.iter(|| feed.receive(black_box(next()))));
        group.finish();

        let market = Market { state: MarketState::Open, asked: quotes.first().expect("one").received.mono };
        let at = now(quotes.first().expect("one"));
        let mut group = criterion.benchmark_group(format!("quote_fresh/{source}"));
        group.bench_function("floor: age compared", |b| {
            b.iter(|| {
                let quote = naive.get(&black_box(next()).symbol)?;
                (at.mono.since(quote.received.mono) <= Duration::from_secs(5)).then(|| quote.clone())
            });
        });
        group.bench_function("backstop", |b| {
            b.iter(|| feed.fresh(&black_box(next()).symbol, Need::Buy, &market, at).expect("fresh"));
        });
        let clock = SystemClock::new();
        group.bench_function("the machine's clocks, once", |b| b.iter(|| (clock.mono(), clock.wall())));
        let fresh = feed.fresh(symbols.first().expect("one"), Need::Buy, &market, at).expect("fresh");
        group.bench_function("backstop, once more at the submit", |b| b.iter(|| fresh.at(black_box(at)).is_ok()));
        group.finish();
    }
}

criterion_group!(benches, check);
criterion_main!(benches);
