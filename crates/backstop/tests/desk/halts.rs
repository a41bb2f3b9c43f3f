//! The kill switch: pulled from outside, from inside and by itself; what passes then; what it takes to go on.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop::broker::{Decimal, Order, OrderKind};
use backstop::clock::Clock as _;
use backstop::{Desk, EntryEnd, ExitEnd, ExitRefusal, Level, MemoryJournal, OrderEnd, Record, Refusal, State};
use backstop_sim::{FaultKind, FaultPlan};
use parking_lot::Mutex;

use crate::bench::{Bench, Budget, Enter, FullJournal, SETTLE, SlowJournal, calm, enter, flatten, leave, plan};

/// As another process does it.
fn pull(bench: &Bench, level: Level) {
    let _pulled = bench.switch().pull(level, "ann", "a test", bench.clock.wall()).unwrap();
}

fn resume(bench: &Bench) {
    let lifted = bench.switch().resume("bob", "looked into it", bench.clock.wall()).unwrap();
    assert!(!lifted.is_empty());
}

fn is_halted(end: &EntryEnd) -> bool {
    matches!(end, EntryEnd::Refused(Refusal::Halted { .. }))
}

/// An order that works and does not fill.
async fn work(desk: &Desk, number: u32) -> EntryEnd {
    let mut plan = plan(desk).await;
    plan.kind = OrderKind::Limit { price: Decimal::ONE_HUNDRED };
    desk.try_to(desk.slot(number).unwrap(), plan).await
}

// proves: HALT-1, HALT-2
#[tokio::test(start_paused = true)]
async fn a_halt_from_another_process_is_seen_at_the_next_entry_survives_restarts_and_ends_by_name_and_reason() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    pull(&bench, Level::Halt);
    let (_, end) = enter(&desk, 1).await;
    assert!(is_halted(&end), "{end:?}");
    desk.stop().await.unwrap();
    // With its journal, and with none: the switch is beside both.
    for history in [journal.batches(), Vec::new()] {
        let later = Arc::new(MemoryJournal::default());
        let desk = bench.ready(later, &history).await;
        let (_, end) = enter(&desk, 1).await;
        assert!(is_halted(&end), "{end:?}");
        assert_eq!(desk.state().halted().unwrap().by, "ann");
    }
    assert_eq!(bench.requests(), 0);

    let again = bench.ready(journal.clone(), &journal.batches()).await;
    resume(&bench);
    let (_, end) = enter(&again, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    again.reconcile().await.unwrap();
    let records: Vec<Record> = journal.batches().into_iter().flat_map(|batch| batch.records).collect();
    let stopped = |record: &Record| matches!(record, Record::Stopped { halted: Some(why) } if why.contains("a test"));
    assert!(records.iter().any(stopped), "{records:?}");
    let resumed = |record: &Record| matches!(record, Record::Resumed { by, reason, .. } if by == "bob" && reason == "looked into it");
    assert!(records.iter().any(resumed), "{records:?}");
    assert!(State::replay(&journal.batches()).unwrap().halted().is_none());
}

// proves: HALT-1
#[tokio::test(start_paused = true)]
async fn a_halt_whose_records_are_deleted_stands_for_the_desk_that_saw_it_and_for_the_next() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    pull(&bench, Level::Halt);
    desk.ask_switch().await;
    fs::remove_dir_all(bench.switch_path()).unwrap();
    let (_, end) = enter(&desk, 1).await;
    assert!(is_halted(&end), "{end:?}");
    let again = bench.ready(Arc::new(MemoryJournal::default()), &journal.batches()).await;
    let (_, end) = enter(&again, 1).await;
    assert!(is_halted(&end), "{end:?}");
    again.resume("bob", "looked into it").await.unwrap();
    let (_, end) = enter(&again, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
}

// proves: HALT-1
#[tokio::test(start_paused = true)]
async fn a_switch_that_has_lost_what_a_journal_saw_of_it_halts_although_nothing_stood() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    pull(&bench, Level::Halt);
    desk.ask_switch().await;
    desk.resume("bob", "looked into it").await.unwrap();
    assert!(desk.state().halted().is_none());
    fs::remove_dir_all(bench.switch_path()).unwrap();
    let again = bench.ready(Arc::new(MemoryJournal::default()), &journal.batches()).await;
    assert!(is_halted(&enter(&again, 1).await.1), "nobody knows what else was deleted");
}

