//! Book against broker: what differs is said, whatever else is going on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop::broker::Decimal;
use backstop::{EntryEnd, ExitEnd, MemoryJournal, Record};
use backstop_sim::FaultKind;
use jiff::SignedDuration;

use crate::bench::{Enter, calm, enter, leave, plan, spy};

// proves: REC-4
#[tokio::test(start_paused = true)]
async fn a_position_whose_exit_failed_is_still_compared() {
    let bench = calm();
    let desk = bench.desk().await;
    let (slot, _) = enter(&desk, 1).await;
    bench.inject(FaultKind::RejectedLater);
    let end = leave(&desk, &slot).await;
    assert!(matches!(end, ExitEnd::StillOpen { .. }), "{end:?}");
    bench.sim().trade_by_hand(&spy(), -10);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(desk.reconcile().await.unwrap().drift.len(), 1);
}

// proves: REC-4
#[tokio::test(start_paused = true)]
async fn an_order_that_stays_in_doubt_hides_no_difference_for_ever() {
    let bench = calm();
    let desk = bench.desk().await;
    let _opened = enter(&desk, 1).await;
    bench.inject(FaultKind::RequestLost);
    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    bench.sim().trade_by_hand(&spy(), -10);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(desk.reconcile().await.unwrap().drift.len(), 1);
}

// proves: REC-4
#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_back_hides_no_difference() {
    let bench = calm();
    let desk = bench.desk().await;
    let _opened = enter(&desk, 1).await;
    bench.manual.step_wall(SignedDuration::from_hours(-6));
    bench.sim().trade_by_hand(&spy(), -10);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(desk.reconcile().await.unwrap().drift.len(), 1);
}

// proves: REC-4
#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_symbol_that_was_traded_today_is_reported() {
    let bench = calm();
    let desk = bench.desk().await;
    let (slot, _) = enter(&desk, 1).await;
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
    bench.sim().trade_by_hand(&spy(), 7);
    tokio::time::sleep(Duration::from_mins(1)).await;
    let drift = desk.reconcile().await.unwrap().drift;
    assert_eq!((drift.len(), drift[0].tracked, drift[0].broker), (1, Decimal::ZERO, Decimal::from(7)));
}

// proves: REC-3
#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_not_judged() {
    let bench = calm();
    let desk = bench.desk().await;
    let plan = plan(&desk).await;
    bench.inject(FaultKind::AnswerLost);
    // The positions are read before the entry's own look at the orders arrives.
    *bench.broker.orders_delay.lock() = Duration::from_secs(5);
    let (end, compared) = tokio::join!(desk.try_to(desk.slot(1).unwrap(), plan), async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        *bench.broker.orders_delay.lock() = Duration::ZERO;
        assert_eq!((bench.held(), desk.state().operations.len()), (Decimal::TEN, 1), "filled, and nobody here knows");
        desk.reconcile().await.unwrap()
    });
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert!(compared.drift.is_empty(), "{compared:?}");
}

// proves: REC-3
#[tokio::test(start_paused = true)]
async fn what_has_just_been_filled_is_not_judged_by_a_list_that_lags() {
    let bench = calm();
    let desk = bench.desk().await;
    bench.inject(FaultKind::PositionsLag);
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert!(desk.reconcile().await.unwrap().drift.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_never_confirmed_is_told_after_a_restart_too() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let (slot, _) = enter(&desk, 1).await;
    bench.sim().trade_by_hand(&spy(), 5);
    let end = leave(&desk, &slot).await;
    assert!(matches!(end, ExitEnd::Pending { .. }), "{end:?}");
    assert!(desk.state().alerts.contains_key(&slot.to_string()));
    let again = bench.ready(Arc::new(MemoryJournal::default()), &journal.batches()).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let compared = again.reconcile().await.unwrap();
    assert!(again.state().held(&slot).is_some());
    assert!(again.state().alerts.contains_key(&slot.to_string()));
    assert_eq!(compared.drift.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn recovery_alarms_nobody_about_an_exit_of_this_process() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let (slot, _) = enter(&desk, 1).await;
    let again = bench.open(Arc::new(MemoryJournal::default()), &journal.batches()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut events = again.events();
    bench.inject(FaultKind::PartialFillStuck);
    let (_end, compared) = tokio::join!(leave(&again, &slot), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        again.recover().await
    });
    compared.unwrap();
    while let Ok(batch) = events.try_recv() {
        assert!(!batch.records.iter().any(|record| matches!(record, Record::Alert { .. })), "{batch:?}");
    }
}

// proves: TXN-3
#[tokio::test(start_paused = true)]
async fn a_balance_that_a_fill_overtook_does_not_overwrite_it() {
    let bench = calm();
    let desk = bench.desk().await;
    let plan = plan(&desk).await;
    *bench.broker.balances_delay.lock() = Duration::from_millis(2_500);
    let (read, end) = tokio::join!(desk.read_cash(), desk.try_to(desk.slot(1).unwrap(), plan));
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert_eq!(read.unwrap(), None);
    assert_eq!(desk.state().account.cash(), Some(bench.sim().ledger().cash));
    assert_eq!(desk.read_cash().await.unwrap(), Some(bench.sim().ledger().cash));
}

// proves: REC-4
#[tokio::test(start_paused = true)]
async fn what_a_lost_journal_knew_is_missed_at_every_start_until_it_is_settled() {
    let bench = calm();
    let _held = enter(&bench.desk().await, 1).await;
    for _ in 0..2 {
        // No record of it; and a directory that never traded is not accused.
        let desk = bench.desk().await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        let compared = desk.reconcile().await.unwrap();
        assert_eq!(compared.drift.len(), 1, "{compared:?}");
        assert!(desk.state().alerts["journal"].text.contains("10 SPY"), "{:?}", desk.state().alerts);
    }
    let elsewhere = calm();
    let desk = elsewhere.desk().await;
    assert!(desk.state().alerts.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_position_that_awaits_the_brokers_word_takes_nobodys_place() {
    let bench = calm();
    let desk = bench.desk().await;
    for number in 1..=3 {
        let (slot, end) = enter(&desk, number).await;
        assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
        bench.broker.positions_fail.store(true, Ordering::SeqCst);
        assert!(matches!(leave(&desk, &slot).await, ExitEnd::Pending { .. }));
        bench.broker.positions_fail.store(false, Ordering::SeqCst);
    }
    let (_, end) = enter(&desk, 4).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "the limit is three: {end:?}");
}
