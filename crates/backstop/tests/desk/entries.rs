use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop::broker::{Broker, Decimal, Field, MarketClock, MarketState, OrderKind, PositionEffect, Quotes, Side};
use backstop::{EntryEnd, OrderEnd, Refusal, SlotId, StrategyName};
use backstop_sim::{FaultKind, FaultPlan};
use parking_lot::Mutex;

use crate::bench::{
    Budget, ENTRIES, Enter, FullJournal, Planned, SETTLE, SlowJournal, calm, enter, flatten, leave, plan, spy,
};

/// Takes one precondition away from a good plan.
type Spoil = Box<dyn Fn(&mut Planned)>;

#[tokio::test(start_paused = true)]
async fn an_entry_that_passes_every_gate_becomes_a_position_that_the_broker_holds() {
    let bench = calm();
    let desk = bench.desk().await;
    let (slot, end) = enter(&desk, 1).await;
    assert!(matches!(&end, EntryEnd::Opened(opened) if *opened == slot), "{end:?}");
    assert_eq!(bench.held(), Decimal::TEN);
    assert_eq!(desk.state().net().values().copied().collect::<Vec<_>>(), [Decimal::TEN]);
}

// proves: DESK-1
#[tokio::test(start_paused = true)]
async fn with_any_one_precondition_missing_nothing_reaches_the_wire() {
    let bench = calm();
    let desk = bench.desk().await;
    let slot = desk.slot(1).unwrap();
    let good = plan(&desk).await;
    let cases: Vec<(&str, Spoil)> = vec![
        ("order", Box::new(|plan| plan.legs.clear())),
        ("limits", Box::new(|plan| plan.legs[0].quantity = backstop::broker::Quantity::new(101).unwrap())),
        ("order", Box::new(|plan| plan.legs[0].effect = PositionEffect::Close)),
        ("order", Box::new(|plan| plan.reserve = Decimal::ZERO)),
        ("order", Box::new(|plan| plan.margin = Decimal::NEGATIVE_ONE)),
        ("order", Box::new(|plan| plan.margin = plan.reserve + Decimal::ONE)),
        ("cash", Box::new(|plan| plan.reserve = Decimal::from(1_000_001))),
    ];
    for (gate, spoil) in cases {
        let mut plan = good.clone();
        spoil(&mut plan);
        let end = desk.try_to(slot.clone(), plan).await;
        assert!(matches!(&end, EntryEnd::Refused(refusal) if refusal.gate() == gate), "{gate}: {end:?}");
    }
    *bench.broker.budget.lock() = Budget::Shut;
    let end = desk.try_to(slot.clone(), good.clone()).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::Budget(_))), "{end:?}");
    *bench.broker.budget.lock() = Budget::Open;
    let foreign = SlotId { strategy: StrategyName::new("other").unwrap(), ..slot };
    let end = desk.try_to(foreign, good.clone()).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::OtherSession { .. })), "{end:?}");

    desk.halt("test", "test").await.unwrap();
    let end = desk.try_to(desk.slot(2).unwrap(), good.clone()).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::Halted { .. })), "{end:?}");
    assert_eq!(bench.requests(), 0);
}

