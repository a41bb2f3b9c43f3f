use std::sync::Arc;
use std::time::Duration;

use backstop::broker::{Decimal, Leg, OrderKind, PositionEffect, Quantity, Side};
use backstop::rollback::BalanceRead;
use backstop::{
    CASH, CashError, Claim, Desk, EntryEnd, EntryPlan, MemoryJournal, Operator, OrderEnd, Record, Refusal, SlotId,
    State,
};
use backstop_sim::{FaultKind, FaultPlan};

use crate::bench::{
    Bench, Budget, DetachedJournal, Enter, PickyJournal, Planned, SETTLE, SlowJournal, calm, enter, flatten, leave,
    look, plan, spy,
};

/// A plan that asks for so much to be set aside.
async fn asking(desk: &Desk, reserve: u32) -> Planned {
    let mut plan = plan(desk).await;
    plan.reserve = Decimal::from(reserve);
    plan
}

fn free(desk: &Desk) -> Decimal {
    desk.state().account.free().unwrap()
}

fn is_short_of_cash(end: &EntryEnd) -> bool {
    matches!(end, EntryEnd::Refused(Refusal::Cash { .. }))
}

/// The naive bot looks at its free cash, writes its intent down, and takes it off when that is done.
async fn naive(desk: &Desk, needed: Decimal) -> bool {
    let is_enough = needed <= free(desk);
    // As long as the journal takes for an intent.
    tokio::time::sleep(Duration::from_millis(20)).await;
    is_enough
}

// proves: TXN-3
#[tokio::test(start_paused = true)]
async fn of_two_entries_that_together_overdraw_exactly_one_passes_and_the_naive_bot_sends_both() {
    for budget in [Budget::Open, Budget::After(Duration::from_millis(300))] {
        let bench = calm();
        let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
        let plan = asking(&desk, 600_000).await;
        let naive = tokio::join!(naive(&desk, plan.reserve), naive(&desk, plan.reserve));
        assert_eq!(naive, (true, true), "both have seen the same cash");
        *bench.broker.budget.lock() = budget;
        let begun = bench.clock.mono();
        let enter = async |number| {
            let end = desk.try_to(desk.slot(number).unwrap(), plan.clone()).await;
            (is_short_of_cash(&end), bench.clock.mono().since(begun))
        };
        let (first, second) = tokio::join!(enter(1), enter(2));
        assert!(first.0 != second.0, "{first:?} {second:?}");
        let refused = if first.0 { first.1 } else { second.1 };
        assert!(refused < Duration::from_millis(200), "before it waits for anything: {refused:?}");
        assert_eq!(bench.requests(), 1);
    }
}

// proves: TXN-3
#[tokio::test(start_paused = true)]
async fn an_entry_that_never_left_gives_back_what_it_had_set_aside() {
    let bench = calm();
    let journal = Arc::new(PickyJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let all = asking(&desk, 1_000_000).await;
    *bench.broker.budget.lock() = Budget::Shut;
    let end = desk.try_to(desk.slot(1).unwrap(), all.clone()).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::Budget(_))), "{end:?}");
    *bench.broker.budget.lock() = Budget::Open;
    *journal.refuses.lock() = Some(|record| matches!(record, Record::Intent { .. }));
    let end = desk.try_to(desk.slot(1).unwrap(), all.clone()).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::Record(_))), "{end:?}");
    *journal.refuses.lock() = None;
    bench.inject(FaultKind::RejectedLater);
    let end = desk.try_to(desk.slot(2).unwrap(), all.clone()).await;
    assert!(matches!(end, EntryEnd::NotExecuted { end: OrderEnd::Terminal { .. } }), "{end:?}");
    assert_eq!(free(&desk), Decimal::from(1_000_000));
    let end = desk.try_to(desk.slot(1).unwrap(), asking(&desk, 1_000_000).await).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert_eq!(free(&desk), bench.sim().ledger().cash);
}

// proves: TXN-6
#[tokio::test(start_paused = true)]
async fn what_an_entry_in_doubt_has_set_aside_stays_so_over_restarts_until_there_is_evidence() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    bench.inject(FaultKind::RequestLost);
    let end = desk.try_to(desk.slot(1).unwrap(), asking(&desk, 600_000).await).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    let again = bench.ready(Arc::new(MemoryJournal::default()), &journal.batches()).await;
    let written: State = serde_json::from_str(&serde_json::to_string(&again.state()).unwrap()).unwrap();
    assert_eq!(written, again.state(), "a checkpoint keeps it");
    for desk in [&desk, &again] {
        tokio::time::sleep(SETTLE * 10).await;
        desk.reconcile().await.unwrap();
        assert_eq!((desk.state().account.reserved(), free(desk)), (Decimal::from(600_000), Decimal::from(400_000)));
        let end = desk.try_to(desk.slot(2).unwrap(), asking(desk, 400_001).await).await;
        assert!(is_short_of_cash(&end), "{end:?}");
    }
    // A later order shows that the lost one was never placed.
    let (slot, end) = enter(&again, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    again.reconcile().await.unwrap();
    assert_eq!((again.state().account.reserved(), free(&again)), (Decimal::ZERO, bench.sim().ledger().cash));
    let _end = leave(&again, &slot).await;
    assert_eq!(free(&again), bench.sim().ledger().cash);
}

