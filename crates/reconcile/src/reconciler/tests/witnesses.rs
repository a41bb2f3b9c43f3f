//! What else agrees that something is gone, and what only looks as if it did (REC-5): somebody's trade or a closed lot that
//! speaks of something else.

use backstop_broker::PositionEffect::{Close, Open};

use crate::fixture::*;
use crate::{BookError, Change, Config, DriftState, Executed, Orphans, Read, Reads, Run, Sizes, Stage, Verdict};
use backstop_broker::ClosedLot;

fn correcting() -> Config {
    let mut config = config();
    config.sizes = Sizes::Correct;
    config
}

/// Nothing leaves the book, and nothing in it is set to less.
#[track_caller]
pub(super) fn nothing_leaves(run: &Run) {
    assert!(run.closed.is_empty() && run.corrections.is_empty(), "{run:?}");
}

/// The list without SPY. Everything else in it is as it is.
pub(super) fn without_spy(reads: &mut Reads) {
    reads.positions.answer.as_mut().unwrap().retain(|row| row.symbol != symbol("SPY"));
}

/// A world with a second position, so that no list is empty.
pub(super) fn beside(config: Config, position: &str, legs: &[(&str, i64)]) -> World {
    let mut world = World::with(config);
    world.open("beside", &[("QQQ", 1)]);
    world.open(position, legs);
    drop(world.run_for(2, |_| {}));
    world
}

fn report(reads: &mut Reads, lots: &[(&str, i8)]) {
    let lot = |(quantity, day): &(&str, i8)| ClosedLot {
        symbol: symbol("SPY"),
        quantity: dec(quantity),
        closed_on: jiff::civil::date(2026, 1, *day),
    };
    reads.closed = Some(Read::new(reads.positions.asked, Ok(lots.iter().map(lot).collect())));
}

// proves: REC-5
#[test]
fn somebodys_own_shares_sold_from_the_same_row_are_no_witness_that_ours_are_gone() {
    for seen in [true, false] {
        let mut world = World::new();
        world.open("beside", &[("QQQ", 1)]);
        world.move_held("SPY", 5);
        drop(world.run_for(2, |_| {}));
        world.open("p", &[("SPY", 5)]);
        drop(world.run_for(2, |_| {}));
        world.by_hand("SPY", -5);
        if seen {
            assert!(world.run_for(2, |_| {}).drift.is_empty(), "there are as many as there should be");
        }
        let run = world.run_for(60, without_spy);
        assert_eq!(run.state_of(&symbol("SPY")), Some(&DriftState::Missing), "{seen}");
        nothing_leaves(&run);
    }
}

// proves: REC-5
#[test]
fn a_trade_by_hand_that_the_book_has_followed_is_no_witness_for_what_is_left() {
    let mut world = beside(correcting(), "p", &[("SPY", 10)]);
    world.by_hand("SPY", -5);
    let run = world.run_for(7, |_| {});
    world.spend(run);
    assert_eq!(world.book.net(&symbol("SPY")), dec("5"));
    // Also for a process that has just come.
    for restart in [false, true] {
        let mut world = world.clone();
        if restart {
            world.restart(correcting());
        }
        nothing_leaves(&world.run_for(60, without_spy));
    }
    // And for another position, where the one that it closed has left.
    let mut tolerant = config();
    tolerant.names.clock_tolerance = jiff::SignedDuration::from_hours(1);
    let mut world = beside(tolerant.clone(), "p", &[("SPY", 5)]);
    world.by_hand("SPY", -5);
    let run = world.run_for(6, |_| {});
    assert_eq!(world.spend(run).len(), 1);
    world.open("r", &[("SPY", 5)]);
    world.restart(tolerant);
    nothing_leaves(&world.run_for(60, without_spy));
}

#[test]
fn what_is_sold_by_hand_in_several_parts_is_gone_when_all_of_them_are() {
    let mut world = beside(config(), "p", &[("SPY", 5)]);
    for (part, looks) in [(-2, 3), (-1, 1), (-2, 5)] {
        world.by_hand("SPY", part);
        nothing_leaves(&world.run_for(looks, |_| {}));
    }
    assert_eq!(world.run_for(1, |_| {}).closed.len(), 1);
}

