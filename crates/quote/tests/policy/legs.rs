//! Spreads: fresh together, priced together; and exits, which always leave.

use std::num::NonZeroU32;
use std::time::Duration;

use backstop_quote::{
    Decimal, ExitPrice, Feed, Field, LimitAstray, NotFresh, PolicyConfig, Quote, QuotedLeg, Side, UnquotedExit,
};
use proptest::prelude::*;

use crate::rig::{
    MS, OPTION, OTHER, SECOND, SHARE, exact_poll, exact_stream, feed, mono, now, open, price, quote, receive, stamp,
    symbol,
};

const SECOND_OPTION: &str = "SPXW300102P05890000";

fn leg(name: &str, side: Side) -> QuotedLeg {
    QuotedLeg { symbol: symbol(name), side, ratio: NonZeroU32::MIN }
}

fn priced(name: &str, bid: &str, ask: &str, stamped: i64, at: i64) -> Quote {
    let mut quote = quote(name, stamped, at);
    (quote.bid.price, quote.ask.price) = (price(bid), price(ask));
    quote
}

/// Sell the upper put, buy the lower one.
fn put_spread() -> [QuotedLeg; 2] {
    [leg(OPTION, Side::Sell), leg(SECOND_OPTION, Side::Buy)]
}

/// The upper put at 12.00 to 12.40, the lower at 10.80 to 11.10.
fn quoted(config: PolicyConfig) -> Feed {
    let mut feed = feed(config);
    feed.follow(&symbol(SECOND_OPTION), mono(0)).unwrap();
    assert_eq!(receive(&mut feed, &priced(OPTION, "12.00", "12.40", 0, 0)), "");
    assert_eq!(receive(&mut feed, &priced(SECOND_OPTION, "10.80", "11.10", 0, 0)), "");
    feed
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// The name of why not, or `""`.
fn verdict(feed: &Feed, legs: &[QuotedLeg], at: i64) -> &'static str {
    match feed.fresh_legs(legs, &open(at), now(at)) {
        Ok(_) => "",
        Err(NotFresh::Refused(refusal)) => refusal.reason.name(),
        Err(_) => "none",
    }
}

// proves: QUOTE-6
#[test]
fn legs_were_seen_close_to_each_other() {
    let limit = 2 * SECOND;
    let apart = |config: PolicyConfig, stamped: i64, received: i64| {
        let mut feed = feed(config);
        feed.follow(&symbol(SECOND_OPTION), mono(0)).unwrap();
        assert_eq!(receive(&mut feed, &quote(OTHER, 0, 0)), "");
        assert_eq!(receive(&mut feed, &quote(OPTION, 0, 0)), "");
        assert_eq!(receive(&mut feed, &quote(SECOND_OPTION, stamped, received)), "");
        verdict(&feed, &put_spread(), received)
    };
    for (by, expected) in [(limit - 1, ""), (limit, ""), (limit + 1, "legs apart")] {
        // By receipt, whatever the stamps say.
        assert_eq!(apart(exact_stream(), by - 100 * MS, by), expected);
        assert_eq!(apart(exact_poll(), 0, by), expected);
        // By stamp, where that says as of: received within the limit, stamped further apart.
        let mut config = exact_stream();
        config.source.max_ahead = Duration::from_secs(1);
        assert_eq!(apart(config, by, limit), expected);
    }
    // Where a stamp says when a side last changed, a quiet leg beside a lively one is in order.
    assert_eq!(apart(exact_poll(), -80 * SECOND, 0), "");
}

// proves: QUOTE-6
#[test]
fn the_stalest_leg_decides_and_sets_the_deadline() {
    let mut feed = quoted(exact_stream());
    let early = feed.fresh_legs(&put_spread(), &open(0), now(0)).unwrap().until();
    assert_eq!(receive(&mut feed, &priced(OPTION, "12.00", "12.40", SECOND, SECOND)), "");
    feed.heartbeat(mono(4 * SECOND));
    let late = feed.fresh_legs(&put_spread(), &open(SECOND), now(SECOND)).unwrap();
    assert_eq!(early, mono(5 * SECOND), "the connection");
    assert_eq!(late.until(), mono(9 * SECOND));
    for at in [29 * SECOND, 30 * SECOND, 30 * SECOND + 1] {
        feed.heartbeat(mono(at));
        let alone = verdict(&feed, &[leg(OPTION, Side::Sell)], at);
        let both = verdict(&feed, &put_spread(), at);
        assert_eq!((alone, both), ("", if at > 30 * SECOND { "stale" } else { "" }));
    }
    // Each leg passes every check of its own.
    let mut crossed = priced(SECOND_OPTION, "11.20", "11.10", 31 * SECOND, 31 * SECOND);
    crossed.bid.at = Field::Value(stamp(31 * SECOND));
    assert_eq!(receive(&mut feed, &crossed), "crossed");
    assert_eq!(receive(&mut feed, &priced(OPTION, "12.00", "12.40", 31 * SECOND, 31 * SECOND)), "");
    assert_eq!(verdict(&feed, &put_spread(), 31 * SECOND), "crossed");
}

