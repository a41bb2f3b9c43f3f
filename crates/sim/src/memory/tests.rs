use std::sync::Arc;

use backstop_broker::{
    ClientOrderId, Leg, Lookup, MarketState, OrderKind, OrderStatus, PositionEffect, Progress, Quantity, Side,
    TimeInForce,
};
use backstop_clock::ManualClock;

use super::*;
use crate::faults::{FaultKind, FaultPlan};

fn broker(faults: FaultPlan) -> SimBroker {
    let clock = ManualClock::following_tokio("2030-01-02T15:00:00Z".parse().unwrap());
    let config = SimConfig::new(5).with_clock(Arc::new(clock)).with_faults(faults);
    SimBroker::new(&config.with_call_timeout(Duration::from_secs(2))).unwrap()
}

fn order(tag: &str, effect: PositionEffect, side: Side) -> OrderRequest {
    let spy: Symbol = "SPY".parse().unwrap();
    let leg = Leg { symbol: spy.clone(), side, effect, quantity: Quantity::new(2).unwrap() };
    OrderRequest::new(ClientOrderId::new(tag).unwrap(), spy, vec![leg], OrderKind::Market, TimeInForce::Day).unwrap()
}

fn buy(tag: &str) -> OrderRequest {
    order(tag, PositionEffect::Open, Side::Buy)
}

#[tokio::test(start_paused = true)]
async fn an_order_is_placed_followed_and_closed() {
    let broker = broker(FaultPlan::none());
    let Outcome::Accepted(id) = broker.submit(&buy("a-1"), Grant::unmetered()).await else { panic!("not accepted") };
    sleep(Duration::from_secs(1)).await;
    let filled = broker.order(&id).await.unwrap();
    assert_eq!(filled.status, OrderStatus::Filled);
    let Progress::Final(fills) = filled.progress() else { panic!("not final") };
    let cash = fills.iter().map(backstop_broker::Fill::cash).sum::<Option<backstop_broker::Decimal>>().unwrap();
    assert_eq!(broker.balances().await.unwrap().total_cash, backstop_broker::Decimal::from(100_000) + cash);
    assert_eq!(broker.positions().await.unwrap().len(), 1);
    assert_eq!(broker.market_clock().await.unwrap().state, MarketState::Open);
    let Outcome::Rejected(reason) = broker.cancel(&id).await else { panic!("not refused") };
    assert_eq!(reason.reason, "order already in finalized state: filled");
    let close = order("a-2", PositionEffect::Close, Side::Sell);
    assert!(matches!(broker.submit(&close, Grant::unmetered()).await, Outcome::Accepted(_)));
    let Outcome::Rejected(twice) = broker.submit(&close, Grant::unmetered()).await else { panic!("sold twice") };
    assert_eq!(twice.code.as_deref(), Some("LongPositionCrossZero"));
    sleep(Duration::from_secs(2)).await;
    assert!(broker.positions().await.unwrap().is_empty());
}

