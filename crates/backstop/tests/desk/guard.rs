//! The entry guard over the desk's journal: claims before intents, counted over crashes, told to whoever is turned away.

use std::sync::Arc;
use std::time::Duration;

use backstop::broker::{Decimal, OrderKind};
use backstop::trade_guard::{self, Event, Verdict};
use backstop::{Batch, Claim, Desk, EntryEnd, Journal, MemoryJournal, Operator, Record, Refusal, StrategyName};
use backstop_sim::{FaultKind, FaultPlan};
use tokio::time::timeout;

use crate::bench::{
    Bench, DetachedJournal, DyingJournal, ENTRIES, Enter, Picks, PickyJournal, SETTLE, calm, config, enter, leave, plan,
};

fn is_spent(end: &EntryEnd) -> bool {
    matches!(end, EntryEnd::Refused(Refusal::Guard(trade_guard::Refusal::Spent { .. })))
}

fn is_full(end: &EntryEnd) -> bool {
    matches!(end, EntryEnd::Refused(Refusal::Guard(trade_guard::Refusal::Limit { .. })))
}

fn attempts(batches: &[Batch]) -> Vec<&trade_guard::Record> {
    let records = batches.iter().flat_map(|batch| &batch.records);
    records.filter_map(|record| if let Record::Attempt { of } = record { Some(of) } else { None }).collect()
}

/// One entry may be had today, in any of the slots.
async fn begin_with_one(desk: &Desk) {
    begin_with(1, desk).await;
}

async fn begin_with(entries: u32, desk: &Desk) {
    desk.recover().await.unwrap();
    while desk.read_cash().await.is_err() {}
    let day = desk.market_clock().await.unwrap().date;
    desk.begin_session(day, ENTRIES, Some(entries)).await.unwrap();
}

/// Tries the first slot on a journal that dies after `batches`, then all of them after a restart. Returns whether the
/// first desk lived to the end.
async fn one_entry_over_a_crash(batches: usize, last_is_kept: bool, fault: Option<FaultKind>) -> bool {
    let bench = calm();
    let journal = Arc::new(DyingJournal::new(batches, last_is_kept));
    let first_life = async {
        let desk = bench.open(journal.clone(), &[]).await.unwrap();
        begin_with_one(&desk).await;
        if let Some(fault) = fault {
            bench.inject(fault);
        }
        enter(&desk, 1).await
    };
    let lived = tokio::time::timeout(Duration::from_mins(2), first_life).await.is_ok();
    bench.sim().set_faults(FaultPlan::none());

    let desk = bench.open(Arc::new(MemoryJournal::default()), &journal.batches()).await.unwrap();
    begin_with_one(&desk).await;
    let had_one = bench.held() == Decimal::TEN;
    let mut ends = Vec::new();
    for number in 1..=ENTRIES {
        ends.push(enter(&desk, number).await.1);
    }
    let when = format!("after {batches} batches ({fault:?}): {ends:?}");
    assert!(bench.held() <= Decimal::TEN, "{} held {when}", bench.held());
    assert!(bench.sim().ledger().opening_orders_by_tag().values().all(|count| *count == 1), "{when}");
    if had_one {
        assert!(ends.first().is_some_and(is_spent) && ends.get(1).is_some_and(is_full), "{when}");
    }
    lived
}

