//! What is reported and shut (REC-4, REC-9), and what is asked for.

use std::collections::BTreeMap;

use backstop_broker::PositionEffect::{Close, Open};
use backstop_broker::{Decimal, OrderList};
use proptest::prelude::*;

use crate::fixture::*;
use crate::{Finding, Gate, Need, Read, Reconciler, Source, Stage};

fn is_open(world: &World, text: &str) -> bool {
    world.reconciler.gate(&symbol(text)) == Gate::Open
}

// proves: REC-9
#[test]
fn drift_shuts_its_symbol_until_a_judged_look_finds_it_as_it_should_be() {
    let mut world = World::new();
    assert!(!is_open(&world, "SPY"), "nothing was compared yet");
    drop(world.run());
    assert!(is_open(&world, "SPY"), "a book that never changed has nothing to lag");
    world.open("p", &[("SPY", 5)]);
    let again = Reconciler::new(config(), &world.book, at(world.now)).unwrap();
    world.reconciler = again;
    drop(world.run());
    assert!(!is_open(&world, "SPY"), "the lag is not over yet");
    drop(world.run_for(1, |_| {}));
    assert!(is_open(&world, "SPY") && is_open(&world, "QQQ"));

    world.move_held("SPY", -1);
    world.move_held("QQQ", 3);
    drop(world.run_for(1, |_| {}));
    assert!(!is_open(&world, "SPY") && !is_open(&world, "QQQ") && is_open(&world, "DIA"));
    let Gate::Shut { since, because } = world.reconciler.gate(&symbol("SPY")) else { panic!() };
    assert_eq!(since, at(world.now).wall);
    assert!(because.starts_with("SPY: the book has 5, the broker 4"), "{because}");

    // What cannot be judged stays shut: a list that fails, an order in flight, a change that is too young.
    world.move_held("SPY", 1);
    world.move_held("QQQ", -3);
    drop(world.run_for(1, |reads| reads.positions.answer = failed()));
    assert!(!is_open(&world, "SPY"));
    drop(world.run_for(1, |reads| reads.orders.answer = failed()));
    assert!(!is_open(&world, "SPY"));
    let entry = client_id("bs-p-9");
    world.intend("p", &entry, &[("SPY", 1)], Open, Stage::InFlight { order: None });
    drop(world.run_for(1, |_| {}));
    assert!(!is_open(&world, "SPY") && is_open(&world, "QQQ"));
    world.intents.clear();
    world.open("p", &[("SPY", 1)]);
    drop(world.run());
    assert!(!is_open(&world, "SPY"));
    let same = world.reconciler.gate(&symbol("SPY"));
    assert!(matches!(same, Gate::Shut { since: first, .. } if first == since));
    drop(world.run_for(1, |_| {}));
    assert!(is_open(&world, "SPY"));
}

// proves: REC-9
#[test]
fn what_cannot_be_judged_stays_as_it_was_and_is_shut_where_nothing_is_known_of_before() {
    let entry = client_id("bs-p-9");
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.move_held("SPY", 1);
    world.intend("p", &entry, &[("SPY", 1)], Open, Stage::InFlight { order: None });
    let mut restarted = world.clone();
    let run = world.run_for(1, |_| {});
    assert!(run.is_complete && run.unjudged.len() == 1, "{run:?}");
    assert!(is_open(&world, "SPY"), "it agreed before, and our own order may explain it");
    // A process that has just come does not know that it agreed.
    restarted.restart(config());
    let run = restarted.run_for(1, |_| {});
    assert!(run.is_complete && run.unjudged.len() == 1, "{run:?}");
    assert!(!is_open(&restarted, "SPY") && is_open(&restarted, "QQQ"));
}

