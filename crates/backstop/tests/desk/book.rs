//! The book against the broker, by the judgement of the crate `reconcile`: what leaves, what comes, what is set, and what is shut.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop::broker::{
    Broker, ClientOrderId, ClosedLot, Decimal, Grant, Leg, OrderKind, OrderRequest, Outcome, PositionEffect, Quantity,
    Side, TimeInForce,
};
use backstop::reconcile::{Book, Change, DriftState, Evidence, Finding, Origin, Orphans, Sizes, Verdict, Witness};
use backstop::{
    Batch, Desk, DeskConfig, EntryEnd, ExitEnd, GLITCH, Journal, JournalError, MemoryJournal, Record, Refusal, State,
};
use backstop_sim::{FaultKind, FaultPlan};

use crate::bench::{Bench, SETTLE, calm, config, enter, leave, spy};

async fn desk_as(bench: &Bench, config: DeskConfig) -> (Desk, Arc<MemoryJournal>) {
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.open_as(config, journal.clone(), &[]).await.unwrap();
    bench.begin(&desk).await;
    (desk, journal)
}

/// Somebody else's order for SPY on the account, filled at the market, and seen by every list.
async fn trade(bench: &Bench, side: Side, quantity: u32) {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    let effect = if side == Side::Buy { PositionEffect::Open } else { PositionEffect::Close };
    let leg = Leg { symbol: spy(), side, effect, quantity: Quantity::new(quantity).unwrap() };
    let id = ClientOrderId::new(&format!("by-hand-{number}")).unwrap();
    let order = OrderRequest::new(id, spy(), vec![leg], OrderKind::Market, TimeInForce::Day).unwrap();
    let taken = bench.broker.submit(&order, Grant::unmetered()).await;
    assert!(matches!(taken, Outcome::Accepted(_)), "{taken:?}");
    tokio::time::sleep(SETTLE * 2).await;
}

/// So many looks, as far apart as counts.
async fn look(desk: &Desk, times: u32) {
    for _ in 0..times {
        desk.reconcile().await.unwrap();
        tokio::time::sleep(Duration::from_secs(31)).await;
    }
}

fn changes(journal: &MemoryJournal) -> Vec<Change> {
    let records = journal.batches().into_iter().flat_map(|batch| batch.records);
    records.filter_map(|record| if let Record::Book { change } = record { Some(change) } else { None }).collect()
}

/// What spoke for the removals beside the lists.
fn witnesses(journal: &MemoryJournal) -> Vec<Witness> {
    let mut witnesses = Vec::new();
    for change in changes(journal) {
        if let Change::Removed { evidence: Evidence::Absence { legs }, .. } = change {
            witnesses.extend(legs.into_iter().flat_map(|leg| leg.reads.witnesses));
        }
    }
    witnesses
}

// proves: REC-9
#[tokio::test(start_paused = true)]
async fn what_differs_is_shut_for_entries_until_a_look_finds_it_as_it_should_be_and_exits_pass() {
    let bench = calm();
    let desk = bench.desk().await;
    let (slot, _) = enter(&desk, 1).await;
    tokio::time::sleep(SETTLE * 2).await;
    assert!(bench.sim().trade_by_hand(&spy(), 3));
    tokio::time::sleep(SETTLE * 2).await;
    desk.reconcile().await.unwrap();
    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(&end, EntryEnd::Refused(Refusal::Drift { symbol, .. }) if *symbol == spy()), "{end:?}");
    assert_eq!(bench.requests(), 1, "nothing was sent");
    let left = leave(&desk, &slot).await;
    assert!(!matches!(left, ExitEnd::Refused(_)), "{left:?}");
    assert_eq!(bench.held(), Decimal::from(3), "its own ten are sold");
    assert!(bench.sim().trade_by_hand(&spy(), -3));
    tokio::time::sleep(SETTLE * 2).await;
    desk.reconcile().await.unwrap();
    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
}

