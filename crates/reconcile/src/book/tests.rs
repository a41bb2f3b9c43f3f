use backstop_broker::PositionEffect::{Close, Open};
use proptest::prelude::*;

use super::*;
use crate::fixture::*;
use crate::{Moment, Read};

fn executed(number: u32, legs: &[(&str, i64, backstop_broker::PositionEffect)]) -> Executed {
    let label = format!("bs-{number}");
    Executed::of(&client_id(&label), &filled(number, Some(&label), legs, at(0))).unwrap()
}

fn take(book: &mut Book, position: &str, executed: &Executed) -> Result<Option<Change>, BookError> {
    book.book(&id(position), &symbol("SPY"), executed, at(0).wall)
}

#[test]
fn fills_make_a_position_with_legs_cost_and_the_orders_that_made_it() {
    let mut world = World::new();
    world.open("p", &[(PUT, -2), (LOWER_PUT, 2)]);
    world.open("p", &[(PUT, -1), (LOWER_PUT, 1)]);
    let position = world.book.get(&id("p")).unwrap();
    let legs: Vec<_> =
        position.legs().iter().map(|leg| (leg.symbol.as_str(), leg.left, leg.opened, leg.price)).collect();
    let (three, one) = (Decimal::from(3), Decimal::ONE);
    assert_eq!(legs, [(PUT, -three, -three, one), (LOWER_PUT, three, three, one)]);
    assert_eq!(position.orders().len(), 2);
    assert_eq!(position.underlying(), &symbol("SPXW"));
    assert_eq!((position.cash_flow(), position.opened_at()), (Decimal::ZERO, at(0).wall));
    assert_eq!(world.book.net(&symbol(PUT)), -three);
    assert_eq!(world.book.net(&symbol("SPY")), Decimal::ZERO);
}

#[test]
fn the_price_of_a_leg_is_the_average_of_what_was_opened() {
    let mut book = Book::new();
    let mut dear = filled(1, Some("bs-1"), &[("SPY", 1, Open)], at(0));
    dear.legs[0].price = Some(dec("4"));
    take(&mut book, "p", &Executed::of(&client_id("bs-1"), &dear).unwrap()).unwrap();
    take(&mut book, "p", &executed(2, &[("SPY", 2, Open)])).unwrap();
    take(&mut book, "p", &executed(3, &[("SPY", -1, Close)])).unwrap();
    let leg = &book.get(&id("p")).unwrap().legs()[0];
    assert_eq!((leg.opened, leg.left, leg.price), (dec("3"), dec("2"), dec("2")));
    assert_eq!(book.get(&id("p")).unwrap().cash_flow(), dec("-5"));
}

#[test]
fn an_order_is_booked_once_however_often_it_is_told() {
    let mut book = Book::new();
    let open = executed(1, &[("SPY", 5, Open)]);
    assert!(take(&mut book, "p", &open).unwrap().is_some());
    let once = book.clone();
    assert_eq!(take(&mut book, "p", &open), Ok(None));
    assert_eq!(book, once);
    let otherwise = Err(BookError::BookedOtherwise { order: "1".to_owned() });
    assert_eq!(take(&mut book, "p", &executed(1, &[("SPY", 6, Open)])), otherwise);
    assert_eq!(take(&mut book, "q", &open), otherwise);
    assert_eq!(book, once);
    assert_eq!(take(&mut book, "p", &executed(2, &[])), Ok(None));
}

// An order that closed a position stays in the broker's list for weeks. Booked again it would open the opposite.
#[test]
fn an_order_of_a_position_that_left_is_not_booked_again() {
    let mut world = World::new();
    world.open("p", &[("SPY", 5)]);
    world.close("p", &[("SPY", -5)]);
    let orders = world.book.get(&id("p")).unwrap().orders().to_vec();
    world.wait(20);
    drop(world.run());
    world.wait(20);
    let run = world.run();
    world.spend(run);
    assert!(world.book.positions().is_empty());
    for order in &orders {
        assert_eq!(take(&mut world.book, "p", order), Ok(None));
    }
    assert!(world.book.positions().is_empty());
}

