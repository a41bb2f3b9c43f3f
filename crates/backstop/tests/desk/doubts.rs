//! Orders that cannot be seen, or are seen wrongly.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop::broker::{Decimal, OrderKind, OrderStatus};
use backstop::clock::Clock as _;
use backstop::{Claim, Desk, EntryEnd, MemoryJournal, Operator, OrderEnd};
use backstop_sim::{FaultKind, FaultPlan};
use jiff::SignedDuration;

use crate::bench::{Enter, Planned, SETTLE, calm, enter, leave, plan};

/// An order that works and does not fill.
async fn far_from_the_market(desk: &Desk) -> Planned {
    let mut plan = plan(desk).await;
    plan.kind = OrderKind::Limit { price: Decimal::ONE_HUNDRED };
    plan
}

fn tracked(desk: &Desk) -> Decimal {
    desk.state().net().values().copied().sum()
}

// proves: DESK-7
#[tokio::test(start_paused = true)]
async fn an_adapter_that_panics_after_the_request_has_left_does_not_shorten_the_settling_time() {
    let bench = calm();
    let desk = bench.desk().await;
    tokio::time::sleep(SETTLE * 2).await;
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    bench.sim().set_faults(FaultPlan::none().with_delay(FaultKind::LateProcessing, Duration::from_secs(4)));
    bench.inject(FaultKind::LateProcessing);
    bench.broker.panic_in_submit.store(true, Ordering::SeqCst);
    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        desk.reconcile().await.unwrap();
    }
    assert_eq!(tracked(&desk), bench.held());
    assert!(desk.state().operations.is_empty() && desk.state().halted().is_none());
}

// proves: DESK-7
#[tokio::test(start_paused = true)]
async fn a_list_that_was_asked_for_too_early_proves_nothing_however_late_it_arrives() {
    let bench = calm();
    let desk = bench.desk().await;
    bench.sim().set_faults(FaultPlan::none().with_delay(FaultKind::LateProcessing, Duration::from_millis(5_800)));
    bench.inject(FaultKind::LateProcessing);
    // Asked for at 5.0 s, with the witness in it and before the order lands, the list arrives when the settling time is over.
    *bench.broker.orders_delay.lock() = Duration::from_millis(1_500);
    let witness = async {
        tokio::time::sleep(Duration::from_millis(4_100)).await;
        enter(&desk, 2).await
    };
    let (slow, quick, ()) = tokio::join!(enter(&desk, 1), witness, async {
        tokio::time::sleep(Duration::from_millis(4_600)).await;
        *bench.broker.orders_delay.lock() = Duration::from_millis(4_500);
    });
    assert!(matches!(quick.1, EntryEnd::Opened(_)), "{quick:?}");
    let absent = matches!(&slow.1, EntryEnd::NotExecuted { end: OrderEnd::NotPlaced { .. } });
    assert!(!absent, "{slow:?}");
    desk.reconcile().await.unwrap();
    assert!(desk.state().halted().is_none());
}

// proves: DESK-7
#[tokio::test(start_paused = true)]
async fn a_later_order_is_a_witness_only_beyond_the_difference_of_the_clocks() {
    let bench = calm();
    let desk = bench.desk().await;
    bench.inject(FaultKind::RequestLost);
    // The call ends without an answer after three seconds; the other order is made half a second later.
    let (lost, witness) = tokio::join!(enter(&desk, 1), async {
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        enter(&desk, 2).await
    });
    assert!(matches!(witness.1, EntryEnd::Opened(_)), "{witness:?}");
    assert!(matches!(lost.1, EntryEnd::Unresolved { .. }), "{lost:?}");
    let (_, end) = enter(&desk, 3).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert_eq!(desk.reconcile().await.unwrap().open, 0);
}

