use backstop_broker::PositionEffect::{Close, Open};
use backstop_broker::{OrderList, OrderStatus};

use super::*;
use crate::fixture::*;
use crate::{BookError, Change, Doubt, Others, Read, Reads, Stage, Verdict};

/// A position that was opened and closed, both told by the broker; the next run is 20 seconds later.
fn closed() -> World {
    let mut world = World::holding(config(), "p", &[(PUT, -2), (LOWER_PUT, 2)]);
    world.close("p", &[(PUT, 2), (LOWER_PUT, -2)]);
    world.wait(20);
    world
}

fn doubts(run: &crate::Run) -> Vec<Doubt> {
    match run.verdict_of(&id("p")) {
        Some(Verdict::CannotTell { doubts }) => doubts.clone(),
        other => panic!("{other:?}"),
    }
}

// proves: REC-1
#[test]
fn fills_that_cover_it_and_two_spaced_reads_without_it_close_a_position() {
    let mut world = closed();
    let run = world.run();
    assert_eq!(doubts(&run), [Doubt::Awaiting { reads: 1, wanted: 2 }]);
    world.wait(1);
    let run = world.run();
    assert_eq!(run.verdict_of(&id("p")), Some(&Verdict::Closed));
    let changes = world.spend(run);
    let [Change::Removed { was, evidence: Evidence::Fills { orders, reads }, .. }] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    assert_eq!(*orders, BTreeSet::from([broker_id(101), broker_id(102)]));
    assert_eq!((reads.reads, was.legs().len()), (2, 2));
    assert!(world.book.positions().is_empty());
}

/// Runs a minute apart, ten times, with something missing in each.
#[track_caller]
fn stays(mut world: World, mut alter: impl FnMut(&mut Reads)) -> Vec<Doubt> {
    let run = world.run_for(10, &mut alter);
    assert!(run.closed.is_empty(), "{run:?}");
    doubts(&run)
}

// proves: REC-1
#[test]
fn whatever_is_missing_of_the_evidence_the_position_stays() {
    let late = |world: &World| filled(200, Some("bs-x"), &[(PUT, -1, Open)], at(world.now));
    // An order on a leg that can still fill, ours or not.
    for label in [Some("bs-p-9"), Some("somebody"), None] {
        let mut world = closed();
        let mut order = late(&world);
        (order.label, order.status) = (label.map(str::to_owned), OrderStatus::Open);
        world.orders.push(order);
        assert!(stays(world, |_| {}).contains(&Doubt::Working { order: broker_id(200), symbol: symbol(PUT) }));
    }
    // An order of the position that nobody knows the end of.
    for stage in [Stage::InFlight { order: None }, Stage::InDoubt { order: None }] {
        let mut world = closed();
        world.intend("p", &client_id("bs-p-9"), &[(PUT, 1)], Close, stage);
        assert!(stays(world, |_| {}).contains(&Doubt::InFlight { order: client_id("bs-p-9") }));
    }
    // An order of another position in flight on the same symbol: the broker's one row may hold either.
    let mut world = closed();
    world.intend("q", &client_id("bs-q-1"), &[(LOWER_PUT, 1)], Open, Stage::InFlight { order: None });
    assert!(stays(world, |_| {}).contains(&Doubt::InFlight { order: client_id("bs-q-1") }));
    // The broker shows a leg.
    let mut world = closed();
    world.move_held(PUT, -1);
    let differs = Doubt::Differs { symbol: symbol(PUT), broker: dec("-1"), expected: dec("0") };
    assert_eq!(stays(world, |_| {}), [differs]);
    // Rows that add up to nothing are not nothing.
    let doubt = stays(closed(), |reads| {
        reads.positions.answer = Ok(vec![row(PUT, "1"), row(PUT, "-1")]);
    });
    assert_eq!(doubt, [Doubt::Row { symbol: symbol(PUT), fault: crate::RowFault::Several }]);
    // Its symbol is one that others trade as they like.
    let mut others = config();
    others.others.symbols.insert(symbol(PUT));
    let mut world = closed();
    world.restart(others);
    assert!(stays(world, |_| {}).contains(&Doubt::Shared { symbol: symbol(PUT) }));
}

