//! Claims that outlive the guard, and stores that fail.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use backstop_trade_guard::{ClaimStore, Event, Refusal, ResolveError, StoreError, TradeGuard, Verdict};

use crate::rig::{Fault, FaultyStore, clock, evidence, key, limit, on};

// proves: GUARD-5
#[test]
fn a_permit_comes_after_its_claim() {
    let store = Arc::new(FaultyStore::default());
    let guard = on(&store, 1).named("scheduler").unwrap();
    let permit = guard.try_enter(&key()).unwrap();
    let written = store.written();
    assert_eq!(written.len(), 1);
    assert_eq!((written[0].key, written[0].attempt), (key(), permit.attempt().number));
    assert_eq!(written[0].event, Event::Claimed { by: "scheduler".to_owned(), executed: 0 });
    permit.not_executed("the quote was stale").unwrap();
    assert_eq!(store.written()[1].event, Event::NotExecuted { reason: "the quote was stale".to_owned() });
}

// proves: GUARD-5
#[test]
fn a_store_that_fails_refuses_and_leaves_the_key_as_it_was() {
    for slot in [0, 1] {
        for fault in [Fault::Refuse, Fault::FailLost, Fault::FailWritten] {
            let store = Arc::new(FaultyStore::default());
            let guard = on(&store, 1);
            let key = key().with_slot(slot);
            store.plan(Some(fault));
            let refused = guard.try_enter(&key);
            assert!(matches!(refused, Err(Refusal::Store { .. })), "{fault:?}: {refused:?}");
            assert_eq!(guard.occupied(), vec![]);
            store.plan(Some(fault));
            let handle = guard.handle(&key).unwrap();
            assert!(matches!(handle.try_enter(), Err(Refusal::Store { .. })));
            guard.try_enter(&key).unwrap().executed().unwrap();
            assert!(guard.try_enter(&key).is_err(), "once");
            assert!(on(&store, 1).try_enter(&key).is_err(), "after a restart too");
        }
    }
}

// proves: GUARD-5
#[test]
fn a_claim_that_may_be_on_disk_is_unresolved_after_a_restart() {
    let store = Arc::new(FaultyStore::default());
    let guard = on(&store, 1);
    store.plan(Some(Fault::FailWritten));
    guard.try_enter(&key()).unwrap_err();
    assert!(matches!(on(&store, 1).try_enter(&key()), Err(Refusal::Unresolved(_))));
    // Unless a later claim of the same guard made up for it.
    let store = Arc::new(FaultyStore::default());
    let guard = on(&store, 1);
    store.plan(Some(Fault::FailWritten));
    guard.try_enter(&key()).unwrap_err();
    guard.try_enter(&key()).unwrap().not_executed("only to see").unwrap();
    on(&store, 1).try_enter(&key()).unwrap().executed().unwrap();
}

// proves: GUARD-5
#[test]
fn a_store_that_panics_gives_no_permit_and_shuts_nothing() {
    let store = Arc::new(FaultyStore::default());
    let guard = on(&store, 1);
    store.plan(Some(Fault::Panic));
    catch_unwind(AssertUnwindSafe(|| guard.try_enter(&key()).map(|_| ()))).unwrap_err();
    assert_eq!(guard.occupied(), vec![]);
    guard.try_enter(&key()).unwrap().executed().unwrap();
}

#[test]
fn a_store_that_cannot_say_what_it_holds_opens_no_guard() {
    let store = Arc::new(FaultyStore::default());
    store.plan(Some(Fault::Refuse));
    let opened = TradeGuard::open(limit(1), clock(), store as Arc<dyn ClaimStore>);
    assert!(matches!(opened, Err(StoreError::Refused { .. })));
}

// proves: GUARD-2
#[test]
fn an_end_that_could_not_be_written_counts_now_and_is_in_doubt_after_a_restart() {
    for fault in [Fault::Refuse, Fault::FailLost] {
        let store = Arc::new(FaultyStore::default());
        let guard = on(&store, 2);
        let permit = guard.try_enter(&key()).unwrap();
        let attempt = permit.attempt();
        store.plan(Some(fault));
        let lost = permit.executed().unwrap_err();
        assert_eq!(lost.attempt, attempt);
        // After a crash now: it may have been executed.
        let restarted = on(&store, 2);
        assert!(matches!(restarted.try_enter(&key()), Err(Refusal::Unresolved(_))));
        // Without a crash: it was, and the next claim says so on disk.
        guard.try_enter(&key()).unwrap().executed().unwrap();
        let restarted = on(&store, 2);
        assert!(matches!(restarted.try_enter(&key()), Err(Refusal::Limit { taken: 2, limit: 2, .. })));
    }
}

// proves: GUARD-3
#[test]
fn a_resolution_that_could_not_be_written_resolves_nothing() {
    let store = Arc::new(FaultyStore::default());
    let guard = on(&store, 1);
    let permit = guard.try_enter(&key()).unwrap();
    let attempt = permit.attempt();
    drop(permit);
    for fault in [Fault::Refuse, Fault::FailLost] {
        store.plan(Some(fault));
        let failed = guard.resolve(attempt, Verdict::NotExecuted, &evidence());
        assert!(matches!(failed, Err(ResolveError::Store { .. })), "{failed:?}");
        assert_eq!(guard.unresolved().len(), 1);
        assert!(matches!(guard.try_enter(&key()), Err(Refusal::Unresolved(_))));
    }
    guard.resolve(attempt, Verdict::NotExecuted, &evidence()).unwrap();
    let expected = Event::Resolved { verdict: Verdict::NotExecuted, grounds: evidence() };
    assert_eq!(store.written().last().unwrap().event, expected);
    on(&store, 1).try_enter(&key()).unwrap().executed().unwrap();
}

#[test]
fn slots_of_an_earlier_process_share_the_limit_of_the_session() {
    let store = Arc::new(FaultyStore::default());
    let slot = |number| key().with_slot(number);
    let guard = on(&store, 3);
    guard.try_enter(&slot(1)).unwrap().executed().unwrap();
    drop(guard.try_enter(&slot(2)).unwrap());
    guard.try_enter(&slot(3)).unwrap().not_executed("rejected").unwrap();
    let guard = on(&store, 3);
    assert!(matches!(guard.try_enter(&slot(1)), Err(Refusal::Spent { taken: 2, limit: 3, .. })));
    assert!(matches!(guard.try_enter(&slot(2)), Err(Refusal::Unresolved(_))));
    guard.try_enter(&slot(3)).unwrap().executed().unwrap();
    assert!(matches!(guard.try_enter(&slot(4)), Err(Refusal::Limit { taken: 3, limit: 3, .. })));
}

#[test]
fn a_long_reason_is_cut_and_not_refused() {
    let store = Arc::new(FaultyStore::default());
    let guard = on(&store, 1);
    guard.try_enter(&key()).unwrap().not_executed(&"é".repeat(5000)).unwrap();
    let Event::NotExecuted { reason } = store.written()[1].event.clone() else { panic!() };
    assert_eq!(reason.chars().count(), 500);
}
