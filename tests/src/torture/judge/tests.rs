//! Ledgers and books that are in order, and the same with one thing wrong.

use backstop_sim::Ledger;
use serde_json::{Value, json};

use super::*;

const OPEN: &str = "bs-equity-20300102-1-1-open-3";
const CLOSE: &str = "bs-equity-20300102-1-1-close1-4";
const HELD: &str = "bs-equity-20300102-1-2-open-4";

fn order(id: u64, tag: &str, effect: &str, price: &str) -> Value {
    let side = if effect == "open" { "buy" } else { "sell" };
    let leg = json!({ "symbol": "TSTA", "side": side, "effect": effect, "quantity": 10 });
    json!({
        "id": id, "tag": tag, "by_hand": false, "received_at": format!("2030-01-02T15:00:{:02}Z", id), "legs": [leg],
        "kind": { "type": "limit", "price": price }, "time_in_force": "day", "state": "filled", "reason": null,
        "fills": [{ "symbol": "TSTA", "side": side, "effect": effect, "quantity": "10", "price": price }],
    })
}

fn request(id: u64, tag: &str) -> Value {
    json!({ "at": "2030-01-02T15:00:00Z", "tag": tag, "order_id": id, "refusal": null, "fault": null })
}

/// One position that was opened and closed, one that is held, and an order of somebody else.
fn ledger() -> Value {
    let mut by_hand = order(4, OPEN, "open", "25.00");
    by_hand["tag"] = Value::Null;
    by_hand["by_hand"] = true.into();
    by_hand["state"] = "canceled".into();
    by_hand["fills"] = json!([]);
    json!({
        "start_cash": "1000", "cash": "498.60", "positions": { "TSTA": "10" },
        "orders": [order(1, OPEN, "open", "50.12"), order(2, CLOSE, "close", "50.10"), order(3, HELD, "open", "50.12"), by_hand],
        "requests": [request(1, OPEN), request(2, CLOSE), request(3, HELD)],
        "cancels": [], "movements": [], "faults": {},
    })
}

fn book() -> Value {
    json!({
        "lock": { "held": false, "pid": null }, "halted": null, "operations": [], "unresolved": [],
        "positions": [{ "id": "equity-20300102-1-2", "legs": [{ "symbol": "TSTA", "quantity": 10 }] }],
        "cash": { "total": 498.6 },
    })
}

fn log() -> Vec<Value> {
    let fill = |of: &Value| of["fills"].clone();
    let finished = |id: &str, order: Value| json!({ "type": "finished", "client_order_id": id, "fills": fill(&order) });
    let mut lines: Vec<Value> =
        [OPEN, CLOSE, HELD].map(|id| json!({ "type": "intent", "client_order_id": id })).to_vec();
    lines.push(finished(OPEN, order(1, OPEN, "open", "50.12")));
    lines.push(finished(CLOSE, order(2, CLOSE, "close", "50.10")));
    lines.push(finished(HELD, order(3, HELD, "open", "50.12")));
    lines
}

fn read(ledger: &Value) -> Ledger {
    serde_json::from_value(ledger.clone()).unwrap()
}

fn ids(found: &[Violation]) -> Vec<&'static str> {
    found.iter().map(|violation| violation.id).collect()
}

#[track_caller]
fn any_time(doctor: impl FnOnce(&mut Value), expected: &[&str]) {
    let mut ledger = ledger();
    doctor(&mut ledger);
    let found = at_any_time(&read(&ledger));
    assert_eq!(ids(&found), expected, "{found:?}");
}

#[track_caller]
fn rest(doctor: impl FnOnce(&mut Value, &mut Value), end: End, code: i32, expected: &[&str]) {
    let (mut ledger, mut book) = (ledger(), book());
    doctor(&mut ledger, &mut book);
    let found = at_rest(&read(&ledger), &serde_json::from_value(book).unwrap(), end, Some(code));
    assert_eq!(ids(&found), expected, "{found:?}");
}

#[track_caller]
fn logged(doctor: impl FnOnce(&mut Value, &mut Vec<Value>), expected: &[&str]) {
    let (mut ledger, mut lines) = (ledger(), log());
    doctor(&mut ledger, &mut lines);
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    let found = by_the_log(&read(&ledger), &Log::parse(&text.join("\n")).unwrap());
    assert_eq!(ids(&found), expected, "{found:?}");
}

