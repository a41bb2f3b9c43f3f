//! Symbols: every row of a broker's answer holds one, so each is read and kept once per poll.
//!
//! The floors do the part that cannot be left out: the bytes are looked at once and the text is kept.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up stops")]

use std::hint::black_box;
use std::sync::Arc;

use backstop_quote::{OptionSymbol, Symbol};
use criterion::{Criterion, criterion_group, criterion_main};

const EQUITY: &str = "AAPL";
const OPTION: &str = "SPXW300102P05900000";

/// A symbol as it stands in an answer becomes one that is checked and shared.
fn keep(criterion: &mut Criterion) {
    for (kind, text) in [("equity", EQUITY), ("option", OPTION)] {
        let mut group = criterion.benchmark_group(format!("symbol_keep/{kind}"));
        group.bench_function("floor", |b| {
            b.iter(|| {
                let text = black_box(text);
                text.bytes().all(|c| c.is_ascii_graphic()).then(|| Arc::<str>::from(text))
            });
        });
        group.bench_function("backstop", |b| b.iter(|| Symbol::new(black_box(text))));
        group.finish();
    }
}

/// What an OCC symbol says: root, expiration, right, strike.
fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("option_read");
    group.bench_function("floor", |b| b.iter(|| read_unchecked(black_box(OPTION))));
    group.bench_function("backstop", |b| b.iter(|| black_box(OPTION).parse::<OptionSymbol>()));
    group.finish();
}

/// The fixed part is split by position and its numbers read; nothing is checked.
fn read_unchecked(text: &str) -> Option<(String, i64, u8, i64)> {
    let (root, fixed) = text.split_at_checked(text.len().checked_sub(15)?)?;
    let (date, rest) = fixed.split_at_checked(6)?;
    let (right, strike) = rest.split_at_checked(1)?;
    Some((root.to_owned(), date.parse().ok()?, *right.as_bytes().first()?, strike.parse().ok()?))
}

/// The compact form, for an order.
fn print(criterion: &mut Criterion) {
    let option: OptionSymbol = OPTION.parse().expect("an option");
    let mut group = criterion.benchmark_group("option_print");
    group.bench_function("floor", |b| {
        b.iter(|| {
            format!("{}{:06}{}{:08}", black_box("SPXW"), black_box(300_102), black_box('P'), black_box(5_900_000))
        });
    });
    group.bench_function("backstop", |b| b.iter(|| black_box(&option).to_string()));
    group.finish();
}

criterion_group!(benches, keep, read, print);
criterion_main!(benches);
