//! What one day knows of another.

use std::sync::Arc;
use std::time::Duration;

use backstop::broker::Decimal;
use backstop::{EntryEnd, ExitEnd, ExitRefusal, MemoryJournal, Refusal, SessionError};
use backstop_sim::{FaultKind, FaultPlan};

use crate::bench::{Bench, DyingJournal, Enter, config, enter, leave, plan, spy};

const DAY: Duration = Duration::from_hours(24);

/// From here on nothing can be read, until [`repaired`].
fn broken(bench: &Bench) {
    bench.sim().set_faults(FaultPlan::none().with_rate(FaultKind::ReadServerError, 1_000));
}

fn repaired(bench: &Bench) {
    bench.sim().set_faults(FaultPlan::none());
}

// proves: DESK-7
#[tokio::test(start_paused = true)]
async fn an_entry_of_yesterday_is_not_taken_for_absent_because_todays_list_lacks_it() {
    let bench = Bench::with_days(1);
    let desk = bench.shared_desk().await;
    bench.inject(FaultKind::AnswerLost);
    let plan = plan(&desk).await;
    broken(&bench);
    let end = desk.try_to(desk.slot(1).unwrap(), plan).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    assert_eq!(bench.held(), Decimal::TEN, "it was filled");
    tokio::time::sleep(DAY).await;
    repaired(&bench);
    bench.begin(&desk).await;
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert_eq!(desk.reconcile().await.unwrap().open, 1, "nobody can know, so it stays open");
}

// proves: DESK-7, DESK-3
#[tokio::test(start_paused = true)]
async fn after_a_crash_in_the_afternoon_the_next_morning_forgets_nothing() {
    let bench = Bench::with_days(1);
    let journal = Arc::new(DyingJournal::new(6, false));
    let first = bench.ready(journal.clone(), &[]).await;
    let (slot, plan) = (first.slot(1).unwrap(), plan(&first).await);
    // Dies between "sent" and "saved": the intent is the last record.
    tokio::time::timeout(Duration::from_mins(1), first.try_to(slot.clone(), plan)).await.unwrap_err();
    assert_eq!(bench.held(), Decimal::TEN);
    tokio::time::sleep(DAY).await;
    // REC-9: what it bought shuts the symbol, unless others trade it as they like.
    let mut config = config();
    config.reconcile.others.symbols.insert(spy());
    let desk = bench.open_as(config, Arc::new(MemoryJournal::default()), &journal.batches()).await.unwrap();
    bench.begin(&desk).await;
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    desk.reconcile().await.unwrap();
    let state = desk.state();
    assert_eq!(state.operations.len(), 1, "{state:#?}");
    assert!(!state.alerts.is_empty());
}

// proves: EXIT-2
#[tokio::test(start_paused = true)]
async fn an_exit_of_yesterday_that_nobody_saw_is_not_repeated() {
    let bench = Bench::with_days(1);
    let desk = bench.shared_desk().await;
    let (slot, _) = enter(&desk, 1).await;
    bench.inject(FaultKind::AnswerLost);
    broken(&bench);
    let end = leave(&desk, &slot).await;
    assert!(matches!(end, ExitEnd::Pending { .. }), "{end:?}");
    assert_eq!(bench.held(), Decimal::ZERO, "it was filled");
    tokio::time::sleep(DAY).await;
    repaired(&bench);
    bench.begin(&desk).await;
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    desk.reconcile().await.unwrap();
    let end = leave(&desk, &slot).await;
    assert!(matches!(end, ExitEnd::Refused(ExitRefusal::Closing { .. })), "{end:?}");
    assert_eq!(bench.held(), Decimal::TEN, "what the other slot holds is untouched");
}

#[tokio::test(start_paused = true)]
async fn an_order_of_yesterday_that_nobody_saw_does_not_keep_todays_closes_from_being_verified() {
    for was_filled in [false, true] {
        let bench = Bench::with_days(1);
        let desk = bench.desk().await;
        bench.inject(if was_filled { FaultKind::AnswerLost } else { FaultKind::RequestLost });
        let plan = plan(&desk).await;
        broken(&bench);
        let end = desk.try_to(desk.slot(1).unwrap(), plan).await;
        assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
        tokio::time::sleep(DAY).await;
        repaired(&bench);
        bench.begin(&desk).await;
        let (slot, end) = enter(&desk, 1).await;
        if was_filled {
            // REC-9: that is what the broker's positions show beside the book.
            assert!(matches!(end, EntryEnd::Refused(Refusal::Drift { .. })), "{end:?}");
            continue;
        }
        let end = leave(&desk, &slot).await;
        assert!(matches!(end, ExitEnd::Closed), "{end:?}");
        assert_eq!(desk.state().operations.len(), 1, "nobody can know, so it stays open");
    }
}

#[tokio::test(start_paused = true)]
async fn orders_of_yesterday_that_are_still_listed_are_no_strangers() {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.desk().await;
    let (slot, _) = enter(&desk, 1).await;
    for _ in 0..2 {
        let day = desk.slot(1).unwrap().session.day.tomorrow().unwrap();
        tokio::time::sleep(DAY).await;
        desk.begin_session(day, 4, None).await.unwrap();
        desk.reconcile().await.unwrap();
        assert!(desk.state().halted().is_none(), "{:?}", desk.state().halted());
    }
    assert!(desk.state().held(&slot).is_some());
}

// proves: GUARD-6
#[tokio::test(start_paused = true)]
async fn one_wrong_answer_about_the_date_does_not_shut_the_days_until_then() {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.desk().await;
    let today = desk.slot(1).unwrap().session.day;
    let error = desk.begin_session(jiff::civil::date(2130, 1, 2), 4, None).await.unwrap_err();
    assert!(matches!(error, SessionError::Implausible { .. }), "{error}");
    desk.begin_session(today, 4, None).await.unwrap();
}

// proves: GUARD-2
#[tokio::test(start_paused = true)]
async fn the_limit_of_the_day_counts_what_the_broker_shows_of_an_earlier_state_directory() {
    let bench = Bench::new(1, FaultPlan::none());
    let (slot, _) = enter(&bench.desk().await, 1).await;
    let fresh = bench.desk().await;
    fresh.begin_session(slot.session.day, 4, Some(1)).await.unwrap();
    let (_, end) = enter(&fresh, 1).await;
    assert!(matches!(end, EntryEnd::Refused(_)), "{end:?}");
    fresh.begin_session(slot.session.day, 4, Some(2)).await.unwrap();
    let (_, end) = enter(&fresh, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
}