// proves: REC-9
#[tokio::test(start_paused = true)]
async fn drift_that_is_found_while_an_entry_waits_for_budget_stops_it() {
    let bench = calm();
    let desk = bench.desk().await;
    let plan = crate::bench::plan(&desk).await;
    *bench.broker.budget.lock() = crate::bench::Budget::After(Duration::from_secs(3));
    let (end, ()) = tokio::join!(crate::bench::Enter::try_to(&desk, desk.slot(1).unwrap(), plan), async {
        assert!(bench.sim().trade_by_hand(&spy(), 3));
        tokio::time::sleep(Duration::from_secs(1)).await;
        desk.reconcile().await.unwrap();
    });
    assert!(matches!(end, EntryEnd::Refused(Refusal::Drift { .. })), "{end:?}");
    assert_eq!(bench.requests(), 0);
}

// proves: REC-5
#[tokio::test(start_paused = true)]
async fn a_list_that_is_empty_for_hours_takes_nothing_out_and_is_told() {
    let bench = calm();
    let desk = bench.desk().await;
    let (first, _) = enter(&desk, 1).await;
    let (second, _) = enter(&desk, 2).await;
    bench.sim().set_faults(FaultPlan::none().with_rate(FaultKind::PositionsEmpty, 1_000));
    tokio::time::sleep(SETTLE * 2).await;
    look(&desk, 200).await;
    let state = desk.state();
    assert!(state.held(&first).is_some() && state.held(&second).is_some());
    assert!(state.alerts[GLITCH].text.contains("2 of 2"), "{:?}", state.alerts);
    assert!(state.reconciled.unwrap().kept.iter().any(|finding| matches!(finding, Finding::Glitch(_))));
    bench.sim().set_faults(FaultPlan::none());
    look(&desk, 1).await;
    assert!(desk.state().alerts.is_empty(), "{:?}", desk.state().alerts);
    assert!(matches!(leave(&desk, &first).await, ExitEnd::Closed));
}

// proves: REC-5, REC-6
#[tokio::test(start_paused = true)]
async fn what_somebody_else_sold_leaves_when_their_order_and_several_looks_agree_with_the_evidence_on_record() {
    let bench = calm();
    let (desk, journal) = desk_as(&bench, config()).await;
    let (slot, _) = enter(&desk, 1).await;
    tokio::time::sleep(SETTLE * 2).await;
    look(&desk, 1).await;
    trade(&bench, Side::Sell, 10).await;
    look(&desk, 1).await;
    assert!(desk.state().held(&slot).is_some(), "one look is none");
    look(&desk, 4).await;
    assert!(desk.state().held(&slot).is_none(), "{:#?}", desk.state().reconciled);
    let removed = changes(&journal).into_iter().find_map(|change| match change {
        Change::Removed { evidence: Evidence::Absence { legs }, was, .. } => Some((legs, was)),
        _ => None,
    });
    let (legs, was) = removed.unwrap();
    assert_eq!((legs.len(), legs[0].left, was.legs()[0].left), (1, Decimal::TEN, Decimal::TEN));
    assert!(legs[0].reads.reads >= 3 && !legs[0].reads.witnesses.is_empty(), "{legs:?}");
    assert_eq!(State::replay(&journal.batches()).unwrap(), desk.state());
    // What it brought is in the account.
    desk.reconcile().await.unwrap();
    assert_eq!(desk.state().account.cash(), Some(bench.sim().ledger().cash));
}

// proves: REC-5
#[tokio::test(start_paused = true)]
async fn what_is_missing_without_a_witness_stays_however_often_it_is_missed() {
    let bench = calm();
    let desk = bench.desk().await;
    let (slot, _) = enter(&desk, 1).await;
    tokio::time::sleep(SETTLE * 2).await;
    look(&desk, 1).await;
    // Nobody's order shows it.
    assert!(bench.sim().trade_by_hand(&spy(), -10));
    tokio::time::sleep(SETTLE * 2).await;
    look(&desk, 50).await;
    assert!(desk.state().held(&slot).is_some());
}

