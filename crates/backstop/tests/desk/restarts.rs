use std::sync::Arc;
use std::time::Duration;

use backstop::broker::Decimal;
use backstop::{MemoryJournal, OpenError, Record, SessionError, State};
use backstop_sim::{FaultKind, FaultPlan};

use crate::bench::{Bench, DyingJournal, Enter, enter, flatten, leave, plan};

/// One entry and its exit, on a journal that dies after `batches`; then a restart that makes everything good.
/// Returns whether the first desk lived to the end.
async fn die_and_restart(batches: usize, last_is_kept: bool, fault: Option<FaultKind>) -> bool {
    let bench = Bench::new(5, FaultPlan::none());
    let journal = Arc::new(DyingJournal::new(batches, last_is_kept));
    let first_life = async {
        let desk = bench.ready(journal.clone(), &[]).await;
        if let Some(fault) = fault {
            bench.inject(fault);
        }
        let (slot, _) = enter(&desk, 1).await;
        let _end = leave(&desk, &slot).await;
    };
    // The process dies somewhere in here: longer than everything that it could still do takes.
    let lived = tokio::time::timeout(Duration::from_mins(2), first_life).await.is_ok();

    let history = journal.batches();
    let desk = bench.ready(Arc::new(MemoryJournal::default()), &history).await;
    // Other slots make later orders, which show how far the broker's list reaches. Two, because a fault that the first
    // life did not live to see strikes the first of them.
    for number in 2..=3 {
        let (slot, _) = enter(&desk, number).await;
        let _end = leave(&desk, &slot).await;
    }
    flatten(&desk).await;

    let ledger = bench.sim().ledger();
    for (tag, count) in ledger.opening_orders_by_tag() {
        assert_eq!(count, 1, "{tag} after {batches} batches");
    }
    let of_first = ledger.opening_orders_by_tag().into_keys().filter(|tag| tag.contains("-1-1-open-")).count();
    assert!(of_first <= 1, "the first slot was entered {of_first} times after {batches} batches");
    assert!(ledger.positions.is_empty(), "{:?} is left after {batches} batches", ledger.positions);
    assert_eq!(desk.state().account.cash(), Some(ledger.cash), "after {batches} batches");
    lived
}

// proves: DESK-2, DESK-3
#[tokio::test(start_paused = true)]
async fn killed_at_any_record_and_restarted_it_ends_with_the_truth() {
    for fault in [None, Some(FaultKind::AnswerLost), Some(FaultKind::LateProcessing), Some(FaultKind::RequestLost)] {
        for last_is_kept in [false, true] {
            let mut deaths = 0;
            while !die_and_restart(deaths, last_is_kept, fault).await {
                deaths += 1;
            }
            assert!(deaths >= 7, "an entry is more records than {deaths} ({fault:?})");
        }
    }
}

