//! Disk and live state tell one story, whoever is dropped, replaced or lied to in between.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop::broker::{Decimal, OrderKind, Symbol};
use backstop::file_lock::{Claim, Lock};
use backstop::{Desk, EntryEnd, ExitEnd, MemoryJournal, Refusal, State};
use backstop_sim::FaultKind;
use parking_lot::Mutex;

use crate::bench::{
    Budget, DetachedJournal, DyingJournal, Enter, FullJournal, SlowJournal, calm, config, confirm, enter, leave, plan,
};

#[tokio::test(start_paused = true)]
async fn a_comparison_that_is_dropped_while_it_writes_leaves_one_story() {
    let bench = calm();
    let journal = Arc::new(DetachedJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    bench.inject(FaultKind::RequestLost);
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    for millis in [5, 10, 15, 25] {
        tokio::time::timeout(Duration::from_millis(millis), desk.reconcile()).await.ok();
    }
    desk.reconcile().await.unwrap();
    desk.stop().await.unwrap();
    assert_eq!(State::replay(&journal.kept.batches()).unwrap(), desk.state());
}

#[tokio::test(start_paused = true)]
async fn a_recovery_that_is_dropped_while_it_writes_leaves_one_story() {
    let bench = calm();
    let first = Arc::new(DyingJournal::new(6, false));
    let dead = bench.ready(first.clone(), &[]).await;
    let doomed = plan(&dead).await;
    tokio::time::timeout(Duration::from_mins(1), dead.try_to(dead.slot(1).unwrap(), doomed)).await.unwrap_err();
    let mut history = first.batches();
    let journal = Arc::new(DetachedJournal::default());
    let desk = bench.open(journal.clone(), &history).await.unwrap();
    // The order is found and filled. The signal comes while that is being written.
    tokio::time::timeout(Duration::from_millis(30), desk.recover()).await.unwrap_err();
    desk.stop_entries();
    desk.reconcile().await.unwrap();
    desk.stop().await.unwrap();
    history.extend(journal.kept.batches());
    assert_eq!(State::replay(&history).unwrap(), desk.state());
}

#[tokio::test(start_paused = true)]
async fn a_halt_that_is_dropped_while_it_writes_halts() {
    let bench = calm();
    let journal = Arc::new(DetachedJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    tokio::time::timeout(Duration::from_millis(10), desk.halt("test", "test")).await.unwrap_err();
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::Halted { .. })), "{end:?}");
    assert!(State::replay(&journal.kept.batches()).unwrap().halted().is_some());
}

// proves: HALT-1
#[tokio::test(start_paused = true)]
async fn a_halt_that_cannot_be_written_anywhere_halts_all_the_same() {
    let bench = calm();
    // Room for: opened, compared, cash, session, claim.
    let desk = bench.ready(Arc::new(FullJournal(Mutex::new(5))), &[]).await;
    *bench.broker.budget.lock() = Budget::After(Duration::from_secs(2));
    let plan = plan(&desk).await;
    let (end, ()) = tokio::join!(desk.try_to(desk.slot(1).unwrap(), plan), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        fs::remove_dir(bench.switch_path()).unwrap();
        desk.halt("test", "test").await.unwrap_err();
        fs::create_dir(bench.switch_path()).unwrap();
    });
    assert!(matches!(end, EntryEnd::Refused(Refusal::Halted { .. })), "{end:?}");
    assert_eq!(bench.requests(), 0);
}

// proves: GUARD-1, GUARD-2
#[tokio::test(start_paused = true)]
async fn beginning_a_session_again_forgets_no_entry_whose_intent_is_being_written() {
    let bench = calm();
    let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
    let plan = plan(&desk).await;
    let slot = |number| desk.slot(number).unwrap();
    let day = slot(1).session.day;
    desk.begin_session(day, 1, None).await.unwrap();
    let again = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        desk.begin_session(day, 1, None).await.unwrap();
        (desk.try_to(slot(1), plan.clone()).await, desk.try_to(slot(2), plan.clone()).await)
    };
    let (first, (same, other)) = tokio::join!(desk.try_to(slot(1), plan.clone()), again);
    assert!(matches!(first, EntryEnd::Opened(_)), "{first:?}");
    assert!(matches!(same, EntryEnd::Refused(Refusal::Guard(_))), "{same:?}");
    assert!(matches!(other, EntryEnd::Refused(Refusal::Guard(_))), "the limit is one: {other:?}");
    assert_eq!(bench.requests(), 1);
}

