//! What becomes of the legs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use backstop_rollback::{Finished, run};
use backstop_sim::{FaultKind, FaultPlan, SimBroker};
use tokio::time::{sleep, timeout};

use crate::account::{Account, CALL, Death, LONG, LONG_PUT, RETRY, SHORT, TIMING, busy, worst};
use crate::legs::Legs;

fn quiet(_broker: &SimBroker, _back: bool, _key: &str) {}

/// Before the second leg is sent, this strikes the next order.
fn strikes_the_second(kind: FaultKind) -> impl Fn(&SimBroker, bool, &str) + Send {
    move |broker, back, key| {
        if !back && key == SHORT {
            broker.handle().inject(kind, 1);
        }
    }
}

#[track_caller]
fn cause(finished: Option<Finished>) -> String {
    match finished {
        Some(Finished::RolledBack { cause }) => cause,
        other => panic!("{other:?}"),
    }
}

// proves: TXN-5
#[tokio::test(start_paused = true)]
async fn both_legs_are_opened_and_a_refusal_of_the_second_sells_the_first_again() {
    let mut account = Account::new(1, busy(FaultPlan::none()));
    assert!(matches!(account.enter(quiet, None).await, Some(Finished::Completed)));
    account.judge((2, -2), &"both");

    let mut account = Account::new(1, busy(FaultPlan::none()));
    let finished = account.enter(strikes_the_second(FaultKind::RejectedLater), None).await;
    assert!(cause(finished).contains("InitialMargin"));
    account.judge((0, 0), &"none");
    assert!(account.resume().await.is_none());
}

// proves: TXN-5
#[tokio::test(start_paused = true)]
async fn a_second_leg_whose_answer_was_lost_is_found_and_one_that_never_arrived_is_proven_absent() {
    for kind in [FaultKind::AnswerLost, FaultKind::LateProcessing, FaultKind::AnswerDelayed] {
        let mut account = Account::new(1, busy(FaultPlan::none()));
        let finished = account.enter(strikes_the_second(kind), None).await;
        assert!(matches!(finished, Some(Finished::Completed)), "{kind}: {finished:?}");
        account.judge((2, -2), &kind);
    }
    let mut account = Account::new(1, busy(FaultPlan::none()));
    let finished = account.enter(strikes_the_second(FaultKind::RequestLost), None).await;
    let cause = cause(finished);
    assert!(cause.contains("may be on its way"), "{cause}");
    account.judge((0, 0), &"lost");
}

