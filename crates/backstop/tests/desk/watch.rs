//! The watch: a position that nobody checks is told of in time, and dealt with past twice that.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop::broker::{Decimal, Fill};
use backstop::clock::Mono;
use backstop::{
    AlertPolicy, AlertSink, Batch, Desk, EntryEnd, ExitAt, ExitPlan, Fallback, MemoryJournal, Record, SlotId,
    WatchPolicy,
};
use backstop_sim::{FaultKind, FaultPlan};

use crate::alerts::{Does, Fake};
use crate::bench::{Bench, enter, leave, spy};

const WITHIN: Duration = Duration::from_mins(2);

fn watch(desk: &Desk, fallback: Fallback) {
    desk.watch(WatchPolicy { within: WITHIN, fallback });
}

fn tell(bench: &Bench, desk: &Desk) -> Arc<Fake> {
    let sink = Fake::new(bench, Does::Takes);
    desk.tell(vec![Arc::clone(&sink) as Arc<dyn AlertSink>], AlertPolicy::default());
    sink
}

/// When an alert that names `what` was first taken.
fn told_at(sink: &Fake, what: &impl ToString) -> Option<Mono> {
    let what = format!("{} ", what.to_string());
    sink.taken.lock().iter().find(|(_, notice)| notice.text.contains(&what)).map(|(at, _)| *at)
}

async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}

/// What a bot does that still knows of its position: a look at the market, and a rule that stops a loss of one part in twenty.
/// Returns whether it left.
async fn check(desk: &Desk, slot: &SlotId) -> bool {
    let _quotes = desk.quotes(&[spy()]).await;
    let Some(cost) = desk.state().held(slot).map(|position| -position.cash_flow()) else { return true };
    let stop = |cash: Decimal| {
        let at = ExitAt::Policy;
        (cash < cost * Decimal::new(95, 2)).then(|| ExitPlan { at, reason: "stop loss".to_owned() })
    };
    match desk.check(slot, stop) {
        Ok(Some(plan)) => {
            let _end = desk.exit(slot.clone(), plan).await;
            true
        }
        Ok(None) | Err(_) => false,
    }
}

/// How the incident went.
#[derive(Debug)]
struct Incident {
    /// What was lost of what the forgotten position cost, in percent.
    lost: Decimal,
    told: Option<Duration>,
    /// When it was out of the book.
    gone: Option<Duration>,
    /// Whether the other one, of which the bot still knew, is held at the end.
    holds_other: bool,
    halted: bool,
}

/// The incident: a file is rewritten while another entry is filling, a position falls out of the bot's own list, and nobody
/// looks at it for four and a half hours, in which it loses 96 %.
async fn four_and_a_half_hours(fallback: Option<Fallback>) -> Incident {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.desk().await;
    let sink = tell(&bench, &desk);
    if let Some(fallback) = fallback {
        watch(&desk, fallback);
    }
    let (first, _) = enter(&desk, 1).await;
    let (lost, _) = enter(&desk, 2).await;
    let mut tracked = Some(first.clone());
    let begun = bench.clock.mono();
    let (start, steps) = (bench.sim().true_prices(&spy()).unwrap().0, 270 * 6);
    let mut gone = None;
    for step in 1..=steps {
        seconds(10).await;
        let fallen = Decimal::new(96, 2) * Decimal::from(step) / Decimal::from(steps);
        bench.sim().set_price(&spy(), start * (Decimal::ONE - fallen));
        if let Some(slot) = &tracked
            && check(&desk, slot).await
        {
            tracked = None;
        }
        if desk.state().held(&lost).is_none() {
            gone.get_or_insert(bench.clock.mono().since(begun));
        }
    }
    let bid = bench.sim().true_prices(&spy()).unwrap().0;
    let orders = bench.sim().ledger().orders;
    let own = orders.iter().filter(|order| order.tag.as_ref().is_some_and(|tag| tag.contains(&format!("{lost}-"))));
    let fills: Vec<_> = own.flat_map(|order| &order.fills).collect();
    let sum = |of: &dyn Fn(&Fill) -> Decimal| fills.iter().map(|fill| of(fill)).sum::<Decimal>();
    let worth = sum(&|fill| fill.cash().unwrap()) + sum(&Fill::signed_quantity) * bid;
    let cost = fills.iter().filter_map(|fill| fill.cash()).filter(|cash| *cash < Decimal::ZERO).sum::<Decimal>();
    Incident {
        lost: worth / cost * Decimal::ONE_HUNDRED,
        told: told_at(&sink, &lost).map(|at| at.since(begun)),
        gone,
        holds_other: desk.state().held(&first).is_some(),
        halted: desk.state().halted().is_some(),
    }
}