#[test]
fn what_is_closed_past_zero_is_held_the_other_way() {
    let mut book = Book::new();
    take(&mut book, "p", &executed(1, &[("SPY", 5, Open)])).unwrap();
    take(&mut book, "p", &executed(2, &[("SPY", -7, Close)])).unwrap();
    assert_eq!(book.net(&symbol("SPY")), dec("-2"));
    assert!(!book.get(&id("p")).unwrap().is_flat());
    // A close of what is not there opens the opposite, and that is held too.
    take(&mut book, "q", &executed(3, &[("QQQ", -1, Close)])).unwrap();
    assert_eq!(book.net(&symbol("QQQ")), dec("-1"));
}

#[test]
fn an_order_that_may_still_change_or_is_not_measured_is_not_booked() {
    let label = client_id("bs-1");
    let order = filled(1, Some("bs-1"), &[("SPY", 5, Open)], at(0));
    let working = backstop_broker::Order { status: backstop_broker::OrderStatus::PartiallyFilled, ..order.clone() };
    assert_eq!(Executed::of(&label, &working), None);
    let mut unmeasured = order.clone();
    unmeasured.legs[0].filled = None;
    assert_eq!(Executed::of(&label, &unmeasured), None);
    assert_eq!(Executed::of(&client_id("bs-2"), &order), None);
    // A broker that keeps no labels: the caller knows which order it asked for.
    let unlabelled = backstop_broker::Order { label: None, ..order.clone() };
    assert!(Executed::of(&label, &unlabelled).is_some());
    assert_eq!(Executed::of(&label, &order).unwrap().broker_order_id(), &broker_id(1));
}

// proves: REC-6
#[test]
fn the_changes_alone_make_the_same_book_again() {
    let mut world = crate::reconciler::tests::a_busy_day();
    assert!(world.changes.iter().any(|change| matches!(change, Change::Removed { .. })));
    assert!(world.changes.iter().any(|change| matches!(change, Change::Adopted { .. })));
    assert!(world.changes.iter().any(|change| matches!(change, Change::Corrected { .. })));
    assert!(world.changes.iter().any(|change| matches!(change, Change::Pending { .. })));
    let log: Vec<String> = world.changes.iter().map(|change| serde_json::to_string(change).unwrap()).collect();
    let mut again = Book::new();
    for line in &log {
        again.replay(&serde_json::from_str(line).unwrap()).unwrap();
    }
    assert_eq!(again, world.book);
    // What does not fit what came before is refused.
    for line in &log {
        let change: Change = serde_json::from_str(line).unwrap();
        if !matches!(change, Change::Pending { .. }) {
            assert!(again.replay(&change).is_err(), "{line}");
        }
    }
    assert_eq!(again, world.book);
    world.book = again;
}

#[test]
fn a_book_is_exported_and_read_back_and_nothing_is_made_of_a_damaged_one() {
    let mut world = World::new();
    world.open("p", &[(PUT, -2), (LOWER_PUT, 2)]);
    world.open("q", &[("SPY", 5)]);
    let text = world.book.export().unwrap();
    assert!(text.contains('\n') && text.contains("\"left\": \"-2\""), "{text}");
    let back: Book = serde_json::from_str(&text).unwrap();
    assert_eq!(back, world.book);
    assert_eq!(back.net(&symbol(PUT)), dec("-2"));
    // One from before closings were kept.
    let older = text.replacen("  \"closings\": {},\n", "", 1);
    assert_ne!(older, text);
    assert_eq!(serde_json::from_str::<Book>(&older).unwrap(), world.book);
    for (was, is) in [("\"revision\": 2\n}", "\"revision\": 1\n}"), ("\"-2\"", "\"1e15\""), ("\"legs\"", "\"more\"")] {
        assert!(text.contains(was), "{was} in {text}");
        assert!(serde_json::from_str::<Book>(&text.replacen(was, is, 9)).is_err(), "{is}");
    }
}

