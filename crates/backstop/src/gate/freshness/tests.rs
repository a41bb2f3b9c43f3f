use backstop_broker::{Field, PositionEffect, Quantity, Received};
use jiff::civil::date;
use proptest::prelude::*;

use super::*;

const POLICY: Freshness =
    Freshness { max_age: Duration::from_secs(5), max_option_age: Duration::from_secs(90), max_spread_bps: 100 };
const SHARE: &str = "SPY";
const OPTION: &str = "SPXW300102P05900000";

/// A quote of 100.00 to 100.10 that was stamped `stamp_age` milliseconds before it was received.
fn quote(symbol: &str, stamp_age: i64) -> Quote {
    let received = Received { mono: Mono::from_origin(Duration::from_secs(1000)), wall: Timestamp::UNIX_EPOCH };
    let at = Field::Value(Timestamp::from_millisecond(-stamp_age).unwrap());
    let side = |price: &str| QuoteSide { price: Field::Value(price.parse().unwrap()), size: Field::Missing, at };
    Quote {
        symbol: symbol.parse().unwrap(),
        bid: side("100.00"),
        ask: side("100.10"),
        last: Field::Missing,
        last_at: Field::Missing,
        received,
    }
}

fn judge(state: MarketState, quote: Quote, side: Side, held: Duration) -> Result<Fresh, QuoteRefusal> {
    let leg =
        Leg { symbol: quote.symbol.clone(), side, effect: PositionEffect::Open, quantity: Quantity::new(1).unwrap() };
    let now = quote.received.mono.plus(held);
    let clock = MarketClock { date: date(1970, 1, 1), state, at: None };
    let view = MarketView::new(quote.received.mono, clock, Quotes { quotes: vec![quote], unmatched: vec![] });
    POLICY.check(&view, &[leg], now)
}

/// Judged at the moment at which quotes are received here, of a look that began at `asked`.
fn judge_from(asked: Mono, quote: Quote) -> Result<Fresh, QuoteRefusal> {
    let now = Mono::from_origin(Duration::from_secs(1000));
    let leg = Leg {
        symbol: quote.symbol.clone(),
        side: Side::Buy,
        effect: PositionEffect::Open,
        quantity: Quantity::new(1).unwrap(),
    };
    let clock = MarketClock { date: date(1970, 1, 1), state: MarketState::Open, at: None };
    let view = MarketView::new(asked, clock, Quotes { quotes: vec![quote], unmatched: vec![] });
    POLICY.check(&view, &[leg], now)
}

fn check(quote: Quote, side: Side) -> Result<Fresh, QuoteRefusal> {
    judge(MarketState::Open, quote, side, Duration::ZERO)
}

fn price(text: &str) -> Field<Decimal> {
    Field::Value(text.parse().unwrap())
}

#[test]
fn a_quote_that_is_young_and_narrow_passes_and_carries_its_deadline() {
    let fresh = check(quote(SHARE, 0), Side::Buy).unwrap();
    let received = Mono::from_origin(Duration::from_secs(1000));
    assert!(fresh.is_valid(received.plus(Duration::from_millis(4_999))));
    assert!(!fresh.is_valid(received.plus(Duration::from_secs(5))));
}

#[test]
fn a_market_that_is_not_open_lets_nothing_in() {
    let odd = MarketState::Unrecognized("halted".to_owned());
    for state in [MarketState::Closed, MarketState::PreMarket, MarketState::PostMarket, odd] {
        let refused = judge(state, quote(SHARE, 0), Side::Buy, Duration::ZERO);
        assert!(matches!(refused, Err(QuoteRefusal::MarketNotOpen { .. })));
    }
}

#[test]
fn age_is_judged_at_its_boundary_on_both_clocks() {
    let held = |ms| judge(MarketState::Open, quote(SHARE, 0), Side::Buy, Duration::from_millis(ms));
    assert!(held(5_000).is_ok());
    assert!(matches!(held(5_001), Err(QuoteRefusal::Stale { .. })));
    // The quotes came late, and the word that the market is open is as old as the question.
    let late = |ms: u64| judge_from(Mono::from_origin(Duration::from_millis(1_000_000 - ms)), quote(SHARE, 0));
    assert!(late(5_000).is_ok());
    assert!(matches!(late(5_001), Err(QuoteRefusal::Stale { .. })));
    // Received by a clock that is not the desk's.
    let mut elsewhere = quote(SHARE, 0);
    elsewhere.received.mono = elsewhere.received.mono.plus(Duration::from_nanos(1));
    assert!(matches!(
        judge_from(Mono::from_origin(Duration::from_secs(1000)), elsewhere),
        Err(QuoteRefusal::ClockFault { .. })
    ));
    // A second more, because the stamps are in whole seconds.
    assert!(check(quote(SHARE, 6_000), Side::Buy).is_ok());
    assert!(matches!(check(quote(SHARE, 6_001), Side::Buy), Err(QuoteRefusal::Stale { .. })));
    assert!(check(quote(SHARE, -2_000), Side::Buy).is_ok());
    assert!(matches!(check(quote(SHARE, -2_001), Side::Buy), Err(QuoteRefusal::ClockFault { .. })));
}