// proves: WATCH-1
#[tokio::test(start_paused = true)]
async fn a_position_that_fell_out_of_tracking_is_told_of_in_time_and_closed_past_twice_that() {
    let naive = four_and_a_half_hours(None).await;
    assert!(naive.lost > Decimal::from(95) && naive.told.is_none() && naive.gone.is_none(), "{naive:?}");
    assert!(!naive.holds_other, "the rule works where it is asked: {naive:?}");

    let ours = four_and_a_half_hours(Some(Fallback::Close)).await;
    assert!(ours.lost < Decimal::from(3), "{ours:?}");
    assert!(ours.told.is_some_and(|told| told < WITHIN), "{ours:?}");
    assert!(ours.gone.is_some_and(|gone| gone > WITHIN && gone < WITHIN * 5 / 2), "{ours:?}");
    assert!(!ours.holds_other && !ours.halted, "{ours:?}");

    let called = four_and_a_half_hours(Some(Fallback::Tell)).await;
    assert!(called.lost > Decimal::from(95) && called.told.is_some_and(|told| told < WITHIN), "{called:?}");
}

// proves: WATCH-1
#[tokio::test(start_paused = true)]
async fn what_is_checked_alarms_nobody_and_a_rule_that_was_not_asked_or_died_has_checked_nothing() {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.desk().await;
    let sink = tell(&bench, &desk);
    watch(&desk, Fallback::Halt);
    let (slot, _) = enter(&desk, 1).await;
    for _ in 0..60 {
        seconds(10).await;
        check(&desk, &slot).await;
    }
    assert!(sink.taken().is_empty() && desk.watch_tally().longest < Duration::from_secs(12), "{:?}", sink.taken());
    let begun = bench.clock.mono();
    for _ in 0..11 {
        seconds(10).await;
        // No look at the market: all that there is to evaluate a rule on is known from before.
        assert!(desk.check(&slot, |_| panic!("it was asked")).is_err());
        let _quotes = desk.quotes(&[spy()]).await;
        let broken = (desk.clone(), slot.clone());
        assert!(tokio::spawn(async move { broken.0.check(&broken.1, |_| panic!("a bug in the rule")) }).await.is_err());
        seconds(5).await;
    }
    assert!(told_at(&sink, &slot).is_some_and(|at| at.since(begun) < WITHIN), "{:?}", sink.taken());
    check(&desk, &slot).await;
    seconds(1).await;
    assert!(desk.state().alerts.is_empty(), "checked again, it alarms nobody: {:?}", desk.state().alerts);
}

// proves: WATCH-1, DESK-4, HALT-2
#[tokio::test(start_paused = true)]
async fn the_fallback_tells_halts_or_closes_past_a_halt_and_not_past_a_freeze() {
    for (fallback, left, halts) in
        [(Fallback::Tell, 10, false), (Fallback::Halt, 10, true), (Fallback::Close, 0, false)]
    {
        let bench = Bench::new(1, FaultPlan::none());
        let desk = bench.desk().await;
        let sink = tell(&bench, &desk);
        watch(&desk, fallback);
        let (slot, _) = enter(&desk, 1).await;
        tokio::time::sleep(WITHIN).await;
        assert!(told_at(&sink, &slot).is_some() && desk.state().halted().is_none(), "{fallback:?}");
        assert_eq!(bench.held(), Decimal::TEN, "not before its time");
        if fallback == Fallback::Close {
            let _pulled = desk.freeze("a test", "no order passes").await.unwrap();
            tokio::time::sleep(WITHIN * 3).await;
            assert_eq!(bench.held(), Decimal::TEN, "a freeze holds up everything");
            assert!(
                sink.taken().iter().any(|notice| notice.text.contains("that was refused: exits are frozen")),
                "{:?}",
                sink.taken()
            );
            desk.resume("a test", "exits may pass").await.unwrap();
            let _pulled = desk.halt("a test", "exits pass").await.unwrap();
        }
        tokio::time::sleep(WITHIN * 2).await;
        let by_watch = desk.state().halted().is_some_and(|pull| pull.by == "the watch");
        assert_eq!((bench.held(), by_watch), (Decimal::from(left), halts), "{fallback:?}");
        assert_eq!(desk.watch_tally().acted, 1);
    }
}

// proves: WATCH-1, EXIT-2
#[tokio::test(start_paused = true)]
async fn the_fallback_sends_no_second_close_while_a_first_is_in_doubt() {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.desk().await;
    watch(&desk, Fallback::Close);
    let (slot, _) = enter(&desk, 1).await;
    bench.inject(FaultKind::RequestLost);
    let _end = leave(&desk, &slot).await;
    assert!(desk.state().closing(&slot).is_some(), "nobody knows whether it is closed");
    tokio::time::sleep(WITHIN * 6).await;
    assert_eq!(bench.requests(), 2, "one to open, one to close");
    assert!(desk.watch_tally().acted > 0, "and it was tried");
}

/// When somebody was told of an entry that is not at rest.
fn entry_told(sink: &Fake, slot: &SlotId) -> Option<Mono> {
    let (taken, what) = (sink.taken.lock(), format!("entry {slot},"));
    taken.iter().find(|(_, notice)| notice.text.contains(&what)).map(|(at, _)| *at)
}

