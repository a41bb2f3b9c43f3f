//! The guard in tasks: canceled at any point, with a runtime and without one.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use backstop_trade_guard::{Permit, Refusal, TradeGuard, Verdict};

use crate::rig::{Fault, FaultyStore, evidence, guard, key, on};

/// Polls once, without a runtime.
fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[track_caller]
fn ready<T>(future: impl Future<Output = T>) -> T {
    match poll_once(future) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn is_send<T: Send + Sync + 'static>() {}

#[test]
fn guards_and_permits_go_between_tasks() {
    is_send::<TradeGuard>();
    is_send::<Permit<'static>>();
}

#[test]
fn it_needs_no_runtime() {
    for guard in [guard(1), on(&Arc::default(), 1)] {
        ready(ready(guard.try_enter_async(&key())).unwrap().not_executed_async("only to see")).unwrap();
        let permit = ready(guard.try_enter_async(&key())).unwrap();
        let attempt = permit.attempt();
        drop(permit);
        ready(guard.resolve_async(attempt, Verdict::NotExecuted, &evidence())).unwrap();
        ready(ready(guard.try_enter_async(&key())).unwrap().executed_async()).unwrap();
        assert!(matches!(ready(guard.try_enter_async(&key())), Err(Refusal::Limit { .. })));
    }
}

// proves: GUARD-3
#[tokio::test]
async fn a_task_that_is_aborted_with_a_permit_shuts_the_key() {
    let guard = guard(1);
    let (inside, entered) = (guard.clone(), Arc::new(tokio::sync::Notify::new()));
    let told = Arc::clone(&entered);
    let task = tokio::spawn(async move {
        let permit = inside.try_enter(&key()).unwrap();
        told.notify_one();
        tokio::time::sleep(Duration::from_hours(1)).await;
        permit.executed().unwrap();
    });
    entered.notified().await;
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::InProgress(_))));
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::Unresolved(_))));
}

// proves: GUARD-3
#[tokio::test]
async fn a_task_that_panics_with_a_permit_shuts_the_key() {
    let guard = guard(1);
    let inside = guard.clone();
    let task = tokio::spawn(async move {
        let _permit = inside.try_enter_async(&key()).await.unwrap();
        panic!("the strategy is wrong");
    });
    assert!(task.await.unwrap_err().is_panic());
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::Unresolved(_))));
}

// proves: GUARD-3
#[tokio::test(start_paused = true)]
async fn a_time_out_around_a_submit_shuts_the_key() {
    let guard = guard(1);
    let submit = async {
        let permit = guard.try_enter(&key()).unwrap();
        std::future::pending::<()>().await;
        permit.executed()
    };
    tokio::time::timeout(Duration::from_secs(5), submit).await.unwrap_err();
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::Unresolved(_))));
}

// proves: GUARD-5
#[test]
fn an_entry_that_is_given_up_while_it_is_written_gives_no_permit_and_shuts_nothing() {
    let store = Arc::new(FaultyStore::default());
    let guard = on(&store, 1);
    store.plan(Some(Fault::Hang));
    {
        let key = key();
        let mut entering = pin!(guard.try_enter_async(&key));
        assert!(entering.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(matches!(guard.try_enter(&key), Err(Refusal::InProgress(_))), "alone while it is written");
    }
    assert_eq!(guard.occupied(), vec![]);
    // Its claim is on disk: after a crash now nobody could tell whether there was a permit.
    assert!(matches!(on(&store, 1).try_enter(&key()), Err(Refusal::Unresolved(_))));
    guard.try_enter(&key()).unwrap().not_executed("only to see").unwrap();
    on(&store, 1).try_enter(&key()).unwrap().executed().unwrap();
}

// proves: GUARD-3
#[test]
fn an_end_counts_once_it_is_polled_and_is_a_loss_before() {
    let store = Arc::new(FaultyStore::default());
    let guard = on(&store, 2);
    let permit = guard.try_enter(&key()).unwrap();
    let attempt = permit.attempt();
    drop(permit.not_executed_async("never said"));
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::Unresolved(_))));
    guard.resolve(attempt, Verdict::NotExecuted, &evidence()).unwrap();

    let permit = guard.try_enter(&key()).unwrap();
    store.plan(Some(Fault::Hang));
    assert!(poll_once(permit.executed_async()).is_pending());
    // The next one goes on counting from there, here and on disk.
    guard.try_enter(&key()).unwrap().executed().unwrap();
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::Limit { taken: 2, .. })));
    assert!(matches!(on(&store, 2).try_enter(&key()), Err(Refusal::Limit { taken: 2, .. })));
}

// proves: GUARD-3
#[test]
fn a_resolution_that_is_given_up_leaves_it_unresolved() {
    let store = Arc::new(FaultyStore::default());
    let guard = on(&store, 1);
    let permit = guard.try_enter(&key()).unwrap();
    let attempt = permit.attempt();
    drop(permit);
    store.plan(Some(Fault::Hang));
    assert!(poll_once(guard.resolve_async(attempt, Verdict::NotExecuted, &evidence())).is_pending());
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::Unresolved(_))));
    ready(guard.resolve_async(attempt, Verdict::Executed, &evidence())).unwrap();
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::Limit { .. })));
}

// proves: GUARD-2
#[test]
fn a_resolution_that_is_given_up_on_its_way_takes_nothing_from_the_one_that_is_acknowledged() {
    let store = Arc::new(FaultyStore::default());
    let guard = on(&store, 1);
    let attempt = {
        let permit = guard.try_enter(&key()).unwrap();
        permit.attempt()
    };
    store.plan(Some(Fault::Hang));
    // Its record is there all the same.
    assert!(poll_once(guard.resolve_async(attempt, Verdict::NotExecuted, &evidence())).is_pending());
    guard.resolve(attempt, Verdict::Executed, &evidence()).unwrap();
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::Limit { .. })));
    drop(guard);
    let after_a_restart = on(&store, 1);
    assert!(matches!(after_a_restart.try_enter(&key()), Err(Refusal::Limit { taken: 1, .. })));
}
