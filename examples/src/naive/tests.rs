//! That it is a bot that works, as far as nothing goes wrong.

use backstop::broker::{Decimal, Leg, OrderKind, PositionEffect, Quantity, Side};

use super::account::Standing;
use super::book::{Book, Held, HeldLeg};
use super::order::{Order, cash_flow};

fn order(kind: OrderKind, legs: &[(&str, Side)]) -> Order {
    let leg = |(symbol, side): &(&str, Side)| Leg {
        symbol: symbol.parse().unwrap(),
        side: *side,
        effect: PositionEffect::Open,
        quantity: Quantity::new(2).unwrap(),
    };
    let underlying = "SPX".parse().unwrap();
    Order { slot: 1, what: "open", underlying, legs: legs.iter().map(leg).collect(), kind }
}

const SPREAD: [(&str, Side); 2] = [("SPXW300102P05870000", Side::Sell), ("SPXW300102P05860000", Side::Buy)];

#[test]
fn a_fill_moves_cash_by_its_price_or_by_the_limit_where_none_is_told() {
    let standing = |average: Option<i64>| Standing { status: "filled".to_owned(), average: average.map(Decimal::from) };
    let of = |kind, legs: &[(&str, Side)], average| cash_flow(&order(kind, legs), &standing(average));
    let (one, hundred) = (Decimal::ONE, Decimal::ONE_HUNDRED);
    assert_eq!(of(OrderKind::Credit { price: one }, &SPREAD, Some(-3)), 600.into());
    assert_eq!(of(OrderKind::Credit { price: one }, &SPREAD, None), 200.into());
    assert_eq!(of(OrderKind::Debit { price: one }, &SPREAD, Some(2)), (-400).into());
    assert_eq!(of(OrderKind::Limit { price: hundred }, &[("SPY", Side::Buy)], None), (-200).into());
    assert_eq!(of(OrderKind::Limit { price: hundred }, &[("SPY", Side::Sell)], Some(101)), 202.into());
    assert_eq!(of(OrderKind::Market, &[("SPY", Side::Sell)], None), 0.into());
}

#[test]
fn the_file_is_what_is_believed_and_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("positions.json");
    assert_eq!(Book::load(&path), None);
    let mut book = Book::with_cash(1_000.into());
    let legs = vec![HeldLeg { symbol: "SPY".parse().unwrap(), quantity: -2 }];
    book.enter(Held { slot: 1, legs, opened_at: "2030-01-02T15:00:00Z".parse().unwrap(), cash_flow: 200.into() });
    book.save(&path).unwrap();
    assert_eq!(Book::load(&path).unwrap(), book);
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(json["cash"], "1200");
    assert_eq!(json["positions"][0]["legs"][0], serde_json::json!({ "symbol": "SPY", "quantity": -2 }));
    assert_eq!(json["positions"][0]["opened_at"], "2030-01-02T15:00:00Z");
    book.remove(1);
    assert!(book.positions.is_empty() && book.has_entered(1) && !book.has_entered(2));
}
