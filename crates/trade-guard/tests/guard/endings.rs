//! Each way in which an attempt ends, and what opens its key again.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use backstop_trade_guard::{Attempt, Grounds, InvalidGrounds, Permit, Refusal, ResolveError, TradeGuard, Verdict};

use crate::rig::{evidence, guard, key};

/// The key is shut; no time and no other verdict opens it, until it is resolved.
#[track_caller]
fn is_shut_until_resolved(guard: &TradeGuard) {
    for _ in 0..3 {
        assert!(matches!(guard.try_enter(&key()), Err(Refusal::Unresolved(_))));
    }
    let unresolved = guard.unresolved();
    assert_eq!(unresolved.len(), 1);
    guard.resolve(unresolved[0].attempt, Verdict::NotExecuted, &evidence()).unwrap();
    guard.try_enter(&key()).unwrap().not_executed("only to see").unwrap();
}

// proves: GUARD-3
#[test]
fn an_early_return_shuts_the_key() {
    fn submit(_permit: &Permit<'_>) -> Result<(), Box<dyn Error>> {
        Err("connection reset after the request had left".into())
    }
    fn naive(guard: &TradeGuard) -> Result<(), Box<dyn Error>> {
        let permit = guard.try_enter(&key())?;
        submit(&permit)?;
        permit.executed()?;
        Ok(())
    }
    let guard = guard(1);
    naive(&guard).unwrap_err();
    is_shut_until_resolved(&guard);
}

// proves: GUARD-3
#[test]
fn a_panic_shuts_the_key() {
    let guard = guard(1);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _permit = guard.try_enter(&key()).unwrap();
        panic!("the strategy is wrong");
    }));
    caught.unwrap_err();
    is_shut_until_resolved(&guard);
}

// proves: GUARD-3
#[test]
fn a_thread_that_dies_with_a_permit_shuts_the_key() {
    let guard = guard(1);
    let permit = guard.try_enter(&key()).unwrap();
    let died = thread::spawn(move || {
        let _permit = permit;
        panic!("the strategy is wrong");
    });
    died.join().unwrap_err();
    is_shut_until_resolved(&guard);
}

// proves: GUARD-3
#[test]
fn a_permit_of_a_handle_that_is_dropped_shuts_the_key() {
    let guard = guard(1);
    let handle = guard.handle(&key()).unwrap();
    drop(handle.try_enter().unwrap());
    assert!(matches!(handle.try_enter(), Err(Refusal::Unresolved(_))));
    is_shut_until_resolved(&guard);
    drop(handle.try_enter().unwrap().into_owned());
    is_shut_until_resolved(&guard);
}

// proves: GUARD-3
#[test]
fn a_permit_that_is_forgotten_leaves_the_key_in_progress() {
    let guard = guard(1);
    std::mem::forget(guard.try_enter(&key()).unwrap());
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::InProgress(_))));
    let occupied = guard.occupied();
    let resolved = guard.resolve(occupied[0].attempt, Verdict::NotExecuted, &evidence());
    assert!(matches!(resolved, Err(ResolveError::InProgress { .. })), "{resolved:?}");
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::InProgress(_))));
}

#[test]
fn a_permit_goes_where_its_work_goes() {
    let guard = guard(1);
    let permit = guard.try_enter(&key()).unwrap();
    thread::spawn(move || permit.executed().unwrap()).join().unwrap();
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::Limit { taken: 1, limit: 1, .. })));
    assert_eq!(guard.occupied(), vec![]);
}

// proves: GUARD-2, GUARD-3
#[test]
fn resolved_as_executed_it_counts_and_as_not_executed_it_does_not() {
    let guard = guard(2);
    for (verdict, left) in [(Verdict::NotExecuted, 2), (Verdict::Executed, 1), (Verdict::Executed, 0)] {
        let permit = guard.try_enter(&key()).unwrap();
        let attempt = permit.attempt();
        drop(permit);
        guard.resolve(attempt, verdict, &evidence()).unwrap();
        let again = guard.resolve(attempt, verdict, &evidence());
        assert!(matches!(again, Err(ResolveError::NotUnresolved { .. })), "settled once");
        match guard.try_enter(&key()) {
            Ok(permit) if left > 0 => permit.not_executed("only to see").unwrap(),
            Err(Refusal::Limit { taken: 2, limit: 2, .. }) if left == 0 => {}
            other => panic!("{left} left, {other:?}"),
        }
    }
}

