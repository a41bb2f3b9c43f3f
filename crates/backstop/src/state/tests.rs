use std::num::NonZeroU32;

use backstop_broker::{Leg, OrderKind, PositionEffect, Quantity, Side, TimeInForce};
use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::ids::StrategyName;

fn slot(number: u32) -> SlotId {
    let session = SessionId { day: date(2030, 1, 2), number: NonZeroU32::MIN };
    SlotId { strategy: StrategyName::new("test").unwrap(), session, slot: NonZeroU32::new(number).unwrap() }
}

fn leg(side: Side, effect: PositionEffect, quantity: u32) -> Leg {
    Leg { symbol: "SPY".parse().unwrap(), side, effect, quantity: Quantity::new(quantity).unwrap() }
}

fn intent(slot: &SlotId, purpose: Purpose, quantity: u32) -> (ClientOrderId, Record) {
    let (id, leg) = match purpose {
        Purpose::Open => (slot.open_order(1).unwrap(), leg(Side::Buy, PositionEffect::Open, quantity)),
        Purpose::Close { attempt } => {
            (slot.close_order(attempt, 1).unwrap(), leg(Side::Sell, PositionEffect::Close, quantity))
        }
    };
    let symbol = leg.symbol.clone();
    let order = OrderRequest::new(id.clone(), symbol, vec![leg], OrderKind::Market, TimeInForce::Day).unwrap();
    let (reserve, margin) = (Decimal::from(1_000), Decimal::from(100));
    (id, Record::Intent { slot: slot.clone(), purpose, order, reserve, margin })
}

fn filled(side: Side, quantity: u32, price: u32) -> Vec<Fill> {
    let effect = if side == Side::Buy { PositionEffect::Open } else { PositionEffect::Close };
    let (quantity, price) = (Decimal::from(quantity), Decimal::from(price));
    vec![Fill { symbol: "SPY".parse().unwrap(), side, effect, quantity, price }]
}

fn finished(id: &ClientOrderId, fills: Vec<Fill>) -> Record {
    Record::Finished { client_order_id: id.clone(), end: OrderEnd::Terminal { status: "filled".to_owned() }, fills }
}

fn after(records: Vec<Record>) -> Result<State, Contradiction> {
    let begun = Record::SessionBegun { session: slot(1).session, limit: 9 };
    let cash = Record::CashRead { total: Decimal::from(10_000) };
    let records = [begun, cash].into_iter().chain(records).collect();
    State::replay(&[Batch { at: Timestamp::UNIX_EPOCH, records }])
}

#[test]
fn cash_is_set_aside_while_an_order_may_live_and_settled_at_the_real_price() {
    let (id, entry) = intent(&slot(1), Purpose::Open, 10);
    let working = after(vec![entry.clone()]).unwrap();
    assert_eq!(working.free_cash(), Some(Decimal::from(9_000)));
    let held = after(vec![entry, finished(&id, filled(Side::Buy, 10, 90))]).unwrap();
    assert_eq!(held.cash, Some(Decimal::from(9_100)));
    assert_eq!(held.free_cash(), Some(Decimal::from(9_000)));
}

#[test]
fn a_partial_fill_is_a_position_of_the_part() {
    let (id, entry) = intent(&slot(1), Purpose::Open, 10);
    let state = after(vec![entry, finished(&id, filled(Side::Buy, 4, 90))]).unwrap();
    assert_eq!(state.net().values().copied().collect::<Vec<_>>(), [Decimal::from(4)]);
    assert_eq!(state.reserved(), Decimal::from(40));
    assert_eq!(state.session.unwrap().executed, 1);
}

#[test]
fn a_position_stays_in_the_book_until_a_record_removes_it() {
    let (opening, entry) = intent(&slot(1), Purpose::Open, 10);
    let (closing, exit) = intent(&slot(1), Purpose::Close { attempt: 1 }, 10);
    let mut records = vec![
        entry,
        finished(&opening, filled(Side::Buy, 10, 90)),
        exit,
        finished(&closing, filled(Side::Sell, 10, 95)),
    ];
    let flat = after(records.clone()).unwrap();
    assert!(flat.positions[&slot(1)].is_flat());
    assert_eq!((flat.cash, flat.reserved()), (Some(Decimal::from(10_050)), Decimal::ZERO));
    records.push(Record::Closed { slot: slot(1), evidence: "test".to_owned() });
    assert!(after(records).unwrap().positions.is_empty());
}

#[test]
fn every_move_that_is_not_allowed_is_a_contradiction() {
    let (id, entry) = intent(&slot(1), Purpose::Open, 10);
    let (other, exit) = intent(&slot(1), Purpose::Close { attempt: 1 }, 10);
    let end = finished(&id, vec![]);
    let accepted =
        |broker: &str| Record::Accepted { client_order_id: id.clone(), broker_order_id: broker.parse().unwrap() };
    let doubted = Record::Doubted { client_order_id: id.clone(), reason: "test".to_owned() };
    let rejected = OrderEnd::Rejected { reason: "test".to_owned() };
    let fills_of_nothing =
        Record::Finished { client_order_id: id.clone(), end: rejected, fills: filled(Side::Buy, 1, 1) };
    for records in [
        vec![entry.clone(), entry.clone()],
        vec![end.clone()],
        vec![entry.clone(), end.clone(), end.clone()],
        vec![entry.clone(), end.clone(), accepted("1")],
        vec![entry.clone(), accepted("1"), accepted("2")],
        vec![entry.clone(), accepted("1"), doubted],
        vec![entry, fills_of_nothing],
        vec![exit],
        vec![finished(&other, vec![])],
        vec![Record::Closed { slot: slot(1), evidence: String::new() }],
    ] {
        assert!(after(records.clone()).is_err(), "{records:?}");
    }
}

#[test]
fn the_day_counts_entries_over_all_its_sessions_and_possible_ones_too() {
    let second = SessionId { number: NonZeroU32::new(2).unwrap(), ..slot(1).session };
    let later = SlotId { session: second, ..slot(1) };
    let (id, entry) = intent(&slot(1), Purpose::Open, 1);
    let (_, possible) = intent(&later, Purpose::Open, 1);
    let state = after(vec![
        entry,
        finished(&id, filled(Side::Buy, 1, 1)),
        Record::SessionBegun { session: second, limit: 9 },
        possible,
    ])
    .unwrap();
    assert_eq!((state.entries_on(second.day), state.entries_in(second), state.session.unwrap().executed), (2, 1, 0));
}

proptest! {
    #[test]
    fn money_is_conserved_whatever_fills(trades in prop::collection::vec((1u32..50, 1u32..500, 1u32..500, any::<bool>()), 0..20)) {
        let mut records = Vec::new();
        let mut expected = Decimal::from(10_000);
        for (index, (quantity, bought, sold, close)) in trades.into_iter().enumerate() {
            let slot = slot(u32::try_from(index).unwrap() + 1);
            let (id, entry) = intent(&slot, Purpose::Open, 50);
            records.extend([entry, finished(&id, filled(Side::Buy, quantity, bought))]);
            expected -= Decimal::from(quantity * bought);
            if close {
                let (id, exit) = intent(&slot, Purpose::Close { attempt: 1 }, quantity);
                records.extend([exit, finished(&id, filled(Side::Sell, quantity, sold))]);
                expected += Decimal::from(quantity * sold);
            }
        }
        let state = after(records).unwrap();
        prop_assert_eq!(state.cash, Some(expected));
        let flow: Decimal = state.positions.values().map(|position| position.cash_flow).sum();
        prop_assert_eq!(Decimal::from(10_000) + flow, expected);
    }
}