#[test]
fn no_legs_are_no_spread() {
    let feed = quoted(exact_stream());
    assert_eq!(feed.fresh_legs(&[], &open(0), now(0)).unwrap_err(), NotFresh::NoLegs);
    assert_eq!(feed.exit_price(&[], now(0)).unwrap_err(), NotFresh::NoLegs);
}

// proves: QUOTE-6
#[test]
fn a_spread_is_priced_by_the_side_that_each_leg_takes() {
    let feed = quoted(exact_stream());
    let fresh = feed.fresh_legs(&put_spread(), &open(0), now(0)).unwrap();
    let spread = fresh.at(now(0)).unwrap();
    let prices = spread.prices();
    // Sold at 12.00 and bought at 11.10; waiting, at 12.40 and 10.80. The band is one percent of 23.10.
    assert_eq!((prices.natural, prices.passive), (decimal("-0.90"), Some(decimal("-1.60"))));
    assert_eq!((prices.mid, prices.band, prices.worst), (Some(decimal("-1.25")), decimal("0.231"), decimal("-0.669")));
    assert_eq!(spread.quote(&symbol(OPTION)).unwrap().bid.price, price("12.00"));
    // Twice the one, once the other.
    let two = NonZeroU32::new(2).unwrap();
    let ratio = [QuotedLeg { ratio: two, ..leg(OPTION, Side::Buy) }, leg(SECOND_OPTION, Side::Sell)];
    let fresh = feed.fresh_legs(&ratio, &open(0), now(0)).unwrap();
    assert_eq!(fresh.at(now(0)).unwrap().prices().natural, decimal("14.00"));
}

#[test]
fn without_another_side_there_is_neither_mid_nor_a_price_to_wait_at() {
    let mut feed = quoted(exact_stream());
    assert_eq!(receive(&mut feed, &priced(SECOND_OPTION, "0", "0.05", MS, MS)), "");
    let fresh = feed.fresh_legs(&put_spread(), &open(0), now(MS)).unwrap();
    let prices = fresh.at(now(MS)).unwrap().prices();
    assert_eq!((prices.natural, prices.mid, prices.passive), (decimal("-11.95"), None, None));
    assert_eq!(prices.check_limit(decimal("-100")), Ok(()), "there is nothing to hold it against");
}

#[test]
fn a_limit_beside_the_quotes_passes_and_a_slipped_digit_does_not() {
    let feed = quoted(exact_stream());
    let fresh = feed.fresh_legs(&put_spread(), &open(0), now(0)).unwrap();
    let prices = fresh.at(now(0)).unwrap().prices();
    // From the price to wait at, less the band, to the natural one and the band.
    for (limit, passes) in
        [("-1.831", true), ("-1.832", false), ("-1.25", true), ("-0.90", true), ("-0.669", true), ("-0.668", false)]
    {
        assert_eq!(prices.check_limit(decimal(limit)).is_ok(), passes, "{limit}");
    }
    let slipped = prices.check_limit(decimal("-0.09")).unwrap_err();
    assert!(matches!(slipped, LimitAstray::GivesTooMuch { .. }), "{slipped}");
    let greedy = prices.check_limit(decimal("-9.00")).unwrap_err();
    assert!(matches!(greedy, LimitAstray::AsksTooMuch { .. }), "{greedy}");
}

// proves: QUOTE-3
#[test]
fn an_exit_always_leaves_and_says_why_without_a_quote() {
    let close = [leg(OPTION, Side::Buy), leg(SECOND_OPTION, Side::Sell)];
    let with = |unquoted_exit| PolicyConfig { unquoted_exit, ..exact_stream() };
    let at_worst = with(UnquotedExit::LimitAtWorst { band_bps: 1_000 });
    // By fresh quotes, whatever the market's state: an exit asks nobody whether it is open.
    for config in [with(UnquotedExit::Market), at_worst.clone()] {
        assert!(matches!(quoted(config).exit_price(&close, now(0)), Ok(ExitPrice::Quoted { .. })));
    }
    // Bought at 12.40, and sold at 10.80: by the band of 100 basis points that is 12.50 and 10.70 in ticks, a tick each.
    let quoted_at = |config: PolicyConfig| match quoted(config).exit_price(&close, now(0)).unwrap() {
        ExitPrice::Quoted { net, .. } => net,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        quoted_at(PolicyConfig { limit_band_bps: 1, ..exact_stream() }),
        decimal("1.70"),
        "a tick each at least"
    );
    assert_eq!(quoted_at(PolicyConfig { limit_band_bps: 1_000, ..exact_stream() }), decimal("3.85"));
    // An hour later.
    let hour = 3_600 * SECOND;
    let market = quoted(with(UnquotedExit::Market)).exit_price(&close, now(hour)).unwrap();
    let ExitPrice::Market { because } = market else { panic!("{market:?}") };
    assert_eq!(because.reason.name(), "connection silent");
    // Bought at 12.40 and ten percent, 13.64, which is 13.60 in ticks; sold at 10.80 less ten, 9.72, which is 9.75.
    let limit = quoted(at_worst.clone()).exit_price(&close, now(hour)).unwrap();
    let ExitPrice::Limit { net, .. } = limit else { panic!("{limit:?}") };
    assert_eq!(net, decimal("3.85"));
    // By what was accepted, not by what was refused since.
    let mut crossed = quoted(at_worst.clone());
    assert_eq!(receive(&mut crossed, &priced(OPTION, "90", "12", MS, MS)), "crossed");
    let limit = crossed.exit_price(&close, now(MS)).unwrap();
    let ExitPrice::Limit { net, because } = limit else { panic!("{limit:?}") };
    assert_eq!((net, because.reason.name()), (decimal("3.85"), "crossed"));
    // Nothing was ever accepted, or nothing on that side.
    let never = feed(at_worst.clone());
    assert!(matches!(never.exit_price(&close, now(0)), Ok(ExitPrice::Market { .. })));
    let mut worthless = quoted(at_worst);
    assert_eq!(receive(&mut worthless, &priced(SECOND_OPTION, "0", "0.05", MS, MS)), "");
    assert!(matches!(worthless.exit_price(&close, now(MS)), Ok(ExitPrice::Market { .. })));
}

