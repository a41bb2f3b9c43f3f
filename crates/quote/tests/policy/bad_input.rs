//! What cannot be a quote is refused under its own name, and nothing is filled in for it.

use backstop_clock::Mono;
use backstop_quote::{
    Decimal, Feed, Field, FieldName, Need, Policy, PolicyConfig, Quote, QuoteSide, Reason, Timestamp, TooManySymbols,
};
use proptest::prelude::*;

use crate::rig::{
    MS, OPTION, OTHER, SECOND, SHARE, exact_poll, exact_stream, feed, judge, judge_of, mono, now, open, price, quote,
    receive, symbol, why,
};

/// Spoils one quote in one way: it must be refused for `reason`, and what was accepted before is not in force any more.
#[track_caller]
fn refused(reason: &'static str, spoil: impl Fn(&mut Quote)) {
    for config in [exact_stream(), exact_poll()] {
        let mut feed = feed(config);
        assert_eq!(receive(&mut feed, &quote(SHARE, 0, 0)), "");
        assert_eq!(why(judge(&feed, 0)), "");
        let mut spoiled = quote(SHARE, MS, MS);
        spoil(&mut spoiled);
        assert_eq!(receive(&mut feed, &spoiled), reason);
        assert_eq!(why(judge(&feed, MS)), reason);
        assert_eq!(receive(&mut feed, &quote(SHARE, 2 * MS, 2 * MS)), "", "the next good one ends it");
        assert_eq!(why(judge(&feed, 2 * MS)), "");
    }
}

fn sides(quote: &mut Quote) -> [&mut QuoteSide; 2] {
    [&mut quote.bid, &mut quote.ask]
}

// proves: QUOTE-1, QUOTE-3
#[test]
fn what_could_not_be_read_is_not_missing_and_not_zero() {
    for at in 0..2 {
        refused("unreadable", |quote| sides(quote)[at].price = Field::Unreadable);
        refused("unreadable", |quote| sides(quote)[at].size = Field::Unreadable);
        refused("unreadable", |quote| sides(quote)[at].at = Field::Unreadable);
        refused("negative", |quote| sides(quote)[at].price = price("-0.01"));
        refused("negative", |quote| sides(quote)[at].size = price("-1"));
        refused("enormous", |quote| sides(quote)[at].price = price("10000000.01"));
        refused("enormous", |quote| sides(quote)[at].price = Field::Value(Decimal::MAX));
        refused("negative", |quote| sides(quote)[at].price = Field::Value(Decimal::MIN));
        refused("too fine", |quote| sides(quote)[at].price = price("100.0500000000001"));
    }
}

// proves: QUOTE-2
#[test]
fn a_price_without_a_stamp_is_refused_whatever_the_last_trade_says() {
    for at in 0..2 {
        refused("no stamp", |quote| {
            sides(quote)[at].at = Field::Missing;
            quote.last_at = Field::Value(quote.received.wall);
        });
    }
}

// proves: QUOTE-2
#[test]
fn a_stamp_in_the_wrong_unit_is_named() {
    // Seconds that were read as milliseconds; the first and last moments that are taken.
    let at = |text: &str| Field::Value(text.parse::<Timestamp>().unwrap());
    for text in
        ["1970-01-22T22:00:00Z", "1989-12-31T23:59:59.999999999Z", "2200-01-01T00:00:00Z", "9999-12-30T00:00:00Z"]
    {
        for side in 0..2 {
            refused("implausible", |quote| sides(quote)[side].at = at(text));
        }
    }
    // Within these it is old, or ahead, and nothing else.
    let mut feed = feed(exact_stream());
    let mut old = quote(SHARE, 0, 0);
    (old.bid.at, old.ask.at) = (at("1990-01-01T00:00:00Z"), at("1990-01-01T00:00:00Z"));
    assert_eq!(receive(&mut feed, &old), "behind");
    (old.bid.at, old.ask.at) = (at("2199-12-31T23:59:59.999999999Z"), at("2199-12-31T23:59:59.999999999Z"));
    assert_eq!(receive(&mut feed, &old), "clock ahead");
}