fn push(ledger: &mut Value, field: &str, row: Value) {
    ledger[field].as_array_mut().unwrap().push(row);
}

#[test]
fn what_is_in_order_is_not_complained_about() {
    any_time(|_| {}, &[]);
    rest(|_, _| {}, End::Holding, 4, &[]);
    logged(|_, _| {}, &[]);
}

#[test]
fn a_slot_that_is_entered_twice_is_found_whether_the_second_is_filled_or_works() {
    let again = "bs-equity-20300102-1-1-open-5";
    any_time(|ledger| push(ledger, "orders", order(5, again, "open", "50.12")), &["GUARD-2"]);
    let working = |state: &str| {
        let mut order = order(5, again, "open", "50.12");
        (order["state"], order["fills"]) = (state.into(), json!([]));
        order
    };
    any_time(|ledger| push(ledger, "orders", working("open")), &["GUARD-2"]);
    // One that was refused opened nothing.
    any_time(|ledger| push(ledger, "orders", working("rejected")), &[]);
}

#[test]
fn a_name_that_is_sent_twice_or_becomes_two_orders_is_found_unless_the_broker_did_it() {
    any_time(|ledger| push(ledger, "requests", request(1, OPEN)), &["DESK-2"]);
    let twice = |ledger: &mut Value| {
        let mut second = order(5, OPEN, "open", "50.12");
        second["fills"] = json!([]);
        push(ledger, "orders", second);
    };
    any_time(twice, &["DESK-2"]);
    let by_the_broker = |ledger: &mut Value| {
        twice(ledger);
        ledger["requests"][0]["fault"] = "duplicate_processing".into();
    };
    any_time(by_the_broker, &[]);
}

#[test]
fn more_closed_than_opened_and_two_exits_at_once_are_found() {
    let exit = |state: &str| {
        let mut order = order(5, "bs-equity-20300102-1-1-close2-5", "close", "50.10");
        order["state"] = state.into();
        if state == "open" {
            order["fills"] = json!([]);
        }
        order
    };
    any_time(|ledger| push(ledger, "orders", exit("filled")), &["EXIT-1"]);
    // One that works may fill.
    any_time(|ledger| push(ledger, "orders", exit("open")), &["EXIT-1"]);
    let two_at_once = |ledger: &mut Value| {
        push(ledger, "orders", exit("open"));
        (ledger["orders"][1]["state"], ledger["orders"][1]["fills"]) = ("open".into(), json!([]));
    };
    any_time(two_at_once, &["EXIT-1", "EXIT-2"]);
    let one_after_the_other = |ledger: &mut Value| {
        push(ledger, "orders", exit("filled"));
        (ledger["orders"][1]["state"], ledger["orders"][1]["fills"]) = ("canceled".into(), json!([]));
    };
    any_time(one_after_the_other, &[]);
}

#[test]
fn a_position_that_only_one_side_has_and_a_quantity_that_is_off_are_found() {
    rest(|_, book| book["positions"] = json!([]), End::Holding, 0, &["DESK-3"]);
    rest(|ledger, _| ledger["positions"] = json!({}), End::Holding, 4, &["DESK-3"]);
    rest(|_, book| book["positions"][0]["legs"][0]["quantity"] = 9.into(), End::Holding, 4, &["DESK-3"]);
    rest(|_, book| book["positions"][0]["legs"][0]["quantity"] = (-10).into(), End::Holding, 4, &["DESK-3"]);
    rest(|ledger, _| ledger["positions"] = json!({ "TSTA": "10", "TSTB": "1" }), End::Holding, 4, &["DESK-3"]);
}

#[test]
fn a_cent_that_is_off_and_cash_that_nobody_knows_are_found() {
    rest(|_, book| book["cash"]["total"] = json!(498.59), End::Holding, 4, &["TXN-3"]);
    rest(|_, book| book["cash"]["total"] = Value::Null, End::Holding, 4, &["TXN-3"]);
}

fn flat(ledger: &mut Value, book: &mut Value) {
    (ledger["positions"], book["positions"]) = (json!({}), json!([]));
}

#[test]
fn what_is_left_after_everything_was_to_be_closed_is_found() {
    rest(|_, _| {}, End::Flat, 4, &["DESK-3"]);
    rest(flat, End::Flat, 0, &[]);
    rest(|ledger, _| ledger["orders"][2]["state"] = "partially_filled".into(), End::Holding, 4, &["DESK-6"]);
}

