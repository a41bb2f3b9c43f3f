//! Each named state is reached, with its plan; and what the policy does about it (REC-8).

use backstop_broker::PositionEffect::{Close, Open};
use backstop_broker::{Decimal, OrderStatus, Symbol};

use crate::fixture::*;
use crate::{
    Change, Config, Doubt, DriftState, Evidence, Need, Orphans, Plan, RowFault, Run, Settlement, Sizes, Verdict,
    Violation, Witness,
};

const SPY_PUT: &str = "SPY260105P00500000";
const LATER_PUT: &str = "SPY260109P00490000";

fn correcting() -> Config {
    let mut config = config();
    config.sizes = Sizes::Correct;
    config
}

#[track_caller]
fn state<'r>(run: &'r Run, text: &str) -> (&'r DriftState, &'r Plan) {
    let drift = run.drift.iter().find(|drift| drift.symbol == symbol(text));
    let drift = drift.unwrap_or_else(|| panic!("{text} in {run:?}"));
    (&drift.state, &drift.plan)
}

// proves: REC-8
#[test]
fn a_fill_of_ours_that_is_not_booked_is_a_partial_fill_or_an_unbooked_one_and_is_to_be_booked() {
    for part in [true, false] {
        let mut world = World::holding(config(), "p", &[("SPY", 5)]);
        let label = client_id("bs-p-exit");
        let mut order = filled(300, Some("bs-p-exit"), &[("SPY", -3, Close)], at(world.now));
        if part {
            (order.legs[0].quantity, order.status) = (dec("5"), OrderStatus::Canceled);
        }
        world.intend("p", &label, &[("SPY", -5)], Close, crate::Stage::InDoubt { order: None });
        world.orders.push(order.clone());
        world.move_held("SPY", -3);
        let run = world.run();
        let orders = [broker_id(300)].into();
        let plan = Plan::Book { orders: [broker_id(300)].into() };
        let wanted = if part { DriftState::PartialFill { orders } } else { DriftState::Unbooked { orders } };
        assert_eq!(state(&run, "SPY"), (&wanted, &plan));
        // Booked, it is no difference any more, and the position is open in part.
        let executed = crate::Executed::of(&label, &order).unwrap();
        world.book.book(&id("p"), &symbol("SPY"), &executed, at(world.now).wall).unwrap();
        world.book.pend(&id("p"), "the exit was filled in part", at(world.now).wall).unwrap();
        world.intents.get_mut(&label).unwrap().stage = crate::Stage::AtRest { orders: [broker_id(300)].into() };
        let run = world.run_for(1, |_| {});
        assert!(run.drift.is_empty());
        let Some(Verdict::PartlyClosed { left, is_broken: false }) = run.verdict_of(&id("p")) else {
            panic!("{run:?}")
        };
        assert_eq!((left[0].symbol.as_str(), left[0].quantity), ("SPY", dec("2")));
    }
}

// proves: REC-8
#[test]
fn more_filled_than_asked_for_is_an_overfill_by_the_orders_word_and_by_the_positions() {
    // The order itself says so.
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    let mut order = filled(300, Some("bs-p-exit"), &[("SPY", -5, Close)], at(world.now));
    order.legs[0].filled = Some(dec("6"));
    world.intend("p", &client_id("bs-p-exit"), &[("SPY", -5)], Close, crate::Stage::InDoubt { order: None });
    world.orders.push(order);
    world.move_held("SPY", -6);
    let run = world.run();
    let overfill = DriftState::Overfill { orders: [broker_id(300)].into() };
    assert_eq!(state(&run, "SPY"), (&overfill, &Plan::HaltAndReduce));
    assert!(run.violations.iter().any(|violation| matches!(violation, Violation::Overfill { .. })));
    // The order says five, and the broker is one short.
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.close("p", &[("SPY", -5)]);
    world.move_held("SPY", -1);
    let run = world.run_for(1, |_| {});
    let overfill = DriftState::Overfill { orders: [broker_id(101), broker_id(102)].into() };
    assert_eq!(state(&run, "SPY"), (&overfill, &Plan::HaltAndReduce));
}