// proves: QUOTE-3
#[test]
fn a_missing_side_refuses_only_who_needs_it() {
    for missing in [Field::Missing, price("0"), price("0.00"), price("-0")] {
        for bid in [true, false] {
            let mut feed = feed(exact_stream());
            let mut one = quote(SHARE, 0, 0);
            let [a, b] = sides(&mut one);
            let side = if bid { a } else { b };
            (side.price, side.at) = (missing, Field::Missing);
            assert_eq!(receive(&mut feed, &one), "");
            let verdict =
                |need| why(feed.fresh(&symbol(SHARE), need, &open(0), now(0)).map_err(|refusal| refusal.reason));
            let (who_needs_it, who_does_not) = if bid { (Need::Sell, Need::Buy) } else { (Need::Buy, Need::Sell) };
            assert_eq!([verdict(who_needs_it), verdict(Need::Both), verdict(who_does_not)], ["no side", "no side", ""]);
        }
    }
    refused("empty", |quote| (quote.bid.price, quote.ask.price) = (Field::Missing, price("0")));
}

// proves: QUOTE-1
#[test]
fn a_quote_for_another_symbol_passes_for_nothing() {
    let mut feed = feed(exact_stream());
    assert_eq!(receive(&mut feed, &quote(OTHER, 0, 0)), "");
    assert_eq!(why(judge(&feed, 0)), "no quote");
    assert_eq!(receive(&mut feed, &quote("TSLA", 0, 0)), "not followed");
    assert_eq!(why(judge_of(&feed, "TSLA", 0)), "not followed");
}

#[test]
fn a_refusal_says_of_what_why_and_how_much() {
    let mut feed = feed(exact_stream());
    let mut one = quote(SHARE, 0, 0);
    one.ask.price = price("103");
    let refusal = feed.receive(&one).unwrap_err();
    assert_eq!(refusal.to_string(), "IBM: it is too wide: bid 100.00, ask 103, at most 1.035 apart");
    one.ask.price = Field::Unreadable;
    assert_eq!(feed.receive(&one).unwrap_err().reason, Reason::Unreadable { field: FieldName::Ask });
    let mut feed = self::feed(exact_stream());
    let delayed = feed.receive(&quote(OTHER, -901 * SECOND, 0)).unwrap_err();
    assert!(delayed.to_string().contains("901s"), "{delayed}");
    assert!(delayed.to_string().contains("15-minute delayed"), "{delayed}");
}

// proves: QUOTE-2
#[test]
fn a_delayed_feed_is_recognized_and_said_aloud() {
    // The sandbox: whatever is asked, every stamp is a quarter of an hour old, and moves.
    let mut feed = feed(exact_poll());
    for second in 0..100 {
        let at = second * SECOND;
        assert_eq!(receive(&mut feed, &quote(SHARE, at - 901 * SECOND, at)), "");
        let refusal = judge(&feed, at).unwrap_err();
        assert!(refusal.to_string().contains("15-minute delayed"), "{refusal}");
    }
}

#[test]
fn a_full_feed_takes_no_more_and_forgets_only_what_nobody_would_ask() {
    let mut config = PolicyConfig::stream();
    config.max_symbols = std::num::NonZeroUsize::new(2).unwrap();
    let mut feed = Feed::new(Policy::new(config).unwrap());
    let names = ["A", "B", "C", "D"].map(symbol);
    let [a, b, c, d] = &names;
    for name in [a, b] {
        feed.follow(name, mono(0)).unwrap();
        assert_eq!(receive(&mut feed, &quote(name.as_str(), 0, 0)), "");
    }
    assert_eq!(feed.follow(a, mono(0)), Ok(()), "it is followed");
    // Both are remembered for as long as a jump would be noticed.
    let full = TooManySymbols { symbol: c.clone(), followed: 2 };
    assert_eq!(feed.follow(c, mono(30 * SECOND)), Err(full));
    assert_eq!(receive(&mut feed, &quote("B", 29 * SECOND, 29 * SECOND)), "");
    assert_eq!(feed.follow(c, mono(30 * SECOND + 1)), Ok(()), "A was silent for longer");
    assert_eq!(receive(&mut feed, &quote("A", 31 * SECOND, 31 * SECOND)), "not followed");
    // C was never quoted.
    assert_eq!(feed.follow(d, mono(31 * SECOND)), Ok(()));
}