// proves: REC-2
#[test]
fn lists_that_cannot_be_read_leave_the_position_where_it_is_however_long() {
    let mut world = closed();
    for hour in 0..100 {
        world.wait(3600);
        let run = world.run_with(|reads| match hour % 3 {
            0 => reads.positions.answer = failed(),
            1 => reads.orders.answer = failed(),
            _ => (reads.positions.answer, reads.orders.answer) = (failed(), failed()),
        });
        assert!(run.closed.is_empty() && !run.unread.is_empty());
        assert!(matches!(doubts(&run).as_slice(), [Doubt::NotRead { .. }]));
    }
    assert!(world.book.get(&id("p")).is_some());
}

#[test]
fn reads_that_are_not_spaced_are_one_read() {
    let mut world = closed();
    let reads = world.reads();
    for _ in 0..10 {
        assert!(world.judge(&reads).closed.is_empty());
    }
    // Asked for before the fills were booked, it is no answer to the question.
    let mut world = closed();
    for second in 0..5 {
        let run = world.run_with(|reads| reads.positions.asked = at(100 + second));
        assert!(run.closed.is_empty() && matches!(doubts(&run)[0], Doubt::Young { .. }));
    }
}

#[test]
fn a_leg_that_is_seen_again_begins_the_count_anew() {
    let mut world = closed();
    drop(world.run());
    world.wait(10);
    drop(world.run_with(|reads| reads.positions.answer = Ok(vec![row(PUT, "-2")])));
    world.wait(10);
    assert_eq!(doubts(&world.run()), [Doubt::Awaiting { reads: 1, wanted: 2 }]);
    world.wait(10);
    assert_eq!(world.run().closed.len(), 1);
}

#[test]
fn a_position_that_was_traded_again_begins_the_count_anew() {
    let mut world = closed();
    assert_eq!(doubts(&world.run()), [Doubt::Awaiting { reads: 1, wanted: 2 }]);
    world.open("p", &[(PUT, -1)]);
    world.close("p", &[(PUT, 1)]);
    world.wait(20);
    assert_eq!(doubts(&world.run()), [Doubt::Awaiting { reads: 1, wanted: 2 }]);
    world.wait(20);
    assert_eq!(world.run().closed.len(), 1);
}

#[test]
fn a_close_that_was_asked_for_is_looked_at_again_and_again_also_while_nothing_of_it_is_closed() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    assert!(world.run().pending.is_empty());
    world.book.pend(&id("p"), "asked for", at(world.now).wall).unwrap();
    for attempts in 1..4 {
        let run = world.run_for(1, |_| {});
        let [pending] = run.pending.as_slice() else { panic!("{run:?}") };
        assert_eq!((pending.attempts, &pending.verdict), (attempts, &Verdict::StillOpen));
    }
}

#[test]
fn a_position_of_which_our_own_order_has_closed_one_leg_is_broken() {
    let mut world = World::holding(config(), "p", &[(PUT, -1), (LOWER_PUT, 1)]);
    world.close("p", &[(LOWER_PUT, -1)]);
    world.book.pend(&id("p"), "asked for", at(world.now).wall).unwrap();
    let run = world.run_for(1, |_| {});
    let Some(Verdict::PartlyClosed { left, is_broken: true }) = run.verdict_of(&id("p")) else { panic!("{run:?}") };
    assert_eq!((left[0].symbol.as_str(), left[0].quantity), (PUT, dec("-1")));
}

#[test]
fn what_others_hold_of_a_symbol_does_not_stand_in_the_way_when_it_is_declared() {
    let mut config = config();
    config.others.quantities.insert(symbol("SPY"), dec("100"));
    for theirs in [100, 0] {
        let mut world = World::with(config.clone());
        world.open("p", &[("SPY", 5)]);
        world.close("p", &[("SPY", -5)]);
        world.move_held("SPY", theirs);
        world.wait(20);
        drop(world.run());
        world.wait(20);
        assert_eq!(world.run().closed.len(), 1, "{theirs}");
    }
    let mut world = World::with(config);
    world.open("p", &[("SPY", 5)]);
    world.close("p", &[("SPY", -5)]);
    world.move_held("SPY", 105);
    assert!(matches!(stays(world, |_| {})[0], Doubt::Differs { .. }));
}

#[test]
fn another_position_of_the_symbol_is_what_the_broker_may_still_show() {
    let mut world = World::new();
    world.open("p", &[("SPY", 5)]);
    world.open("q", &[("SPY", 3)]);
    world.close("p", &[("SPY", -5)]);
    world.wait(20);
    drop(world.run());
    world.wait(20);
    let run = world.run();
    assert_eq!(run.closed.iter().map(VerifiedClosed::position).collect::<Vec<_>>(), [&id("p")]);
    assert!(run.drift.is_empty());
}