// proves: REC-9
#[test]
fn what_was_missed_while_nobody_looked_is_asked_for() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    let (known, unknown, placed) = (client_id("bs-a"), client_id("bs-b"), client_id("bs-c"));
    world.intend("p", &known, &[("SPY", -1)], Close, Stage::InFlight { order: Some(broker_id(7)) });
    world.intend("p", &unknown, &[("SPY", -1)], Close, Stage::InDoubt { order: None });
    world.intend("p", &placed, &[("SPY", -1)], Close, Stage::AtRest { orders: [broker_id(9)].into() });
    // Of today's orders the one with a number is looked for by it; the other will be in a list of today, or not.
    let run = world.run();
    let by_number = Need::Order { order: broker_id(7), client_order_id: known };
    assert_eq!(run.needs, [by_number.clone()].into());
    // The broker's list ended at the date roll.
    world.wait(86_400);
    let run = world.run_with(|reads| reads.orders.answer = Ok(OrderList::default()));
    let of_that_day = Need::OrdersOf { day: jiff::civil::date(2026, 1, 5), client_order_id: unknown };
    assert_eq!(run.needs, [by_number, of_that_day].into());
    let run = world.run_with(|reads| (reads.positions.answer, reads.orders.answer) = (failed(), failed()));
    let again = [Source::Positions, Source::Orders].map(|source| Need::Again { source });
    assert_eq!(run.needs, again.into());
    assert_eq!(run.unread.len(), 2);
    // In the list, it is asked for no more.
    let mut order = filled(7, Some("bs-a"), &[("SPY", -1, Close)], at(0));
    order.status = backstop_broker::OrderStatus::Open;
    world.orders.push(order);
    assert!(!world.run().needs.iter().any(|need| matches!(need, Need::Order { .. })));
}

#[test]
fn a_list_of_orders_that_fails_hides_no_difference() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.move_held("SPY", -5);
    world.move_held("QQQ", 5);
    let run = world.run_for(1, |reads| reads.orders.answer = failed());
    assert_eq!(run.drift.len(), 2);
    assert!(!run.is_complete);
}

// proves: REC-6
#[test]
fn everything_that_a_run_finds_or_refuses_is_a_record_that_can_be_read_back() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.open("q", &[("QQQ", 1)]);
    world.close("q", &[("QQQ", -1)]);
    world.open("s", &[("SPY", 1)]);
    world.wait(60);
    drop(world.run());
    world.held.clear();
    world.orders.push(filled(900, Some("bs-stranger"), &[("DIA", 1, Open)], at(world.now)));
    world.intend("r", &client_id("bs-r"), &[("DIA", 1)], Open, Stage::InFlight { order: None });
    world.move_held("DIA", 1);
    world.move_held("TSLA", 1);
    let run = world.run_for(1, |reads| reads.balances = Some(Read::new(at(0), failed())));
    let findings = run.findings();
    let text = serde_json::to_string(&findings).unwrap();
    for word in ["drift", "unjudged", "kept", "order", "glitch", "not_read"] {
        assert!(text.contains(&format!("\"finding\":\"{word}\"")), "{word} in {text}");
    }
    assert_eq!(serde_json::from_str::<Vec<Finding>>(&text).unwrap(), findings);
    assert_eq!(findings.len(), run.drift.len() + run.unjudged.len() + run.pending.len() + run.verdicts.len() + 3);
}