#[test]
fn what_is_unresolved_is_found_unless_no_evidence_can_be() {
    let of = |id: &str, since: &str| {
        let (id, since) = (id.to_owned(), since.to_owned());
        move |_: &mut Value, book: &mut Value| {
            book["operations"] = json!([{ "id": id, "state": "unknown", "since": since }]);
            book["unresolved"] = json!([{ "subject": id, "text": "no answer" }]);
        }
    };
    let (lost, late, early) = ("bs-equity-20300102-1-3-open-4", "2030-01-02T15:00:30Z", "2030-01-02T14:59:59Z");
    // The broker has never heard of it, and nothing came after it.
    rest(of(lost, late), End::Holding, 4, &[]);
    // Nothing came after it for sure: clocks differ.
    rest(of(lost, "2030-01-02T15:00:02Z"), End::Holding, 4, &[]);
    // Order 4 came after it: that it is not there is evidence.
    rest(of(lost, early), End::Holding, 4, &["DESK-3", "DESK-3"]);
    // The broker has it.
    rest(of(HELD, late), End::Holding, 4, &["DESK-3", "DESK-3"]);
    // It says that nothing is left, or that something is.
    rest(of(lost, late), End::Holding, 0, &["DESK-3"]);
    // What stays open is said to, and nothing else is.
    rest(|_, _| {}, End::Holding, 4, &[]);
    rest(|_, _| {}, End::Holding, 0, &["DESK-3"]);
    rest(flat, End::Flat, 4, &["DESK-3"]);
    rest(|_, _| {}, End::Holding, 1, &["DESK-3"]);
    // Its position cannot be closed while an exit of it is in doubt; any other can.
    let exit = "bs-equity-20300102-1-2-close1-5";
    rest(of(exit, late), End::Flat, 4, &[]);
    rest(of(lost, late), End::Flat, 4, &["DESK-3"]);
    let alert = |_: &mut Value, book: &mut Value| book["unresolved"] = json!([{ "subject": "account", "text": "?" }]);
    rest(alert, End::Holding, 4, &["DESK-3"]);
}

#[test]
fn an_order_without_an_intent_is_found() {
    logged(|_, log| drop(log.remove(2)), &["LIMIT-3", "DESK-2"]);
}

#[test]
fn fills_that_the_log_has_otherwise_or_not_at_all_are_found() {
    logged(|_, log| log[3]["fills"][0]["quantity"] = "9".into(), &["DESK-3"]);
    logged(|_, log| log[3]["fills"][0]["price"] = "50.11".into(), &["DESK-3"]);
    logged(|_, log| log[3]["fills"] = json!([]), &["DESK-3"]);
    logged(|ledger, _| ledger["orders"][0]["fills"] = json!([]), &["DESK-3"]);
    // One that is not at rest says nothing yet; what is left so is judged with the book.
    logged(|_, log| drop(log.remove(3)), &[]);
}

#[test]
fn cash_that_the_bot_itself_could_not_explain_is_found() {
    logged(|_, log| log.push(json!({ "type": "alert", "subject": "cash", "text": "0.01 too much" })), &["TXN-3"]);
    logged(|_, log| log.push(json!({ "type": "alert", "subject": "broker", "text": "doubts" })), &[]);
}

#[test]
fn a_book_that_had_to_be_put_right_by_the_broker_is_found() {
    let change =
        |what: &str| json!({ "type": "book", "change": { "change": what, "position": "equity-20300102-1-1" } });
    for what in ["adopted", "corrected"] {
        logged(|_, log| log.push(change(what)), &["DESK-3"]);
    }
    for what in ["removed", "pending", "booked"] {
        logged(|_, log| log.push(change(what)), &[]);
    }
}

#[test]
fn labels_tell_their_slot_and_their_purpose() {
    assert_eq!(slot_of(OPEN), Some(("equity-20300102-1-1", true)));
    assert_eq!(slot_of("bs-spread-20300102-12-40-close13-7"), Some(("spread-20300102-12-40", false)));
    for other in ["", "somebody-1-1-open-2", "bs-x", "bs-equity-1-1-other-2"] {
        assert_eq!(slot_of(other), None, "{other}");
    }
}