// proves: HALT-1
#[tokio::test(start_paused = true)]
async fn a_halt_that_comes_while_the_entry_waits_for_budget_or_disk_is_asked_for_last() {
    let bench = calm();
    let desk = bench.desk().await;
    *bench.broker.budget.lock() = Budget::After(Duration::from_secs(2));
    let planned = plan(&desk).await;
    let (end, ()) = tokio::join!(desk.try_to(desk.slot(1).unwrap(), planned), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        pull(&bench, Level::Halt);
    });
    assert!(is_halted(&end), "{end:?}");
    resume(&bench);
    *bench.broker.budget.lock() = Budget::Open;

    let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
    let planned = plan(&desk).await;
    let (end, ()) = tokio::join!(desk.try_to(desk.slot(1).unwrap(), planned), async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        pull(&bench, Level::Halt);
    });
    let not_sent =
        matches!(&end, EntryEnd::NotExecuted { end: OrderEnd::NotSent { reason } } if reason.contains("ann"));
    assert!(not_sent, "the intent was on its way to the disk: {end:?}");
    assert_eq!(bench.requests(), 0);
}

// proves: HALT-1
#[tokio::test(start_paused = true)]
async fn whenever_halts_come_no_entry_leaves_after_one_was_pulled() {
    const PULLED: &str = "pulled";
    const RESUMING: &str = "resuming";
    let (mut shut_out, mut entered) = (0, 0);
    for seed in 0..10_u64 {
        let bench = Bench::new(seed, FaultPlan::hostile());
        let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
        *bench.broker.budget.lock() = Budget::After(Duration::from_millis(30));
        let log = |text: &str| bench.broker.submitted.lock().push(text.to_owned());
        let halting = async {
            let mut moment = seed;
            loop {
                moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                tokio::time::sleep(Duration::from_millis((moment >> 33) % 1_500)).await;
                pull(&bench, Level::Halt);
                log(PULLED);
                tokio::time::sleep(Duration::from_millis((moment >> 45) % 700)).await;
                log(RESUMING);
                resume(&bench);
            }
        };
        let trading = async {
            for number in (1..=4).cycle().take(40) {
                let (slot, end) = enter(&desk, number).await;
                shut_out += u32::from(
                    is_halted(&end) || matches!(end, EntryEnd::NotExecuted { end: OrderEnd::NotSent { .. } }),
                );
                if let EntryEnd::Opened(_) = end {
                    entered += 1;
                    let _end = leave(&desk, &slot).await;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            () = trading => {}
            () = halting => {}
        }
        let mut shut = false;
        for entry in bench.broker.submitted.lock().iter() {
            match entry.as_str() {
                PULLED => shut = true,
                RESUMING => shut = false,
                label => assert!(!(shut && label.contains("-open-")), "seed {seed}: {label} left while halted"),
            }
        }
    }
    assert!(shut_out > 30 && entered > 10, "{shut_out} shut out, {entered} entered");
}

// proves: HALT-2, DESK-4
#[tokio::test(start_paused = true)]
async fn halted_exits_pass_and_entries_that_work_are_canceled() {
    let bench = calm();
    let desk = bench.desk().await;
    let (slot, _) = enter(&desk, 1).await;
    let begun = bench.clock.mono();
    let (end, ()) = tokio::join!(work(&desk, 2), async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        pull(&bench, Level::Halt);
        tokio::time::sleep(Duration::from_millis(1400)).await;
        assert_eq!(bench.broker.cancels.load(Ordering::SeqCst), 1, "before the fill time-out");
    });
    assert!(matches!(end, EntryEnd::NotExecuted { end: OrderEnd::Terminal { .. } }), "{end:?}");
    let patience = SETTLE + Duration::from_secs(2);
    assert!(bench.clock.mono().since(begun) < patience, "once no other order of it can land");
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
    assert_eq!(bench.held(), Decimal::ZERO);
}

// proves: HALT-2
#[tokio::test(start_paused = true)]
async fn frozen_no_order_passes_and_only_what_opens_is_canceled() {
    let bench = calm();
    let desk = bench.desk().await;
    let (slot, _) = enter(&desk, 1).await;
    // An exit that works, and an entry that works.
    bench.inject(FaultKind::PartialFillStuck);
    let (exit, entry, ()) = tokio::join!(leave(&desk, &slot), work(&desk, 2), async {
        tokio::time::sleep(Duration::from_millis(800)).await;
        pull(&bench, Level::Freeze);
    });
    assert!(matches!(entry, EntryEnd::NotExecuted { end: OrderEnd::Terminal { .. } }), "canceled: {entry:?}");
    assert!(matches!(exit, ExitEnd::Pending { .. }), "left to work: {exit:?}");
    assert_eq!(bench.sim().ledger().cancels.len(), 1, "and none of the exit");
    resume(&bench);
    flatten(&desk).await;

    let (slot, end) = enter(&desk, 3).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    pull(&bench, Level::Freeze);
    let sent = bench.requests();
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Refused(ExitRefusal::Frozen { .. })));
    assert!(is_halted(&enter(&desk, 4).await.1));
    assert_eq!(bench.requests(), sent);
    resume(&bench);
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
}