// proves: QUOTE-3
#[test]
fn an_exits_limit_is_never_short_of_what_the_quotes_ask_nor_gives_the_last_tick_away() {
    for (side, bid, ask, net) in [
        // Between the ticks of 0.05: rounded within the band alone, it would not be filled.
        (Side::Buy, "12.00", "12.42", "12.50"),
        (Side::Buy, "0.02", "0.03", "0.08"),
        (Side::Sell, "12.02", "12.42", "11.90"),
        (Side::Sell, "0.05", "0.10", "-0.05"),
        (Side::Sell, "0.03", "0.10", "-0.03"),
    ] {
        let unquoted_exit = UnquotedExit::LimitAtWorst { band_bps: 1 };
        let mut feed = feed(PolicyConfig { unquoted_exit, ..exact_stream() });
        assert_eq!(receive(&mut feed, &priced(OPTION, bid, ask, 0, 0)), "");
        let ExitPrice::Quoted { net: priced, .. } = feed.exit_price(&[leg(OPTION, side)], now(0)).unwrap() else {
            panic!("not quoted")
        };
        assert_eq!(priced.abs(), decimal(net).abs(), "{side:?} {bid} {ask}");
        // Without a quote: in the band of one basis point there is no tick, and no less than was accepted will do.
        let unquoted = feed.exit_price(&[leg(OPTION, side)], now(3_600 * SECOND)).unwrap();
        let ExitPrice::Limit { net, .. } = unquoted else { panic!("{unquoted:?}") };
        let accepted = if side == Side::Buy { decimal(ask) } else { -decimal(bid) };
        assert_eq!(net, accepted);
    }
}

proptest! {
    // proves: QUOTE-6
    #[test]
    fn a_spread_is_as_fresh_as_its_stalest_leg(
        ages in proptest::collection::vec((0..900i64, 0..6_000i64), 2..4), option_max in 1..20i64, poll: bool,
        at in 6_000..30_000i64,
    ) {
        let mut config = if poll { exact_poll() } else { exact_stream() };
        config.option.max_age = Duration::from_secs(u64::try_from(option_max).unwrap());
        config.source.max_silence = Duration::from_mins(10);
        let mut feed = feed(config);
        let names = [OPTION, SECOND_OPTION, SHARE];
        let mut received = Vec::new();
        for (name, (late, age)) in names.iter().zip(&ages) {
            feed.follow(&symbol(name), mono(0)).unwrap();
            let came = (6_000 - age) * MS;
            let _verdict = feed.receive(&quote(name, came - late * MS, came));
            received.push(came);
        }
        let legs: Vec<QuotedLeg> = names[..ages.len()].iter().map(|name| leg(name, Side::Buy)).collect();
        let at = at * MS;
        let each: Vec<_> = legs.iter().map(|leg| feed.fresh(&leg.symbol, leg.side.into(), &open(at), now(at))).collect();
        let apart = received.iter().max().unwrap() - received.iter().min().unwrap();
        match feed.fresh_legs(&legs, &open(at), now(at)) {
            Ok(fresh) => {
                prop_assert!(apart <= 2 * SECOND);
                let stalest = each.iter().map(|leg| leg.as_ref().unwrap().until()).min().unwrap();
                prop_assert_eq!(fresh.until(), stalest);
            }
            Err(NotFresh::Refused(refusal)) if refusal.reason.name() == "legs apart" => {
                prop_assert!(each.iter().all(Result::is_ok));
                prop_assert!(apart + 900 * MS > 2 * SECOND);
            }
            Err(_) => prop_assert!(each.iter().any(Result::is_err)),
        }
    }
}