// proves: REC-5
#[test]
fn a_closed_lot_that_the_book_has_closed_itself_is_no_witness_for_what_it_still_has() {
    let tomorrow = |world: &mut World, lots: &[(&str, i8)]| {
        world.now = 86_400;
        world.restart(config());
        drop(world.run());
        world.run_for(8, |reads| {
            without_spy(reads);
            report(reads, lots);
        })
    };
    // Bought and sold again in the morning, and bought once more: the lot of the morning is in the report.
    let mut world = beside(config(), "morning", &[("SPY", 5)]);
    world.close("morning", &[("SPY", -5)]);
    drop(world.run_for(1, |_| {}));
    let run = world.run_for(1, |_| {});
    assert_eq!(world.spend(run).len(), 1);
    world.open("p", &[("SPY", 5)]);
    nothing_leaves(&tomorrow(&mut world.clone(), &[("5", 5)]));
    nothing_leaves(&tomorrow(&mut world.clone(), &[("5", 5), ("4", 6)]));
    assert_eq!(tomorrow(&mut world, &[("5", 5), ("5", 6)]).closed.len(), 1);
    // A part of the same position, closed by its own order, and one that somebody sold and the book has followed.
    let mut world = beside(correcting(), "p", &[("SPY", 12)]);
    world.close("p", &[("SPY", -3)]);
    world.by_hand("SPY", -3);
    let run = world.run_for(8, |_| {});
    world.spend(run);
    assert_eq!(world.book.net(&symbol("SPY")), dec("6"));
    nothing_leaves(&tomorrow(&mut world.clone(), &[("6", 5)]));
    nothing_leaves(&tomorrow(&mut world.clone(), &[("6", 5), ("-5", 5)]));
    assert_eq!(tomorrow(&mut world, &[("12", 5)]).closed.len(), 1);
}

// proves: REC-5
#[test]
fn a_lot_from_before_it_was_last_seen_is_no_witness() {
    let mut world = beside(config(), "p", &[("SPY", 5)]);
    world.wait(86_400);
    drop(world.run());
    let lots = |reads: &mut Reads, day: i8| {
        without_spy(reads);
        report(reads, &[("5", day)]);
    };
    nothing_leaves(&world.clone().run_for(60, |reads| lots(reads, 5)));
    assert_eq!(world.run_for(60, |reads| lots(reads, 6)).closed.len(), 1);
}

// proves: REC-5
#[test]
fn what_is_long_here_and_short_for_declared_others_has_no_row_and_is_not_gone() {
    let mut config = config();
    config.others.quantities.insert(symbol("SPY"), dec("-5"));
    let mut world = World::with(config);
    world.open("beside", &[("QQQ", 1)]);
    world.move_held("SPY", -5);
    world.open("p", &[("SPY", 5)]);
    let run = world.run_for(60, |reads| report(reads, &[("5", 5)]));
    assert!(run.is_complete && run.drift.is_empty(), "{run:?}");
    nothing_leaves(&run);
    // What is gone of both is told.
    world.move_held("SPY", -1);
    assert_eq!(world.run_for(1, |_| {}).drift[0].difference(), dec("-1"));
}

// An exit that was filled and is not booked: a proof of absence would let its fills come back later as a short position.
#[test]
fn what_an_order_of_ours_has_closed_leaves_by_its_fills_and_by_nothing_else() {
    let mut world = beside(config(), "p", &[("SPY", 5)]);
    let label = client_id("bs-p-exit");
    let exit = filled(300, Some("bs-p-exit"), &[("SPY", -5, Close)], at(world.now));
    world.intend("p", &label, &[("SPY", -5)], Close, Stage::AtRest { orders: [broker_id(300)].into() });
    world.orders.push(exit.clone());
    world.move_held("SPY", -5);
    // For five, for more of which five came, and for fewer than came.
    for (asked, wanted) in [("5", "unbooked"), ("9", "partial_fill"), ("3", "overfill")] {
        let mut world = world.clone();
        let order = world.orders.last_mut().unwrap();
        order.legs[0].quantity = dec(asked);
        if asked == "9" {
            order.status = backstop_broker::OrderStatus::Canceled;
        }
        let run = world.run_for(60, |reads| report(reads, &[("5", 5)]));
        let state = serde_json::to_value(run.state_of(&symbol("SPY"))).unwrap();
        assert_eq!(state["state"], wanted);
        nothing_leaves(&run);
    }
    let executed = Executed::of(&label, &exit).unwrap();
    world.book.book(&id("p"), &symbol("SPY"), &executed, at(world.now).wall).unwrap();
    drop(world.run_for(1, |_| {}));
    let run = world.run_for(1, |_| {});
    let changes = world.spend(run);
    assert!(matches!(changes.as_slice(), [Change::Removed { .. }]), "{changes:?}");
    assert_eq!(world.book.book(&id("p"), &symbol("SPY"), &executed, at(world.now).wall), Ok::<_, BookError>(None));
}

