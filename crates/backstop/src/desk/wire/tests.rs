use std::num::NonZeroU32;

use backstop_broker::{Decimal, Leg, OrderKind, PositionEffect, Quantity, Side, TimeInForce};
use backstop_clock::{Clock, ManualClock};
use backstop_file_lock::{Claim, Lock};
use backstop_quote::{Policy, PolicyConfig};
use backstop_sim::{SimBroker, SimConfig, SimHandle};
use jiff::civil::date;

use super::*;
use crate::record::Purpose;
use crate::{Desk, DeskConfig, MemoryJournal, SessionId, SlotId, State, StrategyName, Switch};

/// A desk on a simulated broker without faults. The directory goes with it.
async fn desk() -> (Desk, SimHandle, tempfile::TempDir) {
    let start = "2030-01-02T15:00:00Z".parse().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::following_tokio(start));
    let call = Duration::from_secs(3);
    let config = SimConfig::new(1).with_clock(Arc::clone(&clock)).with_call_timeout(call);
    let broker = SimBroker::new(&config.with_start_cash(Decimal::from(1_000_000))).unwrap();
    let (handle, directory) = (broker.handle(), tempfile::tempdir().unwrap());
    let claim = Claim { label: "test".to_owned(), since: start };
    let lock = Lock::acquire(directory.path().join("lock"), &claim).unwrap();
    let switch = Switch::open(&directory.path().join("switch")).unwrap();
    let config = DeskConfig {
        home: "test".to_owned(),
        strategy: StrategyName::new("test").unwrap(),
        limits: None,
        loosening: None,
        freshness: Policy::new(PolicyConfig::tradier()).unwrap(),
        poll: Duration::from_millis(250),
        fill_timeout: call,
        settle: call * 2,
        clock_tolerance: Duration::from_secs(1),
        reconcile: backstop_reconcile::Config::new("bs-test-"),
        copies: None,
    };
    let journal = Arc::new(MemoryJournal::default());
    let desk = Desk::open(config, Arc::new(broker), clock, lock, switch, journal, State::default()).await.unwrap();
    (desk, handle, directory)
}

fn order(slot: u32) -> (SlotId, OrderRequest) {
    let session = SessionId { day: date(2030, 1, 2), number: NonZeroU32::MIN };
    let strategy = StrategyName::new("test").unwrap();
    let slot = SlotId { strategy, session, slot: NonZeroU32::new(slot).unwrap() };
    let symbol: Symbol = "SPY".parse().unwrap();
    let quantity = Quantity::new(1).unwrap();
    let leg = Leg { symbol: symbol.clone(), side: Side::Buy, effect: PositionEffect::Open, quantity };
    let id = slot.open_order(1).unwrap();
    (slot, OrderRequest::new(id, symbol, vec![leg], OrderKind::Market, TimeInForce::Day).unwrap())
}

async fn intend(desk: &Desk, slot: u32) -> OrderRequest {
    let (slot, order) = order(slot);
    let (reserve, margin, notional) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
    let intent = Record::Intent { slot, purpose: Purpose::Open, order: order.clone(), reserve, margin, notional };
    desk.inner.commit(vec![intent]).await.unwrap();
    order
}

fn halt(desk: &Desk) -> String {
    desk.state().halted().map(|pull| pull.reason.clone()).unwrap_or_default()
}

// proves: LIMIT-3
#[tokio::test(start_paused = true)]
async fn an_order_that_is_submitted_twice_goes_out_once_and_halts() {
    let (desk, sim, _directory) = desk().await;
    let first = intend(&desk, 1).await;
    let broker = &desk.inner.broker;
    let (one, two) = (broker.submit(&first, Grant::unmetered()), broker.submit(&first, Grant::unmetered()));
    let (one, two) = tokio::join!(one, two);
    assert!(matches!(one, Outcome::Accepted(_)), "{one:?}");
    // The first one lives: nobody may take it for not sent.
    assert!(matches!(&two, Outcome::Unknown(doubt) if doubt.cause == DoubtCause::HeldBack), "{two:?}");
    assert_eq!(sim.ledger().requests.len(), 1);
    assert!(halt(&desk).contains("2 order(s)") && halt(&desk).contains("for 1 intent(s)"), "{}", halt(&desk));
}

// proves: LIMIT-3
#[tokio::test(start_paused = true)]
async fn an_order_that_is_sent_again_after_it_came_to_rest_does_not_go_out_and_halts() {
    let (desk, sim, _directory) = desk().await;
    let first = intend(&desk, 1).await;
    drop(desk.inner.send(&first, Grant::unmetered()).await);
    assert!(desk.state().operations.is_empty() && halt(&desk).is_empty());
    drop(desk.inner.send(&first, Grant::unmetered()).await);
    assert_eq!(sim.ledger().requests.len(), 1);
    assert!(halt(&desk).contains("for 0 intent(s)"), "{}", halt(&desk));
}

// proves: LIMIT-3
#[tokio::test(start_paused = true)]
async fn an_order_without_an_intent_does_not_go_out_and_halts_however_many_other_intents_there_are() {
    let (desk, sim, _directory) = desk().await;
    // Intended and never sent: their count lends nothing to another order.
    intend(&desk, 1).await;
    intend(&desk, 2).await;
    let outcome = desk.inner.broker.submit(&order(3).1, Grant::unmetered()).await;
    assert!(matches!(outcome, Outcome::NotSent(NotSent::HeldBack { .. })), "{outcome:?}");
    assert_eq!(sim.ledger().requests.len(), 0);
    assert!(halt(&desk).contains("for 0 intent(s)"), "{}", halt(&desk));
    assert!(!desk.state().alerts.is_empty());
}
