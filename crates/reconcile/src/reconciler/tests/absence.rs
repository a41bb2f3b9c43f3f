//! Missing from the broker: when that counts, and when it does not (REC-2, REC-3, REC-5).

use backstop_broker::PositionEffect::{Close, Open};
use backstop_broker::{ClosedLot, OrderList, OrderStatus};

use crate::fixture::*;
use crate::{Doubt, DriftState, Evidence, Need, Plan, Read, Reads, Run, Stage, Verdict, Witness};

fn closed(run: &Run) -> usize {
    run.closed.len()
}

// proves: REC-5
#[test]
fn missing_from_the_positions_alone_is_missing_and_not_closed() {
    // One leg of another symbol is there all the time; nothing else says anything.
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.open("q", &[("QQQ", 1)]);
    world.open("r", &[("DIA", 1)]);
    world.wait(60);
    drop(world.run());
    world.wait(60);
    for hour in 0..50 {
        let run = world.run_for(30, |reads| reads.positions.answer = Ok(vec![row("QQQ", "1"), row("DIA", "1")]));
        assert_eq!(closed(&run), 0, "hour {hour}");
        assert_eq!(run.state_of(&symbol("SPY")), Some(&DriftState::Missing));
        let witness = Doubt::NoWitness { symbol: symbol("SPY") };
        assert_eq!(run.verdict_of(&id("p")), Some(&Verdict::CannotTell { doubts: vec![witness] }));
        assert!(run.needs.contains(&Need::Balances), "{:?}", run.needs);
    }
}

// proves: REC-5
#[test]
fn orders_of_somebody_else_that_traded_exactly_it_are_a_second_witness() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    let order = world.by_hand("SPY", -5);
    for minute in 0..5 {
        world.wait(60);
        let run = world.run();
        assert_eq!(closed(&run), 0, "minute {minute}");
        assert!(matches!(run.state_of(&symbol("SPY")), Some(DriftState::ManualTrade { .. })));
    }
    world.wait(60);
    let run = world.run();
    assert_eq!(closed(&run), 1);
    let Evidence::Absence { legs } = run.closed[0].evidence() else { panic!("{run:?}") };
    assert_eq!(legs[0].reads.witnesses, [Witness::Orders { orders: [order].into() }].into());
    assert_eq!((legs[0].reads.reads, legs[0].left), (6, dec("5")));
    world.spend(run);
    assert!(world.book.positions().is_empty());
}

// proves: REC-5
#[test]
fn orders_that_traded_something_else_or_earlier_are_no_witness() {
    for (signed, when) in [(-4, 0), (-6, 0), (5, 0), (-5, 3600)] {
        let mut world = World::holding(config(), "p", &[("SPY", 5)]);
        let mut order = filled(300, None, &[("SPY", signed, Close)], at(world.now));
        order.created_at = order.created_at.map(|at| at - jiff::SignedDuration::from_secs(when));
        world.orders.push(order);
        world.move_held("SPY", -5);
        for restart in [false, true] {
            if restart {
                world.restart(config());
            }
            assert_eq!(closed(&world.run_for(30, |_| {})), 0, "{signed} {when} {restart}");
        }
    }
    // Without a stamp nobody knows whether it was before.
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.by_hand("SPY", -5);
    world.orders.last_mut().unwrap().created_at = None;
    assert_eq!(closed(&world.run_for(30, |_| {})), 0);
}

// proves: REC-5
#[test]
fn each_counted_read_needs_the_list_of_orders_beside_it() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.by_hand("SPY", -5);
    // The orders are there once and then gone: the outage of one endpoint is no vote, however long.
    world.wait(60);
    drop(world.run());
    for _ in 0..60 {
        world.wait(60);
        let run = world.run_with(|reads| reads.orders.answer = failed());
        assert_eq!(closed(&run), 0);
    }
    world.wait(60);
    assert_eq!(closed(&world.run()), 0, "two votes");
    world.wait(60);
    assert_eq!(closed(&world.run()), 1, "three, over more than five minutes");

    // Nor when the witness is not the orders: nobody knows then what still works.
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.open("q", &[("QQQ", 1)]);
    world.wait(60);
    drop(world.run());
    world.move_held("SPY", -5);
    let report = |reads: &mut Reads| {
        let (symbol, quantity) = (symbol("SPY"), dec("5"));
        let lot = ClosedLot { symbol, quantity, closed_on: jiff::civil::date(2026, 1, 5) };
        reads.closed = Some(Read::new(reads.positions.asked, Ok(vec![lot])));
    };
    let run = world.run_for(60, |reads| {
        report(reads);
        reads.orders.answer = failed();
    });
    assert_eq!(closed(&run), 0);
    assert_eq!(closed(&world.run_for(1, report)), 0, "one vote");
    assert_eq!(closed(&world.run_for(6, report)), 1);
}

