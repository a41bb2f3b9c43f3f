//! When the book is set by the broker, and when it is not although something says why (REC-8).

use backstop_broker::OrderStatus;
use backstop_broker::PositionEffect::{Close, Open};

use crate::fixture::*;
use crate::{Config, DriftState, Run, Sizes, Stage};

const OPTION: &str = "SPY260109P00490000";

fn correcting() -> Config {
    let mut config = config();
    config.sizes = Sizes::Correct;
    config
}

/// A short put that was assigned a minute ago: it is gone, and its shares are there.
fn assigned() -> World {
    let mut world = World::holding(correcting(), "p", &[(OPTION, -1)]);
    world.move_held(OPTION, 1);
    world.move_held("SPY", 100);
    world
}

#[track_caller]
fn is_assigned(run: &Run) {
    assert!(matches!(run.state_of(&symbol(OPTION)), Some(DriftState::Assigned { .. })), "{run:?}");
}

// proves: REC-8
#[test]
fn an_assignment_is_not_booked_while_an_order_may_still_trade_its_shares() {
    let calm = assigned();
    let mut working = calm.clone();
    let mut order = filled(400, None, &[("SPY", -100, Close)], at(calm.now));
    order.status = OrderStatus::Open;
    working.orders.push(order);
    let mut in_doubt = calm.clone();
    in_doubt.intend("q", &client_id("bs-q-1"), &[("SPY", 100)], Open, Stage::InDoubt { order: None });
    for (mut world, wanted) in [(calm, 1), (working, 0), (in_doubt, 0)] {
        let run = world.run_for(30, |_| {});
        is_assigned(&run);
        assert_eq!(run.corrections.len(), wanted, "{run:?}");
    }
}

// proves: REC-8
#[test]
fn shares_that_were_not_seen_often_enough_in_one_piece_are_not_booked() {
    let mut world = assigned();
    is_assigned(&world.run_for(5, |_| {}));
    // Once there are more of them.
    drop(world.run_for(1, |reads| reads.positions.answer = Ok(vec![row("SPY", "150")])));
    let run = world.run_for(5, |_| {});
    is_assigned(&run);
    assert!(run.corrections.is_empty(), "{run:?}");
    assert_eq!(world.run_for(1, |_| {}).corrections.len(), 1);
}

// What is gone as a whole leaves by a proof, and there is none for a leg that nothing but the list speaks of.
// proves: REC-5
#[test]
fn of_a_spread_that_is_gone_no_leg_leaves_by_a_correction() {
    let mut world = World::with(correcting());
    world.open("beside", &[("QQQ", 1)]);
    world.open("p", &[(PUT, -2), (LOWER_PUT, 2)]);
    drop(world.run_for(2, |_| {}));
    world.by_hand(PUT, 2);
    world.move_held(LOWER_PUT, -2);
    let run = world.run_for(30, |_| {});
    assert!(matches!(run.state_of(&symbol(PUT)), Some(DriftState::ManualTrade { .. })), "{run:?}");
    assert!(run.corrections.is_empty() && run.closed.is_empty(), "{run:?}");
}

// Others still hold some of it, so the list of positions never lacks it: a person says that ours is closed.
// proves: REC-1
#[test]
fn a_position_is_not_emptied_by_a_correction_where_others_hold_the_symbol_too() {
    let mut config = correcting();
    config.others.quantities.insert(symbol("SPY"), dec("7"));
    let mut world = World::with(config);
    world.move_held("SPY", 7);
    world.open("p", &[("SPY", 5)]);
    drop(world.run_for(2, |_| {}));
    world.by_hand("SPY", -5);
    let run = world.run_for(30, |_| {});
    assert!(matches!(run.state_of(&symbol("SPY")), Some(DriftState::ManualTrade { .. })), "{run:?}");
    assert!(run.corrections.is_empty() && run.closed.is_empty(), "{run:?}");
}

// proves: REC-8
#[test]
fn the_book_does_not_follow_a_trade_while_an_order_may_still_trade_the_symbol_or_the_position() {
    let mut calm = World::holding(correcting(), "p", &[("SPY", 5)]);
    calm.by_hand("SPY", -2);
    let mut working = calm.clone();
    let mut order = filled(400, None, &[("SPY", -1, Close)], at(calm.now));
    order.status = OrderStatus::Open;
    working.orders.push(order);
    let mut in_doubt = calm.clone();
    in_doubt.intend("p", &client_id("bs-p-9"), &[("QQQ", 1)], Open, Stage::InDoubt { order: None });
    for (mut world, wanted) in [(calm, 1), (working, 0), (in_doubt, 0)] {
        let run = world.run_for(30, |_| {});
        assert!(matches!(run.state_of(&symbol("SPY")), Some(DriftState::ManualTrade { .. })), "{run:?}");
        assert_eq!(run.corrections.len(), wanted, "{run:?}");
    }
}

// proves: REC-8
#[test]
fn what_somebody_trades_in_a_leg_that_we_have_closed_is_not_taken_into_the_position() {
    let mut world = World::holding(correcting(), "p", &[(PUT, -1), (LOWER_PUT, 1)]);
    world.close("p", &[(LOWER_PUT, -1)]);
    world.by_hand(LOWER_PUT, -1);
    let run = world.run_for(30, |_| {});
    assert!(matches!(run.state_of(&symbol(LOWER_PUT)), Some(DriftState::ManualTrade { .. })), "{run:?}");
    assert!(run.corrections.is_empty(), "{run:?}");
}

// proves: REC-8
#[test]
fn of_several_options_that_are_gone_the_one_whose_shares_came_was_assigned() {
    let other = "SPY260109P00480000";
    let mut world = World::with(correcting());
    world.open("p", &[(OPTION, -1)]);
    world.open("q", &[(other, -2)]);
    drop(world.run_for(2, |_| {}));
    world.move_held(OPTION, 1);
    world.move_held(other, 2);
    world.move_held("SPY", 100);
    let run = world.run_for(1, |_| {});
    is_assigned(&run);
    assert_eq!(run.state_of(&symbol(other)), Some(&DriftState::Missing));
}

#[test]
fn an_option_of_which_there_is_more_was_not_assigned() {
    let mut world = World::holding(correcting(), "p", &[(OPTION, -1)]);
    world.move_held(OPTION, -1);
    world.move_held("SPY", -100);
    let run = world.run_for(1, |_| {});
    assert_eq!(run.state_of(&symbol(OPTION)), Some(&DriftState::Larger));
    assert_eq!(run.state_of(&symbol("SPY")), Some(&DriftState::Orphan));
}
