//! Which quotes an order was sent on: what the ledger says of it.

use super::*;
use crate::ledger::LedgerOrder;

const MOST: Duration = Duration::from_secs(5);

fn look(exchange: &mut Exchange, ms: u64, name: &str) {
    drop(exchange.read(after(ms), |exchange| exchange.quote(&symbol(name))));
}

/// Sends an order at `ms`, and looks at it in the ledger half a minute later.
fn sent(exchange: &mut Exchange, ms: u64, order: &NewOrder) -> LedgerOrder {
    drop(exchange.submit(after(ms), order));
    exchange.ledger(after(30_000)).orders.pop().unwrap()
}

#[test]
fn an_order_on_a_spoiled_quote_is_told_from_one_on_a_good_one_that_came_after_it() {
    for kind in [
        FaultKind::QuoteStale,
        FaultKind::QuoteFuture,
        FaultKind::QuoteCrossed,
        FaultKind::QuoteZero,
        FaultKind::QuoteNegative,
        FaultKind::QuoteText,
        FaultKind::QuoteUnmatched,
    ] {
        let mut exchange = quiet();
        exchange.inject(kind, 1);
        look(&mut exchange, 0, "SPY");
        let order = sent(&mut exchange.clone(), 10, &buy(1));
        assert_eq!(order.quoted[0].fault, Some(kind));
        assert!(order.is_on_bad_quote(MOST), "{kind}");
        look(&mut exchange, 5, "SPY");
        let order = sent(&mut exchange, 10, &buy(1));
        assert_eq!((order.quoted[0].fault, order.quoted[0].age_ms), (None, 5), "{kind}");
        assert!(!order.is_on_bad_quote(MOST), "{kind}");
    }
}

#[test]
fn a_good_quote_that_came_before_a_spoiled_one_is_remembered_with_its_age() {
    let mut exchange = quiet();
    exchange.inject(FaultKind::QuoteZero, 1);
    look(&mut exchange, 0, "SPY");
    assert_eq!(sent(&mut exchange.clone(), 10, &buy(1)).quoted[0].good_ms, None);
    look(&mut exchange, 20, "SPY");
    exchange.inject(FaultKind::QuoteZero, 1);
    look(&mut exchange, 30, "SPY");
    let order = sent(&mut exchange, 50, &buy(1));
    assert_eq!((order.is_on_bad_quote(MOST), order.quoted[0].good_ms), (true, Some(30)));
}

#[test]
fn a_stale_stamp_has_its_age() {
    let mut exchange = quiet();
    exchange.inject(FaultKind::QuoteStale, 1);
    look(&mut exchange, 0, "SPY");
    let age = sent(&mut exchange, 10, &buy(1)).quoted[0].stamp_age_ms.unwrap();
    assert!((600_000..620_000).contains(&age), "{age}");
}

#[test]
fn a_missing_side_spoils_the_quote_for_who_needs_it() {
    let mut seen = [false; 2];
    for seed in 0..20 {
        let mut exchange = Exchange::new(settings(SimConfig::new(seed)), None, start());
        exchange.inject(FaultKind::QuoteMissing, 1);
        let raw = exchange.quote(&symbol("SPY")).unwrap();
        let has_ask = raw.ask.price != RawValue::Null;
        let order = sent(&mut exchange, 10, &buy(1));
        assert_eq!(order.is_on_bad_quote(MOST), !has_ask);
        seen[usize::from(has_ask)] = true;
    }
    assert_eq!(seen, [true; 2]);
}

#[test]
fn a_quote_that_stands_still_is_bad_when_it_has_grown_old() {
    let mut exchange = quiet();
    exchange.inject(FaultKind::QuoteFrozen, 1);
    for ms in [0, 4_900, 5_100] {
        look(&mut exchange, ms, "SPY");
        let order = sent(&mut exchange.clone(), ms, &buy(1));
        assert_eq!((order.is_on_bad_quote(MOST), order.quoted[0].age_ms), (ms > 5_000, ms));
    }
    // A quote that nobody asked for again grows old as well.
    look(&mut exchange, 9_000, "SPY");
    assert!(sent(&mut exchange, 14_001, &buy(1)).is_on_bad_quote(MOST));
}

#[test]
fn an_answer_that_never_came_is_no_quote_that_was_told() {
    for kind in [FaultKind::ReadLost, FaultKind::ReadDelayed, FaultKind::ReadTruncated] {
        let mut exchange = quiet();
        look(&mut exchange, 0, "SPY");
        exchange.inject(kind, 1);
        exchange.inject(FaultKind::QuoteZero, 1);
        look(&mut exchange, 5, "SPY");
        assert!(!sent(&mut exchange, 10, &buy(1)).is_on_bad_quote(MOST), "{kind}");
    }
}

#[test]
fn each_leg_counts_and_what_nobody_asked_for_is_left_out() {
    let mut exchange = quiet();
    let order = put_spread(1, OrderKind::Market);
    assert!(sent(&mut exchange.clone(), 0, &order).quoted.is_empty());
    look(&mut exchange, 0, PUT_5900);
    exchange.inject(FaultKind::QuoteCrossed, 1);
    look(&mut exchange, 0, PUT_5890);
    let order = sent(&mut exchange, 10, &order);
    assert_eq!(order.quoted.iter().map(|leg| leg.fault).collect::<Vec<_>>(), [None, Some(FaultKind::QuoteCrossed)]);
    assert!(order.is_on_bad_quote(MOST));
}

#[test]
fn an_order_that_lands_late_stands_on_the_quotes_of_when_it_was_sent() {
    let mut exchange = quiet();
    look(&mut exchange, 0, "SPY");
    exchange.inject(FaultKind::LateProcessing, 1);
    drop(exchange.submit(after(10), &buy(1)));
    exchange.inject(FaultKind::QuoteZero, 1);
    look(&mut exchange, 1_000, "SPY");
    let order = exchange.ledger(after(10_000)).orders.pop().unwrap();
    assert_eq!((order.received_at, order.quoted[0].age_ms), (after(3_010), 10));
    assert!(!order.is_on_bad_quote(MOST));
}

#[test]
fn an_account_that_was_kept_before_quotes_were_is_read() {
    let mut exchange = quiet();
    look(&mut exchange, 0, "SPY");
    placed(exchange.submit(start(), &buy(1)));
    let kept: serde_json::Value = serde_json::from_str(&exchange.to_json().unwrap()).unwrap();
    let mut old = kept.clone();
    old.as_object_mut().unwrap().remove("told").unwrap();
    for order in old["orders"].as_object_mut().unwrap().values_mut() {
        order.as_object_mut().unwrap().remove("quoted").unwrap();
    }
    let read = |json: &serde_json::Value| {
        Exchange::resume(&json.to_string(), settings(SimConfig::new(1)), None, after(20)).unwrap().ledger(after(20))
    };
    assert!(read(&old).orders[0].quoted.is_empty());
    assert_eq!(read(&kept).orders[0].quoted.len(), 1);
}
