use std::num::NonZeroU32;
use std::time::Duration;

use backstop_broker::{Fill, Leg, OrderKind, OrderRequest, PositionEffect, Quantity, ReadError, Side, TimeInForce};
use backstop_clock::Mono;
use backstop_reconcile::{Executed, Intents, Moment, Others, Override, Read, VerifiedClosed};
use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::ids::StrategyName;
use crate::record::OrderEnd;
use crate::switch::Level;

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
    let (reserve, margin, notional) = (Decimal::from(1_000), Decimal::from(100), Decimal::from(900));
    (id, Record::Intent { slot: slot.clone(), purpose, order, reserve, margin, notional })
}

fn limits_with(seconds: u32) -> backstop_limits::Config {
    let rate = |count, seconds| backstop_limits::Rate { count, seconds };
    backstop_limits::Config {
        order_quantity: 100,
        order_notional: 60_000.into(),
        gross_notional: 120_000.into(),
        collar: backstop_limits::Collar { bps: 100, least: Decimal::new(5, 2) },
        positions: 4,
        positions_per_underlying: 2,
        entries: 20,
        loss: 1_000.into(),
        repeats: 100,
        look_alikes: rate(1, seconds),
        messages: rate(60, 60),
        underlyings: ["SPX", "SPY"].map(|symbol| symbol.parse().unwrap()).into(),
    }
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
    assert_eq!(working.account.free(), Some(Decimal::from(9_000)));
    let held = after(vec![entry, finished(&id, filled(Side::Buy, 10, 90))]).unwrap();
    assert_eq!(held.account.cash(), Some(Decimal::from(9_100)));
    assert_eq!(held.account.free(), Some(Decimal::from(9_000)));
}

#[test]
fn a_partial_fill_is_a_position_of_the_part() {
    let (id, entry) = intent(&slot(1), Purpose::Open, 10);
    let state = after(vec![entry, finished(&id, filled(Side::Buy, 4, 90))]).unwrap();
    assert_eq!(state.net().values().copied().collect::<Vec<_>>(), [Decimal::from(4)]);
    assert_eq!(state.account.reserved(), Decimal::from(40));
    assert_eq!(state.session.unwrap().executed, 1);
}

/// That a position left, on a person's word.
fn gone(state: &State, slot: &SlotId) -> Record {
    let (by, reason, at) = ("ann".to_owned(), "test".to_owned(), Timestamp::UNIX_EPOCH);
    let person = Override { by, reason, at, despite_the_broker: true };
    let asked = Moment { mono: Mono::from_origin(Duration::ZERO), wall: at };
    let unread = Read::new(asked, Err(ReadError::TimedOut { detail: "test".to_owned() }));
    let (id, intents) = (slot.position().unwrap(), Intents::new());
    let proof = VerifiedClosed::by_operator(&state.book, &intents, &unread, &Others::default(), &id, person).unwrap();
    Record::Book { change: state.book.clone().remove(proof, at).unwrap() }
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
    assert!(flat.held(&slot(1)).unwrap().is_flat());
    assert_eq!((flat.account.cash(), flat.account.reserved()), (Some(Decimal::from(10_050)), Decimal::ZERO));
    records.push(gone(&flat, &slot(1)));
    assert!(after(records.clone()).unwrap().book.positions().is_empty());
    // The same proof once more, or of a position that has changed since, removes nothing.
    records.push(gone(&flat, &slot(1)));
    assert!(after(records).is_err());
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
    let held = after(vec![entry.clone(), finished(&id, filled(Side::Buy, 10, 90))]).unwrap();
    let executed = Executed::recorded(id.clone(), "1".parse().unwrap(), filled(Side::Buy, 10, 90));
    let spy: Symbol = "SPY".parse().unwrap();
    let of = |name: &str| Book::new().book(&name.parse().unwrap(), &spy, &executed, Timestamp::UNIX_EPOCH);
    let booked = of("test-20300102-1-1").unwrap().unwrap();
    let nameless = of("no-slot").unwrap().unwrap();
    for records in [
        vec![entry.clone(), entry.clone()],
        vec![end.clone()],
        vec![entry.clone(), end.clone(), end.clone()],
        vec![entry.clone(), end.clone(), accepted("1")],
        vec![entry.clone(), accepted("1"), accepted("2")],
        vec![entry.clone(), accepted("1"), doubted],
        vec![entry.clone(), fills_of_nothing],
        vec![exit],
        vec![finished(&other, vec![])],
        vec![gone(&held, &slot(1))],
        vec![entry.clone(), finished(&id, filled(Side::Buy, 9, 90)), gone(&held, &slot(1))],
        vec![Record::Book { change: booked }],
        vec![Record::Book { change: nameless }],
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
        prop_assert_eq!(state.account.cash(), Some(expected));
        let flow: Decimal = state.book.positions().values().map(Position::cash_flow).sum();
        prop_assert_eq!(Decimal::from(10_000) + flow, expected);
    }
}

