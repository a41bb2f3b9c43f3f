//! What leaves the book while something else is going on, and what must not leave it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop::broker::Decimal;
use backstop::{EntryEnd, ExitEnd, ExitRefusal, MemoryJournal, Operator, Refusal};
use backstop_sim::{FaultKind, FaultPlan};

use crate::bench::{Enter, SETTLE, SlowJournal, calm, config, enter, leave, spy};

// proves: EXIT-1
#[tokio::test(start_paused = true)]
async fn an_exit_that_meets_the_removal_of_its_position_is_turned_away_and_the_desk_goes_on() {
    for delay in 0..30 {
        let bench = calm();
        let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
        let (slot, _) = enter(&desk, 1).await;
        assert!(bench.sim().trade_by_hand(&spy(), -10));
        tokio::time::sleep(SETTLE * 2).await;
        let operator = Operator { by: "ann".to_owned(), reason: "sold by hand".to_owned(), despite_positions: false };
        let (removed, left) = tokio::join!(desk.resolve_position(&slot, &operator), async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            leave(&desk, &slot).await
        });
        removed.unwrap();
        assert!(
            matches!(left, ExitEnd::Refused(ExitRefusal::NoPosition { .. } | ExitRefusal::Closing { .. })),
            "{delay}: {left:?}"
        );
        assert_eq!(bench.held(), Decimal::ZERO, "{delay}");
        let (_, end) = enter(&desk, 2).await;
        assert!(matches!(end, EntryEnd::Opened(_) | EntryEnd::Refused(Refusal::Drift { .. })), "{delay}: {end:?}");
    }
}

// proves: EXIT-1
#[tokio::test(start_paused = true)]
async fn an_exit_does_not_sell_what_was_declared_to_be_others() {
    let bench = calm();
    let mut config = config();
    config.reconcile.others.quantities.insert(spy(), Decimal::from(5));
    assert!(bench.sim().trade_by_hand(&spy(), 5));
    tokio::time::sleep(SETTLE * 2).await;
    let desk = bench.open_as(config, Arc::new(MemoryJournal::default()), &[]).await.unwrap();
    bench.begin(&desk).await;
    let (slot, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    tokio::time::sleep(SETTLE * 2).await;
    desk.reconcile().await.unwrap();
    // Ours are sold by hand.
    assert!(bench.sim().trade_by_hand(&spy(), -10));
    tokio::time::sleep(SETTLE * 2).await;
    desk.reconcile().await.unwrap();
    let left = leave(&desk, &slot).await;
    assert_eq!(bench.held(), Decimal::from(5), "{left:?}");
}

// proves: REC-1
#[tokio::test(start_paused = true)]
async fn what_is_bought_under_a_number_that_the_broker_has_given_before_is_not_forgotten() {
    let (bench, journal) = (calm(), Arc::new(MemoryJournal::default()));
    let desk = bench.ready(journal.clone(), &[]).await;
    let (slot, _) = enter(&desk, 1).await;
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
    desk.stop().await.unwrap();
    // Its numbers begin anew.
    let bench = calm();
    let desk = bench.ready(Arc::new(MemoryJournal::default()), &journal.batches()).await;
    let (slot, end) = enter(&desk, 2).await;
    assert_eq!(bench.held(), Decimal::TEN, "{end:?}");
    let state = desk.state();
    let is_followed = state.operations.values().any(|operation| operation.slot == slot);
    assert!(state.held(&slot).is_some() || is_followed, "{end:?}: {state:#?}");
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
    assert_eq!(bench.held(), Decimal::ZERO);
}

#[tokio::test(start_paused = true)]
async fn while_the_broker_is_down_a_close_that_waits_is_asked_for_at_growing_pauses() {
    let bench = calm();
    let desk = bench.desk().await;
    desk.keep_reconciled(Duration::from_mins(5));
    let (slot, _) = enter(&desk, 1).await;
    bench.broker.positions_fail.store(true, Ordering::SeqCst);
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Pending { .. }));
    tokio::time::sleep(Duration::from_mins(6)).await;
    bench.sim().set_faults(FaultPlan::none().with_rate(FaultKind::ReadServerError, 1_000));
    tokio::time::sleep(Duration::from_mins(6)).await;
    let before = bench.broker.lists.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_hours(1)).await;
    let asked = bench.broker.lists.load(Ordering::SeqCst) - before;
    assert!(asked < 100, "{asked} times in an hour");
}

// proves: REC-9
#[tokio::test(start_paused = true)]
async fn what_differed_before_a_restart_stays_shut_while_an_order_in_doubt_keeps_it_from_being_judged() {
    let (bench, journal) = (calm(), Arc::new(MemoryJournal::default()));
    let desk = bench.ready(journal.clone(), &[]).await;
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    tokio::time::sleep(SETTLE * 2).await;
    bench.inject(FaultKind::RequestLost);
    let history = {
        let planned = crate::bench::plan(&desk).await;
        let entry = desk.try_to(desk.slot(2).unwrap(), planned);
        let died = tokio::time::timeout(Duration::from_secs(5), entry).await;
        assert!(died.is_err(), "{died:?}");
        assert!(bench.sim().trade_by_hand(&spy(), 3));
        journal.batches()
    };
    // The first process is dead, and so long that everything that it had done is seen.
    drop(desk);
    tokio::time::sleep(SETTLE * 2).await;
    let again = bench.open(Arc::new(MemoryJournal::default()), &history).await.unwrap();
    bench.begin(&again).await;
    assert_eq!(again.state().operations.len(), 1, "nothing shows that it was not placed");
    let (_, end) = enter(&again, 3).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::Drift { .. })), "{end:?}");
}