// proves: TXN-6
#[tokio::test(start_paused = true)]
async fn what_an_operator_settles_is_settled_in_the_cash_too() {
    for is_filled in [false, true] {
        let bench = calm();
        let desk = bench.desk().await;
        bench.inject(FaultKind::RequestLost);
        let end = desk.try_to(desk.slot(1).unwrap(), asking(&desk, 600_000).await).await;
        assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
        tokio::time::sleep(SETTLE * 2).await;
        let id = desk.state().operations.keys().next().unwrap().clone();
        let fill = backstop::ClaimedFill { symbol: spy(), quantity: Decimal::TEN, price: Decimal::from(500) };
        let claim = if is_filled { Claim::Filled(vec![fill]) } else { Claim::NotPlaced };
        let by = |despite_positions| Operator { by: "ann".to_owned(), reason: "test".to_owned(), despite_positions };
        desk.resolve(&id, &claim, &by(is_filled)).await.unwrap();
        let spent = if is_filled { 5_000 } else { 0 };
        assert_eq!(desk.state().account.reserved(), Decimal::ZERO);
        assert_eq!(free(&desk), Decimal::from(1_000_000 - spent));
        if is_filled {
            // It was not so: the balance says it, and the book goes by that once no fill can be missing in it.
            assert_eq!(desk.read_cash().await.unwrap(), None);
            tokio::time::sleep(SETTLE).await;
            assert_eq!(desk.read_cash().await.unwrap(), Some(Decimal::from(1_000_000)));
            let slot = desk.slot(1).unwrap();
            tokio::time::sleep(SETTLE).await;
            desk.resolve_position(&slot, &by(false)).await.unwrap();
            assert_eq!(free(&desk), Decimal::from(1_000_000));
            assert_eq!(desk.state().account.books().positions().count(), 0);
        }
    }
}

/// A put spread of SPXW with a width of ten, two of it.
pub(crate) async fn spread(desk: &Desk, margin: u32) -> Planned {
    let legs = [("SPXW300102P05870000", Side::Sell), ("SPXW300102P05860000", Side::Buy)].map(|(symbol, side)| Leg {
        symbol: symbol.parse().unwrap(),
        side,
        effect: PositionEffect::Open,
        quantity: Quantity::new(2).unwrap(),
    });
    let symbols = legs.clone().map(|leg| leg.symbol);
    let view = desk.look(&symbols).await.unwrap();
    let price = |leg: &Leg| {
        let quote = view.quotes().get(&leg.symbol).unwrap();
        let side = if leg.side == Side::Sell { &quote.bid } else { &quote.ask };
        leg.side.opposite().signed(side.price.value().unwrap())
    };
    let credit = legs.iter().map(price).sum::<Decimal>().max(Decimal::new(5, 2));
    let plan = EntryPlan {
        underlying: "SPX".parse().unwrap(),
        legs: legs.to_vec(),
        kind: OrderKind::Credit { price: credit },
        reserve: Decimal::from(margin),
        margin: Decimal::from(margin),
    };
    Planned { plan, view }
}

// proves: TXN-3
#[tokio::test(start_paused = true)]
async fn the_margin_of_a_short_spread_is_set_aside_until_it_is_closed_and_may_not_be_less_than_it_can_cost() {
    let bench = calm();
    let desk = bench.desk().await;
    let end = desk.try_to(desk.slot(1).unwrap(), spread(&desk, 1_999).await).await;
    assert!(matches!(&end, EntryEnd::Refused(refusal) if refusal.gate() == "order"), "{end:?}");
    let (slot, end) = (desk.slot(1).unwrap(), desk.try_to(desk.slot(1).unwrap(), spread(&desk, 2_000).await).await);
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    let cash = bench.sim().ledger().cash;
    assert!(cash > Decimal::from(1_000_000), "a credit came in");
    assert_eq!((desk.state().account.reserved(), free(&desk)), (Decimal::from(2_000), cash - Decimal::from(2_000)));
    flatten(&desk).await;
    assert_eq!((desk.state().account.reserved(), free(&desk)), (Decimal::ZERO, bench.sim().ledger().cash));
    assert!(desk.state().held(&slot).is_none());
}