// proves: REC-5
#[tokio::test(start_paused = true)]
async fn on_a_schedule_the_balances_are_the_witness_where_no_order_shows_who_sold() {
    let bench = calm();
    let (desk, journal) = desk_as(&bench, config()).await;
    desk.keep_reconciled(Duration::from_secs(30));
    let (slot, _) = enter(&desk, 1).await;
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert!(bench.sim().trade_by_hand(&spy(), -10));
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(desk.state().held(&slot).is_none(), "{:#?}", desk.state().reconciled);
    let spoke = witnesses(&journal);
    assert!(spoke.iter().any(|witness| matches!(witness, Witness::Balances { .. })), "{spoke:?}");
}

// proves: REC-5, REC-9
#[tokio::test(start_paused = true)]
async fn the_nightly_report_is_asked_for_what_is_missing_and_confirms_it_late() {
    let bench = calm();
    let (desk, journal) = desk_as(&bench, config()).await;
    let (slot, _) = enter(&desk, 1).await;
    tokio::time::sleep(SETTLE * 2).await;
    look(&desk, 1).await;
    assert!(bench.sim().trade_by_hand(&spy(), -10));
    tokio::time::sleep(SETTLE * 2).await;
    *bench.broker.closed.lock() = Some(Vec::new());
    look(&desk, 10).await;
    assert!(desk.state().held(&slot).is_some(), "an empty report says nothing");
    let closed_on = desk.market_clock().await.unwrap().date;
    *bench.broker.closed.lock() = Some(vec![ClosedLot { symbol: spy(), quantity: Decimal::TEN, closed_on }]);
    // It speaks beside each look: the fourth has three of them before it.
    look(&desk, 4).await;
    assert!(desk.state().held(&slot).is_none(), "{:#?}", desk.state().reconciled);
    let spoke = witnesses(&journal);
    assert!(spoke.iter().any(|witness| matches!(witness, Witness::ClosedLots { .. })), "{spoke:?}");
}

// proves: REC-6, REC-8
#[tokio::test(start_paused = true)]
async fn what_is_nobodys_is_told_and_by_policy_adopted_with_a_stop_and_closed_like_any_other() {
    for adopts in [false, true] {
        let bench = calm();
        let mut config = config();
        if adopts {
            config.reconcile.orphans = Orphans::Adopt { stop: Decimal::new(5, 2) };
        }
        let (desk, journal) = desk_as(&bench, config).await;
        assert!(bench.sim().trade_by_hand(&spy(), 7));
        tokio::time::sleep(SETTLE * 2).await;
        let drift = desk.reconcile().await.unwrap().drift;
        assert_eq!((drift.len(), &drift[0].state), (1, &DriftState::Orphan));
        look(&desk, 5).await;
        let state = desk.state();
        let adopted: Vec<_> = state.positions().map(|(slot, position)| (slot, position.clone())).collect();
        if !adopts {
            assert!(adopted.is_empty());
            continue;
        }
        let (slot, position) = adopted.first().unwrap();
        assert!(slot.slot.get() > 1_000_000, "{slot}");
        assert_eq!(*position.origin(), Origin::Adopted { stop: Decimal::new(5, 2) });
        assert!(matches!(changes(&journal).last(), Some(Change::Adopted { reads, .. }) if reads.reads >= 3));
        assert!(desk.reconcile().await.unwrap().drift.is_empty());
        assert!(state.alerts[&slot.to_string()].text.contains("adopted"), "{:?}", state.alerts);
        assert!(matches!(leave(&desk, slot).await, ExitEnd::Closed));
        assert!(desk.state().alerts.is_empty(), "it ends with the position: {:?}", desk.state().alerts);
        assert_eq!(bench.held(), Decimal::ZERO);
        assert_eq!(State::replay(&journal.batches()).unwrap(), desk.state());
        desk.reconcile().await.unwrap();
        assert_eq!(desk.state().account.cash(), Some(bench.sim().ledger().cash));
    }
}