// proves: HALT-2
#[tokio::test(start_paused = true)]
async fn a_freeze_that_comes_while_the_intent_of_an_exit_is_written_keeps_it_back() {
    let bench = calm();
    let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
    let (slot, _) = enter(&desk, 1).await;
    let (end, ()) = tokio::join!(leave(&desk, &slot), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        desk.freeze("ann", "a test").await.unwrap();
    });
    assert!(matches!(end, ExitEnd::StillOpen { end: OrderEnd::NotSent { .. } }), "{end:?}");
    assert_eq!(bench.requests(), 1);
    resume(&bench);
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed), "nothing is in its way");
}

// proves: HALT-2, REC-7
#[tokio::test(start_paused = true)]
async fn an_order_of_a_stranger_under_our_name_halts_until_somebody_resumes_and_then_not_again() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    // Another instance, on a state directory of its own.
    let elsewhere = bench.elsewhere();
    let stranger = elsewhere.desk().await;
    let (_, end) = enter(&stranger, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    desk.reconcile().await.unwrap();
    assert!(is_halted(&enter(&desk, 1).await.1));
    let again = bench.ready(Arc::new(MemoryJournal::default()), &journal.batches()).await;
    assert!(is_halted(&enter(&again, 1).await.1), "a restart does not take it back");
    desk.resume("bob", "the other bot is stopped").await.unwrap();
    for _ in 0..3 {
        desk.reconcile().await.unwrap();
    }
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "the same order halts no more: {end:?}");
    let (_, end) = enter(&stranger, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    desk.reconcile().await.unwrap();
    assert!(is_halted(&enter(&desk, 2).await.1), "another one does");
}

// proves: ALERT-1
#[tokio::test(start_paused = true)]
async fn what_the_desk_has_halted_for_by_itself_is_alerted_until_somebody_answers_for_it() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let elsewhere = bench.elsewhere();
    let stranger = elsewhere.desk().await;
    for number in 1..=2 {
        let (_, end) = enter(&stranger, number).await;
        assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    }
    desk.reconcile().await.unwrap();
    // Somebody else's word is another matter.
    desk.halt("ann", "the news").await.unwrap();
    assert!(desk.state().alerts.contains_key("account"), "{:?}", desk.state().alerts);
    let others: Vec<String> = desk.state().alerts.into_keys().filter(|subject| subject != "account").collect();
    desk.resume("bob", "the other bot is stopped").await.unwrap();
    for _ in 0..3 {
        assert_eq!(desk.state().alerts.into_keys().collect::<Vec<_>>(), others);
        desk.reconcile().await.unwrap();
    }
    assert_eq!(State::replay(&journal.batches()).unwrap().alerts.into_keys().collect::<Vec<_>>(), others);
}

// proves: HALT-2, REC-7
#[tokio::test(start_paused = true)]
async fn a_second_stranger_halts_too_in_whatever_order_the_broker_lists() {
    let oldest_first: fn(&mut Vec<Order>) = |rows| rows.sort_by_key(|row| row.created_at);
    for rewrite in [None, Some(oldest_first)] {
        let bench = calm();
        *bench.broker.rewrite_orders.lock() = rewrite;
        let desk = bench.desk().await;
        let elsewhere = bench.elsewhere();
        let stranger = elsewhere.desk().await;
        for numbers in [1..=1, 2..=3] {
            for number in numbers.clone() {
                let (_, end) = enter(&stranger, number).await;
                assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
            }
            desk.reconcile().await.unwrap();
            assert!(desk.state().halted().is_some(), "orders {numbers:?} of a stranger");
            desk.resume("bob", "the other bot is stopped").await.unwrap();
            desk.reconcile().await.unwrap();
            assert!(desk.state().halted().is_none(), "one word for all that was shown");
        }
    }
}