#[test]
fn an_amount_that_cannot_be_counted_exactly_changes_nothing() {
    let mut book = Book::new();
    let mut order = filled(1, Some("bs-1"), &[("SPY", 5, Open)], at(0));
    order.legs[0].quantity = dec("1000000000001");
    order.legs[0].filled = Some(dec("1000000000001"));
    let huge = Executed::of(&client_id("bs-1"), &order).unwrap();
    assert_eq!(take(&mut book, "p", &huge), Err(BookError::Uncountable { position: id("p") }));
    assert_eq!(book, Book::new());
}

// proves: REC-1
#[test]
fn a_proof_of_a_position_that_has_changed_since_removes_nothing() {
    let mut world = World::new();
    world.open("p", &[("SPY", 5)]);
    world.close("p", &[("SPY", -5)]);
    world.wait(20);
    drop(world.run());
    world.wait(20);
    let mut run = world.run();
    let proof = run.closed.pop().unwrap();
    // A late order of the same position: more was opened than the proof knew.
    world.open("p", &[("SPY", 1)]);
    let before = world.book.clone();
    assert_eq!(world.book.remove(proof, at(99).wall), Err(BookError::Changed { position: id("p") }));
    assert_eq!(world.book, before);
}

#[test]
fn a_pending_close_says_since_when_and_how_often() {
    let mut world = World::new();
    world.open("p", &[("SPY", 5)]);
    let pend = |world: &mut World, reason: &str, now: Moment| world.book.pend(&id("p"), reason, now.wall).unwrap();
    pend(&mut world, "first", at(10));
    pend(&mut world, "second", at(20));
    let pending = world.book.get(&id("p")).unwrap().pending().unwrap().clone();
    assert_eq!((pending.since, pending.attempts, pending.reason.as_str()), (at(10).wall, 2, "second"));
    assert!(world.book.pend(&id("none"), "x", at(0).wall).is_err());
}

proptest! {
    // What is looked up is what adding up would say, whatever came and went.
    #[test]
    fn the_index_is_what_a_walk_over_all_positions_finds(
        trades in prop::collection::vec((0..4_u32, 0..4_usize, -3..4_i64, any::<bool>()), 1..40),
    ) {
        let symbols = ["SPY", "QQQ", PUT, LOWER_PUT];
        let mut world = World::new();
        for (position, which, signed, remove) in trades {
            let name = format!("p{position}");
            if remove {
                let unread = Read::new(at(0), Ok(Vec::new()));
                let person = crate::Override {
                    by: "ann".to_owned(), reason: "test".to_owned(), at: at(0).wall, despite_the_broker: true,
                };
                let (book, none) = (&world.book, crate::Others::default());
                let proof = VerifiedClosed::by_operator(book, &world.intents, &unread, &none, &id(&name), person);
                if let Ok(proof) = proof {
                    world.book.remove(proof, at(0).wall).unwrap();
                }
            } else if signed != 0 {
                let effect = if signed > 0 { Open } else { Close };
                world.trade(&name, &[(symbols[which], signed)], effect);
            }
            let back: Book = serde_json::from_str(&world.book.export().unwrap()).unwrap();
            prop_assert_eq!(&back, &world.book);
            let (index, rebuilt) = (world.book.index(), back.index());
            prop_assert_eq!(index.flat(), rebuilt.flat());
            prop_assert_eq!(index.open(), rebuilt.open());
            let day = jiff::civil::date(2026, 12, 31);
            prop_assert!(index.expiring_by(day).eq(rebuilt.expiring_by(day)));
            for text in symbols {
                let walked: Decimal = world.book.positions().values().flat_map(Position::legs)
                    .filter(|leg| leg.symbol.as_str() == text).map(|leg| leg.left).sum();
                prop_assert_eq!(world.book.net(&symbol(text)), walked);
                let holders = |index: &Index| index.of(&symbol(text)).map(|net| net.holders.clone());
                prop_assert_eq!(holders(index), holders(rebuilt));
            }
        }
    }
}
