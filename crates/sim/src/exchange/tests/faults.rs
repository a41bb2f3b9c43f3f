//! What each fault does, and that it is counted.

use super::*;
use crate::faults::{FaultPlan, Wire};

/// Calls everything that can suffer a fault.
fn everything(exchange: &mut Exchange) {
    let mut now = start();
    let mut step = |ms| {
        now = later(now, Duration::from_millis(ms));
        now
    };
    exchange.submit(step(10), &put_spread(4, OrderKind::Market));
    exchange.submit(step(10), &buy(5));
    let (bid, _) = exchange.true_prices(step(2_000), &symbol("SPY")).unwrap();
    for pause in [1, 10] {
        let kind = OrderKind::Limit { price: bid };
        let resting = exchange.submit(step(1), &shares(Side::Buy, PositionEffect::Open, 1, kind));
        let _ = exchange.cancel(step(pause), resting.body.and_then(Result::ok).unwrap_or(0));
    }
    drop(exchange.read(step(2_000), Exchange::positions));
    drop(exchange.read(step(10), |exchange| exchange.order_views(true)));
    drop(exchange.read(step(10), |exchange| exchange.quote(&symbol("SPY"))));
    exchange.advance(step(20_000));
}

#[test]
fn every_kind_of_fault_strikes_when_injected_and_is_counted_once() {
    for &kind in FaultKind::ALL {
        let mut exchange = quiet();
        exchange.inject(kind, 1);
        everything(&mut exchange);
        assert_eq!(exchange.fault_counts().get(&kind), Some(&1), "{kind}");
        assert_eq!(exchange.fault_counts().len(), 1, "{kind}: {:?}", exchange.fault_counts());
    }
}

#[test]
fn a_lost_request_is_no_order_and_a_lost_answer_is_one() {
    for (kind, orders) in [
        (FaultKind::RequestLost, 0),
        (FaultKind::ServerErrorBefore, 0),
        (FaultKind::Throttled, 0),
        (FaultKind::LateProcessing, 0),
        (FaultKind::AnswerLost, 1),
        (FaultKind::AnswerDelayed, 1),
        (FaultKind::ServerErrorAfter, 1),
        (FaultKind::TruncatedBody, 1),
        (FaultKind::CutJson, 1),
        (FaultKind::HtmlBody, 1),
        (FaultKind::DuplicateProcessing, 2),
    ] {
        let mut exchange = quiet();
        exchange.inject(kind, 1);
        let answer = exchange.submit(start(), &buy(1));
        assert_eq!(answer.wire == Wire::Deliver, kind == FaultKind::DuplicateProcessing, "{kind}");
        assert_eq!(answer.body.is_some(), orders > 0, "{kind}");
        let ledger = exchange.ledger(after(10));
        assert_eq!(ledger.by_tag("t-1").count(), orders, "{kind}");
        assert_eq!(ledger.requests.len(), 1, "{kind}");
        assert_eq!(ledger.requests[0].fault, Some(kind));
    }
}

#[test]
fn a_late_request_lands_after_its_time_even_if_nobody_waits() {
    let mut exchange = quiet();
    exchange.inject(FaultKind::LateProcessing, 1);
    exchange.submit(start(), &buy(1));
    assert!(exchange.ledger(after(2_900)).orders.is_empty());
    let ledger = exchange.ledger(after(3_100));
    assert_eq!(ledger.orders[0].received_at, after(3_000));
    assert_eq!(ledger.requests[0].order_id, Some(ledger.orders[0].id));
}

#[test]
fn an_order_that_was_taken_can_be_rejected_a_moment_later() {
    let mut exchange = quiet();
    exchange.inject(FaultKind::RejectedLater, 1);
    let id = placed(exchange.submit(start(), &buy(1)));
    exchange.advance(after(500));
    assert_eq!(state(&exchange, id), OrderState::Pending);
    exchange.advance(after(700));
    assert_eq!(state(&exchange, id), OrderState::Rejected);
    assert!(exchange.orders[&id].reason.as_ref().unwrap().contains("InitialMargin"));
    assert_eq!(exchange.account.cash, Decimal::from(100_000));
}

