use backstop_broker::{
    ClientOrderId, Fill, Leg, Order, OrderKind, OrderLeg, OrderRequest, OrderStatus, PositionEffect, Quantity, Side,
    Symbol, TimeInForce,
};
use jiff::Timestamp;

use super::*;
use crate::record::{Batch, OrderEnd, Purpose, Record};

const SLOT: &str = "test-20300102-1-1";
const OTHER: &str = "test-20300102-1-2";

fn slot(name: &str) -> SlotId {
    name.parse().unwrap()
}

fn spy() -> Symbol {
    "SPY".parse().unwrap()
}

fn intent(name: &str, purpose: Purpose) -> (ClientOrderId, Record) {
    let slot = slot(name);
    let (id, side, effect) = match purpose {
        Purpose::Open => (slot.open_order(1).unwrap(), Side::Buy, PositionEffect::Open),
        Purpose::Close { attempt } => (slot.close_order(attempt, 1).unwrap(), Side::Sell, PositionEffect::Close),
    };
    let leg = Leg { symbol: spy(), side, effect, quantity: Quantity::new(10).unwrap() };
    let order = OrderRequest::new(id.clone(), spy(), vec![leg], OrderKind::Market, TimeInForce::Day).unwrap();
    (
        id,
        Record::Intent { slot, purpose, order, reserve: Decimal::ZERO, margin: Decimal::ZERO, notional: Decimal::ZERO },
    )
}

fn filled(id: ClientOrderId, side: Side, quantity: u32) -> Record {
    let effect = if side == Side::Buy { PositionEffect::Open } else { PositionEffect::Close };
    let fill = Fill { symbol: spy(), side, effect, quantity: Decimal::from(quantity), price: Decimal::ONE };
    let end = OrderEnd::Terminal { status: "filled".to_owned() };
    Record::Finished { client_order_id: id, end, fills: vec![fill] }
}

/// Ten SPY bought, `sold` of them sold again.
fn held(sold: u32) -> Vec<Record> {
    let ((opening, entry), (closing, exit)) =
        (intent(SLOT, Purpose::Open), intent(SLOT, Purpose::Close { attempt: 1 }));
    vec![entry, filled(opening, Side::Buy, 10), exit, filled(closing, Side::Sell, sold)]
}

fn state(records: Vec<Record>) -> State {
    State::replay(&[Batch { at: Timestamp::UNIX_EPOCH, records }]).unwrap()
}

fn row(quantity: u32) -> Vec<BrokerPosition> {
    vec![BrokerPosition { symbol: spy(), quantity: Decimal::from(quantity), cost_basis: None, acquired_at: None }]
}

fn order(label: &str, status: OrderStatus) -> Order {
    let leg = OrderLeg {
        symbol: spy(),
        side: Side::Sell,
        effect: PositionEffect::Close,
        quantity: Decimal::TEN,
        filled: None,
        price: None,
    };
    Order {
        id: "1".parse().unwrap(),
        label: Some(label.to_owned()),
        status,
        legs: vec![leg],
        net_price: None,
        created_at: None,
        reason: None,
    }
}

fn check(state: &State, orders: Vec<Order>, held: &[BrokerPosition]) -> Result<VerifiedClosed, String> {
    VerifiedClosed::check(state, &slot(SLOT), &OrderList::complete(orders), held, &BTreeSet::new())
}

// proves: REC-1
#[test]
fn fills_that_cover_it_and_a_broker_that_agrees_are_the_proof() {
    let done = vec![order(&format!("bs-{SLOT}-close1-1"), OrderStatus::Filled)];
    let (closed, evidence) = check(&state(held(10)), done, &[]).unwrap().into_parts();
    assert_eq!(closed, slot(SLOT));
    assert!(evidence.contains("SPY 0"), "{evidence}");
}

// proves: REC-1
#[test]
fn with_any_one_of_the_evidence_missing_there_is_no_proof() {
    // The fills do not cover it, although the broker shows what the book does.
    let reason = check(&state(held(9)), vec![], &row(1)).unwrap_err();
    assert!(reason.contains("do not cover"), "{reason}");

    // Another exit of it is not at rest.
    let mut again = held(10);
    again.push(intent(SLOT, Purpose::Close { attempt: 2 }).1);
    let reason = check(&state(again), vec![], &[]).unwrap_err();
    assert!(reason.contains("not at rest"), "{reason}");

    // The broker lists an order of it that works, whatever the records say.
    let working = vec![order(&format!("bs-{SLOT}-close1-1"), OrderStatus::Open)];
    let reason = check(&state(held(10)), working, &[]).unwrap_err();
    assert!(reason.contains("still works"), "{reason}");

    // An order of another slot may change what the broker shows of the symbol at any moment.
    let mut beside = held(10);
    beside.push(intent(OTHER, Purpose::Open).1);
    let reason = check(&state(beside), vec![], &[]).unwrap_err();
    assert!(reason.contains("in flight"), "{reason}");

    // The broker still holds it.
    let reason = check(&state(held(10)), vec![], &row(10)).unwrap_err();
    assert!(reason.contains("0 is expected"), "{reason}");

    // It is not there at all.
    assert!(check(&State::default(), vec![], &[]).is_err());
}

// proves: REC-1
#[test]
fn what_other_positions_of_the_symbol_hold_is_expected_to_stay() {
    let mut both = held(10);
    let (id, entry) = intent(OTHER, Purpose::Open);
    both.extend([entry, filled(id, Side::Buy, 10)]);
    assert!(check(&state(both.clone()), vec![], &row(10)).is_ok());
    assert!(check(&state(both), vec![], &[]).is_err());
}