// proves: DESK-7
#[tokio::test(start_paused = true)]
async fn a_start_waits_for_what_an_earlier_process_may_have_on_its_way_and_for_nothing_else() {
    let bench = Bench::new(5, FaultPlan::none());
    let journal = Arc::new(DyingJournal::new(6, false));
    let dead = bench.ready(journal.clone(), &[]).await;
    bench.sim().set_faults(FaultPlan::none().with_delay(FaultKind::LateProcessing, Duration::from_secs(4)));
    bench.inject(FaultKind::LateProcessing);
    let plan = plan(&dead).await;
    // Killed half a second after the request has left.
    tokio::time::timeout(Duration::from_millis(500), dead.try_to(dead.slot(1).unwrap(), plan)).await.unwrap_err();
    let begun = bench.clock.mono();
    let desk = bench.open(Arc::new(MemoryJournal::default()), &journal.batches()).await.unwrap();
    desk.recover().await.unwrap();
    let took = bench.clock.mono().since(begun);
    assert!(took >= Duration::from_secs(3) && desk.state().operations.is_empty(), "{took:?}");
    assert_eq!(desk.state().net().values().copied().sum::<Decimal>(), bench.held());

    let begun = bench.clock.mono();
    bench.open(Arc::new(MemoryJournal::default()), &[]).await.unwrap().recover().await.unwrap();
    assert!(bench.clock.mono().since(begun) < Duration::from_secs(1), "with nothing in the air it does not wait");
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_with_the_session_and_does_not_repeat_its_slots() {
    let bench = Bench::new(5, FaultPlan::none());
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let (first, _) = enter(&desk, 1).await;
    desk.stop().await.unwrap();

    let again = bench.ready(Arc::new(MemoryJournal::default()), &journal.batches()).await;
    assert_eq!(again.slot(1), Some(first.clone()), "the same session");
    assert!(again.fence() > desk.fence());
    let (_, end) = enter(&again, 1).await;
    assert!(matches!(end, backstop::EntryEnd::Refused(_)), "{end:?}");
    assert!(again.state().held(&first).is_some());
}

// proves: DESK-2
#[tokio::test(start_paused = true)]
async fn a_journal_that_was_put_back_from_an_earlier_copy_repeats_no_slot_that_the_broker_shows() {
    let bench = Bench::new(5, FaultPlan::none());
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let copy = journal.batches();
    let (slot, end) = enter(&desk, 1).await;
    assert!(matches!(end, backstop::EntryEnd::Opened(_)), "{end:?}");
    let _end = leave(&desk, &slot).await;
    desk.stop().await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let again = bench.ready(Arc::new(MemoryJournal::default()), &copy).await;
    assert!(again.state().alerts["session"].text.contains("earlier copy"), "{:?}", again.state().alerts);
    let (_, end) = enter(&again, 1).await;
    assert!(matches!(end, backstop::EntryEnd::Opened(_)), "{end:?}");
    let ledger = bench.sim().ledger();
    let opened = ledger.opening_orders_by_tag();
    let of_slot = opened.keys().filter(|tag| backstop::SlotId::of_label(tag).as_ref() == Some(&slot));
    assert_eq!(of_slot.count(), 1, "{opened:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_state_directory_uses_no_name_that_the_broker_has_seen_today() {
    let bench = Bench::new(5, FaultPlan::none());
    let (slot, _) = enter(&bench.desk().await, 1).await;
    let fresh = bench.desk().await;
    assert!(fresh.slot(1).unwrap().session.number > slot.session.number);
}

// proves: GUARD-6
#[tokio::test(start_paused = true)]
async fn a_day_before_the_newest_session_opens_nothing() {
    let bench = Bench::new(5, FaultPlan::none());
    let desk = bench.desk().await;
    let today = desk.slot(1).unwrap().session;
    let error = desk.begin_session(today.day.yesterday().unwrap(), 4, None).await.unwrap_err();
    assert!(matches!(error, SessionError::Older { .. }), "{error}");
    assert_eq!(desk.slot(1).unwrap().session, today);
}

// proves: DESK-5
#[tokio::test(start_paused = true)]
async fn the_state_of_another_account_is_refused() {
    let bench = Bench::new(5, FaultPlan::none());
    let journal = MemoryJournal::default();
    let opened = Record::Opened { home: "another account".to_owned(), fence: 1 };
    let batch = backstop::Batch { at: bench.clock.wall(), records: vec![opened] };
    let error = bench.open(Arc::new(journal), &[batch]).await.unwrap_err();
    assert!(matches!(error, OpenError::OtherHome { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_a_reader_of_the_journal_sees_is_what_the_desk_knows() {
    let bench = Bench::new(5, FaultPlan::hostile());
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    for number in 1..=3 {
        let (slot, _) = enter(&desk, number).await;
        assert_eq!(State::replay(&journal.batches()).unwrap(), desk.state());
        let _end = leave(&desk, &slot).await;
        assert_eq!(State::replay(&journal.batches()).unwrap(), desk.state());
    }
    assert!(desk.state().net().values().copied().sum::<Decimal>() >= Decimal::ZERO);
}