#[test]
fn a_quiet_option_is_fresh_only_while_the_feed_lives() {
    let leg = Leg {
        symbol: OPTION.parse().unwrap(),
        side: Side::Sell,
        effect: PositionEffect::Open,
        quantity: Quantity::new(1).unwrap(),
    };
    let view = |underlying_age| {
        let clock = MarketClock { date: date(1970, 1, 1), state: MarketState::Open, at: None };
        let quotes = vec![quote(OPTION, 80_000), quote(SHARE, underlying_age)];
        MarketView::new(Mono::from_origin(Duration::from_secs(1000)), clock, Quotes { quotes, unmatched: vec![] })
    };
    let now = Mono::from_origin(Duration::from_secs(1000));
    let legs = std::slice::from_ref(&leg);
    assert!(POLICY.check(&view(1_000), legs, now).is_ok());
    assert!(matches!(POLICY.check(&view(60_000), legs, now), Err(QuoteRefusal::Stale { .. })));
    // A stamp in the future is a wrong clock, and no sign of life.
    assert!(matches!(POLICY.check(&view(-60_000), legs, now), Err(QuoteRefusal::Stale { .. })));
}

#[test]
fn a_delayed_feed_is_named_as_such() {
    let error = check(quote(SHARE, 901_000), Side::Buy).unwrap_err();
    assert!(error.to_string().contains("15-minute delayed"), "{error}");
}

#[test]
fn a_missing_side_refuses_only_who_needs_it() {
    for bad in [Field::Missing, Field::Unreadable, price("0"), price("-1")] {
        let mut one_sided = quote(SHARE, 0);
        one_sided.bid.price = bad;
        assert!(matches!(check(one_sided.clone(), Side::Sell), Err(QuoteRefusal::NoSide { .. })), "{bad:?}");
        if bad.value().is_none() {
            assert!(check(one_sided, Side::Buy).is_ok(), "{bad:?}");
        }
    }
}

#[test]
fn locked_is_normal_crossed_and_wide_are_not() {
    let with = |bid: &str, ask: &str| {
        let mut quote = quote(SHARE, 0);
        (quote.bid.price, quote.ask.price) = (price(bid), price(ask));
        check(quote, Side::Buy)
    };
    assert!(with("100.00", "100.00").is_ok());
    let enormous = Decimal::MAX.to_string();
    assert!(with(&enormous, &enormous).is_ok(), "no more than can be counted");
    assert!(matches!(with("100.01", "100.00"), Err(QuoteRefusal::Crossed { .. })));
    // 1% of 100.50 and two cents are 1.025.
    assert!(with("99.99", "101.01").is_ok());
    assert!(matches!(with("99.98", "101.02"), Err(QuoteRefusal::TooWide { .. })));
}

#[test]
fn no_stamp_is_stale() {
    let mut unstamped = quote(SHARE, 0);
    (unstamped.bid.at, unstamped.ask.at) = (Field::Missing, Field::Unreadable);
    unstamped.last_at = Field::Value(Timestamp::UNIX_EPOCH);
    assert!(matches!(check(unstamped, Side::Buy), Err(QuoteRefusal::NoStamp { .. })));
}

proptest! {
    #[test]
    fn whatever_passes_is_positive_uncrossed_and_young(
        bid in any::<[u8; 12]>(), ask in any::<[u8; 12]>(), scale in 0u32..28, stamp_age in -10_000i64..10_000, sell: bool,
    ) {
        let number = |bytes: [u8; 12]| {
            let part = |i: usize| u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
            Decimal::from_parts(part(0), part(4), part(8), bytes[0] & 1 == 1, scale)
        };
        let mut quote = quote(SHARE, stamp_age);
        (quote.bid.price, quote.ask.price) = (Field::Value(number(bid)), Field::Value(number(ask)));
        let side = if sell { Side::Sell } else { Side::Buy };
        if check(quote.clone(), side).is_ok() {
            let (bid, ask) = (quote.bid.price.value().unwrap(), quote.ask.price.value().unwrap());
            prop_assert!(bid <= ask);
            let needed = if sell { bid } else { ask };
            prop_assert!(needed > Decimal::ZERO);
            prop_assert!((-2_000..=6_000).contains(&stamp_age));
        }
    }
}