// proves: REC-7
#[tokio::test(start_paused = true)]
async fn an_order_of_a_stranger_halts_although_the_brokers_clock_is_behind() {
    let bench = calm();
    let desk = bench.desk().await;
    let elsewhere = bench.elsewhere();
    let stranger = elsewhere.desk().await;
    let (_, end) = enter(&stranger, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    *bench.broker.rewrite_orders.lock() = Some(|rows| {
        for row in rows {
            row.created_at = row.created_at.map(|at| at - Duration::from_mins(1));
        }
    });
    desk.reconcile().await.unwrap();
    assert!(is_halted(&enter(&desk, 1).await.1));
}

// proves: HALT-2
#[tokio::test(start_paused = true)]
async fn a_failed_journal_a_lost_lock_and_many_doubts_halt_whoever_comes_next() {
    let next_is_halted = |bench: &Bench| bench.switch().standing().strongest().map(|pull| pull.reason.clone());
    let bench = calm();
    // Room for: opened, compared, cash, session.
    let desk = bench.ready(Arc::new(FullJournal(Mutex::new(4))), &[]).await;
    let _refused = enter(&desk, 1).await;
    drop(desk.stop().await);
    assert!(next_is_halted(&bench).unwrap().contains("journal"), "{:?}", next_is_halted(&bench));

    let bench = calm();
    let desk = bench.desk().await;
    fs::remove_file(bench.lock_path()).unwrap();
    let _refused = enter(&desk, 1).await;
    drop(desk.stop().await);
    assert!(next_is_halted(&bench).unwrap().contains("lock"), "{:?}", next_is_halted(&bench));

    let bench = calm();
    let desk = bench.desk().await;
    let (slot, _) = enter(&desk, 1).await;
    bench.sim().set_faults(FaultPlan::none().with_rate(FaultKind::AnswerLost, 1_000));
    for number in 2..=3 {
        let (other, _) = enter(&desk, number).await;
        assert!(next_is_halted(&bench).is_none());
        let _end = leave(&desk, &other).await;
    }
    let _end = leave(&desk, &slot).await;
    assert!(next_is_halted(&bench).unwrap().contains("in doubt"), "{:?}", next_is_halted(&bench));
}

// A bot that had been resumed went on to its end, and left with exit code 4 for an alert that nobody could settle any more.
#[tokio::test(start_paused = true)]
async fn a_resume_ends_the_alert_of_the_halt_that_it_takes_back() {
    let bench = calm();
    let desk = bench.desk().await;
    bench.sim().set_faults(FaultPlan::none().with_rate(FaultKind::AnswerLost, 1_000));
    for number in 1..=3 {
        let (slot, _) = enter(&desk, number).await;
        let _end = leave(&desk, &slot).await;
    }
    let is_said = |desk: &Desk| desk.state().alerts.contains_key("broker");
    assert!(desk.state().halted().is_some() && is_said(&desk));
    bench.sim().set_faults(FaultPlan::none());
    // By another process, as `paper-trader resume` does it.
    resume(&bench);
    desk.ask_switch().await;
    assert!(desk.state().halted().is_none() && !is_said(&desk), "{:?}", desk.state().alerts);
}

#[tokio::test(start_paused = true)]
async fn one_doubt_now_and_then_halts_nobody() {
    let bench = calm();
    let desk = bench.desk().await;
    for number in 1..=4 {
        bench.inject(FaultKind::AnswerLost);
        let (slot, _) = enter(&desk, number).await;
        bench.inject(FaultKind::RejectedLater);
        assert!(matches!(leave(&desk, &slot).await, ExitEnd::StillOpen { .. }));
        bench.inject(FaultKind::AnswerLost);
        assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
    }
    assert_eq!(bench.sim().fault_counts()[&FaultKind::AnswerLost], 8);
    assert!(desk.state().halted().is_none());
}
