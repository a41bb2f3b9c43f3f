use std::time::Duration;

use super::*;
use crate::config::SimConfig;

fn start() -> Timestamp {
    "2030-01-02T15:00:00Z".parse().unwrap()
}

fn quoted(fault: FaultKind) -> Option<RawQuote> {
    let mut exchange = Exchange::new(SimConfig::new(1).settings, None, start());
    exchange.advance(later(start(), Duration::from_secs(10)));
    exchange.inject(fault, 1);
    exchange.quote(&"SPY".parse().unwrap())
}

fn number(value: &RawValue) -> Decimal {
    match value {
        RawValue::Number(number) => *number,
        other => panic!("{other:?} is not a number"),
    }
}

#[test]
fn each_fault_spoils_the_quote_in_its_own_way() {
    assert!(quoted(FaultKind::QuoteUnmatched).is_none());
    let quote = |fault| quoted(fault).unwrap();
    let crossed = quote(FaultKind::QuoteCrossed);
    assert!(number(&crossed.bid.price) > number(&crossed.ask.price));
    assert_eq!(number(&quote(FaultKind::QuoteZero).bid.price), Decimal::ZERO);
    assert!(number(&quote(FaultKind::QuoteNegative).ask.price) < Decimal::ZERO);
    assert_eq!(quote(FaultKind::QuoteText).bid.price, RawValue::Text("NaN"));
    let missing = quote(FaultKind::QuoteMissing);
    assert!(missing.bid.price == RawValue::Null || missing.ask.price == RawValue::Null);
    let now = later(start(), Duration::from_secs(10));
    assert!(quote(FaultKind::QuoteStale).bid.at.unwrap() < earlier(now, Duration::from_secs(590)));
    assert!(quote(FaultKind::QuoteFuture).ask.at.unwrap() > later(now, Duration::from_secs(20)));
}

#[test]
fn a_frozen_quote_stands_still_while_the_market_moves_and_then_thaws() {
    let spy = "SPY".parse().unwrap();
    let mut exchange = Exchange::new(SimConfig::new(1).settings, None, start());
    exchange.inject(FaultKind::QuoteFrozen, 1);
    let first = exchange.quote(&spy);
    exchange.advance(later(start(), Duration::from_secs(7)));
    assert_eq!(exchange.quote(&spy), first);
    exchange.advance(later(start(), Duration::from_secs(9)));
    assert_ne!(exchange.quote(&spy), first);
}

#[test]
fn fills_meet_the_true_market_whatever_is_told() {
    let spy: Symbol = "SPY".parse().unwrap();
    let mut exchange = Exchange::new(SimConfig::new(1).settings, None, start());
    exchange.inject(FaultKind::QuoteZero, 1);
    assert_eq!(number(&exchange.quote(&spy).unwrap().bid.price), Decimal::ZERO);
    let (bid, ask) = exchange.true_prices(start(), &spy).unwrap();
    assert!(bid > Decimal::from(500) && ask > bid);
}

#[test]
fn a_true_quotes_stamps_are_whole_seconds_never_ahead_and_apart_from_the_last_trades() {
    let put: Symbol = "SPXW300102P05800000".parse().unwrap();
    let mut exchange = Exchange::new(SimConfig::new(1).settings, None, start());
    for second in 1..120 {
        let now = later(start(), Duration::from_secs(second));
        exchange.advance(now);
        let quote = exchange.quote(&put).unwrap();
        for at in [quote.bid.at.unwrap(), quote.ask.at.unwrap()] {
            assert_eq!(at.subsec_nanosecond(), 0);
            assert!(at <= now && at >= earlier(now, Duration::from_secs(8)), "{at} at {now}");
        }
        assert!(quote.last_at.unwrap() < now);
    }
}
