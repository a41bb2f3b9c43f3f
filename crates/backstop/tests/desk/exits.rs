use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop::broker::{Decimal, Field, OrderKind, Quotes};
use backstop::quote::{Policy, PolicyConfig, UnquotedExit};
use backstop::reconcile::{Change, Evidence};
use backstop::{Desk, DeskConfig, EntryEnd, ExitAt, ExitEnd, ExitPlan, ExitRefusal, MemoryJournal, Record, SlotId};
use backstop_sim::{FaultKind, FaultPlan};

use crate::bench::{Bench, Budget, Enter, SETTLE, SlowJournal, config, enter, flatten, leave, look, spy};

/// The legs of `cash::spread`.
const WRITTEN: &str = "SPXW300102P05870000";
const BOUGHT: &str = "SPXW300102P05860000";

async fn opened(seed: u64) -> (Bench, Desk, SlotId) {
    let bench = Bench::new(seed, FaultPlan::none());
    let desk = bench.desk().await;
    let (slot, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    (bench, desk, slot)
}

// proves: REC-1
#[tokio::test(start_paused = true)]
async fn a_position_leaves_the_book_when_the_broker_agrees_and_not_before() {
    let (bench, desk, slot) = opened(1).await;
    bench.inject(FaultKind::PositionsLag);
    let mut events = desk.events();
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
    assert!(desk.state().book.positions().is_empty());
    assert_eq!(bench.held(), Decimal::ZERO);
    let (mut filled, mut left) = (None, None);
    while let Ok(batch) = events.try_recv() {
        for record in &batch.records {
            match record {
                Record::Finished { .. } => filled = Some(batch.at),
                Record::Book { change: Change::Removed { evidence: Evidence::Fills { reads, .. }, .. } } => {
                    left = Some(batch.at);
                    assert_eq!(reads.reads, 2, "one look is none");
                }
                _ => {}
            }
        }
    }
    let waited = left.unwrap().duration_since(filled.unwrap());
    assert!(waited.as_secs() >= 3, "the list of positions lagged four seconds behind the fill: {waited:?}");
}

// proves: DESK-4
#[tokio::test(start_paused = true)]
async fn an_exit_passes_while_entries_are_halted_or_stopping_and_quotes_are_gone() {
    let (bench, desk, slot) = opened(1).await;
    desk.halt("test", "test").await.unwrap();
    desk.stop_entries();
    bench.sim().set_faults(FaultPlan::none().with_rate(FaultKind::QuoteMissing, 1_000));
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
    assert_eq!(bench.held(), Decimal::ZERO);
}

// proves: EXIT-2
#[tokio::test(start_paused = true)]
async fn while_one_exit_is_not_at_rest_another_is_refused() {
    // While one intent is being written, the other exit is judged.
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
    let (slot, _) = enter(&desk, 1).await;
    let (first, second) = tokio::join!(leave(&desk, &slot), leave(&desk, &slot));
    assert!(matches!(first, ExitEnd::Closed), "{first:?}");
    assert!(matches!(second, ExitEnd::Refused(ExitRefusal::Closing { .. })), "{second:?}");
    assert_eq!((bench.requests(), bench.held()), (2, Decimal::ZERO));
}

// proves: EXIT-2
#[tokio::test(start_paused = true)]
async fn an_exit_whose_request_was_lost_is_not_repeated_without_proof() {
    let (bench, desk, slot) = opened(1).await;
    bench.inject(FaultKind::RequestLost);
    let end = leave(&desk, &slot).await;
    assert!(matches!(end, ExitEnd::Pending { .. }), "{end:?}");
    tokio::time::sleep(SETTLE * 10).await;
    desk.reconcile().await.unwrap();
    let end = leave(&desk, &slot).await;
    assert!(matches!(end, ExitEnd::Refused(ExitRefusal::Closing { .. })), "{end:?}");
    assert!(desk.state().held(&slot).unwrap().pending().is_some(), "tracked, and loud");
    // A later order shows that the broker's list reaches past the lost one.
    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    flatten(&desk).await;
    assert_eq!(bench.held(), Decimal::ZERO);
}

// proves: EXIT-1
#[tokio::test(start_paused = true)]
async fn what_an_exit_left_open_is_closed_to_the_share_and_never_flipped() {
    for seed in 0..20 {
        let (bench, desk, slot) = opened(seed).await;
        bench.inject(FaultKind::PartialFillStuck);
        let end = leave(&desk, &slot).await;
        assert!(matches!(end, ExitEnd::StillOpen { .. }), "{end:?}");
        assert!(bench.held() > Decimal::ZERO, "the fault struck");
        assert_eq!(desk.state().net().values().copied().sum::<Decimal>(), bench.held());
        flatten(&desk).await;
        assert_eq!(bench.held(), Decimal::ZERO);
    }
}

// proves: EXIT-1
#[tokio::test(start_paused = true)]
async fn a_cancel_that_loses_the_race_with_a_fill_is_not_taken_for_a_cancel() {
    let (bench, desk, slot) = opened(3).await;
    bench.inject(FaultKind::PartialFillStuck);
    bench.inject(FaultKind::CancelRace);
    let _end = leave(&desk, &slot).await;
    flatten(&desk).await;
    assert_eq!(bench.sim().fault_counts().get(&FaultKind::CancelRace), Some(&1), "the fault struck");
    assert_eq!(bench.held(), Decimal::ZERO);
}

// proves: REC-2
#[tokio::test(start_paused = true)]
async fn a_broker_that_is_down_for_an_hour_removes_nothing() {
    let (bench, desk, slot) = opened(1).await;
    bench.sim().set_faults(FaultPlan::none().with_rate(FaultKind::ReadServerError, 1_000));
    for _ in 0..60 {
        desk.reconcile().await.unwrap_err();
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    bench.sim().set_faults(FaultPlan::none());
    bench.broker.positions_fail.store(true, Ordering::SeqCst);
    desk.reconcile().await.unwrap_err();
    bench.broker.positions_fail.store(false, Ordering::SeqCst);
    bench.sim().set_faults(FaultPlan::none().with_rate(FaultKind::PositionsEmpty, 1_000));
    let comparison = desk.reconcile().await.unwrap();
    assert_eq!(comparison.drift.len(), 1, "reported");
    assert!(desk.state().held(&slot).is_some(), "and kept");
    bench.sim().set_faults(FaultPlan::none());
    assert!(desk.reconcile().await.unwrap().drift.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_exit_without_budget_is_refused_and_the_position_stays() {
    let (bench, desk, slot) = opened(1).await;
    *bench.broker.budget.lock() = Budget::Shut;
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Refused(ExitRefusal::Budget { .. })));
    assert!(desk.state().held(&slot).is_some());
}

// proves: LOCK-6
#[tokio::test(start_paused = true)]
async fn an_exit_whose_lock_is_lost_while_its_intent_is_written_is_not_sent() {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
    let (slot, _) = enter(&desk, 1).await;
    let (end, ()) = tokio::join!(leave(&desk, &slot), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        fs::remove_file(bench.lock_path()).unwrap();
    });
    assert!(matches!(end, ExitEnd::Refused(ExitRefusal::LockLost)), "{end:?}");
    assert_eq!(bench.requests(), 1);
}

// proves: DESK-6
#[tokio::test(start_paused = true)]
async fn stop_waits_for_an_exit_that_waits_for_budget() {
    let (bench, desk, slot) = opened(1).await;
    *bench.broker.budget.lock() = Budget::After(Duration::from_secs(5));
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        desk.stop().await.unwrap();
        assert_eq!(bench.held(), Decimal::ZERO, "it was sent and filled before the stop was over");
    };
    let (end, ()) = tokio::join!(leave(&desk, &slot), stopping);
    assert!(matches!(end, ExitEnd::Closed), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn exits_that_are_rejected_again_and_again_raise_one_alert() {
    let (bench, desk, slot) = opened(1).await;
    bench.sim().set_faults(FaultPlan::none().with_rate(FaultKind::RejectedLater, 1_000));
    for _ in 0..10 {
        assert!(matches!(leave(&desk, &slot).await, ExitEnd::StillOpen { .. }));
    }
    assert!(desk.state().alerts[&slot.to_string()].text.contains("still open"), "{:?}", desk.state().alerts);
    bench.sim().set_faults(FaultPlan::none());
    flatten(&desk).await;
    assert!(desk.state().alerts.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_exit_is_not_held_up_by_entries_that_are_refused_at_every_poll() {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
    let (slot, _) = enter(&desk, 1).await;
    desk.halt("test", "test").await.unwrap();
    let plan = crate::bench::plan(&desk).await;
    for _ in 0..500 {
        let (desk, plan, slot) = (desk.clone(), plan.clone(), desk.slot(2).unwrap());
        tokio::spawn(async move { drop(desk.try_to(slot, plan).await) });
    }
    tokio::task::yield_now().await;
    let begun = bench.clock.mono();
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
    let took = bench.clock.mono().since(begun);
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fraction_is_left_and_said_to_be_one() {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.desk().await;
    *bench.broker.rewrite_order.lock() = Some(|order| {
        order.status = backstop::broker::OrderStatus::Canceled;
        order.legs[0].filled = Some("0.5".parse().unwrap());
        order.legs[0].price = Some(Decimal::from(560));
    });
    let (slot, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    let end = leave(&desk, &slot).await;
    assert!(matches!(end, ExitEnd::Refused(ExitRefusal::Fraction { .. })), "{end:?}");
}

// proves: EXIT-1
#[tokio::test(start_paused = true)]
async fn no_more_is_closed_than_the_broker_holds_when_two_looks_say_so() {
    for (sold_by_hand, left, sent) in [(-10, 0, 1), (-6, 4, 2)] {
        let (bench, desk, slot) = opened(1).await;
        bench.sim().trade_by_hand(&spy(), sold_by_hand);
        tokio::time::sleep(SETTLE * 2).await;
        assert_eq!(desk.reconcile().await.unwrap().drift.len(), 1);
        assert_eq!(bench.held(), Decimal::from(left));
        let end = leave(&desk, &slot).await;
        let is_right = match &end {
            ExitEnd::Refused(ExitRefusal::NotHeld { held, .. }) => held.is_zero() && left == 0,
            ExitEnd::StillOpen { .. } => left > 0,
            _ => false,
        };
        assert!(is_right, "{end:?}");
        assert_eq!((bench.requests(), bench.held()), (sent, Decimal::ZERO), "nothing is sold short");
        assert!(desk.state().alerts[&slot.to_string()].text.contains("holds only"), "{:?}", desk.state().alerts);
    }
}

/// A put spread of two, of which somebody has traded `quantity` of a leg by hand, as the broker's lists show by now.
async fn broken_spread(symbol: &str, quantity: i64) -> (Bench, Desk, SlotId) {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.desk().await;
    let (slot, plan) = (desk.slot(1).unwrap(), crate::cash::spread(&desk, 2_000).await);
    let end = desk.try_to(slot.clone(), plan).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert!(bench.sim().trade_by_hand(&symbol.parse().unwrap(), quantity));
    tokio::time::sleep(SETTLE * 2).await;
    assert_eq!(desk.reconcile().await.unwrap().drift.len(), 1);
    (bench, desk, slot)
}

// proves: DESK-4, EXIT-1
#[tokio::test(start_paused = true)]
async fn of_a_spread_whose_bought_leg_somebody_has_sold_what_was_written_is_bought_back_at_once() {
    for sold in [2, 1] {
        let (bench, desk, slot) = broken_spread(BOUGHT, -sold).await;
        // The price of the whole is none of a leg.
        let plan = ExitPlan { at: ExitAt::Order(OrderKind::Debit { price: Decimal::ONE }), reason: "stop".to_owned() };
        let end = desk.exit(slot.clone(), plan).await;
        assert!(matches!(end, ExitEnd::StillOpen { .. }), "{end:?}");
        let left = bench.sim().ledger().positions;
        assert!(
            left.iter().all(|(symbol, left)| symbol.as_str() == BOUGHT && *left == Decimal::from(2 - sold)),
            "{left:?}"
        );
        let end = leave(&desk, &slot).await;
        let is_right = match &end {
            ExitEnd::Refused(ExitRefusal::NotHeld { symbol, .. }) => symbol.as_str() == BOUGHT && sold == 2,
            ExitEnd::StillOpen { .. } => sold == 1,
            _ => false,
        };
        assert!(is_right, "{end:?}");
        assert!(bench.sim().ledger().positions.is_empty(), "{:?}", bench.sim().ledger().positions);
    }
}

// proves: EXIT-1
#[tokio::test(start_paused = true)]
async fn of_a_spread_whose_written_leg_is_missing_the_bought_one_stays_because_the_list_may_be_wrong() {
    let (bench, desk, slot) = broken_spread(WRITTEN, 2).await;
    let end = leave(&desk, &slot).await;
    assert!(
        matches!(&end, ExitEnd::Refused(ExitRefusal::NotHeld { symbol, .. }) if symbol.as_str() == WRITTEN),
        "{end:?}"
    );
    assert_eq!(bench.sim().ledger().position(&BOUGHT.parse().unwrap()), Decimal::TWO);
}

// proves: DESK-4
#[tokio::test(start_paused = true)]
async fn a_list_of_positions_that_was_wrong_once_or_cannot_be_read_holds_up_no_exit() {
    for broken in [FaultKind::PositionsEmpty, FaultKind::ReadServerError] {
        let (bench, desk, slot) = opened(1).await;
        tokio::time::sleep(SETTLE * 2).await;
        bench.inject(FaultKind::PositionsEmpty);
        assert_eq!(desk.reconcile().await.unwrap().drift.len(), 1);
        if broken == FaultKind::ReadServerError {
            bench.inject(broken);
        }
        let end = leave(&desk, &slot).await;
        assert!(matches!(end, ExitEnd::Closed), "{end:?}");
    }
}

/// A position of ten SPY, bought at about 560, under this policy for exits without quotes.
async fn opened_with(unquoted_exit: UnquotedExit) -> (Bench, Desk, SlotId) {
    let bench = Bench::new(1, FaultPlan::none());
    let freshness = PolicyConfig { unquoted_exit, ..config().freshness.config().clone() };
    let config = DeskConfig { freshness: Policy::new(freshness).unwrap(), ..config() };
    let desk = bench.open_as(config, Arc::new(MemoryJournal::default()), &[]).await.unwrap();
    bench.begin(&desk).await;
    let (slot, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    (bench, desk, slot)
}

/// Leaves as the policy says: at what price, the alert that went with the order, and how long it took to be sent.
async fn leave_by_policy(bench: &Bench, desk: &Desk, slot: &SlotId) -> (OrderKind, Option<String>, Duration) {
    let (mut events, begun, sent) = (desk.events(), bench.clock.wall(), bench.requests());
    let exit = desk.exit(slot.clone(), ExitPlan { at: ExitAt::Policy, reason: "test".to_owned() });
    // An exit that waits for a quote never ends here: nobody looks.
    let end = tokio::time::timeout(Duration::from_mins(2), exit).await.unwrap();
    assert!(matches!(end, ExitEnd::Closed | ExitEnd::StillOpen { .. }), "{end:?}");
    assert!(bench.requests() > sent);
    while let Ok(batch) = events.try_recv() {
        let Some(kind) = batch.records.iter().find_map(|record| match record {
            Record::Intent { order, .. } => Some(order.kind()),
            _ => None,
        }) else {
            continue;
        };
        let said = batch.records.iter().find_map(|record| match record {
            Record::Alert { subject, text } if *subject == slot.to_string() => Some(text.clone()),
            _ => None,
        });
        return (kind, said, batch.at.duration_since(begun).try_into().unwrap());
    }
    panic!("no order")
}

// proves: DESK-4
#[tokio::test(start_paused = true)]
async fn an_exit_by_the_policy_leaves_at_once_whatever_has_become_of_the_quotes() {
    let crossed: fn(&mut Quotes) = |quotes| {
        for quote in &mut quotes.quotes {
            quote.bid.price = Field::Value(Decimal::from(900));
        }
    };
    let absent: fn(&mut Quotes) = |quotes| quotes.quotes.clear();
    let unreadable: fn(&mut Quotes) = |quotes| {
        for quote in &mut quotes.quotes {
            (quote.bid.price, quote.ask.price) = (Field::Unreadable, Field::Unreadable);
        }
    };
    for unquoted_exit in [UnquotedExit::Market, UnquotedExit::LimitAtWorst { band_bps: 1_000 }] {
        for (rewrite, waits, why) in [
            (None, 0, None),
            (None, 30, Some("connection has been silent for 30s")),
            (Some(crossed), 0, Some("crossed")),
            (Some(absent), 30, Some("connection has been silent")),
            (Some(unreadable), 0, Some("could not be read")),
        ] {
            let (bench, desk, slot) = opened_with(unquoted_exit).await;
            let bid = look(&desk).await.quotes().get(&spy()).unwrap().bid.price.value().unwrap();
            *bench.broker.rewrite_quotes.lock() = rewrite;
            tokio::time::sleep(Duration::from_secs(waits)).await;
            if waits == 0 {
                desk.quotes(&[spy()]).await.unwrap();
            }
            let (kind, said, after) = leave_by_policy(&bench, &desk, &slot).await;
            let case = format!("{unquoted_exit:?} {why:?}: {kind:?}");
            assert_eq!(after, Duration::ZERO, "{case}");
            let limit = |bps: i64| bid * (Decimal::ONE - Decimal::new(bps, 4));
            let is_near = |price: Decimal, of: Decimal| (price - of).abs() < Decimal::new(1, 2);
            match (why, unquoted_exit, kind) {
                (None, _, OrderKind::Limit { price }) => assert!(is_near(price, limit(100)), "{case}"),
                (Some(_), UnquotedExit::Market, OrderKind::Market) => {}
                (Some(_), UnquotedExit::LimitAtWorst { .. }, OrderKind::Limit { price }) => {
                    assert!(is_near(price, limit(1_000)), "{case}");
                }
                _ => panic!("{case}"),
            }
            match why {
                None => assert_eq!(said, None),
                Some(why) => assert!(said.as_ref().is_some_and(|said| said.contains(why)), "{case}: {said:?}"),
            }
            let exits = desk.quote_tally().exits.values().sum::<u64>();
            assert_eq!(exits, u64::from(why.is_some()), "{case}");
            flatten(&desk).await;
            assert_eq!(bench.held(), Decimal::ZERO);
            assert!(desk.state().alerts.is_empty(), "closed, it alarms nobody");
        }
    }
}

// proves: DESK-4
#[tokio::test(start_paused = true)]
async fn exits_by_the_policy_leave_under_every_fault_of_the_quotes_at_once() {
    let kinds: Vec<FaultKind> =
        FaultKind::ALL.iter().copied().filter(|kind| kind.to_string().starts_with("quote")).collect();
    assert!(kinds.len() >= 9, "{kinds:?}");
    for kind in kinds {
        for seed in 0..4 {
            let (bench, desk, slot) = opened(seed).await;
            bench.sim().set_faults(FaultPlan::none().with_rate(kind, 1_000));
            for _ in 0..8 {
                let _quotes = desk.quotes(&[spy()]).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let struck = bench.sim().fault_counts().get(&kind).copied().unwrap_or(0);
            assert!(struck > 0, "{kind}");
            let (kind_of, said, after) = leave_by_policy(&bench, &desk, &slot).await;
            assert_eq!(after, Duration::ZERO, "{kind}");
            assert_eq!(said.is_some(), kind_of == OrderKind::Market, "{kind}: {kind_of:?} {said:?}");
            bench.sim().set_faults(FaultPlan::none());
            flatten(&desk).await;
            assert_eq!(bench.held(), Decimal::ZERO, "{kind}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_closing_would_bring_is_said_of_fresh_quotes_only() {
    let (bench, desk, slot) = opened(1).await;
    let bid = look(&desk).await.quotes().get(&spy()).unwrap().bid.price.value().unwrap();
    assert_eq!(desk.closing_cash(&slot).unwrap(), bid * Decimal::TEN);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let stale = desk.closing_cash(&slot).unwrap_err().to_string();
    assert!(stale.contains("silent"), "{stale}");
    assert!(desk.closing_cash(&desk.slot(3).unwrap()).is_err(), "of nothing there is no price");
    drop(bench);
}