// proves: REC-8
#[test]
fn an_option_that_is_gone_with_its_shares_there_was_assigned_and_becomes_the_shares() {
    // Right, contracts held, shares that come.
    for (option, contracts, shares) in [
        ("SPY260109P00490000", -2, 200),
        ("SPY260109C00490000", -2, -200),
        ("SPY260109C00490000", 1, 100),
        ("SPY260109P00490000", 1, -100),
    ] {
        let mut world = World::holding(correcting(), "p", &[(option, contracts)]);
        world.move_held(option, -contracts);
        world.move_held("SPY", shares);
        let run = world.run();
        let (shown, plan) = state(&run, option);
        assert!(matches!(shown, DriftState::Assigned { .. }), "{shown:?}");
        assert_eq!((state(&run, "SPY").0, plan), (shown, &Plan::LookAgain));
        assert!(run.corrections.is_empty());
        let run = world.run_for(6, |_| {});
        assert!(run.closed.is_empty(), "{run:?}");
        let changes = world.spend(run);
        let [Change::Corrected { legs, reads, .. }] = changes.as_slice() else { panic!("{changes:?}") };
        assert_eq!(legs.len(), 2);
        assert!(reads.witnesses.contains(&Witness::Shares { symbol: symbol("SPY"), quantity: Decimal::from(shares) }));
        assert_eq!(world.book.net(&symbol(option)), Decimal::ZERO);
        assert_eq!(world.book.net(&symbol("SPY")), Decimal::from(shares));
        // They cost the strike, or brought it.
        let position = world.book.get(&id("p")).unwrap();
        let leg = position.legs().iter().find(|leg| leg.symbol == symbol("SPY")).unwrap();
        assert_eq!((leg.opened, leg.price), (Decimal::from(shares), dec("490")));
        assert_eq!(position.cash_flow(), Decimal::from(-100 * contracts - 490 * shares));
        let run = world.run_for(2, |_| {});
        assert!(run.drift.is_empty() && run.closed.is_empty(), "{run:?}");
    }
}

#[test]
fn an_assignment_is_not_closed_by_itself_and_not_without_its_shares() {
    // By the policy that reports, the position stays until a person decides.
    let mut world = World::holding(config(), "p", &[(LATER_PUT, -1)]);
    world.move_held(LATER_PUT, 1);
    world.move_held("SPY", 100);
    let run = world.run_for(30, |_| {});
    assert_eq!(state(&run, LATER_PUT).1, &Plan::AskPerson);
    let doubts = vec![Doubt::Assigned { symbol: symbol(LATER_PUT) }];
    assert_eq!(run.verdict_of(&id("p")), Some(&Verdict::CannotTell { doubts }));
    // Another number of shares is somebody's trade, not an assignment.
    let mut world = World::holding(correcting(), "p", &[(LATER_PUT, -1)]);
    world.move_held(LATER_PUT, 1);
    world.move_held("SPY", 50);
    let run = world.run_for(30, |_| {});
    assert_eq!((state(&run, LATER_PUT).0, state(&run, "SPY").0), (&DriftState::Missing, &DriftState::Orphan));
    assert!(run.corrections.is_empty());
}

#[test]
fn of_two_assigned_options_nobody_can_tell_which_brought_how_many_shares() {
    let mut world = World::holding(correcting(), "p", &[(LATER_PUT, -1)]);
    world.open("q", &[("SPY260109P00480000", -1)]);
    world.wait(60);
    drop(world.run());
    for option in [LATER_PUT, "SPY260109P00480000"] {
        world.move_held(option, 1);
    }
    world.move_held("SPY", 200);
    let run = world.run_for(30, |_| {});
    assert!(matches!(state(&run, LATER_PUT).0, DriftState::Assigned { .. }));
    assert!(run.corrections.is_empty() && run.closed.is_empty());
}

// The shares are those of an order of ours, which is to be booked; and an option that settles in cash brings none.
#[test]
fn shares_that_have_another_reason_are_no_assignment() {
    let mut world = World::holding(correcting(), "p", &[(LATER_PUT, -1)]);
    world.move_held(LATER_PUT, 1);
    let order = filled(300, Some("bs-q-1"), &[("SPY", 100, Open)], at(world.now));
    world.intend(
        "q",
        &client_id("bs-q-1"),
        &[("SPY", 100)],
        Open,
        crate::Stage::AtRest { orders: [order.id.clone()].into() },
    );
    world.orders.push(order);
    world.move_held("SPY", 100);
    let run = world.run_for(30, |_| {});
    assert_eq!(state(&run, LATER_PUT).0, &DriftState::Missing);
    assert!(matches!(state(&run, "SPY").0, DriftState::Unbooked { .. }));
    assert!(run.corrections.is_empty());

    let mut world = World::holding(correcting(), "p", &[(PUT, -1)]);
    world.move_held(PUT, 1);
    world.move_held("SPXW", 100);
    let run = world.run_for(30, |_| {});
    assert_eq!((state(&run, PUT).0, state(&run, "SPXW").0), (&DriftState::Missing, &DriftState::Orphan));
    assert!(run.corrections.is_empty());
}