// proves: GUARD-2, GUARD-5, DESK-2
#[tokio::test(start_paused = true)]
async fn the_bound_of_a_session_holds_over_a_crash_at_any_record() {
    for fault in [None, Some(FaultKind::AnswerLost), Some(FaultKind::LateProcessing), Some(FaultKind::RequestLost)] {
        for last_is_kept in [false, true] {
            let mut deaths = 0;
            while !one_entry_over_a_crash(deaths, last_is_kept, fault).await {
                deaths += 1;
            }
            assert!(deaths >= 8, "an entry is more records than {deaths} ({fault:?})");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_without_an_intent_is_evidence_that_nothing_was_sent() {
    let bench = calm();
    // Opened, compared, cash, session, claim.
    let journal = Arc::new(DyingJournal::new(5, false));
    let dead = bench.ready(journal.clone(), &[]).await;
    let planned = plan(&dead).await;
    tokio::time::timeout(Duration::from_mins(1), dead.try_to(dead.slot(1).unwrap(), planned)).await.unwrap_err();
    assert!(matches!(attempts(&journal.batches())[..], [trade_guard::Record { event: Event::Claimed { .. }, .. }]));

    let next = Arc::new(MemoryJournal::default());
    let desk = bench.ready(next.clone(), &journal.batches()).await;
    let batches = next.batches();
    let [trade_guard::Record { event: Event::Resolved { verdict: Verdict::NotExecuted, grounds }, .. }] =
        attempts(&batches)[..]
    else {
        panic!("{batches:#?}");
    };
    assert!(grounds.to_string().contains("no intent"), "{grounds}");
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "the slot was given back: {end:?}");
    assert_eq!(bench.requests(), 1);
}

// proves: GUARD-2
#[tokio::test(start_paused = true)]
async fn a_journal_without_claims_counts_by_its_intents() {
    for fault in [None, Some(FaultKind::RequestLost)] {
        let bench = calm();
        let journal = Arc::new(MemoryJournal::default());
        let desk = bench.open(journal.clone(), &[]).await.unwrap();
        begin_with_one(&desk).await;
        if let Some(fault) = fault {
            bench.inject(fault);
        }
        let _end = enter(&desk, 1).await;
        // As a version wrote it whose guard had no store.
        let mut history = journal.batches();
        for batch in &mut history {
            batch.records.retain(|record| !matches!(record, Record::Attempt { .. }));
        }
        let again = bench.open(Arc::new(MemoryJournal::default()), &history).await.unwrap();
        begin_with_one(&again).await;
        let ((_, same), (_, other)) = (enter(&again, 1).await, enter(&again, 2).await);
        assert!(matches!(same, EntryEnd::Refused(Refusal::Guard(_))), "{fault:?}: {same:?}");
        assert!(is_full(&other), "{fault:?}: {other:?}");
        assert!(bench.requests() <= 1);
    }
}

// proves: GUARD-2
#[tokio::test(start_paused = true)]
async fn strategies_that_share_a_state_directory_share_the_bound_of_a_session() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let one = bench.open(journal.clone(), &[]).await.unwrap();
    begin_with_one(&one).await;
    let (_, end) = enter(&one, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");

    let mut other = config();
    other.strategy = StrategyName::new("other").unwrap();
    let other = bench.open_as(other, Arc::new(MemoryJournal::default()), &journal.batches()).await.unwrap();
    begin_with_one(&other).await;
    let (_, end) = enter(&other, 2).await;
    assert!(is_full(&end), "{end:?}");
    assert_eq!(bench.requests(), 1);
}

// proves: GUARD-1, GUARD-4
#[tokio::test(start_paused = true)]
async fn whoever_is_turned_away_is_told_who_is_inside_since_when_and_how_many_were() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let (scheduler, button) = (desk.named("scheduler").unwrap(), desk.named("button").unwrap());
    bench.sim().set_faults(FaultPlan::none().with_delay(FaultKind::AnswerDelayed, Duration::from_secs(2)));
    bench.inject(FaultKind::AnswerDelayed);
    let (slot, planned) = (desk.slot(1).unwrap(), plan(&desk).await);
    let since = bench.clock.wall();
    let (first, second) = tokio::join!(scheduler.try_to(slot.clone(), planned.clone()), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        button.try_to(slot.clone(), planned.clone()).await
    });
    assert!(matches!(first, EntryEnd::Opened(_)), "{first:?}");
    let EntryEnd::Refused(Refusal::Guard(trade_guard::Refusal::InProgress(inside))) = second else {
        panic!("{second:?}");
    };
    assert_eq!((inside.by(), inside.since(), inside.taken(), inside.limit()), ("scheduler", since, 1, 4));
    assert_eq!(inside.held_for(), Duration::from_secs(1));
    let batches = journal.batches();
    let written = batches.iter().flat_map(|batch| &batch.records).find_map(|record| match record {
        Record::Refused { gate, reason, .. } => Some((gate.as_str(), reason.as_str())),
        _ => None,
    });
    let (gate, reason) = written.unwrap();
    assert_eq!(gate, "guard");
    for part in ["scheduler", &since.to_string(), "1s ago", "1 of 4"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
}

// proves: GUARD-5
#[tokio::test(start_paused = true)]
async fn on_a_full_disk_nobody_enters_and_the_slot_is_free_again_when_there_is_room() {
    let claim: Picks = |record| matches!(record, Record::Attempt { of } if matches!(of.event, Event::Claimed { .. }));
    let intent: Picks = |record| matches!(record, Record::Intent { .. });
    for (what, refuses) in [("claim", claim), ("intent", intent)] {
        let bench = calm();
        let journal = Arc::new(PickyJournal::default());
        let desk = bench.ready(journal.clone(), &[]).await;
        *journal.refuses.lock() = Some(refuses);
        let (_, end) = enter(&desk, 1).await;
        assert!(matches!(&end, EntryEnd::Refused(refusal) if refusal.gate() == "journal"), "{what}: {end:?}");
        assert_eq!(bench.requests(), 0, "{what}");
        *journal.refuses.lock() = None;
        let (_, end) = enter(&desk, 1).await;
        assert!(matches!(end, EntryEnd::Opened(_)), "{what}: {end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_whose_order_filled_nothing_is_used_up_and_leaves_room_for_another() {
    let bench = calm();
    let desk = bench.open(Arc::new(MemoryJournal::default()), &[]).await.unwrap();
    begin_with_one(&desk).await;
    let mut far = plan(&desk).await;
    far.kind = OrderKind::Limit { price: Decimal::ONE_HUNDRED };
    let end = desk.try_to(desk.slot(1).unwrap(), far).await;
    assert!(matches!(end, EntryEnd::NotExecuted { .. }), "{end:?}");
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::SlotUsed { .. })), "{end:?}");
    let (slot, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    let _end = leave(&desk, &slot).await;
    let (_, end) = enter(&desk, 3).await;
    assert!(is_full(&end), "{end:?}");
}

// proves: GUARD-3
#[tokio::test(start_paused = true)]
async fn what_is_unresolved_takes_room_until_it_is_proven_never_to_have_been_placed() {
    let bench = calm();
    let desk = bench.open(Arc::new(MemoryJournal::default()), &[]).await.unwrap();
    begin_with(2, &desk).await;
    bench.inject(FaultKind::RequestLost);
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    let (_, end) = enter(&desk, 3).await;
    assert!(is_full(&end), "{end:?}");
    // The second order shows how far the broker's list reaches.
    desk.reconcile().await.unwrap();
    let (_, end) = enter(&desk, 3).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
}

/// One entry may be had; the first was settled by hand as not placed, and has landed since.
async fn with_a_late_order(bench: &Bench, journal: Arc<dyn Journal>) -> Desk {
    let desk = bench.open(journal, &[]).await.unwrap();
    begin_with_one(&desk).await;
    bench.sim().set_faults(FaultPlan::none().with_delay(FaultKind::LateProcessing, Duration::from_mins(2)));
    bench.inject(FaultKind::LateProcessing);
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    tokio::time::sleep(SETTLE * 2).await;
    let id = desk.state().operations.keys().next().unwrap().clone();
    let ann = Operator { by: "ann".to_owned(), reason: "a test".to_owned(), despite_positions: false };
    desk.resolve(&id, &Claim::NotPlaced, &ann).await.unwrap();
    tokio::time::sleep(Duration::from_mins(3)).await;
    assert_eq!(bench.held(), Decimal::TEN);
    desk
}

// proves: GUARD-2
#[tokio::test(start_paused = true)]
async fn an_order_that_turns_up_after_it_was_settled_as_not_placed_counts() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = with_a_late_order(&bench, journal.clone()).await;
    desk.reconcile().await.unwrap();
    let batches = journal.batches();
    let last = attempts(&batches).last().map(|attempt| &attempt.event);
    assert!(matches!(last, Some(Event::Executed)), "the guard was told: {last:?}");
    desk.resume("ann", "it is adopted").await.unwrap();
    let (_, end) = enter(&desk, 2).await;
    assert!(is_full(&end), "{end:?}");
}

