use backstop_broker::OrderStatus;
use backstop_broker::PositionEffect::Open;

use super::*;
use crate::fixture::*;

/// What is found in a list of `orders`, each a number and a label, when `intents` were written down a minute before.
fn violations(orders: Vec<Order>, intents: &[(&str, Stage)]) -> Vec<Violation> {
    let mut world = World::new();
    for (label, stage) in intents {
        world.intend("p", &client_id(label), &[("SPY", 1)], Open, stage.clone());
    }
    world.orders = orders;
    world.wait(60);
    world.run().violations.into_iter().collect()
}

fn order(number: u32, label: &str) -> Order {
    filled(number, Some(label), &[("SPY", 1, Open)], at(10))
}

fn works(mut order: Order) -> Order {
    order.status = OrderStatus::Open;
    order
}

// proves: REC-7
#[test]
fn an_order_of_our_name_without_an_intent_is_a_violation_and_anybody_elses_is_not() {
    let never = |label: &str, works| Violation::NeverIssued { order: broker_id(1), label: label.to_owned(), works };
    assert_eq!(violations(vec![order(1, "bs-x")], &[]), [never("bs-x", false)]);
    assert_eq!(violations(vec![works(order(1, "bs-x"))], &[]), [never("bs-x", true)]);
    // A label that no id of ours could be is ours all the same by its prefix.
    assert_eq!(violations(vec![order(1, "bs-x_y")], &[]), [never("bs-x_y", false)]);
    assert_eq!(violations(vec![order(1, "other"), order(2, "xbs-")], &[]), []);
    let mut unlabelled = order(1, "x");
    unlabelled.label = None;
    assert_eq!(violations(vec![unlabelled], &[]), []);
    assert_eq!(violations(vec![order(1, "bs-x")], &[("bs-x", Stage::InFlight { order: None })]), []);
}

// proves: REC-7
#[test]
fn two_orders_of_one_intent_are_a_violation_and_one_order_on_two_pages_is_not() {
    let placed = Stage::AtRest { orders: [broker_id(1)].into() };
    let twice = vec![order(1, "bs-x"), order(2, "bs-x")];
    let several =
        Violation::Several { client_order_id: client_id("bs-x"), orders: [broker_id(1), broker_id(2)].into() };
    assert_eq!(violations(twice.clone(), &[("bs-x", placed.clone())]), std::slice::from_ref(&several));
    assert_eq!(violations(twice.into_iter().rev().collect(), &[("bs-x", placed.clone())]), [several]);
    assert_eq!(violations(vec![order(1, "bs-x"), order(1, "bs-x")], &[("bs-x", placed.clone())]), []);
    // One that is older than the intent is not its own: another state of the records used the name.
    let mut older = order(2, "bs-x");
    older.created_at = Some(at(0).wall - jiff::SignedDuration::from_secs(61));
    let never = Violation::NeverIssued { order: broker_id(2), label: "bs-x".to_owned(), works: false };
    assert_eq!(violations(vec![order(1, "bs-x"), older.clone()], &[("bs-x", placed.clone())]), [never]);
    older.created_at = Some(at(0).wall - jiff::SignedDuration::from_secs(60));
    assert_eq!(violations(vec![order(1, "bs-x"), older], &[("bs-x", placed)]).len(), 1);
}

// proves: REC-7
#[test]
fn an_order_that_turns_up_after_it_was_settled_as_nothing_is_a_violation_unless_it_is_nothing() {
    let nothing = || [("bs-x", Stage::NothingFilled)];
    let late = |works| Violation::Late { order: broker_id(1), client_order_id: client_id("bs-x"), works };
    assert_eq!(violations(vec![order(1, "bs-x")], &nothing()), [late(false)]);
    assert_eq!(violations(vec![works(order(1, "bs-x"))], &nothing()), [late(true)]);
    let mut rejected = order(1, "bs-x");
    (rejected.status, rejected.legs[0].filled) = (OrderStatus::Rejected, None);
    assert_eq!(violations(vec![rejected], &nothing()), []);
    // Canceled, and nobody says how much of it was filled: it may hold something.
    let mut unmeasured = order(1, "bs-x");
    (unmeasured.status, unmeasured.legs[0].filled) = (OrderStatus::Canceled, None);
    assert_eq!(violations(vec![unmeasured], &nothing()), [late(false)]);
}

#[test]
fn an_order_at_rest_from_before_the_names_that_are_kept_is_not_judged_and_one_that_works_is() {
    let mut config = config();
    config.names.since = Some(at(0).wall);
    let found = |order: Order| {
        let mut world = World::with(config.clone());
        world.orders.push(order);
        world.wait(60);
        world.run().violations.len()
    };
    let mut old = order(1, "bs-x");
    old.created_at = Some(at(0).wall - jiff::SignedDuration::from_secs(61));
    assert_eq!(found(old.clone()), 0);
    assert_eq!(found(works(old.clone())), 1);
    old.created_at = None;
    assert_eq!(found(old), 1);
}

#[test]
fn the_orders_of_declared_others_stand_in_nobodys_way() {
    let mut config = config();
    config.others.prefixes.insert("their-".to_owned());
    let mut world = World::with(config);
    world.open("p", &[("SPY", 5)]);
    world.close("p", &[("SPY", -5)]);
    world.orders.push(works(order(1, "their-9")));
    drop(world.run_for(1, |_| {}));
    assert_eq!(world.run_for(1, |_| {}).closed.len(), 1);
}