/// An empty account shows nothing after the moment of the submit: whoever concludes that there is no order sells a leg that
/// may be all that covers the other.
// proves: TXN-5
#[tokio::test(start_paused = true)]
async fn without_proof_that_the_second_leg_is_not_on_its_way_the_first_is_left_and_a_person_is_told() {
    let mut account = Account::new(1, FaultPlan::none().with_client_timeout(CALL));
    let finished = account.enter(strikes_the_second(FaultKind::RequestLost), None).await;
    let Some(Finished::Unresolved(saga)) = finished else { panic!("{finished:?}") };
    account.judge((2, 0), &"unproven");
    let text = saga.to_string();
    for part in [
        "order bs-1-short or one that takes it back may be on its way",
        "by hand 1: look up the orders bs-1-short and bs-1-short-back-*, cancel what works, and buy back",
        "by hand 2: look up the orders bs-1-long and bs-1-long-back-*, cancel what works, and sell what they hold of 2",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

// proves: TXN-5
#[tokio::test(start_paused = true)]
async fn a_sale_that_is_refused_a_few_times_is_tried_again_and_done_once() {
    let mut account = Account::new(1, busy(FaultPlan::none()));
    let refusals = AtomicU32::new(3);
    let prepare = |broker: &SimBroker, back: bool, key: &str| {
        let is_refused = if back && key == LONG {
            refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
        } else {
            key == SHORT
        };
        if is_refused {
            broker.handle().inject(FaultKind::RejectedLater, 1);
        }
    };
    assert!(cause(account.enter(prepare, None).await).contains("InitialMargin"));
    account.judge((0, 0), &"refused thrice");
    let ledger = account.broker.handle().ledger();
    let sales = ledger.orders.iter().filter(|order| order.tag.as_deref().is_some_and(|tag| tag.contains("-back-")));
    let states: Vec<_> = sales.map(|order| order.state.name()).collect();
    assert_eq!(states, ["rejected", "rejected", "rejected", "filled"]);
}

// proves: TXN-5
#[tokio::test(start_paused = true)]
async fn a_sale_that_cannot_be_done_ends_unresolved_until_a_person_has_done_it() {
    let mut account = Account::new(1, busy(FaultPlan::none()));
    let prepare = |broker: &SimBroker, back: bool, key: &str| {
        if back || key == SHORT {
            broker.handle().inject(FaultKind::RejectedLater, 1);
        }
    };
    let finished = account.enter(prepare, None).await;
    let Some(Finished::Unresolved(mut saga)) = finished else { panic!("{finished:?}") };
    account.judge((2, 0), &"unresolved");
    assert_eq!(saga.may_be_open().map(|plan| plan.key.as_str()).collect::<Vec<_>>(), [LONG]);
    assert!(saga.unresolved().unwrap().contains("InitialMargin") && saga.cause().is_some(), "{saga}");

    assert!(account.broker.handle().trade_by_hand(&LONG_PUT.parse().unwrap(), -2));
    saga.settle_by_hand("mia", "sold at the other desk", &account.journal).await.unwrap();
    let mut legs = Legs::inherit(account.venue());
    let finished = run(saga, RETRY, &mut legs, &account.journal).await.unwrap();
    assert!(matches!(finished, Finished::RolledBack { .. }), "{finished:?}");
    account.judge((0, 0), &"settled");
}

// proves: TXN-5
#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_any_record_leaves_what_the_next_takes_back() {
    let mut deaths = 0;
    for kind in [None, Some(FaultKind::RejectedLater), Some(FaultKind::RequestLost), Some(FaultKind::AnswerLost)] {
        for is_written in [false, true] {
            for record in 0.. {
                let mut account = Account::new(1, busy(FaultPlan::none()));
                let death = Some(Death { record, is_written });
                let entered = match kind {
                    Some(kind) => account.enter(strikes_the_second(kind), death).await,
                    None => account.enter(quiet, death).await,
                };
                let context = format!("{kind:?}, record {record}, written: {is_written}");
                if entered.is_some() {
                    break;
                }
                deaths += 1;
                account.resume_to_the_end(&context).await;
                sleep(TIMING.settle).await;
                // All steps are on record as done: then the entry stands.
                let whole = kind.is_none_or(|kind| kind == FaultKind::AnswerLost);
                let stands = whole && record >= if is_written { 4 } else { 5 };
                account.judge(if stands { (2, -2) } else { (0, 0) }, &context);
            }
        }
    }
    assert!(deaths > 40, "{deaths} deaths");
}

/// Every kind of fault at the rates of a bad day, processes that die at any moment, and calmer weather in the end.
// proves: TXN-5
#[tokio::test(start_paused = true)]
async fn under_all_faults_and_deaths_both_legs_are_open_or_none() {
    let deep = std::env::var_os("BACKSTOP_DEEP").is_some_and(|value| value != "0");
    let first: u64 = std::env::var("BACKSTOP_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let (mut completed, mut taken_back, mut killed, mut struck) = (0, 0, 0, 0);
    for seed in first..first + if deep { 20_000 } else { 500 } {
        let mut account = Account::new(seed, busy(worst()));
        // One in four is left to end.
        let moment = |salt: u64| Duration::from_millis((seed + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52);
        let lives = if seed % 4 == 0 { Duration::from_hours(1) } else { moment(0) };
        let mut end = timeout(lives, account.enter(quiet, None)).await.ok().flatten();
        for round in 1..4 {
            if end.is_some() {
                break;
            }
            killed += 1;
            end = timeout(moment(round) * 4, account.resume()).await.ok().flatten();
        }
        struck += account.broker.handle().fault_counts().values().sum::<u64>();
        account.broker.handle().set_faults(busy(FaultPlan::none()));
        account.resume_to_the_end(&format_args!("seed {seed}")).await;
        sleep(TIMING.settle).await;
        let is_open = account.held() == (2.into(), (-2).into());
        account.judge(if is_open { (2, -2) } else { (0, 0) }, &format_args!("seed {seed}"));
        assert!(is_open || !matches!(end, Some(Finished::Completed)), "seed {seed}");
        if is_open { completed += 1 } else { taken_back += 1 }
    }
    assert!(completed > 50 && taken_back > 200 && killed > 500, "{completed} {taken_back} {killed}");
    assert!(struck > 2_000, "{struck} faults");
}