// proves: TXN-3
#[tokio::test(start_paused = true)]
async fn a_part_is_settled_at_its_real_price_in_the_batch_that_ends_the_order() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    bench.inject(FaultKind::PartialFillStuck);
    let end = desk.try_to(desk.slot(1).unwrap(), asking(&desk, 900_000).await).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert!(bench.held() > Decimal::ZERO && bench.held() < Decimal::TEN, "the fault struck");
    assert_eq!(free(&desk), bench.sim().ledger().cash);
    let batches = journal.batches();
    let ends = |batch: &backstop::Batch| batch.records.iter().any(|record| matches!(record, Record::Finished { .. }));
    let at = batches.iter().position(ends).unwrap();
    let before = State::replay(&batches[..at]).unwrap();
    assert_eq!(
        (before.account.reserved(), before.account.free()),
        (Decimal::from(900_000), Some(Decimal::from(100_000)))
    );
    assert_eq!(State::replay(&batches[..=at]).unwrap().account.free(), Some(bench.sim().ledger().cash));
}

/// What was filled seems to have cost two million.
async fn overdrawn(bench: &Bench, desk: &Desk) -> SlotId {
    *bench.broker.rewrite_order.lock() = Some(|order| {
        for leg in order.legs.iter_mut().filter(|leg| leg.price.is_some()) {
            leg.price = Some(Decimal::from(200_000));
        }
    });
    let (slot, end) = enter(desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    *bench.broker.rewrite_order.lock() = None;
    slot
}

// proves: TXN-3
#[tokio::test(start_paused = true)]
async fn fills_that_took_more_than_there_is_are_taken_in_loudly_and_shut_entries_until_the_account_shows_that_it_has_it()
 {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let slot = overdrawn(&bench, &desk).await;
    let account = desk.state().account;
    assert_eq!(account.overdrawn(), Some(Decimal::from(1_000_000)));
    assert_eq!((account.cash(), account.free()), (Some(Decimal::from(-1_000_000)), Some(Decimal::ZERO)));
    assert!(account.books().balances().is_conserved());
    assert!(desk.state().held(&slot).is_some(), "it is held all the same");
    let ends = |batch: &&backstop::Batch| batch.records.iter().any(|record| matches!(record, Record::Finished { .. }));
    let said = |record: &Record| matches!(record, Record::Alert { subject, .. } if subject == CASH);
    assert!(journal.batches().iter().find(ends).unwrap().records.iter().any(said), "in the batch in which it happened");

    let again = bench.open(Arc::new(MemoryJournal::default()), &journal.batches()).await.unwrap();
    // The account is not to be reached, and nothing else than its balance opens entries again.
    *bench.broker.balances_say.lock() = [Decimal::NEGATIVE_ONE; 400].into();
    again.recover().await.unwrap();
    again.begin_session(again.market_clock().await.unwrap().date, 9, None).await.unwrap();
    for desk in [&desk, &again] {
        assert!(desk.state().alerts.contains_key(CASH), "{:?}", desk.state().alerts);
        let (_, end) = enter(desk, 2).await;
        assert!(matches!(end, EntryEnd::Refused(Refusal::Overdrawn { .. })), "{end:?}");
    }
    bench.broker.balances_say.lock().clear();
    again.reconcile().await.unwrap();
    let (cash, account) = (bench.sim().ledger().cash, again.state().account);
    assert_eq!((account.cash(), account.free(), account.overdrawn()), (Some(cash), Some(cash), None));
    let (_, end) = enter(&again, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert!(matches!(leave(&again, &slot).await, backstop::ExitEnd::Closed), "an exit asks for no cash");
}

// proves: TXN-3
#[tokio::test(start_paused = true)]
async fn an_entry_whose_cash_is_gone_before_its_intent_is_written_is_not_sent() {
    let bench = calm();
    let desk = bench.desk().await;
    let plan = asking(&desk, 900_000).await;
    let (ends, slot) = (overdrawn(&bench, &desk), desk.slot(2).unwrap());
    *bench.broker.budget.lock() = Budget::Open;
    let waiting = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        // It has its cash, and waits for budget, while the other one's fill is told.
        *bench.broker.budget.lock() = Budget::After(Duration::from_secs(4));
        desk.try_to(slot, plan).await
    };
    let (_, end) = tokio::join!(ends, waiting);
    assert!(is_short_of_cash(&end), "{end:?}");
    assert_eq!(bench.requests(), 1);
}

// proves: TXN-7
#[tokio::test(start_paused = true)]
async fn a_balance_that_failed_or_cannot_be_or_is_not_the_same_twice_changes_nothing_and_is_stale() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let _held = enter(&desk, 1).await;
    let before = desk.state().account;
    let stale = |desk: &Desk| match desk.state().account.balance() {
        BalanceRead::Stale { before: Some(_), reason } => reason.clone(),
        other => panic!("{other:?}"),
    };
    let say =
        |amounts: &[i64]| *bench.broker.balances_say.lock() = amounts.iter().copied().map(Decimal::from).collect();
    bench.sim().set_faults(FaultPlan::none().with_rate(FaultKind::ReadServerError, 1_000));
    assert!(matches!(desk.read_cash().await, Err(CashError::Broker(_))));
    bench.sim().set_faults(FaultPlan::none());
    assert!(stale(&desk).contains("could not be read"), "{}", stale(&desk));
    let batches = journal.batches().len();
    say(&[-5]);
    assert!(matches!(desk.read_cash().await, Err(CashError::Absurd { .. })));
    assert_eq!(journal.batches().len(), batches, "it is said once");
    // Believed again, then none of these.
    assert!(desk.read_cash().await.unwrap().is_some());
    for absurd in [&[-5][..], &[0], &[5_000_000], &[i64::MAX]] {
        say(absurd);
        assert!(desk.read_cash().await.is_err(), "{absurd:?}");
        let _reason = stale(&desk);
        assert_eq!(desk.state().account.books(), before.books(), "{absurd:?}");
        assert_eq!(desk.state().account.cash(), Some(bench.sim().ledger().cash), "{absurd:?}");
        assert!(State::replay(&journal.batches()).unwrap() == desk.state());
        assert!(desk.read_cash().await.unwrap().is_some());
        assert!(matches!(desk.state().account.balance(), BalanceRead::Read { .. }), "{absurd:?}");
    }
    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
}