/// How many orders are open after a crash in the middle of a submit and a reboot with the clock `behind`, and how much is
/// held in the end.
async fn reboot(behind: SignedDuration) -> (usize, Decimal) {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    tokio::time::sleep(Duration::from_secs(30)).await;
    bench.sim().set_faults(FaultPlan::none().with_delay(FaultKind::LateProcessing, Duration::from_mins(2)));
    bench.inject(FaultKind::LateProcessing);
    let planned = plan(&desk).await;
    let entering = desk.try_to(desk.slot(2).unwrap(), planned);
    tokio::time::timeout(Duration::from_millis(500), entering).await.unwrap_err();
    let history = journal.batches();
    bench.manual.step_wall(-behind);
    let again = bench.ready(Arc::new(MemoryJournal::default()), &history).await;
    let open = again.state().operations.len();
    bench.manual.step_wall(behind);
    tokio::time::sleep(Duration::from_mins(4)).await;
    again.reconcile().await.unwrap();
    assert_eq!(tracked(&again), bench.held());
    (open, bench.held())
}

// proves: DESK-7
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_behind_after_a_reboot_makes_no_earlier_order_a_later_one() {
    for behind in [SignedDuration::ZERO, SignedDuration::from_hours(1)] {
        assert_eq!(reboot(behind).await, (1, Decimal::from(20)), "{behind}");
    }
}

// proves: DESK-7
#[tokio::test(start_paused = true)]
async fn an_order_that_was_placed_before_the_submit_is_no_witness_although_its_broker_says_so() {
    let bench = calm();
    let desk = bench.desk().await;
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    // Its clock is ahead by more than is allowed for.
    *bench.broker.rewrite_orders.lock() = Some(|rows| {
        for row in rows {
            row.created_at = row.created_at.map(|at| at + Duration::from_mins(10));
        }
    });
    tokio::time::sleep(Duration::from_secs(30)).await;
    bench.inject(FaultKind::RequestLost);
    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    assert_eq!(desk.reconcile().await.unwrap().open, 1);
}