// proves: REC-6, REC-8
#[tokio::test(start_paused = true)]
async fn a_size_that_somebody_elses_order_explains_is_told_and_by_policy_corrected() {
    for corrects in [false, true] {
        let bench = calm();
        let mut config = config();
        if corrects {
            config.reconcile.sizes = Sizes::Correct;
        }
        let (desk, journal) = desk_as(&bench, config).await;
        let (slot, _) = enter(&desk, 1).await;
        tokio::time::sleep(SETTLE * 2).await;
        look(&desk, 1).await;
        trade(&bench, Side::Sell, 4).await;
        let drift = desk.reconcile().await.unwrap().drift;
        assert!(matches!(drift[0].state, DriftState::ManualTrade { .. }), "{drift:?}");
        assert_eq!(drift[0].may_belong[0].position.as_str(), slot.to_string());
        look(&desk, 5).await;
        let left = desk.state().held(&slot).unwrap().legs()[0].left;
        assert_eq!(left, Decimal::from(if corrects { 6 } else { 10 }));
        if corrects {
            assert!(matches!(changes(&journal).last(), Some(Change::Corrected { causes, .. }) if causes.len() == 1));
            assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
            assert_eq!(bench.held(), Decimal::ZERO, "no more is sold than there was");
            desk.reconcile().await.unwrap();
            assert_eq!(desk.state().account.cash(), Some(bench.sim().ledger().cash));
        }
    }
}

