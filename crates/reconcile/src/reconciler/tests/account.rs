//! When an account that is down to its cash is a witness that what it held is gone, and when not (REC-5).

use super::witnesses::{beside, nothing_leaves, without_spy};
use crate::Read;
use crate::fixture::*;

fn at_cash() -> backstop_broker::Balances {
    World::new().balances(10_000, 10_000).answer.unwrap()
}

#[test]
fn an_account_that_is_worth_its_cash_says_nothing_of_options_nor_of_shares_that_were_worth_nothing_before() {
    let empty = |world: &mut World, before: [i64; 2]| {
        for equity in before {
            let balances = world.balances(equity, 10_000);
            drop(world.run_for(1, |reads| reads.balances = Some(balances.clone())));
        }
        world.run_for(10, |reads| {
            reads.positions.answer = Ok(Vec::new());
            let asked = reads.positions.asked;
            reads.balances = Some(Read { asked, answer: Ok(at_cash()) });
        })
    };
    for (text, before, wanted) in [
        ("SPY", [10_500, 10_500], 1),
        ("SPY", [10_500, 10_000], 0),
        ("SPY", [10_000, 10_500], 1),
        // A spread that is worth nothing in the last hour, and still open.
        (PUT, [10_500, 10_500], 0),
    ] {
        let mut world = World::new();
        world.open("p", &[(text, -1)]);
        assert_eq!(empty(&mut world, before).closed.len(), wanted, "{text} {before:?}");
    }
}

#[test]
fn an_account_down_to_its_cash_is_no_witness_for_a_symbol_that_never_agreed_as_it_is_in_the_book_now() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    let worth = |world: &mut World, minutes| {
        for _ in 0..minutes {
            let balances = world.balances(10_500, 10_000);
            drop(world.run_for(1, |reads| reads.balances = Some(balances.clone())));
        }
    };
    worth(&mut world, 2);
    // Booked, and never in the row.
    world.open("p", &[("SPY", 2)]);
    world.move_held("SPY", -2);
    worth(&mut world, 2);
    nothing_leaves(&world.run_for(60, |reads| {
        reads.positions.answer = Ok(Vec::new());
        reads.balances = Some(Read { asked: reads.positions.asked, answer: Ok(at_cash()) });
    }));
}

#[test]
fn what_an_account_was_worth_before_the_book_changed_says_nothing_of_what_it_holds_now() {
    for told in [false, true] {
        let mut world = World::holding(config(), "p", &[("SPY", 5)]);
        let balances = |world: &World| world.balances(10_500, 10_000);
        let read = balances(&world);
        drop(world.run_with(|reads| reads.balances = Some(read)));
        world.open("p", &[("SPY", 2)]);
        world.wait(60);
        let read = balances(&world);
        drop(world.run_with(|reads| reads.balances = told.then_some(read)));
        let run = world.run_for(10, |reads| {
            reads.positions.answer = Ok(Vec::new());
            reads.balances = Some(Read { asked: reads.positions.asked, answer: Ok(at_cash()) });
        });
        assert_eq!(run.closed.len(), usize::from(told), "{run:?}");
    }
}

#[test]
fn an_account_that_is_worth_its_cash_while_the_list_holds_something_contradicts_itself_and_is_no_witness() {
    let mut world = beside(config(), "p", &[("SPY", 5)]);
    for _ in 0..2 {
        let balances = world.balances(10_500, 10_000);
        drop(world.run_for(1, |reads| reads.balances = Some(balances.clone())));
    }
    nothing_leaves(&world.run_for(60, |reads| {
        without_spy(reads);
        reads.balances = Some(Read { asked: reads.positions.asked, answer: Ok(at_cash()) });
    }));
}
