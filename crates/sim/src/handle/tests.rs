use std::time::Duration;

use backstop_clock::ManualClock;

use super::*;
use crate::market::{Underlying, UnderlyingKind};

fn config(path: &Path) -> SimConfig {
    let clock = ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap());
    SimConfig::new(1).with_clock(Arc::new(clock)).with_persistence(path.to_owned())
}

#[test]
fn a_simulator_that_was_killed_comes_back_with_the_same_account() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("account.json");
    let spy = "SPY".parse().unwrap();
    let first = SimHandle::open(&config(&path)).unwrap();
    assert!(first.trade_by_hand(&spy, 7));
    let before = first.ledger();
    drop(first);
    let second = SimHandle::open(&config(&path)).unwrap();
    assert_eq!(second.ledger(), before);
    assert_eq!(second.ledger().position(&spy), Decimal::from(7));
}

#[test]
fn a_damaged_account_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("account.json");
    fs::write(&path, "{\"settings\":").unwrap();
    let error = SimHandle::open(&config(&path)).unwrap_err();
    assert!(matches!(error, StateError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("account.json"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"settings\":");
}

#[test]
fn an_account_that_cannot_be_written_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let error = SimHandle::open(&config(&directory.path().join("missing/account.json"))).unwrap_err();
    assert!(matches!(error, StateError::Io { action: "write", .. }), "{error}");
}

#[test]
fn numbers_that_cannot_be_reckoned_with_stop_the_start_and_leave_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("account.json");
    let sound = || Underlying::new("TEST".parse().unwrap(), UnderlyingKind::Stock, Decimal::from(100));
    let wrong = [
        Underlying { price: Decimal::ZERO, ..sound() },
        Underlying { price: Decimal::MAX, ..sound() },
        Underlying { spread: Decimal::NEGATIVE_ONE, ..sound() },
        Underlying { spread: Decimal::from(101), ..sound() },
        Underlying { tick: Decimal::ZERO, ..sound() },
        Underlying { tick: Decimal::new(1, 28), ..sound() },
        Underlying { tick: Decimal::MAX, ..sound() },
    ];
    let configs = wrong.into_iter().map(|one| config(&path).with_underlyings(vec![sound(), one]));
    let cash = [Decimal::MAX, Decimal::MIN].map(|cash| config(&path).with_start_cash(cash));
    for config in configs.chain(cash) {
        let error = SimHandle::open(&config).unwrap_err();
        assert!(matches!(error, StateError::Settings { .. }), "{error}");
        assert!(!path.exists(), "{error}");
    }
}

#[test]
fn a_price_or_a_trade_beyond_all_measure_changes_nothing() {
    let handle = SimHandle::open(&SimConfig::new(1)).unwrap();
    let spy = "SPY".parse().unwrap();
    let before = handle.true_prices(&spy).unwrap();
    for price in [Decimal::ZERO, Decimal::NEGATIVE_ONE, Decimal::MAX, Decimal::MIN] {
        assert!(!handle.set_price(&spy, price), "{price}");
    }
    for quantity in [i64::MAX, i64::MIN, 10_000_001] {
        assert!(!handle.trade_by_hand(&spy, quantity), "{quantity}");
    }
    assert!(handle.ledger().positions.is_empty() && handle.ledger().movements.is_empty());
    assert!((handle.true_prices(&spy).unwrap().0 - before.0).abs() < Decimal::TEN);
}

#[test]
fn the_largest_numbers_that_are_taken_can_be_reckoned_with() {
    let most = Decimal::from(1_000_000_000);
    let symbol: Symbol = "HUGE".parse().unwrap();
    let huge = Underlying {
        spread: most,
        tick: Decimal::new(1, 8),
        step: u32::MAX,
        ..Underlying::new(symbol.clone(), UnderlyingKind::Stock, most)
    };
    let clock = Arc::new(ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap()));
    let cash = Decimal::from(1_000_000_000_000_000_u64);
    let config = SimConfig::new(1).with_clock(clock.clone()).with_underlyings(vec![huge]).with_start_cash(cash);
    let handle = SimHandle::open(&config).unwrap();
    let option: Symbol = "HUGE300102C00000001".parse().unwrap();
    for round in 0..600 {
        let quantity = if round % 3 == 0 { -10_000_000 } else { 10_000_000 };
        for symbol in [&symbol, &option] {
            assert!(handle.trade_by_hand(symbol, quantity));
            assert!(handle.true_prices(symbol).is_some());
        }
        clock.advance(Duration::from_secs(1));
        assert!(handle.set_price(&symbol, if round % 2 == 0 { most } else { Decimal::new(1, 28) }));
        handle.tell(|exchange, _| (exchange.balances(), exchange.positions()));
    }
    let ledger = handle.ledger();
    assert_eq!(ledger.cash, ledger.start_cash + ledger.movements.iter().map(|moved| moved.amount).sum::<Decimal>());
    handle.close_session();
}

#[test]
fn faults_can_be_changed_while_it_runs() {
    let clock = Arc::new(ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap()));
    let handle = SimHandle::open(&SimConfig::new(1).with_clock(clock.clone())).unwrap();
    handle.set_faults(FaultPlan::none().with_rate(FaultKind::ManualOrder, 1000));
    clock.advance(Duration::from_secs(3));
    assert!(handle.ledger().orders.len() >= 2);
    assert!(handle.fault_counts()[&FaultKind::ManualOrder] >= 2);
}