// proves: BRK-1
#[tokio::test(start_paused = true)]
async fn a_submit_that_suffers_a_fault_is_unknown_whether_or_not_the_order_lives() {
    use DoubtCause::{ConnectionLost, ServerError, Throttled, TimedOut, Unreadable};
    for (kind, cause, lives) in [
        (FaultKind::RequestLost, TimedOut, false),
        (FaultKind::LateProcessing, TimedOut, true),
        (FaultKind::AnswerLost, ConnectionLost, true),
        (FaultKind::AnswerDelayed, TimedOut, true),
        (FaultKind::ServerErrorBefore, ServerError { status: 503 }, false),
        (FaultKind::ServerErrorAfter, ServerError { status: 502 }, true),
        (FaultKind::TruncatedBody, ConnectionLost, true),
        (FaultKind::CutJson, Unreadable, true),
        (FaultKind::HtmlBody, Unreadable, true),
        (FaultKind::Throttled, Throttled, false),
    ] {
        let broker = broker(FaultPlan::none());
        broker.handle().inject(kind, 1);
        let before = tokio::time::Instant::now();
        let outcome = broker.submit(&buy("b-1"), Grant::unmetered()).await;
        let Outcome::Unknown(doubt) = outcome else { panic!("{kind}: {outcome:?}") };
        assert_eq!(doubt.cause, cause, "{kind}");
        assert!(before.elapsed() <= broker.call_timeout(), "{kind}");
        sleep(Duration::from_secs(10)).await;
        let found = broker.order_by_client_id(&ClientOrderId::new("b-1").unwrap()).await.unwrap();
        assert_eq!(matches!(found, Lookup::One(_)), lives, "{kind}");
        assert_eq!(broker.handle().fault_counts().get(&kind), Some(&1), "{kind}");
        assert_eq!(broker.handle().ledger().requests.len(), 1, "{kind}: nothing repeats it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_suffers_a_fault_is_unknown() {
    for (kind, cause) in
        [(FaultKind::CancelLost, DoubtCause::TimedOut), (FaultKind::CancelAnswerLost, DoubtCause::ConnectionLost)]
    {
        let broker = broker(FaultPlan::none());
        let Outcome::Accepted(id) = broker.submit(&buy("c-1"), Grant::unmetered()).await else {
            panic!("not accepted")
        };
        broker.handle().inject(kind, 1);
        let Outcome::Unknown(doubt) = broker.cancel(&id).await else { panic!("{kind}") };
        assert_eq!(doubt.cause, cause);
    }
}

// proves: BRK-2
#[tokio::test(start_paused = true)]
async fn a_read_that_suffers_a_fault_is_an_error_and_never_an_empty_answer() {
    for kind in [
        FaultKind::ReadLost,
        FaultKind::ReadDelayed,
        FaultKind::ReadServerError,
        FaultKind::ReadTruncated,
        FaultKind::ReadHtml,
        FaultKind::ReadThrottled,
    ] {
        let broker = broker(FaultPlan::none());
        broker.handle().inject(kind, 1);
        let error = broker.orders().await.unwrap_err();
        assert!(error.is_transient(), "{kind}: {error}");
        broker.orders().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_order_is_not_shown() {
    let broker = broker(FaultPlan::none());
    let id = BrokerOrderId::new("77").unwrap();
    assert!(matches!(broker.order(&id).await, Err(ReadError::Unauthorized { .. })));
    assert!(matches!(broker.cancel(&id).await, Outcome::Rejected(_)));
}

#[tokio::test(start_paused = true)]
async fn quotes_bear_the_moment_of_receipt_and_name_what_is_unknown() {
    let broker = broker(FaultPlan::none());
    sleep(Duration::from_secs(3)).await;
    let (spy, nope): (Symbol, Symbol) = ("SPY".parse().unwrap(), "NOPE".parse().unwrap());
    let quotes = broker.quotes(&[spy.clone(), nope.clone()]).await.unwrap();
    assert_eq!(quotes.unmatched, [nope]);
    let quote = quotes.get(&spy).unwrap();
    assert_eq!(quote.received.wall, "2030-01-02T15:00:03Z".parse().unwrap());
    assert!(matches!(quote.bid.price, Field::Value(_)));
    broker.handle().inject(FaultKind::QuoteText, 1);
    let spoiled = broker.quotes(std::slice::from_ref(&spy)).await.unwrap();
    assert_eq!(spoiled.get(&spy).unwrap().bid.price, Field::Unreadable);
}

#[tokio::test(start_paused = true)]
async fn a_hostile_day_leaves_the_truth_intact() {
    let broker = broker(FaultPlan::hostile());
    for n in 0..30 {
        drop(broker.submit(&buy(&format!("d-{n}")), Grant::unmetered()).await);
        sleep(Duration::from_millis(700)).await;
        drop(broker.positions().await);
    }
    sleep(Duration::from_secs(30)).await;
    let ledger = broker.handle().ledger();
    assert_eq!(ledger.requests.len(), 30);
    assert!(ledger.opening_orders_by_tag().values().all(|count| *count == 1));
    assert!(!ledger.faults.is_empty());
}