#[test]
fn others_are_left_alone_by_symbol_and_by_quantity() {
    let mut config = config();
    config.others.symbols.insert(symbol("TSLA"));
    config.others.quantities.insert(symbol("QQQ"), dec("7"));
    let mut world = World::with(config);
    world.open("p", &[("QQQ", 2)]);
    world.move_held("TSLA", -400);
    world.move_held("QQQ", 7);
    assert!(world.run_for(1, |_| {}).drift.is_empty());
    world.move_held("QQQ", 1);
    let run = world.run_for(1, |_| {});
    assert_eq!((run.drift.len(), run.drift[0].difference()), (1, dec("1")));
    assert!(run.drift[0].to_string().contains("the broker 10 with 7 of others"), "{}", run.drift[0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    // proves: REC-4
    #[test]
    fn every_difference_is_told_with_the_positions_it_may_belong_to(
        positions in prop::collection::vec(prop::collection::vec((0..6_usize, -3..4_i64), 1..4), 0..6),
        rows in prop::collection::vec((0..8_usize, -6..7_i64), 0..8),
        others in prop::collection::btree_map(0..8_usize, -2..3_i64, 0..3),
        in_flight in prop::collection::btree_set(0..8_usize, 0..2),
        young in prop::collection::btree_set(0..6_usize, 0..2),
    ) {
        let names = ["AAPL", "BAC", "CAT", "DIA", PUT, LOWER_PUT, "SPY", "TSLA"];
        let mut config = config();
        config.others.quantities =
            others.iter().map(|(which, quantity)| (symbol(names[*which]), Decimal::from(*quantity))).collect();
        let mut world = World::with(config);
        for (number, legs) in positions.iter().enumerate() {
            for (which, quantity) in legs.iter().filter(|(_, quantity)| *quantity != 0) {
                world.open(&format!("p{number}"), &[(names[*which], *quantity)]);
            }
        }
        world.wait(60);
        for which in &young {
            world.open("young", &[(names[*which], 1)]);
        }
        for which in &in_flight {
            let entry = client_id(&format!("bs-f{which}"));
            world.intend("f", &entry, &[(names[*which], 1)], Open, Stage::InFlight { order: None });
        }
        // One row a symbol, in any order.
        let mut seen = std::collections::BTreeSet::new();
        let rows: Vec<_> = rows.into_iter().filter(|(which, _)| seen.insert(*which)).collect();
        let run = world.run_with(|reads| {
            reads.positions.answer =
                Ok(rows.iter().map(|(which, quantity)| row(names[*which], &quantity.to_string())).collect());
        });

        // The slow way: for each symbol, add up.
        let touched_young: std::collections::BTreeSet<_> =
            if young.is_empty() { std::collections::BTreeSet::new() } else {
                world.book.get(&id("young")).unwrap().legs().iter().map(|leg| leg.symbol.clone()).collect()
            };
        let mut wanted = BTreeMap::new();
        for (which, name) in names.iter().enumerate() {
            let of_name = |leg: &&crate::HeldLeg| leg.symbol == symbol(name);
            let tracked: Decimal =
                world.book.positions().values().flat_map(crate::Position::legs).filter(of_name).map(|leg| leg.left).sum();
            let broker: i64 = rows.iter().filter(|(row, _)| *row == which).map(|(_, quantity)| *quantity).sum();
            // Without a row nobody holds any, or what is long of ours is short of theirs.
            let declared = others.get(&which).copied().unwrap_or(0);
            let theirs = if broker == 0 && tracked + Decimal::from(declared) != Decimal::ZERO { 0 } else { declared };
            if tracked != Decimal::from(broker - theirs) {
                let holders: Vec<_> = world.book.positions().iter()
                    .filter(|(_, position)| position.legs().iter().any(|leg| of_name(&leg)))
                    .map(|(id, _)| id.clone()).collect();
                wanted.insert(symbol(name), (tracked, Decimal::from(broker), holders));
            }
        }
        let is_judged = |name: &backstop_broker::Symbol| {
            !touched_young.contains(name) && !in_flight.iter().any(|which| symbol(names[*which]) == *name)
        };
        let told: BTreeMap<_, _> = run.drift.iter()
            .map(|drift| {
                let holders: Vec<_> = drift.may_belong.iter().map(|stake| stake.position.clone()).collect();
                (drift.symbol.clone(), (drift.tracked, drift.broker, holders))
            })
            .collect();
        let judged: BTreeMap<_, _> =
            wanted.iter().filter(|(name, _)| is_judged(name)).map(|(name, what)| (name.clone(), what.clone())).collect();
        prop_assert_eq!(told, judged);
        let unjudged: Vec<_> = run.unjudged.iter().map(|unjudged| unjudged.symbol.clone()).collect();
        let hidden: Vec<_> = wanted.keys().filter(|name| !is_judged(name)).cloned().collect();
        prop_assert_eq!(unjudged, hidden);
        prop_assert!(run.closed.is_empty() && run.corrections.is_empty() && run.adoptions.is_empty());
    }
}
