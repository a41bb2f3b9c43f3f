use backstop::broker::{Fill, Leg, OrderKind, PositionEffect, Quantity, Side, TimeInForce};
use backstop::clock::Timestamp;
use backstop_sim::{CashMovement, FaultKind, OrderState, QuotedLeg, WireRequest};

use super::*;
use crate::demo::samples::Belief;

const CASH: i64 = 1_000;

fn symbol(text: &str) -> Symbol {
    text.parse().unwrap()
}

fn ledger() -> Ledger {
    Ledger {
        start_cash: Decimal::from(CASH),
        cash: Decimal::from(CASH),
        positions: BTreeMap::new(),
        orders: Vec::new(),
        requests: Vec::new(),
        cancels: Vec::new(),
        movements: Vec::new(),
        faults: BTreeMap::new(),
    }
}

/// A request for shares of one symbol that became an order, filled at once: `quantity` below zero sells.
fn trade(ledger: &mut Ledger, tag: &str, quantity: i32, price: i64) {
    let side = if quantity < 0 { Side::Sell } else { Side::Buy };
    let effect = if tag.contains("-open-") { PositionEffect::Open } else { PositionEffect::Close };
    let (spy, count) = (symbol("SPY"), quantity.unsigned_abs());
    let fill = Fill { symbol: spy.clone(), side, effect, quantity: Decimal::from(count), price: Decimal::from(price) };
    let id = ledger.orders.len() as u64 + 1;
    let amount = fill.cash().unwrap();
    ledger.cash += amount;
    ledger.movements.push(CashMovement { at: Timestamp::UNIX_EPOCH, amount, symbol: spy.clone(), order_id: Some(id) });
    *ledger.positions.entry(spy.clone()).or_default() += fill.signed_quantity();
    ledger.positions.retain(|_, quantity| !quantity.is_zero());
    request(ledger, tag, Some(id));
    ledger.orders.push(LedgerOrder {
        id,
        tag: Some(tag.to_owned()),
        by_hand: false,
        received_at: Timestamp::UNIX_EPOCH,
        legs: vec![Leg { symbol: spy, side, effect, quantity: Quantity::new(count).unwrap() }],
        kind: OrderKind::Market,
        time_in_force: TimeInForce::Day,
        state: OrderState::Filled,
        reason: None,
        fills: vec![fill],
        quoted: Vec::new(),
    });
}

fn request(ledger: &mut Ledger, tag: &str, order_id: Option<u64>) {
    let tag = Some(tag.to_owned());
    ledger.requests.push(WireRequest { at: Timestamp::UNIX_EPOCH, tag, order_id, refusal: None, fault: None });
}

fn sample(at_ms: u64, held: i64, tracked: i64) -> Sample {
    let net =
        |quantity: i64| (quantity != 0).then(|| (symbol("SPY"), Decimal::from(quantity))).into_iter().collect::<Net>();
    let belief = Belief { cash: Some(Decimal::from(CASH)), tracked: net(tracked), followed: Vec::new() };
    Sample { at: Duration::from_millis(at_ms), is_up: true, held: net(held), belief }
}

fn measured(ledger: &Ledger, samples: &[Sample], mark: i64) -> Measures {
    let marks = Net::from([(symbol("SPY"), Decimal::from(mark))]);
    Measures::of(&Observed { ledger, samples, marks: &marks, refused_requests: 0 })
}

/// A bot that entered a slot once and left it once, knows its cash, and knew its position all the time.
fn well() -> (Ledger, Vec<Sample>) {
    let mut ledger = ledger();
    trade(&mut ledger, "bs-equity-20261120-1-1-open-1", 2, 10);
    trade(&mut ledger, "bs-equity-20261120-1-1-close1-1", -2, 10);
    (ledger, vec![sample(0, 0, 0), sample(200, 2, 2), sample(400, 2, 2), sample(600, 0, 0)])
}

/// What one change makes of a bot that is well.
#[track_caller]
fn check(change: impl FnOnce(&mut Ledger, &mut Vec<Sample>), harms: &[Harm]) -> Measures {
    let (mut ledger, mut samples) = well();
    change(&mut ledger, &mut samples);
    // Cash that moved is cash that it knows of, where that is not the point.
    let measures = measured(&ledger, &samples, 10);
    assert_eq!(measures.harms(), harms);
    measures
}

#[test]
fn whoever_does_all_once_and_knows_it_is_not_harmed() {
    let measures = check(|_, _| (), &[]);
    assert_eq!((measures.slots, measures.opening_orders, measures.most_orders_a_slot), (1, 1, 1));
    assert_eq!(measures.unwatched, Unwatched::default());
}