// proves: LOCK-6
#[tokio::test(start_paused = true)]
async fn a_desk_that_lost_its_lock_writes_nothing_into_its_successors_journal() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let old = bench.ready(journal.clone(), &[]).await;
    bench.inject(FaultKind::RequestLost);
    let (_, end) = enter(&old, 1).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    // The lock file is replaced, and another instance starts on the same directory.
    fs::remove_file(bench.lock_path()).unwrap();
    let claim = Claim { label: "test".to_owned(), since: bench.clock.wall() };
    let lock = Lock::acquire(bench.lock_path(), &claim).unwrap();
    let state = State::replay(&journal.batches()).unwrap();
    let new = Desk::open(
        config(),
        bench.broker.clone(),
        Arc::clone(&bench.clock),
        lock,
        bench.switch(),
        journal.clone(),
        state,
    );
    let new = new.await.unwrap();
    bench.begin(&new).await;
    let (_, end) = enter(&new, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    new.reconcile().await.unwrap();
    assert!(!old.holds_lock());
    let _compared = old.reconcile().await;
    assert_eq!(State::replay(&journal.batches()).unwrap(), new.state());
}

// proves: LOCK-6
#[tokio::test(start_paused = true)]
async fn a_desk_that_lost_its_lock_cancels_nothing() {
    let bench = calm();
    let desk = bench.desk().await;
    let mut plan = plan(&desk).await;
    plan.kind = OrderKind::Limit { price: Decimal::ONE_HUNDRED };
    let (end, ()) = tokio::join!(desk.try_to(desk.slot(1).unwrap(), plan), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        fs::remove_file(bench.lock_path()).unwrap();
    });
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    assert_eq!(bench.broker.cancels.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn fills_of_something_else_are_not_believed_and_halt() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let (slot, _) = enter(&desk, 1).await;
    *bench.broker.rewrite_order.lock() = Some(|order| order.legs[0].symbol = "SPX".parse::<Symbol>().unwrap());
    let _end = leave(&desk, &slot).await;
    assert!(desk.state().halted().is_some());
    let _again = leave(&desk, &slot).await;
    assert_eq!((bench.requests(), bench.held()), (2, Decimal::ZERO), "sold once");
    *bench.broker.rewrite_order.lock() = None;
    confirm(&desk).await;
    assert!(desk.state().book.positions().is_empty(), "settled by an answer that fits");
    assert_eq!(State::replay(&journal.batches()).unwrap(), desk.state());
}

#[tokio::test(start_paused = true)]
async fn what_no_restart_could_read_is_not_written() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let (slot, _) = enter(&desk, 1).await;
    // More money than can be counted.
    *bench.broker.rewrite_order.lock() = Some(|order| order.legs[0].price = Some(Decimal::MAX));
    let end = leave(&desk, &slot).await;
    assert!(matches!(end, ExitEnd::Pending { .. }), "{end:?}");
    assert_eq!(State::replay(&journal.batches()).unwrap(), desk.state());
    *bench.broker.rewrite_order.lock() = None;
    confirm(&desk).await;
    assert!(desk.state().book.positions().is_empty(), "settled by an answer that can be counted");
    assert_eq!(State::replay(&journal.batches()).unwrap(), desk.state());
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_new_is_not_written_at_every_poll() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    desk.halt("test", "test").await.unwrap();
    let plan = plan(&desk).await;
    let before = journal.batches().len();
    for _ in 0..240 {
        let _refused = desk.try_to(desk.slot(1).unwrap(), plan.clone()).await;
        desk.reconcile().await.unwrap();
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let written = journal.batches().len() - before;
    assert!((1..=4).contains(&written), "{written} records in a minute");
}