// proves: GUARD-2
#[tokio::test(start_paused = true)]
async fn a_late_order_that_is_adopted_on_a_full_disk_counts() {
    let bench = calm();
    let journal = Arc::new(PickyJournal::default());
    let desk = with_a_late_order(&bench, journal.clone()).await;
    // Its adoption has room in reserve. What the guard writes before it lets anybody in has none.
    *journal.refuses.lock() =
        Some(|record| matches!(record, Record::Attempt { of } if matches!(of.event, Event::Claimed { .. })));
    desk.reconcile().await.unwrap();
    *journal.refuses.lock() = None;
    assert_eq!(desk.state().net().values().copied().sum::<Decimal>(), Decimal::TEN, "adopted");
    desk.resume("ann", "it is adopted").await.unwrap();
    let ((_, same), (_, other)) = (enter(&desk, 1).await, enter(&desk, 2).await);
    assert!(matches!(same, EntryEnd::Refused(Refusal::SlotUsed { .. })), "{same:?}");
    assert!(is_full(&other), "{other:?}");
    let again = bench.open(Arc::new(MemoryJournal::default()), &journal.kept.batches()).await.unwrap();
    begin_with_one(&again).await;
    let (_, end) = enter(&again, 1).await;
    assert!(is_spent(&end), "the guard knows it after a restart: {end:?}");
}