fn pull(number: u32) -> PullId {
    serde_json::from_str(&format!("\"{number}\"")).unwrap()
}

/// A record of every kind, about one of a few slots, on one of a few days; by four numbers.
fn record(kind: u32, number: u32, day: i8, some: u32) -> Record {
    let session = SessionId { day: date(2030, 1, 2 + day), number: NonZeroU32::new(1 + some % 2).unwrap() };
    let slot = SlotId { session, ..slot(1 + number) };
    let purpose = if some.is_multiple_of(3) { Purpose::Close { attempt: 1 + some / 5 } } else { Purpose::Open };
    let (client_order_id, entry) = intent(&slot, purpose, 10);
    let reason = "test".to_owned();
    match kind {
        0 => Record::Opened { home: "test".to_owned(), fence: some.into() },
        1 => Record::CashRead { total: Decimal::new(i64::from(some) * 1_000_001, 2) },
        2 => Record::SessionBegun { session, limit: some },
        3 => Record::Refused { slot, gate: "test".to_owned(), reason },
        4 => Record::Accepted { client_order_id, broker_order_id: some.to_string().parse().unwrap() },
        5 => Record::Doubted { client_order_id, reason },
        6 => {
            let held = after(vec![entry, finished(&client_order_id, filled(Side::Buy, 10, 90))]).unwrap_or_default();
            let pended = held.book.clone().pend(&slot.position().unwrap(), &reason, Timestamp::UNIX_EPOCH);
            pended.map_or(Record::Stopped { halted: None }, |change| Record::Book { change })
        }
        7 => {
            let held = after(vec![entry, finished(&client_order_id, filled(Side::Buy, 10, 90))]).unwrap_or_default();
            if held.held(&slot).is_some() { gone(&held, &slot) } else { Record::Stopped { halted: None } }
        }
        8 => {
            let drift = serde_json::json!({
                "symbol": "SPY", "tracked": some.to_string(), "broker": number.to_string(), "others": "0",
                "state": {"state": "larger"}, "plan": {"plan": "look_again"}, "may_belong": [], "reads": 1,
            });
            Record::Reconciled { drift: vec![serde_json::from_value(drift).unwrap()], kept: vec![] }
        }
        9 if some < 7 => {
            let (since, level) = ((some < 3).then_some(Timestamp::UNIX_EPOCH), Level::Freeze);
            Record::Halted { id: pull(number), level, by: reason.clone(), reason, since, newest: some.into() }
        }
        9 => Record::Resumed { lifts: vec![pull(number)], by: reason.clone(), reason, newest: some.into() },
        10 => Record::Alert { subject: slot.to_string(), text: reason },
        11 if some < 5 => Record::Finished { client_order_id, end: OrderEnd::NotSent { reason }, fills: vec![] },
        11 => {
            let end = OrderEnd::Resolved { by: reason.clone(), reason };
            Record::Finished { client_order_id, end, fills: filled(Side::Buy, some % 2, 90) }
        }
        14 => {
            let broker_order_id = some.to_string().parse().unwrap();
            Record::Adopted { client_order_id, broker_order_id, fills: filled(Side::Buy, 1 + number, 80) }
        }
        15 => {
            let limits = backstop_limits::Limits::start(limits_with(1 + some), None).unwrap().0;
            Record::LimitsSet { limits, loosened: vec![], by: Some(reason.clone()), reason: Some(reason) }
        }
        16 if some < 5 => Record::RepeatsAllowed { kind: kind_of(&slot), by: reason.clone(), reason },
        16 => Record::Canceling { client_order_id, broker_order_id: some.to_string().parse().unwrap() },
        12 | 13 => {
            let side = if purpose == Purpose::Open { Side::Buy } else { Side::Sell };
            finished(&client_order_id, filled(side, 1 + some % 10, 90))
        }
        _ => entry,
    }
}