// proves: WATCH-1
#[tokio::test(start_paused = true)]
async fn an_entry_in_doubt_is_looked_for_and_where_it_cannot_be_is_told_of_in_time_and_halted_for() {
    for fallback in [Fallback::Tell, Fallback::Close] {
        let bench = Bench::new(1, FaultPlan::none());
        let desk = bench.desk().await;
        let sink = tell(&bench, &desk);
        watch(&desk, fallback);
        bench.inject(FaultKind::RequestLost);
        let (slot, end) = enter(&desk, 1).await;
        assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
        // Nobody reconciles, and nothing of it is there: the watch sees to it by itself.
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert!(entry_told(&sink, &slot).is_none() && desk.state().halted().is_none(), "{:?}", sink.taken());
        bench.sim().set_faults(FaultPlan::none().with_rate(FaultKind::ReadServerError, 1_000));
        let begun = bench.clock.mono();
        tokio::time::sleep(WITHIN * 3).await;
        assert!(entry_told(&sink, &slot).is_some_and(|at| at.since(begun) < WITHIN), "{:?}", sink.taken());
        assert_eq!(desk.state().halted().is_some_and(|pull| pull.by == "the watch"), fallback == Fallback::Close);
        assert_eq!(bench.requests(), 1, "nothing was closed of which nobody knows that it is open");
    }
}

// proves: WATCH-1
#[tokio::test(start_paused = true)]
async fn an_entry_that_has_filled_a_part_and_goes_on_is_held_and_unchecked() {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.desk().await;
    let sink = tell(&bench, &desk);
    watch(&desk, Fallback::Tell);
    bench.broker.cancel_does_nothing.store(true, Ordering::SeqCst);
    bench.inject(FaultKind::PartialFillStuck);
    let begun = bench.clock.mono();
    let (slot, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }) && !bench.held().is_zero(), "{end:?}");
    tokio::time::sleep(WITHIN).await;
    assert!(entry_told(&sink, &slot).is_some_and(|at| at.since(begun) < WITHIN), "{:?}", sink.taken());
}

/// A process that comes after `history`, lives for so long, and checks nothing. Returns what it has told of `slot`, and what it
/// has written.
async fn lives(bench: &Bench, history: &[Batch], slot: &SlotId, span: Duration) -> (Option<Duration>, Vec<Batch>) {
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.open(journal.clone(), history).await.unwrap();
    let (sink, begun) = (tell(bench, &desk), bench.clock.mono());
    watch(&desk, Fallback::Close);
    tokio::time::sleep(span).await;
    (told_at(&sink, slot).map(|at| at.since(begun)), history.iter().cloned().chain(journal.batches()).collect())
}

// proves: WATCH-1
#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_with_the_age_and_a_bot_that_dies_again_and_again_makes_nothing_young() {
    let bench = Bench::new(1, FaultPlan::none());
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    watch(&desk, Fallback::Close);
    let (slot, _) = enter(&desk, 1).await;
    for _ in 0..60 {
        seconds(10).await;
        check(&desk, &slot).await;
    }
    let written = journal.batches().iter().filter(|batch| batch.records.iter().any(is_checked)).count();
    assert!((10..=21).contains(&written), "a record a quarter of the time, and none for each look: {written}");
    drop(desk);
    // Checked a moment ago: no alarm in the first half of the time, and one before the end of it.
    let (told, _) = lives(&bench, &journal.batches(), &slot, WITHIN / 2).await;
    assert_eq!(told, None);
    let (told, history) = lives(&bench, &journal.batches(), &slot, WITHIN / 2).await;
    assert!(told.is_some(), "the minute of the process before counts");
    // One that lives for less than a quarter of the time.
    let mut history = history;
    let begun = bench.clock.mono();
    for _ in 0..10 {
        let (told, more) = lives(&bench, &history, &slot, WITHIN / 5).await;
        assert!(told.is_some_and(|at| at < Duration::from_secs(5)) || bench.held().is_zero(), "{told:?}");
        history = more;
    }
    assert!(bench.held().is_zero(), "closed after {:?}", bench.clock.mono().since(begun));
}

fn is_checked(record: &Record) -> bool {
    matches!(record, Record::Checked { .. })
}

// proves: WATCH-1
#[tokio::test(start_paused = true)]
async fn a_position_is_held_over_night_without_an_alarm_and_is_told_of_after_the_opening() {
    let bench = Bench::with_days(1);
    let desk = bench.desk().await;
    let sink = tell(&bench, &desk);
    watch(&desk, Fallback::Close);
    let (slot, _) = enter(&desk, 1).await;
    // From ten in the morning until four in the afternoon, in New York.
    while bench.clock.wall() < "2030-01-02T21:00:00Z".parse().unwrap() {
        check(&desk, &slot).await;
        seconds(10).await;
    }
    while bench.clock.wall() < "2030-01-03T14:30:00Z".parse().unwrap() {
        seconds(60).await;
    }
    assert!(sink.taken().is_empty() && desk.state().halted().is_none(), "{:?}", sink.taken());
    assert_eq!(bench.held(), Decimal::TEN);
    tokio::time::sleep(WITHIN).await;
    assert!(told_at(&sink, &slot).is_some(), "nobody has checked it since the opening");
    tokio::time::sleep(WITHIN * 2).await;
    assert_eq!(bench.held(), Decimal::ZERO);
}