// proves: GUARD-2, GUARD-3
#[tokio::test(start_paused = true)]
async fn a_comparison_or_a_settlement_that_is_given_up_at_any_moment_leaves_the_guard_with_the_same_story() {
    for millis in (1..200).step_by(7) {
        // Dropped while a late order is adopted.
        let bench = calm();
        let journal = Arc::new(DetachedJournal::default());
        let desk = with_a_late_order(&bench, journal.clone()).await;
        drop(timeout(Duration::from_millis(millis), desk.reconcile()).await);
        tokio::time::sleep(Duration::from_secs(1)).await;
        desk.reconcile().await.unwrap();
        let batches = journal.kept.batches();
        let last = attempts(&batches).last().map(|attempt| &attempt.event);
        assert!(matches!(last, Some(Event::Executed)), "{millis} ms: {last:?}");

        // Dropped while an order is found to be absent.
        let bench = calm();
        let desk = bench.open(Arc::new(DetachedJournal::default()), &[]).await.unwrap();
        begin_with(2, &desk).await;
        bench.inject(FaultKind::RequestLost);
        let (_, end) = enter(&desk, 1).await;
        assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
        let (_, end) = enter(&desk, 2).await;
        assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
        drop(timeout(Duration::from_millis(millis), desk.reconcile()).await);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(desk.reconcile().await.unwrap().open, 0);
        let (_, end) = enter(&desk, 3).await;
        assert!(matches!(end, EntryEnd::Opened(_)), "{millis} ms: {end:?}");

        // Dropped while an operator settles it.
        let bench = calm();
        let desk = bench.open(Arc::new(DetachedJournal::default()), &[]).await.unwrap();
        begin_with_one(&desk).await;
        bench.inject(FaultKind::RequestLost);
        let (_, end) = enter(&desk, 1).await;
        assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
        tokio::time::sleep(SETTLE * 2).await;
        let id = desk.state().operations.keys().next().unwrap().clone();
        let ann = Operator { by: "ann".to_owned(), reason: "a test".to_owned(), despite_positions: false };
        drop(timeout(Duration::from_millis(millis), desk.resolve(&id, &Claim::NotPlaced, &ann)).await);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(desk.state().operations.is_empty());
        let (_, end) = enter(&desk, 2).await;
        assert!(matches!(end, EntryEnd::Opened(_)), "{millis} ms: {end:?}");
    }
}

// proves: GUARD-3
#[tokio::test(start_paused = true)]
async fn of_two_slots_in_doubt_an_operator_settles_the_one_that_is_named() {
    for named in 1..=2 {
        let bench = calm();
        let journal = Arc::new(MemoryJournal::default());
        let desk = bench.open(journal.clone(), &[]).await.unwrap();
        begin_with(2, &desk).await;
        for number in 1..=2 {
            bench.inject(FaultKind::RequestLost);
            let (_, end) = enter(&desk, number).await;
            assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
        }
        tokio::time::sleep(SETTLE * 2).await;
        let named = desk.slot(named).unwrap();
        let open = desk.state().operations;
        let (id, _) = open.iter().find(|(_, operation)| operation.slot == named).unwrap();
        let ann = Operator { by: "ann".to_owned(), reason: "a test".to_owned(), despite_positions: false };
        desk.resolve(id, &Claim::NotPlaced, &ann).await.unwrap();
        let batches = journal.batches();
        let told = attempts(&batches);
        let [first, second, trade_guard::Record { key, event: Event::Resolved { verdict, .. }, .. }] = told[..] else {
            panic!("{told:#?}");
        };
        let claimed = if named.slot.get() == 1 { first } else { second };
        assert_eq!((*key, *verdict), (claimed.key, Verdict::NotExecuted));
        let (_, end) = enter(&desk, 3).await;
        assert!(matches!(end, EntryEnd::Opened(_)), "there is room again: {end:?}");
        let (_, end) = enter(&desk, 3 - named.slot.get()).await;
        assert!(matches!(end, EntryEnd::Refused(Refusal::Guard(_))), "the other is in doubt: {end:?}");
    }
}