// proves: REC-4
#[tokio::test(start_paused = true)]
async fn what_was_declared_to_be_others_is_no_difference_and_closes_are_verified_beside_it() {
    let bench = calm();
    let mut config = config();
    config.reconcile.others.quantities.insert(spy(), Decimal::from(5));
    assert!(bench.sim().trade_by_hand(&spy(), 5));
    tokio::time::sleep(SETTLE * 2).await;
    let (desk, _) = desk_as(&bench, config).await;
    assert!(desk.reconcile().await.unwrap().drift.is_empty());
    let (slot, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
    assert_eq!(bench.held(), Decimal::from(5));
    // Theirs are fewer now.
    assert!(bench.sim().trade_by_hand(&spy(), -2));
    tokio::time::sleep(SETTLE * 2).await;
    assert_eq!(desk.reconcile().await.unwrap().drift.len(), 1);
}

// proves: REC-3
#[tokio::test(start_paused = true)]
async fn after_a_restart_what_has_just_changed_is_not_judged_until_the_brokers_lag_is_over() {
    let bench = calm();
    let (desk, journal) = desk_as(&bench, config()).await;
    bench.inject(FaultKind::PositionsLag);
    let (slot, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    let again = bench.open(Arc::new(MemoryJournal::default()), &journal.batches()).await.unwrap();
    let compared = again.reconcile().await.unwrap();
    assert!(compared.drift.is_empty() && compared.unjudged.len() == 1, "{compared:?}");
    again.recover().await.unwrap();
    assert!(again.reconcile().await.unwrap().drift.is_empty());
    assert!(again.state().held(&slot).is_some());
}

// proves: REC-2, REC-6
#[tokio::test(start_paused = true)]
async fn a_close_that_is_not_confirmed_says_what_is_in_the_way_and_goes_when_it_does() {
    let bench = calm();
    let (desk, journal) = desk_as(&bench, config()).await;
    let (slot, _) = enter(&desk, 1).await;
    tokio::time::sleep(SETTLE * 2).await;
    assert!(bench.sim().trade_by_hand(&spy(), 5));
    let end = leave(&desk, &slot).await;
    assert!(matches!(end, ExitEnd::Pending { .. }), "{end:?}");
    look(&desk, 3).await;
    let kept = desk.state().reconciled.unwrap().kept;
    let says = kept.iter().any(|finding| match finding {
        Finding::Kept { position, verdict: Verdict::CannotTell { doubts }, .. } => {
            position.as_str() == slot.to_string() && doubts.iter().any(|doubt| doubt.to_string().contains("SPY"))
        }
        _ => false,
    });
    assert!(says, "{kept:?}");
    assert!(desk.state().alerts[&slot.to_string()].text.contains("5 SPY"), "{:?}", desk.state().alerts);
    assert!(bench.sim().trade_by_hand(&spy(), -5));
    tokio::time::sleep(SETTLE * 2).await;
    look(&desk, 2).await;
    assert!(desk.state().held(&slot).is_none());
    let pending = changes(&journal).iter().filter(|change| matches!(change, Change::Pending { .. })).count();
    assert!(pending >= 1, "it is on record");
}

// proves: REC-4
#[tokio::test(start_paused = true)]
async fn on_a_schedule_what_differs_is_found_by_itself_and_a_broker_that_does_not_answer_is_told() {
    let bench = calm();
    let desk = bench.desk().await;
    desk.keep_reconciled(Duration::from_secs(30));
    let (slot, _) = enter(&desk, 1).await;
    tokio::time::sleep(SETTLE * 2).await;
    assert!(bench.sim().trade_by_hand(&spy(), 3));
    tokio::time::sleep(Duration::from_mins(1)).await;
    let drift = |desk: &Desk| desk.state().reconciled.map_or(0, |compared| compared.drift.len());
    assert_eq!(drift(&desk), 1, "nobody asked for it");

    bench.broker.positions_fail.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(!desk.state().alerts.contains_key("reconcile"), "not at once");
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(desk.state().alerts["reconcile"].text.contains("could not be compared"), "{:?}", desk.state().alerts);
    assert!(desk.state().held(&slot).is_some());
    bench.broker.positions_fail.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(!desk.state().alerts.contains_key("reconcile"));
}

#[tokio::test(start_paused = true)]
async fn a_comparison_that_hangs_is_told_and_begun_again() {
    let bench = calm();
    let desk = bench.desk().await;
    desk.keep_reconciled(Duration::from_secs(10));
    tokio::time::sleep(Duration::from_mins(1)).await;
    *bench.broker.orders_delay.lock() = Duration::from_hours(1);
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert!(desk.state().alerts["reconcile"].text.contains("showed no life"), "{:?}", desk.state().alerts);
    *bench.broker.orders_delay.lock() = Duration::ZERO;
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(!desk.state().alerts.contains_key("reconcile"), "{:?}", desk.state().alerts);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_waits_to_be_verified_is_looked_at_before_the_schedule_says_so() {
    let bench = calm();
    let desk = bench.desk().await;
    desk.keep_reconciled(Duration::from_hours(1));
    let (slot, _) = enter(&desk, 1).await;
    bench.broker.positions_fail.store(true, Ordering::SeqCst);
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Pending { .. }));
    bench.broker.positions_fail.store(false, Ordering::SeqCst);
    // After pauses that grow, and long before the hour is over.
    tokio::time::sleep(Duration::from_mins(15)).await;
    assert!(desk.state().held(&slot).is_none(), "{:?}", desk.state().reconciled);
}

// proves: REC-6
#[tokio::test(start_paused = true)]
async fn the_book_of_before_and_after_a_removal_can_be_read() {
    let bench = calm();
    let copies = tempfile::tempdir().unwrap();
    let (desk, _) = desk_as(&bench, DeskConfig { copies: Some(copies.path().join("book")), ..config() }).await;
    let (slot, _) = enter(&desk, 1).await;
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
    desk.stop().await.unwrap();
    let mut files: Vec<_> = std::fs::read_dir(copies.path().join("book")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let books: Vec<Book> =
        files.iter().map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()).collect();
    let held: Vec<usize> = books.iter().map(|book| book.positions().len()).collect();
    assert_eq!(held, [0, 1], "{files:?}");
    let before = books[1].positions().values().next().unwrap();
    assert!(before.is_flat() && before.orders().len() == 2, "with the orders that made it");
}

#[tokio::test(start_paused = true)]
async fn an_exit_says_that_it_is_not_verified_while_a_comparison_hangs() {
    let bench = calm();
    let desk = bench.desk().await;
    let (slot, _) = enter(&desk, 1).await;
    tokio::time::sleep(SETTLE * 2).await;
    let begun = bench.clock.mono();
    let (end, ()) = tokio::join!(leave(&desk, &slot), async {
        // The order is found by its number; the list never comes.
        *bench.broker.orders_delay.lock() = Duration::from_hours(24);
    });
    assert!(matches!(end, ExitEnd::Pending { .. }), "{end:?}");
    let took = bench.clock.mono().since(begun);
    assert!(took < SETTLE * 3, "{took:?}");
    assert!(desk.state().held(&slot).is_some());
}

/// A journal whose disk takes as long as it is told.
#[derive(Debug, Default)]
struct StallingJournal(parking_lot::Mutex<Duration>);

#[async_trait::async_trait]
impl Journal for StallingJournal {
    async fn append(&self, _: Arc<Batch>) -> Result<(), JournalError> {
        let stalls = *self.0.lock();
        tokio::time::sleep(stalls).await;
        Ok(())
    }
}

// proves: ALERT-1
#[tokio::test(start_paused = true)]
async fn a_close_that_another_look_proves_while_its_exit_gives_up_leaves_no_alert_behind() {
    let bench = calm();
    let journal = Arc::new(StallingJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let (slot, _) = enter(&desk, 1).await;
    tokio::time::sleep(SETTLE * 2).await;
    let (end, ()) = tokio::join!(leave(&desk, &slot), async {
        while desk.state().reconciled.is_none_or(|last| last.kept.is_empty()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The exit has looked once. The next look proves the close, and its record takes longer than the exit waits.
        *journal.0.lock() = SETTLE * 2;
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(desk.reconcile().await);
    });
    assert!(matches!(end, ExitEnd::Closed), "{end:?}");
    *journal.0.lock() = Duration::ZERO;
    look(&desk, 2).await;
    assert!(desk.state().held(&slot).is_none());
    assert!(desk.state().alerts.is_empty(), "{:?}", desk.state().alerts);
}

// proves: REC-9
#[tokio::test(start_paused = true)]
async fn what_could_not_be_judged_after_a_restart_is_shut_no_longer_than_the_brokers_lists_lag() {
    let bench = calm();
    let (desk, journal) = desk_as(&bench, config()).await;
    bench.inject(FaultKind::PositionsLag);
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    let again = bench.ready(Arc::new(MemoryJournal::default()), &journal.batches()).await;
    let (_, end) = enter(&again, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "recovered is judged: {end:?}");
    // And while it runs, on a schedule that is far apart.
    again.keep_reconciled(Duration::from_hours(1));
    bench.inject(FaultKind::PositionsLag);
    let (_, end) = enter(&again, 3).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert_eq!(again.reconcile().await.unwrap().unjudged.len(), 1);
    let looks = bench.broker.lists.load(Ordering::SeqCst);
    tokio::time::sleep(SETTLE * 2).await;
    assert!(bench.broker.lists.load(Ordering::SeqCst) > looks, "nobody asked for it, and the hour is not over");
}

// proves: REC-8
#[tokio::test(start_paused = true)]
async fn what_is_held_the_other_way_round_halts_after_two_looks_and_once() {
    let bench = calm();
    let desk = bench.desk().await;
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    tokio::time::sleep(SETTLE * 2).await;
    assert!(bench.sim().trade_by_hand(&spy(), -25));
    tokio::time::sleep(SETTLE * 2).await;
    look(&desk, 1).await;
    assert!(desk.state().halted().is_none(), "one look is none");
    look(&desk, 1).await;
    let pull = desk.state().halted().expect("halted").clone();
    assert!(pull.reason.contains("SPY"), "{pull:?}");
    // Whoever has looked into it is not halted again by the same.
    bench.switch().resume("bob", "known", bench.clock.wall()).unwrap();
    look(&desk, 5).await;
    assert!(desk.state().halted().is_none(), "{:?}", desk.state().halted());
    assert_eq!(desk.reconcile().await.unwrap().drift.len(), 1, "it differs still, and is shut");
}