#[test]
fn a_slot_that_was_entered_before_is_a_duplicate_and_a_request_that_was_lost_is_none() {
    let again = |ledger: &mut Ledger, _: &mut Vec<Sample>| {
        trade(ledger, "bs-equity-20261120-1-1-open-2", 2, 10);
        trade(ledger, "bs-equity-20261120-1-1-close1-2", -2, 10);
    };
    let measures = check(again, &[Harm::DuplicateEntries]);
    assert_eq!(measures.duplicate_entries, BTreeSet::from([3]));
    let lost = |ledger: &mut Ledger, _: &mut Vec<Sample>| request(ledger, "bs-equity-20261120-1-1-open-2", None);
    assert_eq!(check(lost, &[]).most_orders_a_slot, 2);
    // Another slot, and another session's slot of the same number, are others.
    let other = |ledger: &mut Ledger, _: &mut Vec<Sample>| {
        for slot in ["nv-equity-11", "bs-equity-20261120-2-1"] {
            trade(ledger, &format!("{slot}-open-1"), 2, 10);
            trade(ledger, &format!("{slot}-close-1"), -2, 10);
        }
    };
    assert_eq!(check(other, &[]).slots, 3);
    let unfilled = |ledger: &mut Ledger, _: &mut Vec<Sample>| {
        trade(ledger, "bs-equity-20261120-1-1-open-2", 2, 10);
        ledger.orders[2].fills.clear();
        ledger.cash += Decimal::from(20);
    };
    check(unfilled, &[]);
}

#[test]
fn closing_more_of_a_slot_than_was_opened_of_it_is_a_duplicate_exit() {
    let twice = |ledger: &mut Ledger, samples: &mut Vec<Sample>| {
        trade(ledger, "bs-equity-20261120-1-1-close2-1", -2, 10);
        for sample in samples {
            sample.belief.cash = Some(ledger.cash);
        }
    };
    assert_eq!(check(twice, &[Harm::DuplicateExits]).duplicate_exits, BTreeSet::from([3]));
    let in_parts = |ledger: &mut Ledger, _: &mut Vec<Sample>| {
        trade(ledger, "bs-equity-20261120-1-2-open-1", 2, 10);
        trade(ledger, "bs-equity-20261120-1-2-close1-1", -1, 10);
        trade(ledger, "bs-equity-20261120-1-2-close2-1", -1, 10);
    };
    check(in_parts, &[]);
}

#[test]
fn what_nobody_accounts_for_at_two_samples_in_a_row_is_unwatched_and_at_the_end_an_orphan() {
    let for_a_while = |_: &mut Ledger, samples: &mut Vec<Sample>| {
        *samples = vec![sample(0, 2, 2), sample(200, 4, 2), sample(400, 4, 2), sample(700, 4, 0), sample(900, 0, 0)];
        samples[3].is_up = false;
    };
    let measures = check(for_a_while, &[Harm::Unwatched]);
    let (longest, of_it_down) = (Duration::from_millis(500), Duration::from_millis(300));
    assert_eq!(measures.unwatched, Unwatched { count: 1, longest, of_it_down });

    // Seen once: truth and belief are not read at the same instant.
    check(|_, samples| *samples = vec![sample(0, 0, 0), sample(200, 4, 2), sample(400, 0, 0)], &[]);
    let twice = vec![sample(0, 1, 0), sample(200, 1, 0), sample(400, 0, 0), sample(600, 1, 0), sample(800, 1, 0)];
    let measures = check(|_, samples| *samples = twice, &[Harm::Unwatched, Harm::Orphans]);
    assert_eq!(measures.unwatched.count, 2);
    assert_eq!(measures.orphans, Net::from([(symbol("SPY"), Decimal::ONE)]));
    // What it knows to be open is no orphan, and what is not there is a phantom.
    assert_eq!(check(|_, samples| samples.push(sample(800, 2, 2)), &[]).left_open, Decimal::TWO);
    check(|_, samples| samples.push(sample(800, 0, 2)), &[Harm::Phantoms]);
    // Once it has left for good, what is there is an orphan, and its time does not go on.
    let after_it_left = |_: &mut Ledger, samples: &mut Vec<Sample>| {
        samples.extend([sample(800, 2, 0), sample(9_000, 2, 0)]);
        samples[4].is_up = false;
        samples[5].is_up = false;
    };
    check(after_it_left, &[Harm::Orphans]);
}