// proves: DESK-7
#[tokio::test(start_paused = true)]
async fn a_later_order_is_a_witness_by_the_brokers_own_clock_too() {
    let bench = calm();
    let desk = bench.desk().await;
    // Both say ten minutes more than our clock, so an order of half a second after the submit seems far later.
    *bench.broker.rewrite_clock.lock() = Some(|clock| clock.at = clock.at.map(|at| at + Duration::from_mins(10)));
    *bench.broker.rewrite_orders.lock() = Some(|rows| {
        for row in rows {
            row.created_at = row.created_at.map(|at| at + Duration::from_mins(10));
        }
    });
    bench.inject(FaultKind::RequestLost);
    let (lost, witness) = tokio::join!(enter(&desk, 1), async {
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        enter(&desk, 2).await
    });
    assert!(matches!(witness.1, EntryEnd::Opened(_)), "{witness:?}");
    assert!(matches!(lost.1, EntryEnd::Unresolved { .. }), "{lost:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (_, end) = enter(&desk, 3).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert_eq!(desk.reconcile().await.unwrap().open, 0);
}

// proves: DESK-7
#[tokio::test(start_paused = true)]
async fn an_order_that_turns_up_after_it_was_judged_absent_halts_and_is_adopted() {
    let bench = calm();
    let desk = bench.desk().await;
    bench.sim().set_faults(FaultPlan::none().with_delay(FaultKind::LateProcessing, Duration::from_mins(1)));
    bench.inject(FaultKind::LateProcessing);
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    let (second, _) = enter(&desk, 2).await;
    let _end = leave(&desk, &second).await;
    assert_eq!(desk.reconcile().await.unwrap().open, 0, "by the settling time it had been lost");
    tokio::time::sleep(Duration::from_mins(5)).await;
    let compared = desk.reconcile().await.unwrap();
    assert_eq!(bench.held(), Decimal::TEN);
    assert!(desk.state().halted().is_some());
    assert!(desk.state().alerts["account"].text.contains("at the broker"));
    assert!(compared.drift.is_empty(), "{compared:?}");
    assert_eq!(tracked(&desk), Decimal::TEN);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_cannot_be_read_by_its_number_is_found_in_the_list_and_canceled_in_time() {
    let bench = calm();
    let desk = bench.desk().await;
    bench.broker.order_fails.store(true, Ordering::SeqCst);
    let end = desk.try_to(desk.slot(1).unwrap(), far_from_the_market(&desk).await).await;
    assert!(matches!(end, EntryEnd::NotExecuted { .. }), "{end:?}");
    assert_eq!(bench.broker.cancels.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_another_order_is_not_taken_for_ours() {
    let bench = calm();
    let desk = bench.desk().await;
    // A cache in between answers with somebody else's canceled order.
    *bench.broker.rewrite_order.lock() = Some(|order| {
        order.id = "1".parse().unwrap();
        order.label = Some("mine-by-hand".to_owned());
        order.status = OrderStatus::Canceled;
        order.legs[0].filled = Some(Decimal::ZERO);
    });
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "the list knows better: {end:?}");
    assert_eq!(tracked(&desk), bench.held());
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_back_does_not_keep_an_order_working() {
    let bench = calm();
    let desk = bench.desk().await;
    let plan = far_from_the_market(&desk).await;
    // The simulator tells the time by the same clock, so what it does with the cancel is not looked at.
    let (_end, ()) = tokio::join!(desk.try_to(desk.slot(1).unwrap(), plan), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        bench.manual.step_wall(SignedDuration::from_hours(-1));
    });
    assert!(bench.broker.cancels.load(Ordering::SeqCst) > 0);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_was_taken_is_not_sent_at_every_poll() {
    let bench = calm();
    let desk = bench.desk().await;
    bench.broker.cancel_does_nothing.store(true, Ordering::SeqCst);
    let end = desk.try_to(desk.slot(1).unwrap(), far_from_the_market(&desk).await).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    let sent = bench.broker.cancels.load(Ordering::SeqCst);
    assert!((2..=4).contains(&sent), "{sent} in fifteen seconds");
}

#[tokio::test(start_paused = true)]
async fn a_stop_cancels_an_entry_that_works() {
    let bench = calm();
    let desk = bench.desk().await;
    let plan = far_from_the_market(&desk).await;
    let begun = bench.clock.mono();
    let (end, (), ()) = tokio::join!(
        desk.try_to(desk.slot(1).unwrap(), plan),
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            desk.stop().await.unwrap();
        },
        async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(bench.broker.cancels.load(Ordering::SeqCst), 1, "before the fill time-out");
        }
    );
    assert!(matches!(end, EntryEnd::NotExecuted { .. }), "{end:?}");
    let patience = SETTLE + Duration::from_secs(2);
    assert!(bench.clock.mono().since(begun) < patience, "once no other order of it can land");
}

// proves: REC-7, DESK-7
#[tokio::test(start_paused = true)]
async fn an_order_of_another_state_directory_is_not_taken_for_ours_although_it_bears_the_name() {
    let bench = calm();
    let (one, elsewhere) = (bench.desk().await, bench.elsewhere());
    let other = elsewhere.desk().await;
    let (_, end) = enter(&one, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    tokio::time::sleep(Duration::from_secs(30)).await;
    bench.inject(FaultKind::RequestLost);
    let (_, end) = enter(&other, 1).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    assert!(other.state().halted().unwrap().reason.contains("another state directory"));
    assert_eq!(tracked(&one) + tracked(&other), bench.held());
    // Nor is it adopted, or proof of anything, once somebody has settled ours.
    tokio::time::sleep(SETTLE).await;
    assert_eq!(other.reconcile().await.unwrap().open, 1);
    let id = other.state().operations.keys().next().unwrap().clone();
    let ann = Operator { by: "ann".to_owned(), reason: "a test".to_owned(), despite_positions: true };
    other.resolve(&id, &Claim::NotPlaced, &ann).await.unwrap();
    other.reconcile().await.unwrap();
    assert_eq!(tracked(&one) + tracked(&other), bench.held());
}