// proves: TXN-7
#[tokio::test(start_paused = true)]
async fn before_any_balance_was_believed_nothing_is_entered() {
    let bench = calm();
    let desk = bench.open(Arc::new(MemoryJournal::default()), &[]).await.unwrap();
    *bench.broker.balances_say.lock() = [Decimal::NEGATIVE_ONE; 9].into();
    desk.recover().await.unwrap();
    desk.begin_session(desk.market_clock().await.unwrap().date, 4, None).await.unwrap();
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(&end, EntryEnd::Refused(Refusal::Cash { free: None, .. })), "{end:?}");
    let account = desk.state().account;
    assert_eq!((account.cash(), account.free()), (None, None));
    assert!(matches!(account.balance(), BalanceRead::Stale { before: None, .. }), "{account:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_account_has_more_or_less_after_a_restart_is_told_and_gone_by_only_while_nothing_is_in_flight() {
    for by_hand in [false, true] {
        let bench = calm();
        let journal = Arc::new(MemoryJournal::default());
        let desk = bench.ready(journal.clone(), &[]).await;
        let _held = enter(&desk, 1).await;
        if by_hand {
            bench.sim().trade_by_hand(&spy(), 1);
        }
        let again = bench.ready(Arc::new(MemoryJournal::default()), &journal.batches()).await;
        let (state, cash) = (again.state(), bench.sim().ledger().cash);
        let compared = state.account.balance().newest().unwrap();
        assert_eq!(compared.difference(), cash - desk.state().account.cash().unwrap());
        assert_eq!(!compared.difference().is_zero(), by_hand);
        assert_eq!(state.alerts.contains_key(CASH), by_hand, "{:?}", state.alerts);
        assert_eq!(state.account.cash(), Some(cash));
    }
    // In flight, nobody knows which fills a balance holds.
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    bench.inject(FaultKind::RequestLost);
    let _unresolved = enter(&desk, 1).await;
    bench.sim().trade_by_hand(&spy(), 1);
    let again = bench.ready(Arc::new(MemoryJournal::default()), &journal.batches()).await;
    assert_eq!(again.read_cash().await.unwrap(), None);
    assert_eq!(again.state().account.books(), desk.state().account.books());
    let (_, end) = enter(&again, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    tokio::time::sleep(SETTLE).await;
    again.reconcile().await.unwrap();
    assert!(again.state().alerts.contains_key(CASH), "as soon as nothing is: {:?}", again.state().alerts);
    assert_eq!(again.state().account.cash(), Some(bench.sim().ledger().cash));
}

#[tokio::test(start_paused = true)]
async fn a_balance_that_says_nothing_new_is_not_written_down() {
    let bench = calm();
    let journal = Arc::new(DetachedJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let before = journal.kept.batches().len();
    for _ in 0..10 {
        assert_eq!(desk.read_cash().await.unwrap(), Some(Decimal::from(1_000_000)));
    }
    assert_eq!(journal.kept.batches().len(), before);
    let _view = look(&desk).await;
}