#[test]
fn cash_that_is_off_or_unknown_at_the_end_is_drift_and_only_there() {
    let off = |_: &mut Ledger, samples: &mut Vec<Sample>| samples[3].belief.cash = Some(Decimal::from(CASH + 5));
    assert_eq!(check(off, &[Harm::CashDrift]).cash, Cash::Off(Decimal::from(5)));
    check(|_, samples| samples[3].belief.cash = None, &[Harm::CashDrift]);
    check(|_, samples| samples[1].belief.cash = None, &[]);
    // What it follows may have moved cash that it does not know of yet.
    let in_flight = |_: &mut Ledger, samples: &mut Vec<Sample>| {
        samples[3].belief.cash = Some(Decimal::ZERO);
        samples[3].belief.followed.push((symbol("SPY"), Decimal::ONE));
    };
    assert_eq!(check(in_flight, &[]).cash, Cash::InFlight);
}

#[test]
fn refused_requests_and_entries_on_bad_quotes_are_counted_and_exits_are_not() {
    let (ledger, samples) = well();
    let observed = Observed { ledger: &ledger, samples: &samples, marks: &Net::new(), refused_requests: 3 };
    assert_eq!(Measures::of(&observed).harms(), [Harm::RefusedRequests]);

    let quoted =
        |fault, age_ms| QuotedLeg { symbol: symbol("SPY"), fault, age_ms, stamp_age_ms: Some(age_ms), good_ms: None };
    let crossed = quoted(Some(FaultKind::QuoteCrossed), 100);
    check(|ledger, _| ledger.orders[0].quoted.push(crossed.clone()), &[Harm::BadQuotes]);
    check(|ledger, _| ledger.orders[0].quoted.push(quoted(None, 5_001)), &[Harm::BadQuotes]);
    check(|ledger, _| ledger.orders[0].quoted.push(quoted(None, 5_000)), &[]);
    check(|ledger, _| ledger.orders[1].quoted.push(crossed.clone()), &[]);
    // It may have been decided on the good one that came before, or not.
    let good = |ms| QuotedLeg { good_ms: Some(ms), ..crossed.clone() };
    check(|ledger, _| ledger.orders[0].quoted.push(good(1_000)), &[]);
    check(|ledger, _| ledger.orders[0].quoted.push(good(1_001)), &[Harm::BadQuotes]);
}

#[test]
fn each_order_has_one_cause_and_all_causes_add_up_to_the_result() {
    let (mut ledger, samples) = well();
    trade(&mut ledger, "bs-equity-20261120-1-1-open-2", 2, 12);
    trade(&mut ledger, "bs-equity-20261120-1-1-close1-2", -3, 11);
    // Bad quotes, and a duplicate: it counts once.
    let fault = Some(FaultKind::QuoteZero);
    let zero = QuotedLeg { symbol: symbol("SPY"), fault, age_ms: 0, stamp_age_ms: None, good_ms: None };
    ledger.orders[2].quoted.push(zero.clone());
    ledger.orders[0].quoted.push(zero);
    let money = measured(&ledger, &samples, 9).money;
    let made = |cause| money.made(cause);
    assert_eq!(made(Cause::BadQuotes), Decimal::from(2 * (9 - 10)));
    assert_eq!(made(Cause::DuplicateEntries), Decimal::from(2 * (9 - 12)));
    // By luck it gained.
    assert_eq!(made(Cause::DuplicateExits), Decimal::from(3 * (11 - 9)));
    assert_eq!(made(Cause::Meant), Decimal::TWO);
    // Bought four, sold five: short of one that costs 9.
    assert_eq!(money.result, Decimal::from(-20 + 20 - 24 + 33 - 9));
    assert_eq!(money.by_cause.values().sum::<Decimal>() + money.settled, money.result);
    assert!(money.settled.is_zero());

    // What is gone without an order was settled: five short for 7 each.
    ledger.positions.clear();
    let (amount, symbol) = (Decimal::from(-7), symbol("SPY"));
    ledger.movements.push(CashMovement { at: Timestamp::UNIX_EPOCH, amount, symbol, order_id: None });
    ledger.cash += amount;
    let money = measured(&ledger, &samples, 9).money;
    assert_eq!((money.settled, money.result), (Decimal::from(9 - 7), Decimal::from(-20 + 20 - 24 + 33 - 7)));
    assert_eq!(money.by_cause.values().sum::<Decimal>() + money.settled, money.result);
}

#[test]
fn labels_of_both_bots_name_slot_and_purpose() {
    let of = slot_of;
    assert_eq!(of("bs-spread-20261120-1-3-open-2"), Some(("bs-spread-20261120-1-3", true)));
    assert_eq!(of("bs-spread-20261120-1-3-close12-2"), Some(("bs-spread-20261120-1-3", false)));
    assert_eq!(of("nv-spread-3-open-x1"), Some(("nv-spread-3", true)));
    assert_eq!(of("by-hand"), None);
}
