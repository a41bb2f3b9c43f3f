use std::time::Duration;

use backstop_broker::{
    ClientOrderId, Field, MarketState, PositionEffect, Quantity, Quote, QuoteSide, Received, TimeInForce,
};
use backstop_clock::ManualClock;
use backstop_quote::{Policy, PolicyConfig};
use jiff::civil::date;

use super::*;

const SHARE: &str = "SPY";
const UPPER: &str = "SPXW300102P05900000";
const LOWER: &str = "SPXW300102P05890000";

fn clock() -> ManualClock {
    ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap())
}

fn quote(symbol: &str, bid: &str, ask: &str, clock: &ManualClock) -> Quote {
    let side = |text: &str| QuoteSide {
        price: Field::Value(text.parse().unwrap()),
        size: Field::Missing,
        at: Field::Value(clock.wall()),
    };
    let received = Received { mono: clock.mono(), wall: clock.wall() };
    let (last, last_at) = (Field::Missing, Field::Missing);
    Quote { symbol: symbol.parse().unwrap(), bid: side(bid), ask: side(ask), last, last_at, received }
}

fn order(legs: &[(&str, Side, u32)], kind: OrderKind) -> OrderRequest {
    let legs = legs.iter().map(|(symbol, side, quantity)| Leg {
        symbol: symbol.parse().unwrap(),
        side: *side,
        effect: PositionEffect::Open,
        quantity: Quantity::new(*quantity).unwrap(),
    });
    let id = ClientOrderId::new("bs-test-1").unwrap();
    OrderRequest::new(id, SHARE.parse().unwrap(), legs.collect(), kind, TimeInForce::Day).unwrap()
}

fn limit(price: &str) -> OrderKind {
    OrderKind::Limit { price: price.parse().unwrap() }
}

/// A look in which these quotes came for the three symbols.
fn look(feed: &mut Feed, quotes: Vec<Quote>, clock: &ManualClock) -> MarketView {
    let asked = clock.mono();
    let symbols = [SHARE, UPPER, LOWER].map(|symbol| symbol.parse().unwrap());
    let quotes = Quotes { quotes, unmatched: vec![] };
    let refused = receive(feed, &symbols, &quotes, clock);
    let open = MarketClock { date: date(2030, 1, 2), state: MarketState::Open, at: None };
    MarketView::new(asked, open, quotes, refused)
}

fn feed() -> Feed {
    Feed::new(Policy::new(PolicyConfig::tradier()).unwrap())
}

/// The name of why not, or `""`.
fn verdict(feed: &Feed, view: &MarketView, order: &OrderRequest, clock: &ManualClock) -> &'static str {
    match judge(feed, view, order, clock) {
        Ok(_fresh) => "",
        Err(NotFresh::Refused(refusal)) => refusal.reason.name(),
        Err(_) => "none",
    }
}

#[test]
fn an_order_is_judged_by_the_look_that_it_was_made_from() {
    let (clock, mut feed) = (clock(), feed());
    let buy = order(&[(SHARE, Side::Buy, 1)], limit("560.12"));
    let good = look(&mut feed, vec![quote(SHARE, "560.10", "560.12", &clock)], &clock);
    assert_eq!(verdict(&feed, &good, &buy, &clock), "");
    // The quote of an earlier look does not stand in for one that did not come, nor for one that was refused.
    let without = look(&mut feed, vec![], &clock);
    assert_eq!(verdict(&feed, &without, &buy, &clock), "no quote");
    clock.advance(Duration::from_secs(1));
    let mut older = quote(SHARE, "560.10", "560.12", &clock);
    older.bid.at = Field::Value("2030-01-02T14:59:59Z".parse().unwrap());
    let backwards = look(&mut feed, vec![older], &clock);
    assert_eq!(backwards.refused().len(), 1);
    assert_eq!(verdict(&feed, &backwards, &buy, &clock), "backwards");
    // A later look that is refused ends what the earlier one was good for.
    let _crossed = look(&mut feed, vec![quote(SHARE, "561", "560", &clock)], &clock);
    assert_eq!(verdict(&feed, &good, &buy, &clock), "crossed");
}

#[test]
fn a_quote_by_another_clock_does_not_reach_the_feed() {
    let (clock, mut feed) = (clock(), feed());
    let buy = order(&[(SHARE, Side::Buy, 1)], limit("560.12"));
    let mut elsewhere = quote(SHARE, "560.10", "560.12", &clock);
    elsewhere.received.mono = elsewhere.received.mono.plus(Duration::from_nanos(1));
    let view = look(&mut feed, vec![elsewhere], &clock);
    assert_eq!(verdict(&feed, &view, &buy, &clock), "received ahead");
    // It would run ahead of every quote to come.
    let view = look(&mut feed, vec![quote(SHARE, "560.10", "560.12", &clock)], &clock);
    assert_eq!(verdict(&feed, &view, &buy, &clock), "");
}

#[test]
fn a_limit_that_gives_too_much_away_is_refused_and_one_that_may_wait_is_not() {
    let (clock, mut feed) = (clock(), feed());
    let quotes = vec![
        quote(SHARE, "560.10", "560.12", &clock),
        quote(UPPER, "12.00", "12.40", &clock),
        quote(LOWER, "10.80", "11.10", &clock),
    ];
    let view = look(&mut feed, quotes, &clock);
    let check = |order: &OrderRequest| {
        let fresh = judge(&feed, &view, order, &clock).unwrap();
        check_limit(fresh.at(Now::of(&clock)).unwrap().prices(), order).is_ok()
    };
    let share = |side, price: &str| order(&[(SHARE, side, 7)], limit(price));
    for (side, price, passes) in [
        (Side::Buy, "560.12", true),
        (Side::Buy, "565.72", true),
        (Side::Buy, "565.73", false),
        (Side::Buy, "100", true),
        (Side::Sell, "560.10", true),
        (Side::Sell, "554.50", true),
        (Side::Sell, "554.49", false),
    ] {
        assert_eq!(check(&share(side, price)), passes, "{side:?} {price}");
    }
    // Natural is 0.90 received; the band is one percent of 23.10.
    let spread = |kind| order(&[(UPPER, Side::Sell, 2), (LOWER, Side::Buy, 2)], kind);
    let credit = |price: &str| spread(OrderKind::Credit { price: price.parse().unwrap() });
    assert!(check(&credit("0.90")) && check(&credit("0.67")));
    assert!(!check(&credit("0.66")) && !check(&credit("0.09")));
    assert!(!check(&spread(OrderKind::Even)));
    assert!(!check(&spread(OrderKind::Debit { price: Decimal::ONE })));
    assert!(check(&spread(OrderKind::Market)));
}

#[test]
fn quantities_are_counted_in_spreads() {
    let kind = OrderKind::Market;
    let ratios = |legs: &[(&str, Side, u32)]| -> Vec<u32> {
        one_of(order(legs, kind).legs()).iter().map(|leg| leg.ratio.get()).collect()
    };
    assert_eq!(ratios(&[(SHARE, Side::Buy, 900)]), [1]);
    assert_eq!(ratios(&[(UPPER, Side::Sell, 4), (LOWER, Side::Buy, 6)]), [2, 3]);
}
