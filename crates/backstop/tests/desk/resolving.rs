//! What evidence cannot settle any more: by hand, not against the broker, and not for good if the order turns up.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop::broker::{ClientOrderId, Decimal, OrderKind};
use backstop::{
    Claim, ClaimedFill, Desk, EntryEnd, ExitEnd, MemoryJournal, Operator, OrderEnd, Record, Refusal, ResolveError,
    SlotId, State,
};
use backstop_sim::{FaultKind, FaultPlan};

use crate::bench::{Bench, DetachedJournal, SETTLE, calm, config, enter, flatten, leave, spy};

fn ann() -> Operator {
    Operator { by: "ann".to_owned(), reason: "looked at the account".to_owned(), despite_positions: false }
}

fn open_order(desk: &Desk) -> ClientOrderId {
    desk.state().operations.keys().next().unwrap().clone()
}

fn filled(quantity: u32, price: u32) -> Claim {
    let (quantity, price) = (Decimal::from(quantity), Decimal::from(price));
    Claim::Filled(vec![ClaimedFill { symbol: spy(), quantity, price }])
}

/// A desk with an entry whose request was lost, or lands only after `delay`.
async fn with_a_lost_entry(delay: Option<Duration>) -> (Bench, Arc<MemoryJournal>, Desk, SlotId) {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    match delay {
        Some(delay) => {
            bench.sim().set_faults(FaultPlan::none().with_delay(FaultKind::LateProcessing, delay));
            bench.inject(FaultKind::LateProcessing);
        }
        None => bench.inject(FaultKind::RequestLost),
    }
    let (slot, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    (bench, journal, desk, slot)
}

// proves: DESK-7
#[tokio::test(start_paused = true)]
async fn an_operator_settles_what_no_evidence_can_by_name_and_reason_and_the_slot_stays_spent() {
    let (bench, journal, desk, _) = with_a_lost_entry(None).await;
    let id = open_order(&desk);
    for (by, reason) in [("", "why"), ("ann", "  ")] {
        let nobody = Operator { by: by.to_owned(), reason: reason.to_owned(), despite_positions: true };
        assert!(matches!(desk.resolve(&id, &Claim::NotPlaced, &nobody).await, Err(ResolveError::Nameless)));
    }
    let (end, fills) = desk.resolve(&id, &Claim::NotPlaced, &ann()).await.unwrap();
    assert!(matches!(end, OrderEnd::Resolved { by, .. } if by == "ann") && fills.is_empty());
    let state = desk.state();
    assert!(state.operations.is_empty() && state.alerts.is_empty() && state.account.reserved().is_zero(), "{state:#?}");
    assert_eq!(State::replay(&journal.batches()).unwrap(), state);
    let (_, end) = enter(&desk, 1).await;
    let spent = matches!(end, EntryEnd::Refused(Refusal::SlotUsed { .. }));
    assert!(spent, "its name is used up: {end:?}");
    let again = desk.resolve(&id, &Claim::NotPlaced, &ann()).await;
    assert!(matches!(again, Err(ResolveError::NotOpen { .. })), "{again:?}");
    assert_eq!(bench.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn figures_that_no_record_can_hold_are_a_slip_of_the_pen_and_stop_nothing() {
    let (_bench, journal, desk, _) = with_a_lost_entry(None).await;
    let id = open_order(&desk);
    let batches = journal.batches().len();
    let fine = Decimal::new(1, 16);
    for (quantity, price) in
        [(Decimal::TEN, Decimal::MAX), (Decimal::TEN, Decimal::from(u64::MAX)), (fine, Decimal::TEN)]
    {
        let claim = Claim::Filled(vec![ClaimedFill { symbol: spy(), quantity, price }]);
        let sure = Operator { despite_positions: true, ..ann() };
        let refused = desk.resolve(&id, &claim, &sure).await;
        assert!(matches!(&refused, Err(ResolveError::NotItsFill { .. })), "{quantity} at {price}: {refused:?}");
    }
    assert_eq!(journal.batches().len(), batches);
    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
}

// proves: DESK-7
#[tokio::test(start_paused = true)]
async fn what_the_broker_shows_is_not_settled_by_hand() {
    // It was filled, and its answer was lost: the evidence counts, not the claim.
    let bench = calm();
    let desk = bench.desk().await;
    bench.inject(FaultKind::AnswerLost);
    let orders_fail = FaultPlan::none().with_rate(FaultKind::ReadServerError, 1_000);
    let planned = crate::bench::plan(&desk).await;
    bench.sim().set_faults(orders_fail);
    let end = crate::bench::Enter::try_to(&desk, desk.slot(1).unwrap(), planned).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    let id = open_order(&desk);
    let refused = desk.resolve(&id, &Claim::NotPlaced, &ann()).await;
    assert!(matches!(refused, Err(ResolveError::Broker(_))), "unasked: {refused:?}");
    bench.sim().set_faults(FaultPlan::none());
    let (end, fills) = desk.resolve(&id, &Claim::NotPlaced, &ann()).await.unwrap();
    assert!(matches!(end, OrderEnd::Terminal { .. }) && fills.len() == 1, "{end:?} {fills:?}");
    assert_eq!(desk.state().net()[&spy()], bench.held());
}

// proves: DESK-7
#[tokio::test(start_paused = true)]
async fn what_the_broker_shows_by_its_number_alone_is_not_settled_by_hand() {
    let bench = calm();
    let desk = bench.desk().await;
    bench.broker.cancel_does_nothing.store(true, Ordering::SeqCst);
    let mut far = crate::bench::plan(&desk).await;
    far.kind = OrderKind::Limit { price: Decimal::ONE_HUNDRED };
    let end = crate::bench::Enter::try_to(&desk, desk.slot(1).unwrap(), far).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    tokio::time::sleep(SETTLE * 2).await;
    // The list has lost it, and the answer about it is at first another order's.
    *bench.broker.rewrite_orders.lock() = Some(Vec::clear);
    *bench.broker.rewrite_order.lock() = Some(|order| order.id = "1000".parse().unwrap());
    let sure = Operator { despite_positions: true, ..ann() };
    let id = open_order(&desk);
    let refused = desk.resolve(&id, &Claim::NotPlaced, &sure).await;
    assert!(matches!(refused, Err(ResolveError::Shown { .. })), "{refused:?}");
    assert_eq!(desk.state().operations.len(), 1);
}

// proves: WAL-7
#[tokio::test(start_paused = true)]
async fn an_order_that_an_operator_and_the_reconciler_settle_at_once_ends_once() {
    let bench = calm();
    let journal = Arc::new(DetachedJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    bench.inject(FaultKind::AnswerLost);
    let planned = crate::bench::plan(&desk).await;
    bench.sim().set_faults(FaultPlan::none().with_rate(FaultKind::ReadServerError, 1_000));
    let end = crate::bench::Enter::try_to(&desk, desk.slot(1).unwrap(), planned).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    bench.sim().set_faults(FaultPlan::none());
    let (id, ann) = (open_order(&desk), ann());
    let (settled, compared) = tokio::join!(desk.resolve(&id, &Claim::NotPlaced, &ann), desk.reconcile());
    assert_eq!(compared.unwrap().open, 0);
    drop(settled);
    let records = journal.kept.batches().into_iter().flat_map(|batch| batch.records);
    assert_eq!(records.filter(|record| matches!(record, Record::Finished { .. })).count(), 1);
    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "nothing is contradicted: {end:?}");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_may_be_on_its_way_or_is_followed_is_not_settled_yet() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    bench.inject(FaultKind::RequestLost);
    let (_end, ()) = tokio::join!(enter(&desk, 1), async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        let early = desk.resolve(&open_order(&desk), &Claim::NotPlaced, &ann()).await;
        assert!(matches!(early, Err(ResolveError::Attended { .. })), "{early:?}");
    });
    let again = bench.open(Arc::new(MemoryJournal::default()), &journal.batches()).await.unwrap();
    let sure = Operator { despite_positions: true, ..ann() };
    let early = again.resolve(&open_order(&again), &Claim::NotPlaced, &sure).await;
    assert!(matches!(early, Err(ResolveError::TooEarly { .. })), "{early:?}");
    tokio::time::sleep(SETTLE).await;
    again.resolve(&open_order(&again), &Claim::NotPlaced, &ann()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_declared_to_be_others_is_not_held_against_a_claim_and_where_nothing_is_held_nobody_holds_anything() {
    // How many of the five that were declared are there.
    for (theirs, agrees) in [(5, true), (3, false), (0, true)] {
        let bench = calm();
        let mut config = config();
        config.reconcile.others.quantities.insert(spy(), Decimal::from(5));
        assert!(bench.sim().trade_by_hand(&spy(), 5));
        tokio::time::sleep(SETTLE * 2).await;
        let desk = bench.open_as(config, Arc::new(MemoryJournal::default()), &[]).await.unwrap();
        bench.begin(&desk).await;
        bench.inject(FaultKind::RequestLost);
        let (_, end) = enter(&desk, 1).await;
        assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
        bench.sim().trade_by_hand(&spy(), theirs - 5);
        tokio::time::sleep(SETTLE).await;
        let settled = desk.resolve(&open_order(&desk), &Claim::NotPlaced, &ann()).await;
        if agrees {
            assert!(settled.is_ok(), "{theirs}: {settled:?}");
        } else {
            let Err(ResolveError::PositionsDiffer(differ)) = settled else { panic!("{settled:?}") };
            assert_eq!((differ[0].tracked, differ[0].broker), (Decimal::from(5), Decimal::from(3)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_the_brokers_positions_contradict_takes_more_than_a_name() {
    let (bench, _, desk, _) = with_a_lost_entry(None).await;
    let id = open_order(&desk);
    for (claim, hint) in [(filled(11, 560), "the leg is for 10"), (Claim::Filled(Vec::new()), "not placed")] {
        let error = desk.resolve(&id, &claim, &ann()).await.unwrap_err();
        assert!(error.to_string().contains(hint), "{error}");
    }
    let differs = desk.resolve(&id, &filled(10, 560), &ann()).await;
    assert!(matches!(differs, Err(ResolveError::PositionsDiffer(_))), "{differs:?}");
    bench.sim().trade_by_hand(&spy(), 4);
    tokio::time::sleep(SETTLE).await;
    let differs = desk.resolve(&id, &Claim::NotPlaced, &ann()).await;
    assert!(matches!(differs, Err(ResolveError::PositionsDiffer(_))), "{differs:?}");
    let (_, fills) = desk.resolve(&id, &filled(4, 560), &ann()).await.unwrap();
    assert_eq!(fills[0].quantity, Decimal::from(4));
    assert_eq!(desk.state().net()[&spy()], bench.held());
    flatten(&desk).await;
    assert_eq!(bench.held(), Decimal::ZERO);

    let (bench, _, desk, _) = with_a_lost_entry(None).await;
    bench.sim().trade_by_hand(&spy(), 4);
    tokio::time::sleep(SETTLE).await;
    let despite = Operator { despite_positions: true, ..ann() };
    desk.resolve(&open_order(&desk), &Claim::NotPlaced, &despite).await.unwrap();
}

// proves: REC-6
#[tokio::test(start_paused = true)]
async fn an_order_that_turns_up_after_it_was_settled_as_not_placed_becomes_a_position_loudly() {
    let (bench, journal, desk, slot) = with_a_lost_entry(Some(Duration::from_mins(2))).await;
    tokio::time::sleep(SETTLE * 2).await;
    desk.resolve(&open_order(&desk), &Claim::NotPlaced, &ann()).await.unwrap();
    desk.reconcile().await.unwrap();
    assert!(desk.state().halted().is_none());
    tokio::time::sleep(Duration::from_mins(3)).await;
    let again = bench.ready(Arc::new(MemoryJournal::default()), &journal.batches()).await;
    for desk in [&desk, &again] {
        let compared = desk.reconcile().await.unwrap();
        let state = desk.state();
        assert!(compared.drift.is_empty() && state.halted().is_some(), "{state:#?}");
        assert_eq!((state.net()[&spy()], bench.held()), (Decimal::TEN, Decimal::TEN));
        assert!(state.alerts[&slot.to_string()].text.contains("adopted"), "{:?}", state.alerts);
        assert_eq!(state.session.as_ref().unwrap().executed, 1);
        assert_eq!(state.account.cash(), Some(bench.sim().ledger().cash));
    }
    assert_eq!(State::replay(&journal.batches()).unwrap(), desk.state());
    // Nothing but a halt of entries: what it holds can be closed like any other.
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
    assert_eq!(bench.held(), Decimal::ZERO);
}

// proves: EXIT-1
#[tokio::test(start_paused = true)]
async fn an_exit_that_turns_up_after_another_one_has_closed_the_position_leaves_nothing_unwatched() {
    let bench = calm();
    let desk = bench.desk().await;
    let (slot, _) = enter(&desk, 1).await;
    // A second position, so that the late exit finds something to sell.
    let (other, _) = enter(&desk, 2).await;
    bench.sim().set_faults(FaultPlan::none().with_delay(FaultKind::LateProcessing, Duration::from_mins(2)));
    bench.inject(FaultKind::LateProcessing);
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Pending { .. }));
    tokio::time::sleep(SETTLE * 2).await;
    desk.resolve(&open_order(&desk), &Claim::NotPlaced, &ann()).await.unwrap();
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
    tokio::time::sleep(Duration::from_mins(3)).await;
    assert_eq!(bench.held(), Decimal::ZERO, "sold twice");
    let compared = desk.reconcile().await.unwrap();
    let state = desk.state();
    assert!(compared.drift.is_empty() && state.halted().is_some(), "{state:#?}");
    assert_eq!(state.held(&slot).unwrap().legs()[0].left, -Decimal::TEN);
    assert_eq!(state.held(&other).unwrap().legs()[0].left, Decimal::TEN);
    assert_eq!(state.account.cash(), Some(bench.sim().ledger().cash));
}

#[tokio::test(start_paused = true)]
async fn a_position_that_was_closed_by_hand_leaves_the_book_by_name_and_reason_once_the_broker_agrees() {
    let bench = calm();
    let desk = bench.desk().await;
    let (slot, _) = enter(&desk, 1).await;
    let stays = desk.resolve_position(&slot, &ann()).await;
    assert!(matches!(stays, Err(ResolveError::TooEarly { .. })), "the broker's list may lag: {stays:?}");
    tokio::time::sleep(SETTLE).await;
    let stays = desk.resolve_position(&slot, &ann()).await;
    assert!(matches!(stays, Err(ResolveError::NotGone { .. })), "{stays:?}");
    bench.sim().trade_by_hand(&spy(), -10);
    tokio::time::sleep(SETTLE).await;
    desk.resolve_position(&slot, &ann()).await.unwrap();
    assert!(desk.state().book.positions().is_empty());
    tokio::time::sleep(SETTLE * 2).await;
    assert!(desk.reconcile().await.unwrap().drift.is_empty());
    assert_eq!(desk.read_cash().await.unwrap(), Some(bench.sim().ledger().cash));
    let gone = desk.resolve_position(&slot, &ann()).await;
    assert!(matches!(gone, Err(ResolveError::NotOpen { .. })), "{gone:?}");
}