#[test]
fn a_close_that_is_not_verified_is_looked_at_after_growing_pauses_and_told_after_a_bound() {
    let mut world = closed();
    world.move_held(PUT, -1);
    let mut pauses = Vec::new();
    let mut alerts = Vec::new();
    for _ in 0..12 {
        let run = world.run();
        let [pending] = run.pending.as_slice() else { panic!("{run:?}") };
        assert_eq!(world.run().pending, run.pending, "the same reads again count nothing");
        let pause = pending.next.since(at(world.now).mono).as_secs();
        pauses.push(pause);
        alerts.push((world.now, pending.alert));
        world.wait(pause);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    let first = alerts[0].0;
    assert!(alerts.iter().all(|(now, alert)| *alert == (now - first >= 120)), "{alerts:?}");
}

fn person() -> Override {
    Override { by: "ann".to_owned(), reason: "sold by phone".to_owned(), at: at(5).wall, despite_the_broker: false }
}

fn by_hand(
    world: &World,
    person: Override,
    rows: &Read<Vec<backstop_broker::Position>>,
) -> Result<VerifiedClosed, OverrideRefused> {
    VerifiedClosed::by_operator(&world.book, &world.intents, rows, &Others::default(), &id("p"), person)
}

// proves: REC-1
#[test]
fn a_person_answers_by_name_and_reason_and_the_broker_has_to_agree() {
    let mut world = World::new();
    world.open("p", &[("SPY", 5)]);
    world.open("q", &[("SPY", 2)]);
    let gone = || Read::new(at(1), Ok(vec![row("SPY", "2")]));
    for (by, reason) in [("", "x"), ("ann", " ")] {
        let nobody = Override { by: by.to_owned(), reason: reason.to_owned(), ..person() };
        assert_eq!(by_hand(&world, nobody, &gone()), Err(OverrideRefused::Nobody));
    }
    let there = Read::new(at(1), Ok(vec![row("SPY", "7")]));
    let differs = OverrideRefused::Differs { symbol: symbol("SPY"), broker: dec("7"), expected: dec("2") };
    assert_eq!(by_hand(&world, person(), &there), Err(differs));
    assert!(matches!(by_hand(&world, person(), &Read::new(at(1), failed())), Err(OverrideRefused::NotRead { .. })));
    let mut busy = world.clone();
    busy.intend("p", &client_id("bs-1"), &[("SPY", -5)], Close, Stage::InDoubt { order: None });
    assert!(matches!(by_hand(&busy, person(), &gone()), Err(OverrideRefused::InFlight { .. })));
    let despite = Override { despite_the_broker: true, ..person() };
    assert!(by_hand(&world, despite.clone(), &there).is_ok());
    assert!(by_hand(&world, despite, &Read::new(at(1), failed())).is_ok());

    let proof = by_hand(&world, person(), &gone()).unwrap();
    let change = world.book.remove(proof, at(6).wall).unwrap();
    let text = serde_json::to_string(&change).unwrap();
    assert!(text.contains("ann") && text.contains("sold by phone"), "{text}");
    assert_eq!(world.book.positions().len(), 1);
    let twice =
        VerifiedClosed::by_operator(&world.book, &world.intents, &gone(), &Others::default(), &id("p"), person());
    assert_eq!(twice, Err(OverrideRefused::NotHeld { position: id("p") }));
}

// A proof is for one position, and is spent by moving.
#[test]
fn two_proofs_of_one_position_remove_it_once() {
    let mut world = World::new();
    world.open("p", &[("SPY", 5)]);
    let gone = Read::new(at(1), Ok(Vec::new()));
    let (first, second) = (by_hand(&world, person(), &gone).unwrap(), by_hand(&world, person(), &gone).unwrap());
    assert!(world.book.remove(first, at(6).wall).is_ok());
    assert_eq!(world.book.remove(second, at(6).wall), Err(BookError::NotHeld { position: id("p") }));
}

#[test]
fn an_empty_list_of_orders_after_the_date_roll_is_enough_when_all_is_at_rest() {
    let mut world = closed();
    let tomorrow = |reads: &mut Reads| reads.orders.answer = Ok(OrderList::default());
    drop(world.run_with(tomorrow));
    world.wait(10);
    assert_eq!(world.run_with(tomorrow).closed.len(), 1);
}