#[test]
fn a_cancel_that_loses_the_race_is_confirmed_and_the_order_fills() {
    let mut exchange = quiet();
    let (bid, _) = exchange.true_prices(start(), &symbol("SPY")).unwrap();
    let kind = OrderKind::Limit { price: bid };
    let id = placed(exchange.submit(start(), &shares(Side::Buy, PositionEffect::Open, 2, kind)));
    exchange.inject(FaultKind::CancelRace, 1);
    assert_eq!(exchange.cancel(after(100), id).body, Some(Ok(())));
    assert_eq!(state(&exchange, id), OrderState::Filled);
}

#[test]
fn part_of_an_order_can_fill_and_the_rest_later_or_never() {
    for (kind, end) in
        [(FaultKind::PartialFill, OrderState::Filled), (FaultKind::PartialFillStuck, OrderState::PartiallyFilled)]
    {
        let mut exchange = quiet();
        exchange.inject(kind, 1);
        let id = placed(exchange.submit(start(), &buy(10)));
        while state(&exchange, id) != OrderState::PartiallyFilled {
            exchange.advance(later(exchange.now, Duration::from_millis(10)));
        }
        assert!((1..10).contains(&exchange.orders[&id].filled_units));
        exchange.advance(after(10_000));
        assert_eq!(state(&exchange, id), end);
    }
}

#[test]
fn filled_is_told_before_its_quantities() {
    let mut exchange = quiet();
    exchange.inject(FaultKind::FilledBeforeQuantities, 1);
    let id = placed(exchange.submit(start(), &buy(1)));
    while state(&exchange, id) != OrderState::Filled {
        exchange.advance(later(exchange.now, Duration::from_millis(10)));
    }
    assert!(!exchange.order_view(id).unwrap().measured);
    exchange.advance(later(exchange.now, Duration::from_millis(801)));
    assert!(exchange.order_view(id).unwrap().measured);
}

#[test]
fn a_new_order_can_be_missing_from_the_list_for_a_while() {
    let mut exchange = quiet();
    exchange.inject(FaultKind::OrdersLag, 1);
    let id = placed(exchange.submit(start(), &buy(1)));
    exchange.advance(after(1_000));
    assert!(exchange.order_views(true).is_empty());
    assert!(exchange.order_view(id).is_some());
    exchange.advance(after(1_600));
    assert_eq!(exchange.order_views(true).len(), 1);
}

#[test]
fn somebody_else_places_orders_that_bear_no_tag_and_never_fill() {
    let plan = FaultPlan::none().with_rate(FaultKind::ManualOrder, 1000);
    let mut exchange = Exchange::new(settings(SimConfig::new(1).with_faults(plan)), None, start());
    let ledger = exchange.ledger(after(10_500));
    assert_eq!(ledger.orders.len(), 10);
    assert!(ledger.orders.iter().all(|order| order.by_hand && order.tag.is_none() && order.fills.is_empty()));
    assert_eq!(ledger.working().count(), 2, "the others were canceled");
    assert!(ledger.requests.is_empty());
}

#[test]
fn a_trade_by_hand_changes_the_position_without_an_order() {
    let mut exchange = quiet();
    assert!(exchange.trade_by_hand(start(), &symbol("SPY"), -3));
    let ledger = exchange.ledger(after(1_000));
    assert_eq!(ledger.position(&symbol("SPY")), Decimal::from(-3));
    assert!(ledger.orders.is_empty());
    assert!(!exchange.trade_by_hand(after(1_000), &symbol("NOPE"), 1));
}

#[test]
fn a_list_that_is_empty_for_once_is_so_from_its_first_page_and_never_ends_early() {
    let mut exchange = quiet();
    placed(exchange.submit(start(), &buy(1)));
    exchange.inject(FaultKind::OrdersEmpty, 1);
    assert_eq!(exchange.order_views(false).len(), 1);
    assert!(exchange.order_views(true).is_empty());
    assert_eq!(exchange.order_views(true).len(), 1);
}