// proves: REC-5
// proves: REC-5
#[test]
fn a_list_of_orders_or_a_balance_that_was_read_once_is_one_vote() {
    let mut world = beside(config(), "p", &[("SPY", 5)]);
    world.by_hand("SPY", -5);
    let once = world.reads().orders;
    let old = |reads: &mut Reads| reads.orders.clone_from(&once);
    nothing_leaves(&world.clone().run_for(60, old));
    assert_eq!(world.run_for(6, |_| {}).closed.len(), 1);
    // Closed by its fills: no order worked when it was asked, and that was long ago.
    let mut world = beside(config(), "p", &[("SPY", 5)]);
    world.close("p", &[("SPY", -5)]);
    let once = world.reads().orders;
    nothing_leaves(&world.run_for(60, |reads| reads.orders.clone_from(&once)));

    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    for equity in [10_500, 10_500] {
        let balances = world.balances(equity, 10_000);
        drop(world.run_for(1, |reads| reads.balances = Some(balances.clone())));
    }
    let once = world.balances(10_000, 10_000);
    nothing_leaves(&world.run_for(60, |reads| {
        reads.positions.answer = Ok(Vec::new());
        reads.balances = Some(once.clone());
    }));
}

// proves: REC-3
#[test]
fn while_an_order_of_ours_on_the_symbol_is_in_doubt_nothing_is_adopted_corrected_or_gone() {
    let mut config = correcting();
    config.orphans = Orphans::Adopt { stop: dec("0.5") };
    let world = beside(config, "p", &[("SPY", 5)]);
    for (text, moved) in [("SPY", -5), ("SPY", -2), ("SPY", 2), ("DIA", 3)] {
        let mut world = world.clone();
        let entry = client_id("bs-q-1");
        world.intend("q", &entry, &[(text, moved)], Open, Stage::InDoubt { order: None });
        if moved < 0 {
            world.by_hand(text, moved);
        } else {
            world.move_held(text, moved);
        }
        let run = world.run_for(60, |_| {});
        assert_eq!(run.drift.len(), 1, "and it is told");
        nothing_leaves(&run);
        assert!(run.adoptions.is_empty());
        // Settled as never placed, it stands in nobody's way.
        world.intents.get_mut(&entry).unwrap().stage = Stage::NothingFilled;
        let run = world.run_for(7, |_| {});
        assert_eq!(run.closed.len() + run.corrections.len() + run.adoptions.len(), 1, "{text} {moved}");
    }
}

const LATER_PUT: &str = "SPY260109P00490000";

// proves: REC-8
#[test]
fn shares_that_were_there_before_or_were_bought_are_no_assignment() {
    let without_put = |reads: &mut Reads| {
        reads.positions.answer.as_mut().unwrap().retain(|row| row.symbol != symbol(LATER_PUT));
    };
    for bought in [true, false] {
        let mut world = beside(correcting(), "p", &[(LATER_PUT, -1)]);
        if bought {
            world.by_hand("SPY", 100);
        } else {
            world.move_held("SPY", 100);
            drop(world.run_for(2, |_| {}));
        }
        let run = world.run_for(60, without_put);
        assert_eq!(run.state_of(&symbol(LATER_PUT)), Some(&DriftState::Missing), "{bought}");
        nothing_leaves(&run);
        assert!(matches!(run.verdict_of(&id("p")), Some(Verdict::CannotTell { .. })));
    }
}

#[test]
fn a_list_that_is_old_for_once_does_not_answer_for_the_orders_that_explain_it() {
    let mut world = beside(config(), "p", &[("SPY", 5)]);
    let before = world.rows();
    world.by_hand("SPY", -5);
    drop(world.run_for(2, |_| {}));
    drop(world.run_for(2, |reads| reads.positions.answer = Ok(before.clone())));
    assert_eq!(world.run_for(6, |_| {}).closed.len(), 1);
}

// proves: REC-5
#[test]
fn a_row_that_was_missing_for_no_reason_and_came_back_is_not_explained_by_what_was_sold_while_it_was_there() {
    let mut world = beside(config(), "p", &[("SPY", 5)]);
    assert_eq!(world.run_for(2, without_spy).state_of(&symbol("SPY")), Some(&DriftState::Missing));
    // Of shares that are somebody's own, from another account: the row stays as it was.
    world.by_hand("SPY", -5);
    world.move_held("SPY", 5);
    assert!(world.run_for(3, |_| {}).drift.is_empty());
    let run = world.run_for(60, without_spy);
    assert_eq!(run.state_of(&symbol("SPY")), Some(&DriftState::Missing));
    nothing_leaves(&run);
}