#[test]
fn more_on_the_side_of_a_position_that_was_closed_is_nobodys_and_not_an_overfill() {
    for (held, more) in [(5, 1), (-5, -1)] {
        let mut world = World::holding(config(), "p", &[("SPY", held)]);
        world.close("p", &[("SPY", -held)]);
        world.move_held("SPY", more);
        assert_eq!(state(&world.run_for(1, |_| {}), "SPY").0, &DriftState::Orphan);
    }
    // Bought and sold short as much: it opened nothing that has another side.
    let mut world = World::new();
    world.open("p", &[("SPY", 1)]);
    world.open("p", &[("SPY", -1)]);
    world.move_held("SPY", -1);
    assert_eq!(state(&world.run_for(1, |_| {}), "SPY").0, &DriftState::Orphan);
}

/// The day after, 11:00 in New York.
const NEXT_DAY: u64 = 86_400;

// proves: REC-8
#[test]
fn a_spread_that_settles_in_cash_leaves_the_book_once_it_expired_and_is_gone() {
    let mut world = World::holding(config(), "p", &[(PUT, -1), (LOWER_PUT, 1)]);
    // Gone before its time: missing.
    let held = world.held.clone();
    world.held.clear();
    assert_eq!(state(&world.run_for(10, |_| {}), PUT).0, &DriftState::Missing);
    world.held = held;
    // Its time is over and the broker still has it, as Tradier does for hours.
    world.now = NEXT_DAY;
    let run = world.run();
    let expired = DriftState::Expired { on: jiff::civil::date(2026, 1, 5) };
    assert_eq!(state(&run, PUT), (&expired, &Plan::AwaitSettlement));
    assert_eq!(run.verdict_of(&id("p")), Some(&Verdict::StillOpen));
    world.held.clear();
    let run = world.run_for(5, |_| {});
    assert!(run.closed.is_empty());
    assert_eq!(state(&run, PUT), (&expired, &Plan::AwaitSettlement));
    let run = world.run_for(1, |_| {});
    let [proof] = run.closed.as_slice() else { panic!("{run:?}") };
    let Evidence::Expiry { legs } = proof.evidence() else { panic!("{proof:?}") };
    assert_eq!(legs.len(), 2);
    world.spend(run);
    assert!(world.book.positions().is_empty());
}

#[test]
fn an_expired_option_on_shares_needs_to_be_worthless_by_the_settlement_or_closed_by_the_clearing_firm() {
    let price =
        |text: &str| Settlement { underlying: symbol("SPY"), on: jiff::civil::date(2026, 1, 5), price: dec(text) };
    for (settlements, shares, wanted) in [
        (vec![], 0, 0),
        (vec![price("500.01")], 0, 1),
        // At the strike and in the money: whether it was exercised only the shares tell.
        (vec![price("500")], 0, 0),
        (vec![price("499")], 0, 0),
        // Out of the money, and shares moved: its holder may have exercised it all the same.
        (vec![price("501")], 100, 0),
        (vec![price("501")], 30, 0),
        (vec![price("0")], 0, 0),
    ] {
        let mut world = World::with(config());
        world.open("q", &[("QQQ", 1)]);
        let label = "bs-p-1";
        let order = filled(50, Some(label), &[(SPY_PUT, -1, Open)], at(0));
        let executed = crate::Executed::of(&client_id(label), &order).unwrap();
        world.book.book(&id("p"), &symbol("SPY"), &executed, at(0).wall).unwrap();
        world.now = NEXT_DAY;
        world.move_held("SPY", shares);
        world.restart(config());
        world.wait(60);
        let run = world.run_for(10, |reads| reads.settlements.clone_from(&settlements));
        assert_eq!(run.closed.len(), wanted, "{settlements:?} {shares} {run:?}");
        let need = Need::Settlement { underlying: symbol("SPY"), on: jiff::civil::date(2026, 1, 5) };
        assert_eq!(run.needs.contains(&need), settlements.is_empty());
    }
}

// proves: REC-8
#[test]
fn a_leg_that_is_gone_from_under_another_is_a_broken_spread_and_what_is_left_is_to_be_closed() {
    let mut world = World::holding(config(), "p", &[(PUT, -1), (LOWER_PUT, 1)]);
    world.move_held(LOWER_PUT, -1);
    let run = world.run_for(30, |_| {});
    let positions = [id("p")].into();
    let plan = Plan::CloseRest { positions: [id("p")].into() };
    assert_eq!(state(&run, LOWER_PUT), (&DriftState::BrokenSpread { positions }, &plan));
    let Some(Verdict::PartlyClosed { left, is_broken: true }) = run.verdict_of(&id("p")) else { panic!("{run:?}") };
    assert_eq!((left[0].symbol.as_str(), left[0].quantity), (PUT, dec("-1")));
    assert!(run.closed.is_empty() && run.corrections.is_empty());
}