// proves: DESK-1
#[tokio::test(start_paused = true)]
async fn without_a_word_that_the_market_is_open_and_fresh_usable_quotes_nothing_reaches_the_wire() {
    let bench = calm();
    let desk = bench.desk().await;
    let slot = desk.slot(1).unwrap();
    let good = plan(&desk).await;
    let clocks: [fn(&mut MarketClock); 1] = [|clock| clock.state = MarketState::Closed];
    let quotes: [fn(&mut Quotes); 4] = [
        |quotes| quotes.quotes.clear(),
        |quotes| quotes.quotes[0].ask.price = Field::Missing,
        // Received by another clock than the desk's: its ages mean nothing here.
        |quotes| quotes.quotes[0].received.mono = quotes.quotes[0].received.mono.plus(Duration::from_hours(1)),
        |quotes| quotes.quotes[0].bid.price = Field::Value(Decimal::TEN),
    ];
    let looks = clocks.map(|clock| (Some(clock), None)).into_iter().chain(quotes.map(|quotes| (None, Some(quotes))));
    for (index, (clock, quotes)) in looks.enumerate() {
        *bench.broker.rewrite_clock.lock() = clock;
        *bench.broker.rewrite_quotes.lock() = quotes;
        let plan = Planned { view: desk.look(&[spy()]).await.unwrap(), ..good.clone() };
        let end = desk.try_to(slot.clone(), plan).await;
        assert!(matches!(&end, EntryEnd::Refused(Refusal::Quote(_))), "{index}: {end:?}");
    }
    *bench.broker.rewrite_clock.lock() = None;
    *bench.broker.rewrite_quotes.lock() = None;
    // What was seen some time ago.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let end = desk.try_to(slot, good).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::Quote(_))), "{end:?}");
    assert_eq!(bench.requests(), 0);
}

// proves: DESK-1
#[tokio::test(start_paused = true)]
async fn a_desk_that_has_not_recovered_or_has_no_session_or_is_stopping_enters_nothing() {
    let bench = calm();
    let desk = bench.open(Arc::new(backstop::MemoryJournal::default()), &[]).await.unwrap();
    let elsewhere = bench.desk().await;
    let (slot, good) = (elsewhere.slot(1).unwrap(), plan(&desk).await);
    assert!(matches!(desk.try_to(slot.clone(), good.clone()).await, EntryEnd::Refused(Refusal::Recovering)));
    desk.recover().await.unwrap();
    let end = desk.try_to(slot.clone(), good.clone()).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::OtherSession { .. })), "{end:?}");
    desk.stop().await.unwrap();
    assert!(matches!(desk.try_to(slot, good).await, EntryEnd::Refused(Refusal::Stopping)));
    assert_eq!(bench.requests(), 0);
}

// proves: DESK-1, LOCK-6
#[tokio::test(start_paused = true)]
async fn a_desk_whose_lock_file_was_replaced_sends_nothing_more() {
    let bench = calm();
    let desk = bench.desk().await;
    let (slot, _) = enter(&desk, 1).await;
    fs::remove_file(bench.lock_path()).unwrap();
    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::LockLost)), "{end:?}");
    let end = leave(&desk, &slot).await;
    assert!(matches!(end, backstop::ExitEnd::Refused(backstop::ExitRefusal::LockLost)), "{end:?}");
    assert_eq!(bench.requests(), 1);
}

// proves: DESK-1
#[tokio::test(start_paused = true)]
async fn an_intent_that_cannot_be_written_is_not_sent() {
    let bench = calm();
    // Room for: opened, compared, cash, session, claim. Not for the intent.
    let desk = bench.ready(Arc::new(FullJournal(Mutex::new(5))), &[]).await;
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::Record(_))), "{end:?}");
    assert_eq!(bench.requests(), 0);
}

// proves: QUOTE-7
#[tokio::test(start_paused = true)]
async fn an_entry_does_not_leave_on_an_open_market_that_another_look_has_found_halted() {
    let bench = calm();
    let desk = bench.desk().await;
    *bench.broker.budget.lock() = Budget::After(Duration::from_secs(2));
    let told = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        *bench.broker.rewrite_clock.lock() = Some(|clock| clock.state = MarketState::Halted);
        desk.market_clock().await.unwrap();
        *bench.broker.rewrite_clock.lock() = None;
    };
    let ((_, end), ()) = tokio::join!(enter(&desk, 1), told);
    let EntryEnd::Refused(Refusal::Quote(refused)) = end else { panic!("{end:?}") };
    assert!(refused.to_string().contains("not open"), "{refused}");
    assert_eq!(bench.requests(), 0);
    // The next look is told that there is trading again.
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
}