// The same, where it came back after it had been explained, and differed otherwise in between.
// proves: REC-5
#[test]
fn an_explanation_ends_with_the_difference_that_it_explained() {
    let mut world = beside(config(), "p", &[("SPY", 5)]);
    let before = world.rows();
    world.by_hand("SPY", -5);
    let old = |reads: &mut Reads, quantity: &str| {
        reads.positions.answer = Ok(before.clone());
        without_spy(reads);
        reads.positions.answer.as_mut().unwrap().push(row("SPY", quantity));
    };
    assert!(matches!(world.run_for(1, |_| {}).state_of(&symbol("SPY")), Some(DriftState::ManualTrade { .. })));
    assert!(world.run_for(2, |reads| old(reads, "5")).drift.is_empty());
    assert_eq!(world.run_for(2, |reads| old(reads, "3")).state_of(&symbol("SPY")), Some(&DriftState::Smaller));
    assert!(world.run_for(2, |reads| old(reads, "5")).drift.is_empty());
    let run = world.run_for(60, without_spy);
    assert_eq!(run.state_of(&symbol("SPY")), Some(&DriftState::Missing));
    nothing_leaves(&run);
}

// proves: REC-5
#[test]
fn a_trade_from_before_the_position_explains_nothing_however_the_book_changes() {
    let mut world = beside(config(), "p", &[("SPY", 5)]);
    let mut order = filled(300, None, &[("SPY", -5, Close)], at(0));
    order.created_at = order.created_at.map(|at| at - jiff::SignedDuration::from_hours(1));
    world.orders.push(order);
    world.held.remove(&symbol("SPY"));
    drop(world.run_for(2, |_| {}));
    world.open("p", &[("SPY", 2)]);
    world.close("p", &[("SPY", -2)]);
    let run = world.run_for(60, |_| {});
    assert_eq!(run.state_of(&symbol("SPY")), Some(&DriftState::Missing));
    nothing_leaves(&run);
}

// The list of orders may be a moment ahead of that of positions.
#[test]
fn a_part_sold_by_hand_that_the_list_shows_one_look_after_its_order_is_a_witness_all_the_same() {
    let mut world = beside(config(), "p", &[("SPY", 5)]);
    world.by_hand("SPY", -2);
    drop(world.run_for(3, |_| {}));
    let before = world.rows();
    world.by_hand("SPY", -3);
    drop(world.run_for(1, |reads| reads.positions.answer = Ok(before.clone())));
    let run = world.run_for(1, |_| {});
    assert!(matches!(run.state_of(&symbol("SPY")), Some(DriftState::ManualTrade { .. })), "{run:?}");
    assert_eq!(world.run_for(5, |_| {}).closed.len(), 1);
}

// proves: REC-5
#[test]
fn votes_for_a_book_that_has_changed_since_are_not_counted_on() {
    let mut world = beside(config(), "p", &[("SPY", 5)]);
    world.by_hand("SPY", -5);
    nothing_leaves(&world.run_for(5, |_| {}));
    // As much as before, by other orders.
    world.open("p", &[("SPY", 2)]);
    world.close("p", &[("SPY", -2)]);
    let run = world.run_for(5, |_| {});
    assert_eq!(run.drift[0].reads, 5);
    nothing_leaves(&run);
    assert_eq!(world.run_for(1, |_| {}).closed.len(), 1);
}

// proves: REC-5
// proves: REC-5
// proves: REC-5
// What somebody bought is in the row, and gone with it; the report has all of it.
#[test]
fn what_others_bought_is_not_taken_for_what_they_closed() {
    let mut world = beside(config(), "p", &[("SPY", 5)]);
    world.by_hand("SPY", 3);
    drop(world.run_for(2, |_| {}));
    world.held.remove(&symbol("SPY"));
    let with = |world: &World, lots: &str| {
        let mut world = world.clone();
        world.run_for(6, |reads| report(reads, &[(lots, 5)])).closed.len()
    };
    assert_eq!((with(&world, "7"), with(&world, "8")), (0, 1));
}

#[test]
fn a_position_that_grew_by_a_correction_is_not_partly_closed() {
    let mut world = beside(correcting(), "p", &[("SPY", 5)]);
    world.move_held("SPY", 2);
    let run = world.run_for(7, |_| {});
    world.spend(run);
    let leg = &world.book.get(&id("p")).unwrap().legs()[0];
    assert_eq!((leg.opened, leg.left, leg.price), (dec("7"), dec("7"), dec("1")));
    world.book.pend(&id("p"), "asked for", at(world.now).wall).unwrap();
    assert_eq!(world.run_for(1, |_| {}).verdict_of(&id("p")), Some(&Verdict::StillOpen));
}