// proves: REC-8
#[test]
fn a_trade_by_hand_is_named_and_by_policy_the_book_follows_it() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    let order = world.by_hand("SPY", -2);
    let run = world.run_for(10, |_| {});
    let manual = DriftState::ManualTrade { orders: [order].into() };
    assert_eq!(state(&run, "SPY"), (&manual, &Plan::AskPerson));
    assert!(run.corrections.is_empty());
    world.restart(correcting());
    world.wait(60);
    let run = world.run_for(5, |_| {});
    assert!(run.corrections.is_empty());
    assert_eq!(state(&run, "SPY").1, &Plan::AskPerson, "looked at often enough, and not long enough");
    let run = world.run_for(1, |_| {});
    assert_eq!(state(&run, "SPY").1, &Plan::Correct);
    let changes = world.spend(run);
    let [Change::Corrected { position, legs, causes, .. }] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!((position, causes.as_slice()), (&id("p"), [manual].as_slice()));
    assert_eq!((legs[0].from, legs[0].to), (dec("5"), dec("3")));
    assert!(world.run_for(1, |_| {}).drift.is_empty());
}

#[test]
fn less_without_a_witness_is_told_and_not_followed_and_more_is_followed_once_it_stands() {
    let mut world = World::holding(correcting(), "p", &[("SPY", 5)]);
    world.move_held("SPY", -2);
    let run = world.run_for(60, |_| {});
    assert_eq!(state(&run, "SPY"), (&DriftState::Smaller, &Plan::AskPerson));
    assert!(run.corrections.is_empty());
    world.move_held("SPY", 4);
    let run = world.run_for(6, |_| {});
    assert_eq!(state(&run, "SPY").0, &DriftState::Larger);
    world.spend(run);
    assert_eq!(world.book.net(&symbol("SPY")), dec("7"));
}

#[test]
fn what_has_turned_to_the_other_side_is_never_followed() {
    let mut world = World::holding(correcting(), "p", &[("SPY", 5)]);
    world.by_hand("SPY", -7);
    let run = world.run_for(30, |_| {});
    assert!(run.corrections.is_empty() && run.closed.is_empty());
    world.orders.clear();
    let run = world.run_for(30, |_| {});
    assert_eq!(state(&run, "SPY"), (&DriftState::Flipped, &Plan::HaltAndReduce));
    assert!(run.corrections.is_empty() && run.closed.is_empty());
}

#[test]
fn where_several_positions_share_the_symbol_the_book_is_not_corrected() {
    let mut world = World::holding(correcting(), "p", &[("SPY", 5)]);
    world.open("q", &[("SPY", 5)]);
    world.wait(60);
    drop(world.run());
    world.by_hand("SPY", -5);
    let run = world.run_for(30, |_| {});
    assert!(run.corrections.is_empty() && run.closed.is_empty());
    let stakes: Vec<_> = run.drift[0].may_belong.iter().map(|stake| (stake.position.as_str(), stake.left)).collect();
    assert_eq!(stakes, [("p", dec("5")), ("q", dec("5"))]);
    let text = run.drift[0].to_string();
    assert!(text.ends_with("it may belong to p or q"), "{text}");
}

#[test]
fn what_is_nobodys_is_told_and_by_policy_adopted_with_a_stop() {
    let mut adopting = config();
    adopting.orphans = Orphans::Adopt { stop: dec("0.5") };
    let held = |reads: &mut crate::Reads| {
        let mut row = row(LATER_PUT, "-2");
        row.cost_basis = Some(dec("-430"));
        reads.positions.answer = Ok(vec![row]);
    };
    let mut world = World::new();
    world.wait(60);
    let run = world.run_for(30, held);
    assert_eq!(state(&run, LATER_PUT), (&DriftState::Orphan, &Plan::AskPerson));
    assert!(run.adoptions.is_empty());

    let mut world = World::with(adopting);
    world.wait(60);
    assert!(world.run_for(5, held).adoptions.is_empty());
    // Another quantity: the count begins anew.
    drop(world.run_for(1, |reads| reads.positions.answer = Ok(vec![row(LATER_PUT, "-1")])));
    assert!(world.run_for(5, held).adoptions.is_empty());
    let run = world.run_for(1, held);
    assert_eq!(state(&run, LATER_PUT).1, &Plan::Adopt);
    let changes = world.spend(run);
    let [Change::Adopted { quantity, price, stop, .. }] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!((*quantity, *price, *stop), (dec("-2"), dec("2.15"), dec("0.5")));
    assert!(world.run_for(1, held).drift.is_empty());
}