proptest! {
    // proves: WAL-6
    #[test]
    fn a_state_that_was_written_down_goes_on_as_if_it_had_not_been(
        rolls in prop::collection::vec((0u32..21, 0u32..3, 0i8..3, 0u32..10), 1..120)
    ) {
        let mut state = State::default();
        let mut restored = State::default();
        for (second, (kind, number, day, some)) in rolls.into_iter().enumerate() {
            let at = Timestamp::from_second(i64::try_from(second).unwrap()).unwrap();
            let batch = Batch { at, records: vec![record(kind, number, day, some)] };
            let mut next = state.clone();
            if next.apply(&batch).is_err() {
                continue;
            }
            state = next;
            // A checkpoint before each batch.
            restored = serde_json::from_str(&serde_json::to_string(&restored).unwrap()).unwrap();
            restored.apply(&batch).unwrap();
            prop_assert_eq!(&restored, &state);
        }
    }
}

#[test]
fn a_state_of_a_later_version_is_refused_and_not_cut_to_what_this_one_knows() {
    let text = serde_json::to_string(&State::default()).unwrap();
    let later = text.replacen('{', r#"{"margin_call":null,"#, 1);
    assert!(serde_json::from_str::<State>(&text).is_ok() && serde_json::from_str::<State>(&later).is_err());
}

#[test]
fn the_records_of_a_version_that_added_its_cash_up_otherwise_are_read_and_its_checkpoints_refused() {
    let batch = r#"{"at":"2030-01-02T15:00:00Z","records":[{"type":"cash_read","total":"10000"},{"type":"intent",
        "slot":"test-20300102-1-1","purpose":"open","order":{"client_order_id":"bs-test-20300102-1-1-open-1","underlying":"SPY",
        "legs":[{"symbol":"SPY","side":"buy","effect":"open","quantity":10}],"kind":{"type":"limit","price":"90"},
        "time_in_force":"day"},"reserve":"900","margin":"0"}]}"#;
    let state = State::replay(&[serde_json::from_str(batch).unwrap()]).unwrap();
    assert_eq!((state.account.cash(), state.account.reserved()), (Some(Decimal::from(10_000)), Decimal::from(900)));
    let text = serde_json::to_string(&State::default()).unwrap();
    let earlier = text.replacen('{', r#"{"cash":"10000","#, 1);
    assert!(serde_json::from_str::<State>(&earlier).unwrap_err().to_string().contains("`cash`"));
}

fn spread(slot: &SlotId, quantity: u32) -> (ClientOrderId, Record) {
    let id = slot.open_order(1).unwrap();
    let legs = [("SPXW300102P05870000", Side::Sell), ("SPXW300102P05860000", Side::Buy)].map(|(symbol, side)| Leg {
        symbol: symbol.parse().unwrap(),
        side,
        effect: PositionEffect::Open,
        quantity: Quantity::new(quantity).unwrap(),
    });
    let kind = OrderKind::Credit { price: Decimal::ONE };
    let order = OrderRequest::new(id.clone(), "SPX".parse().unwrap(), legs.to_vec(), kind, TimeInForce::Day).unwrap();
    let worst = Decimal::from(1_000 * quantity);
    (
        id,
        Record::Intent {
            slot: slot.clone(),
            purpose: Purpose::Open,
            order,
            reserve: worst,
            margin: worst,
            notional: worst,
        },
    )
}

fn traded(symbol: &str, side: Side, quantity: u32, price: u32) -> Fill {
    let (quantity, price) = (Decimal::from(quantity), Decimal::from(price));
    Fill { symbol: symbol.parse().unwrap(), side, effect: PositionEffect::Open, quantity, price }
}

