use std::time::Duration;

use backstop_clock::ManualClock;

use super::*;

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
fn faults_can_be_changed_while_it_runs() {
    let clock = Arc::new(ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap()));
    let handle = SimHandle::open(&SimConfig::new(1).with_clock(clock.clone())).unwrap();
    handle.set_faults(FaultPlan::none().with_rate(FaultKind::ManualOrder, 1000));
    clock.advance(Duration::from_secs(3));
    assert!(handle.ledger().orders.len() >= 2);
    assert!(handle.fault_counts()[&FaultKind::ManualOrder] >= 2);
}