// proves: QUOTE-5
#[tokio::test(start_paused = true)]
async fn quotes_that_grow_old_while_the_order_waits_for_budget_are_not_traded_on() {
    let bench = calm();
    let desk = bench.desk().await;
    *bench.broker.budget.lock() = Budget::After(Duration::from_secs(6));
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::QuoteExpired(_))), "{end:?}");
    assert_eq!(bench.requests(), 0);
    *bench.broker.budget.lock() = Budget::Open;
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "the slot was given back: {end:?}");
}

// proves: QUOTE-5
#[tokio::test(start_paused = true)]
async fn quotes_that_grow_old_while_the_intent_is_being_written_are_not_traded_on() {
    let bench = calm();
    let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
    let plan = plan(&desk).await;
    tokio::time::sleep(Duration::from_millis(4_970)).await;
    let end = desk.try_to(desk.slot(1).unwrap(), plan).await;
    assert!(matches!(&end, EntryEnd::NotExecuted { end: OrderEnd::NotSent { .. } }), "{end:?}");
    assert_eq!(bench.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_halt_that_comes_while_the_order_waits_for_budget_stops_it() {
    let bench = calm();
    let desk = bench.desk().await;
    *bench.broker.budget.lock() = Budget::After(Duration::from_secs(2));
    let plan = plan(&desk).await;
    let entering = desk.try_to(desk.slot(1).unwrap(), plan);
    let halting = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        desk.halt("test", "test").await.unwrap();
    };
    let (end, ()) = tokio::join!(entering, halting);
    assert!(matches!(end, EntryEnd::Refused(Refusal::Halted { .. })), "{end:?}");
    assert_eq!(bench.requests(), 0);
}

// proves: TXN-3
#[tokio::test(start_paused = true)]
async fn two_entries_at_once_cannot_both_spend_the_same_cash() {
    let bench = calm();
    // While one intent is being written, the other entry is judged.
    let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
    let mut plan = plan(&desk).await;
    plan.reserve = Decimal::from(600_000);
    let (first, second) =
        tokio::join!(desk.try_to(desk.slot(1).unwrap(), plan.clone()), desk.try_to(desk.slot(2).unwrap(), plan));
    let refused = [&first, &second].iter().filter(|end| matches!(end, EntryEnd::Refused(Refusal::Cash { .. }))).count();
    assert_eq!(refused, 1, "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn entries_at_once_do_not_pass_the_limit_of_positions_together() {
    let bench = calm();
    // While one intent is being written, the other entry is judged.
    let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
    let plan = plan(&desk).await;
    let slot = |number| desk.slot(number).unwrap();
    let enter = |number| desk.try_to(slot(number), plan.clone());
    let ends = tokio::join!(enter(1), enter(2), enter(3), enter(4));
    let opened = [&ends.0, &ends.1, &ends.2, &ends.3].into_iter().filter(|end| matches!(end, EntryEnd::Opened(_)));
    assert_eq!(opened.count(), 3);
}

// proves: DESK-2
#[tokio::test(start_paused = true)]
async fn an_order_whose_answer_was_lost_is_found_and_not_sent_again() {
    for kind in [FaultKind::AnswerLost, FaultKind::AnswerDelayed, FaultKind::ServerErrorAfter, FaultKind::HtmlBody] {
        let bench = calm();
        let desk = bench.desk().await;
        bench.inject(kind);
        let (slot, end) = enter(&desk, 1).await;
        assert!(matches!(&end, EntryEnd::Opened(opened) if *opened == slot), "{kind}: {end:?}");
        assert_eq!((bench.requests(), bench.held()), (1, Decimal::TEN), "{kind}");
    }
}

// proves: DESK-7, GUARD-3
#[tokio::test(start_paused = true)]
async fn a_lost_request_spends_its_slot_until_a_later_order_proves_that_it_was_never_placed() {
    let bench = calm();
    let desk = bench.desk().await;
    bench.inject(FaultKind::RequestLost);
    let (lost, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    // However long it takes: an empty list is no proof.
    tokio::time::sleep(SETTLE * 20).await;
    assert_eq!(desk.reconcile().await.unwrap().open, 1);
    let again = desk.try_to(lost.clone(), plan(&desk).await).await;
    assert!(matches!(again, EntryEnd::Refused(Refusal::Guard(_))), "{again:?}");
    assert!(!desk.state().alerts.is_empty());

    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert_eq!(desk.reconcile().await.unwrap().open, 0);
    assert!(desk.state().alerts.is_empty(), "what is settled alarms nobody");
    let again = desk.try_to(lost, plan(&desk).await).await;
    let spent = matches!(again, EntryEnd::Refused(Refusal::SlotUsed { .. }));
    assert!(spent, "its name is used up: {again:?}");
    assert_eq!(bench.held(), Decimal::TEN);
}

// proves: DESK-7
#[tokio::test(start_paused = true)]
async fn a_request_that_lands_late_is_found_even_when_later_orders_came_before_it() {
    let bench = calm();
    let desk = bench.desk().await;
    // It lands shortly before the settling time is over, and after a list that holds a later order was read.
    bench.sim().set_faults(FaultPlan::none().with_delay(FaultKind::LateProcessing, Duration::from_millis(5_800)));
    bench.inject(FaultKind::LateProcessing);
    let (slow, quick) = tokio::join!(enter(&desk, 1), async {
        tokio::time::sleep(Duration::from_millis(4_100)).await;
        enter(&desk, 2).await
    });
    // By then its price is old: it is canceled, unless it fills first. It is never taken for an order that was not placed.
    let canceled = matches!(&slow.1, EntryEnd::NotExecuted { end: OrderEnd::Terminal { .. } });
    assert!(canceled || matches!(slow.1, EntryEnd::Opened(_)), "{slow:?}");
    assert!(matches!(quick.1, EntryEnd::Opened(_)), "{quick:?}");
    assert_eq!(bench.requests(), 2);
    assert_eq!(desk.state().net().values().copied().sum::<Decimal>(), bench.held());
}

// proves: REC-7
#[tokio::test(start_paused = true)]
async fn an_order_that_the_broker_did_twice_halts_entries_and_both_are_in_the_book_and_closed() {
    // With its answer lost, too, both orders are found in the broker's list.
    for is_lost in [false, true] {
        let bench = calm();
        let journal = Arc::new(backstop::MemoryJournal::default());
        let desk = bench.ready(journal.clone(), &[]).await;
        bench.broker.lose_answers.store(is_lost, Ordering::SeqCst);
        // By the time that it is read, both have filled.
        *bench.broker.orders_delay.lock() = if is_lost { Duration::from_secs(3) } else { Duration::ZERO };
        bench.inject(FaultKind::DuplicateProcessing);
        let (slot, end) = enter(&desk, 1).await;
        *bench.broker.orders_delay.lock() = Duration::ZERO;
        assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
        tokio::time::sleep(Duration::from_secs(2)).await;
        desk.reconcile().await.unwrap();
        assert!(desk.state().halted().is_some());
        let again = bench.ready(Arc::new(backstop::MemoryJournal::default()), &journal.batches()).await;
        let (_, end) = enter(&desk, 2).await;
        assert!(matches!(end, EntryEnd::Refused(Refusal::Halted { .. })), "{end:?}");
        for desk in [&desk, &again] {
            let compared = desk.reconcile().await.unwrap();
            let state = desk.state();
            assert!(compared.drift.is_empty(), "{compared:?}");
            assert_eq!((state.net()[&spy()], bench.held()), (Decimal::from(20), Decimal::from(20)));
            assert_eq!(state.session.as_ref().unwrap().executed, 1, "one entry");
            assert_eq!(state.account.cash(), Some(bench.sim().ledger().cash));
        }
        assert_eq!(backstop::State::replay(&journal.batches()).unwrap(), desk.state());
        assert_eq!(bench.requests(), 1);
        // And an exit that the broker does twice: the opposite that it opened is closed as well.
        bench.broker.lose_answers.store(false, Ordering::SeqCst);
        bench.inject(FaultKind::DuplicateProcessing);
        let _end = leave(&desk, &slot).await;
        flatten(&desk).await;
        assert_eq!((bench.held(), desk.state().account.cash()), (Decimal::ZERO, Some(bench.sim().ledger().cash)));
    }
}

// proves: GUARD-2
#[tokio::test(start_paused = true)]
async fn a_session_never_has_more_entries_than_its_limit() {
    let bench = calm();
    let desk = bench.desk().await;
    for number in 1..=ENTRIES {
        let (slot, end) = enter(&desk, number).await;
        assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
        let _end = leave(&desk, &slot).await;
    }
    let (_, end) = enter(&desk, ENTRIES + 1).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::Guard(_))), "{end:?}");
    flatten(&desk).await;
    assert_eq!(bench.sim().ledger().opening_orders_by_tag().len(), ENTRIES as usize);
}