fn any_price() -> impl Strategy<Value = Field<Decimal>> {
    prop_oneof![
        Just(Field::Missing),
        Just(Field::Unreadable),
        (any::<i64>(), 0u32..=28).prop_map(|(mantissa, scale)| Field::Value(Decimal::new(mantissa, scale))),
        (9_990i64..10_010).prop_map(|cents| Field::Value(Decimal::new(cents, 2))),
        Just(Field::Value(Decimal::MAX)),
    ]
}

fn any_stamp() -> impl Strategy<Value = Field<Timestamp>> {
    prop_oneof![
        Just(Field::Missing),
        Just(Field::Unreadable),
        Just(Field::Value(Timestamp::MIN)),
        Just(Field::Value(Timestamp::MAX)),
        (-2_000i64..2_000).prop_map(|ms| Field::Value(crate::rig::stamp(ms * MS))),
    ]
}

proptest! {
    // proves: QUOTE-3
    #[test]
    fn whatever_passes_is_positive_uncrossed_and_stamped(
        bid in any_price(), ask in any_price(), bid_size in any_price(), ask_size in any_price(),
        bid_at in any_stamp(), ask_at in any_stamp(), sell: bool,
    ) {
        let mut feed = feed(exact_stream());
        let mut one = quote(SHARE, 0, 0);
        one.bid = QuoteSide { price: bid, size: bid_size, at: bid_at };
        one.ask = QuoteSide { price: ask, size: ask_size, at: ask_at };
        let need = if sell { Need::Sell } else { Need::Buy };
        let _verdict = feed.receive(&one);
        let judged = feed.fresh(&symbol(SHARE), need, &open(0), now(0));
        if let Ok(fresh) = judged {
            let quote = fresh.at(now(0)).unwrap();
            prop_assert_eq!(quote, &one);
            let side = if sell { &quote.bid } else { &quote.ask };
            prop_assert!(side.price.value().is_some_and(|price| price > Decimal::ZERO));
            prop_assert!(side.at.value().is_some());
            if let (Field::Value(bid), Field::Value(ask)) = (quote.bid.price, quote.ask.price) {
                prop_assert!(bid <= ask || ask.is_zero());
            }
        }
    }

    #[test]
    fn no_times_panic(
        mono_at in any::<u64>(), wall in any::<i64>(), stamp in any::<i64>(),
        then_mono in any::<u64>(), then_wall in any::<i64>(), poll: bool,
    ) {
        let at = |nanos: i64| Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
        let mono = |nanos| Mono::from_origin(std::time::Duration::from_nanos(nanos));
        let mut feed = feed(if poll { exact_poll() } else { exact_stream() });
        let mut one = quote(OPTION, 0, 0);
        (one.received.mono, one.received.wall) = (mono(mono_at), at(wall));
        (one.bid.at, one.ask.at) = (Field::Value(at(stamp)), Field::Value(at(stamp)));
        let _verdict = feed.receive(&one);
        one.received.mono = mono(then_mono);
        let _verdict = feed.receive(&one);
        let then = backstop_quote::Now { mono: mono(then_mono), wall: at(then_wall) };
        let judged = feed.fresh(&symbol(OPTION), Need::Buy, &open(0), then);
        if let Ok(fresh) = judged {
            let _used = fresh.at(then);
        }
    }
}