#[test]
fn an_adoption_of_what_is_in_the_book_by_now_or_under_a_name_that_is_taken_is_refused() {
    let mut adopting = config();
    adopting.orphans = Orphans::Adopt { stop: dec("1") };
    let mut world = World::with(adopting);
    world.wait(60);
    world.move_held("SPY", 5);
    world.move_held("QQQ", 1);
    let mut run = world.run_for(10, |_| {});
    assert_eq!(run.adoptions.len(), 2);
    let (spy, qqq) = (run.adoptions.pop().unwrap(), run.adoptions.pop().unwrap());
    assert_eq!((spy.symbol(), spy.quantity()), (&symbol("SPY"), dec("5")));
    world.open("p", &[("SPY", 5)]);
    let now = at(world.now).wall;
    assert!(world.book.adopt(&id("a"), spy, now).is_err());
    assert!(world.book.adopt(&id("p"), qqq, now).is_err());
}

#[test]
fn rows_that_say_nothing_are_unclear_and_nothing_is_done_about_them() {
    let mut config = correcting();
    config.orphans = Orphans::Adopt { stop: dec("0.5") };
    let huge = "1000000000001";
    for (rows, fault, text) in [
        (vec![row("SPY", "5"), row("SPY", "5")], RowFault::Several, "SPY"),
        (vec![row("SPY", "5"), row("SPY", "-5")], RowFault::Several, "SPY"),
        (vec![row("SPY", "5"), row(PUT, "0.5")], RowFault::Fraction, PUT),
        (vec![row("SPY", "5"), row("QQQ", huge)], RowFault::Uncountable, "QQQ"),
        (vec![row("SPY", "5"), row("QQQ", "1"), row("QQQ", huge)], RowFault::Uncountable, "QQQ"),
    ] {
        let mut world = World::holding(config.clone(), "p", &[("SPY", 5)]);
        let run = world.run_for(20, |reads| reads.positions.answer = Ok(rows.clone()));
        assert_eq!(state(&run, text), (&DriftState::Unclear { fault }, &Plan::AskPerson));
        assert!(run.closed.is_empty() && run.corrections.is_empty() && run.adoptions.is_empty());
    }
    // A part of a share is a quantity like another.
    let mut world = World::holding(config, "p", &[("SPY", 5)]);
    let run = world.run_for(1, |reads| reads.positions.answer = Ok(vec![row("SPY", "5.00000000"), row("QQQ", "0.25")]));
    assert_eq!((run.drift.len(), state(&run, "QQQ").0), (1, &DriftState::Orphan));
}

// Others trade the underlying as they like: whether shares of it came from an exercise nobody can tell.
#[test]
fn an_option_on_shares_that_others_trade_is_not_worthless_by_the_settlement_alone() {
    let settlement = || Settlement { underlying: symbol("SPY"), on: jiff::civil::date(2026, 1, 5), price: dec("501") };
    for (theirs, wanted) in [("SPY", 0), ("TSLA", 1)] {
        let mut config = config();
        config.others.symbols.insert(symbol(theirs));
        let mut world = World::with(config);
        world.open("q", &[("QQQ", 1)]);
        world.open("p", &[(SPY_PUT, -1)]);
        drop(world.run_for(1, |_| {}));
        world.now = NEXT_DAY;
        world.move_held(SPY_PUT, 1);
        let run = world.run_for(10, |reads| reads.settlements = vec![settlement()]);
        assert_eq!(run.closed.len(), wanted, "{theirs} {run:?}");
    }
}

#[test]
fn a_leg_that_expires_before_the_others_leaves_by_a_correction_and_the_position_stays() {
    let mut world = World::holding(correcting(), "p", &[(PUT, -1), ("SPXW260109P05900000", 1)]);
    world.now = NEXT_DAY;
    drop(world.run());
    world.move_held(PUT, 1);
    let run = world.run_for(6, |_| {});
    let changes = world.spend(run);
    assert!(matches!(changes.as_slice(), [Change::Corrected { .. }]), "{changes:?}");
    let position = world.book.get(&id("p")).unwrap();
    let open: Vec<&Symbol> = position.open_legs().map(|leg| &leg.symbol).collect();
    assert_eq!(open, [&symbol("SPXW260109P05900000")]);
}