#[tokio::test(start_paused = true)]
async fn an_entry_goes_on_when_nobody_waits_for_it_any_more() {
    let bench = calm();
    let desk = bench.desk().await;
    let plan = plan(&desk).await;
    let entering = desk.try_to(desk.slot(1).unwrap(), plan);
    assert!(tokio::time::timeout(Duration::from_millis(10), entering).await.is_err());
    desk.stop().await.unwrap();
    assert!(desk.state().operations.is_empty());
    assert_eq!(desk.state().net().values().copied().sum::<Decimal>(), bench.held());
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_would_meet_its_own_opposite_is_refused_also_while_the_other_is_being_written() {
    let bench = calm();
    let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
    let long = plan(&desk).await;
    let mut short = long.clone();
    short.legs[0].side = Side::Sell;
    short.kind = OrderKind::Market;
    let enter = |number, plan: &Planned| desk.try_to(desk.slot(number).unwrap(), plan.clone());
    let (first, second) = tokio::join!(enter(1, &long), enter(2, &short));
    let is_refused = |end: &EntryEnd| matches!(end, EntryEnd::Refused(refusal) if refusal.gate() == "limits" && refusal.is_passing());
    assert!(is_refused(&first) != is_refused(&second), "{first:?} {second:?}");
    let (_, end) = (desk.slot(3), enter(3, &short).await);
    assert!(is_refused(&end) || matches!(end, EntryEnd::Refused(Refusal::Quote(_))), "{end:?}");
    assert_eq!(bench.requests(), 1);
}

// proves: REC-7
#[tokio::test(start_paused = true)]
async fn the_surplus_of_an_order_that_the_broker_did_twice_is_canceled_and_halts_again_after_a_restart() {
    let bench = calm();
    let journal = Arc::new(backstop::MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let mut plan = plan(&desk).await;
    // Far from the market: both work until somebody cancels them.
    plan.kind = OrderKind::Limit { price: Decimal::ONE_HUNDRED };
    bench.inject(FaultKind::DuplicateProcessing);
    let end = desk.try_to(desk.slot(1).unwrap(), plan).await;
    assert!(matches!(end, EntryEnd::NotExecuted { .. }), "{end:?}");
    desk.reconcile().await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let orders = bench.broker.orders().await.unwrap();
    assert_eq!(orders.orders().len(), 2);
    assert!(orders.orders().iter().all(|order| order.status.is_terminal()), "{orders:?}");
    let again = bench.ready(Arc::new(backstop::MemoryJournal::default()), &journal.batches()).await;
    assert!(again.state().halted().is_some(), "the cause is looked at anew");
}