// proves: REC-5
#[test]
fn a_list_that_stands_still_or_lacks_a_row_and_is_otherwise_new_is_no_vote() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.open("q", &[("QQQ", 1)]);
    world.wait(60);
    drop(world.run());
    for hour in 0..50 {
        // QQQ is touched again and again: the list is made anew each time, and SPY is not in it.
        let touched = at(world.now).wall;
        for later in [None, Some(touched)] {
            let run = world.run_for(30, |reads| {
                let mut qqq = row("QQQ", "1");
                qqq.acquired_at = later;
                reads.positions.answer = Ok(vec![qqq]);
            });
            assert_eq!(closed(&run), 0, "hour {hour}");
        }
    }
}

#[test]
fn the_nightly_report_is_a_late_witness() {
    let lot = |quantity: &str, day: i8| ClosedLot {
        symbol: symbol("SPY"),
        quantity: dec(quantity),
        closed_on: jiff::civil::date(2026, 1, day),
    };
    let with = |reads: &mut Reads, lots: Vec<ClosedLot>| {
        reads.positions.answer = Ok(vec![row("QQQ", "1")]);
        reads.closed = Some(Read::new(reads.positions.asked, Ok(lots)));
    };
    for (lots, wanted) in [
        (vec![lot("5", 6)], 1),
        (vec![lot("-5", 5)], 1),
        (vec![lot("2", 5), lot("3", 6)], 1),
        (vec![lot("4", 6)], 0),
        (vec![lot("5", 4)], 0),
        (vec![], 0),
    ] {
        let mut world = World::holding(config(), "p", &[("SPY", 5)]);
        world.open("q", &[("QQQ", 1)]);
        world.wait(60);
        drop(world.run());
        world.wait(86_400);
        let run = world.run_for(8, |reads| with(reads, lots.clone()));
        assert_eq!(closed(&run), wanted, "{lots:?}");
        assert!(!run.needs.iter().any(|need| matches!(need, Need::ClosedLots { .. })));
    }
}

// proves: REC-5
#[test]
fn an_empty_list_counts_when_the_account_is_down_to_its_cash_and_not_otherwise() {
    let with = |equity: i64| {
        let mut world = World::with(config());
        world.open("p", &[("SPY", 5)]);
        for _ in 0..2 {
            world.wait(60);
            let balances = world.balances(10_500, 10_000);
            drop(world.run_with(|reads| reads.balances = Some(balances)));
        }
        let mut last = None;
        for _ in 0..10 {
            world.wait(60);
            let balances = world.balances(equity, 10_000);
            last = Some(world.run_with(|reads| {
                reads.balances = Some(balances);
                reads.positions.answer = Ok(Vec::new());
            }));
        }
        last.unwrap()
    };
    let run = with(10_000);
    let [proof] = run.closed.as_slice() else { panic!("{run:?}") };
    assert!(matches!(proof.evidence(), Evidence::Absence { .. }));
    let run = with(10_500);
    assert_eq!(closed(&run), 0);
    assert!(run.glitch.is_some(), "an empty list that nothing agrees with");
    // An account that never was worth more than its cash says nothing by being worth no more.
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    for _ in 0..20 {
        world.wait(60);
        let balances = world.balances(10_000, 10_000);
        let run = world.run_with(|reads| {
            reads.balances = Some(balances);
            reads.positions.answer = Ok(Vec::new());
        });
        assert_eq!(closed(&run), 0);
    }
}

// proves: REC-3
#[test]
fn a_position_that_is_younger_than_the_lag_is_not_judged() {
    let mut world = World::holding(config(), "q", &[("QQQ", 1)]);
    world.open("p", &[("SPY", 5)]);
    let opened = world.now;
    for after in [0, 1, 9, 10] {
        world.now = opened + after;
        let run = world.run_with(|reads| reads.positions.answer = Ok(vec![row("QQQ", "1")]));
        if after < 10 {
            assert_eq!(run.unjudged[0].because, Doubt::Young { symbol: symbol("SPY") }, "{after}");
            assert!(run.drift.is_empty());
        } else {
            assert_eq!(run.state_of(&symbol("SPY")), Some(&DriftState::Missing));
        }
    }
    // A restart knows nothing of how old anything is.
    world.restart(config());
    let run = world.run_with(|reads| reads.positions.answer = Ok(Vec::new()));
    assert!(!run.is_complete && run.drift.is_empty() && run.unjudged.len() == 2);
    world.wait(10);
    assert!(world.run().is_complete);
}

// proves: REC-3
#[test]
fn a_symbol_with_an_order_of_ours_in_flight_is_not_judged_and_one_in_doubt_for_long_is() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    let order = world.by_hand("SPY", -5);
    let exit = client_id("bs-p-exit");
    for _ in 0..30 {
        world.intend("p", &exit, &[("SPY", -5)], Close, Stage::InFlight { order: None });
        let run = world.run_for(1, |_| {});
        assert_eq!(run.unjudged[0].because, Doubt::InFlight { order: exit.clone() });
        assert_eq!((closed(&run), run.drift.len()), (0, 0));
    }
    world.intend("p", &exit, &[("SPY", -5)], Close, Stage::InDoubt { order: None });
    let run = world.run_for(10, |_| {});
    let manual = DriftState::ManualTrade { orders: [order].into() };
    assert_eq!(run.state_of(&symbol("SPY")), Some(&manual), "reported all the same");
    assert_eq!(closed(&run), 0, "and not removed: its exit may still fill");
    assert_eq!(
        run.verdict_of(&id("p")),
        Some(&Verdict::CannotTell { doubts: vec![Doubt::InFlight { order: exit.clone() }] })
    );
    world.intents.get_mut(&exit).unwrap().stage = Stage::NothingFilled;
    assert_eq!(closed(&world.run_for(10, |_| {})), 1);
}