// proves: TXN-3
#[test]
fn the_margin_of_a_spread_goes_with_its_largest_leg_and_what_is_taken_out_of_the_book_holds_nothing() {
    const SHORT: &str = "SPXW300102P05870000";
    const LONG: &str = "SPXW300102P05860000";
    let slot = slot(1);
    let (id, entry) = spread(&slot, 4);
    let opened = finished(&id, vec![traded(SHORT, Side::Sell, 4, 3), traded(LONG, Side::Buy, 4, 2)]);
    let close = |attempt, fills: Vec<Fill>| {
        let (closing, exit) = intent(&slot, Purpose::Close { attempt }, 1);
        [exit, finished(&closing, fills)]
    };
    let mut records = vec![entry, opened];
    let amounts = |records: &Vec<Record>| {
        let account = after(records.clone()).unwrap().account;
        (account.cash().unwrap(), account.reserved(), account.free().unwrap())
    };
    let dec = |cash: i64, reserved: i64| (Decimal::from(cash), Decimal::from(reserved), Decimal::from(cash - reserved));
    assert_eq!(amounts(&records), dec(10_400, 4_000));
    records.extend(close(1, vec![traded(SHORT, Side::Buy, 1, 2), traded(LONG, Side::Sell, 1, 1)]));
    assert_eq!(amounts(&records), dec(10_300, 3_000), "a quarter of it is closed");
    records.extend(close(2, vec![traded(LONG, Side::Sell, 3, 1)]));
    assert_eq!(amounts(&records), dec(10_600, 3_000), "the short leg needs all that is left of it");
    let left = [records.clone(), vec![gone(&after(records.clone()).unwrap(), &slot)]].concat();
    assert_eq!(amounts(&left), dec(10_600, 0));
    records.extend(close(3, vec![traded(SHORT, Side::Buy, 3, 1)]));
    assert_eq!(amounts(&records), dec(10_300, 0));
    records.extend(close(4, vec![traded(SHORT, Side::Buy, 3, 1)]));
    assert_eq!(amounts(&records), dec(10_000, 0), "what was closed twice has opened the opposite, which is paid for");
    records.extend(close(5, vec![traded(SHORT, Side::Sell, 3, 2)]));
    assert_eq!(amounts(&records), dec(10_600, 0));
    let account = after(records).unwrap().account;
    assert_eq!((account.books().positions().count(), account.books().balances().realized), (0, Decimal::from(600)));
}

// proves: TXN-3
#[test]
fn more_than_was_asked_for_is_taken_in_and_an_entry_has_a_slot_of_its_own() {
    let (id, entry) = intent(&slot(1), Purpose::Open, 10);
    let held = after(vec![entry.clone(), finished(&id, filled(Side::Buy, 12, 90))]).unwrap();
    assert_eq!((held.account.cash(), held.account.reserved()), (Some(Decimal::from(8_920)), Decimal::from(100)));
    let (closing, exit) = intent(&slot(1), Purpose::Close { attempt: 1 }, 10);
    let part = vec![
        entry.clone(),
        finished(&id, filled(Side::Buy, 12, 90)),
        exit,
        finished(&closing, filled(Side::Sell, 9, 90)),
    ];
    assert_eq!(after(part).unwrap().account.reserved(), Decimal::from(25), "a quarter of it is left");
    let (again, second) = (slot(1).open_order(2).unwrap(), entry);
    let second = match second {
        Record::Intent { slot, purpose, order, reserve, margin, notional } => {
            let (underlying, legs) = (order.underlying().clone(), order.legs().to_vec());
            let order = OrderRequest::new(again, underlying, legs, order.kind(), TimeInForce::Day).unwrap();
            Record::Intent { slot, purpose, order, reserve, margin, notional }
        }
        other => other,
    };
    assert!(held.clone().apply(&Batch { at: Timestamp::UNIX_EPOCH, records: vec![second] }).is_err());
}

// proves: LIMIT-2
#[test]
fn a_position_whose_end_no_fill_measured_brings_the_session_no_gain() {
    let (id, _) = intent(&slot(1), Purpose::Open, 10);
    for (side, is_flat, flow, counted) in [
        (Side::Sell, false, 90, 0),
        (Side::Buy, false, -90, -90),
        (Side::Sell, true, 90, 90),
        (Side::Sell, true, -90, -90),
    ] {
        let mut book = Book::new();
        let (name, spy) = (slot(1).position().unwrap(), "SPY".parse().unwrap());
        let price = u32::try_from(i32::abs(flow) / 10).unwrap();
        let mut take = |number: u32, fills| {
            let executed = Executed::recorded(id.clone(), number.to_string().parse().unwrap(), fills);
            let _booked = book.book(&name, &spy, &executed, Timestamp::UNIX_EPOCH).unwrap();
        };
        if is_flat {
            let other = if flow < 0 { Side::Buy } else { Side::Sell };
            take(1, filled(other, 10, price));
            take(2, filled(if flow < 0 { Side::Sell } else { Side::Buy }, 10, 0));
        } else {
            take(1, filled(side, 10, price));
        }
        let position = book.get(&name).unwrap().clone();
        assert_eq!((position.is_flat(), position.cash_flow()), (is_flat, Decimal::from(flow)));
        let (mut state, mut expected) = (State::default(), Counters::default());
        state.count_result(&position);
        expected.closed(Decimal::from(counted));
        assert_eq!(state.counters, expected, "{side:?}, flat: {is_flat}, {flow}");
    }
}