// proves: GUARD-3
#[test]
fn evidence_about_one_attempt_does_not_settle_another() {
    let guard = guard(1);
    let first = guard.try_enter(&key()).unwrap();
    let attempt = first.attempt();
    assert!(matches!(
        guard.resolve(attempt, Verdict::NotExecuted, &evidence()),
        Err(ResolveError::InProgress { attempt: refused }) if refused == attempt
    ));
    first.not_executed("the quote was stale").unwrap();
    drop(guard.try_enter(&key()).unwrap());
    let late = guard.resolve(attempt, Verdict::NotExecuted, &evidence());
    assert!(matches!(late, Err(ResolveError::LaterAttempt { found: 2, .. })), "{late:?}");
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::Unresolved(_))));
    let never_made = Attempt { key: key().with_slot(7), number: 1 };
    let never = guard.resolve(never_made, Verdict::NotExecuted, &evidence());
    assert!(matches!(never, Err(ResolveError::NotUnresolved { .. })));
}

#[test]
fn only_what_says_something_is_grounds() {
    assert_eq!(Grounds::evidence(" \n").unwrap_err(), InvalidGrounds::Blank { what: "the evidence" });
    assert_eq!(Grounds::operator("", "looked").unwrap_err(), InvalidGrounds::Blank { what: "the name" });
    assert_eq!(Grounds::operator("kim", "").unwrap_err(), InvalidGrounds::Blank { what: "the reason" });
    assert!(matches!(Grounds::evidence(&"x".repeat(1001)), Err(InvalidGrounds::TooLong { length: 1001, .. })));
    assert_eq!(
        Grounds::operator("kim", " looked at the account ").unwrap().to_string(),
        "kim says: looked at the account"
    );
}

// proves: GUARD-1
#[test]
fn slots_are_entered_side_by_side_each_once_and_no_more_than_the_limit_together() {
    let guard = guard(2);
    let slot = |number| key().with_slot(number);
    let first = guard.try_enter(&slot(1)).unwrap();
    let second = guard.try_enter(&slot(2)).unwrap();
    assert!(matches!(guard.try_enter(&slot(1)), Err(Refusal::InProgress(_))));
    assert!(matches!(guard.try_enter(&slot(3)), Err(Refusal::Limit { taken: 2, limit: 2, .. })));
    second.not_executed("rejected").unwrap();
    let third = guard.try_enter(&slot(3)).unwrap();
    first.executed().unwrap();
    assert!(matches!(guard.try_enter(&slot(1)), Err(Refusal::Spent { taken: 2, .. })), "once, whatever the limit");
    drop(third);
    assert!(matches!(guard.try_enter(&slot(2)), Err(Refusal::Limit { .. })), "what may have been executed counts");
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::MixedSlots { .. })));
    guard.resolve(guard.unresolved()[0].attempt, Verdict::NotExecuted, &evidence()).unwrap();
    guard.try_enter(&slot(2)).unwrap().executed().unwrap();
}

#[test]
fn a_limit_can_be_set_for_one_scope_and_session() {
    let guard = guard(1);
    let (scope, session) = (*key().scope(), key().session());
    guard.set_limit(&scope, session, crate::rig::limit(2)).unwrap();
    guard.try_enter(&key()).unwrap().executed().unwrap();
    guard.try_enter(&key()).unwrap().executed().unwrap();
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::Limit { taken: 2, limit: 2, .. })));
    guard.set_limit(&scope, session, crate::rig::limit(1)).unwrap();
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::Limit { taken: 2, limit: 1, .. })));
    let slots = crate::rig::scope("slots");
    guard.set_limit(&slots, session, crate::rig::limit(1)).unwrap();
    let slot = |number| backstop_trade_guard::Key::new(slots, session).with_slot(number);
    let inside = guard.try_enter(&slot(1)).unwrap();
    assert!(matches!(guard.try_enter(&slot(2)), Err(Refusal::Limit { limit: 1, .. })));
    guard.set_limit(&slots, session, crate::rig::limit(3)).unwrap();
    guard.try_enter(&slot(2)).unwrap().executed().unwrap();
    inside.executed().unwrap();
}

// proves: GUARD-1
#[test]
fn ten_thousand_keys_and_four_threads_execute_each_key_once() {
    let guard = guard(1);
    let keys: Vec<_> = (0..10_000)
        .map(|n| backstop_trade_guard::Key::new(crate::rig::scope(&format!("k{n}")), key().session()))
        .collect();
    let executed: usize = thread::scope(|scope| {
        let work = |offset: usize| {
            let (guard, keys) = (guard.clone(), &keys);
            move || {
                let enter = |at: &usize| guard.try_enter(&keys[(at + offset) % keys.len()]);
                let permits = (0..2 * keys.len()).collect::<Vec<_>>();
                permits.iter().filter_map(|at| enter(at).ok()).map(|permit| permit.executed().unwrap()).count()
            }
        };
        let threads: Vec<_> = (0..4).map(|n| scope.spawn(work(n * 7))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((executed, guard.occupied().len()), (10_000, 0));
    assert_eq!(guard.stuck(Duration::ZERO), vec![]);
}