// proves: REC-1
#[test]
fn absence_does_not_count_while_anything_on_the_symbol_works() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.by_hand("SPY", -5);
    let mut working = filled(400, None, &[("SPY", 5, Open)], at(world.now));
    working.status = OrderStatus::Open;
    world.orders.push(working);
    let run = world.run_for(30, |_| {});
    let doubt = Doubt::Working { order: broker_id(400), symbol: symbol("SPY") };
    assert_eq!(run.verdict_of(&id("p")), Some(&Verdict::CannotTell { doubts: vec![doubt] }));
}

// proves: REC-5
#[test]
fn when_much_of_the_book_is_missing_at_once_nothing_is_concluded_from_that_answer() {
    let mut world = World::new();
    for (name, text) in [("a", "AAPL"), ("b", "BAC"), ("c", "CAT"), ("d", "DIA")] {
        world.open(name, &[(text, 1)]);
    }
    // One is closed by its fills, and waits for the second look.
    world.open("e", &[("EEM", 1)]);
    world.close("e", &[("EEM", -1)]);
    world.wait(60);
    drop(world.run());
    // One is sold by hand, and the broker says so: without the guard each look would be a vote for it.
    world.by_hand("AAPL", -1);
    for _ in 0..30 {
        world.wait(60);
        let run = world.run_with(|reads| reads.positions.answer = Ok(vec![row("DIA", "1")]));
        let glitch = run.glitch.unwrap();
        assert_eq!((glitch.missing, glitch.open), (2, 4));
        assert_eq!(closed(&run), 0);
        assert!(matches!(run.verdict_of(&id("e")), Some(Verdict::CannotTell { .. })));
        assert_eq!(run.drift.len(), 3, "and it is told");
    }
    // One of four is no glitch.
    let most = || vec![row("CAT", "1"), row("DIA", "1")];
    let run = world.run_for(10, |reads| reads.positions.answer = Ok(most()));
    assert!(run.glitch.is_none());
    assert_eq!(closed(&run), 2);
}

#[test]
fn a_look_that_cannot_judge_a_symbol_keeps_the_count_of_those_that_could() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.by_hand("SPY", -5);
    drop(world.run_for(5, |_| {}));
    let exit = client_id("bs-p-exit");
    world.intend("p", &exit, &[("SPY", -5)], Close, Stage::InFlight { order: None });
    assert_eq!(world.run_for(1, |_| {}).unjudged.len(), 1);
    world.intents.get_mut(&exit).unwrap().stage = Stage::NothingFilled;
    assert_eq!(closed(&world.run_for(1, |_| {})), 1);
}

#[test]
fn a_row_that_comes_back_begins_the_count_anew() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.by_hand("SPY", -5);
    drop(world.run_for(5, |_| {}));
    let run = world.run_for(1, |reads| reads.positions.answer = Ok(vec![row("SPY", "5")]));
    assert!(run.drift.is_empty());
    assert_eq!(closed(&world.run_for(5, |_| {})), 0);
    assert_eq!(closed(&world.run_for(1, |_| {})), 1);
}

#[test]
fn an_answer_for_another_account_takes_nothing_out_and_brings_nothing_in() {
    let mut config = config();
    config.orphans = crate::Orphans::Adopt { stop: dec("0.5") };
    config.sizes = crate::Sizes::Correct;
    let mut world = World::new();
    world.open("p", &[("SPY", 5)]);
    world.open("q", &[(PUT, -1), (LOWER_PUT, 1)]);
    world.restart(config);
    world.wait(60);
    drop(world.run());
    let run = world.run_for(60, |reads| {
        reads.positions.answer = Ok(vec![row("TSLA", "7"), row("MSFT", "1")]);
        reads.orders.answer = Ok(OrderList::default());
    });
    assert!(run.glitch.is_some() && run.drift.len() == 5);
    assert_eq!((closed(&run), run.adoptions.len(), run.corrections.len()), (0, 0, 0));
    assert!(run.drift.iter().all(|drift| drift.plan != Plan::Adopt && drift.plan != Plan::Correct));
}

#[test]
fn the_same_reads_again_give_the_same_run() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.open("q", &[("QQQ", 1)]);
    world.close("q", &[("QQQ", -1)]);
    world.by_hand("SPY", -5);
    world.move_held("TSLA", 3);
    for _ in 0..10 {
        world.wait(60);
        let reads = world.reads();
        let first = world.judge(&reads);
        let after = world.reconciler.clone();
        for _ in 0..3 {
            assert_eq!(world.judge(&reads), first);
            assert_eq!(world.reconciler, after);
        }
    }
}
