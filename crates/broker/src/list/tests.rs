use super::*;
use crate::OrderStatus;

fn row(id: &str, label: Option<&str>, created: Option<i64>) -> Order {
    Order {
        id: BrokerOrderId::new(id).unwrap(),
        label: label.map(str::to_owned),
        status: OrderStatus::Open,
        legs: vec![],
        net_price: None,
        created_at: created.map(|s| Timestamp::from_second(s).unwrap()),
        reason: None,
    }
}

fn ours() -> ClientOrderId {
    ClientOrderId::new("bs-1").unwrap()
}

#[track_caller]
fn check(rows: Vec<Order>, proven: bool) {
    let list = OrderList::complete(rows);
    let proof = list.proof_of_absence(&ours(), Timestamp::from_second(100).unwrap());
    assert_eq!(proof.is_some(), proven);
}

// proves: DESK-7
#[test]
fn absence_is_proven_only_by_a_list_that_reaches_past_the_submit_and_lacks_the_order() {
    check(vec![], false);
    check(vec![row("1", None, None)], false);
    check(vec![row("1", None, Some(99))], false);
    check(vec![row("1", None, Some(100))], true);
    check(vec![row("1", Some("bs-2"), Some(99)), row("2", Some("bs-3"), Some(500))], true);
    check(vec![row("1", Some("bs-1"), Some(99)), row("2", Some("bs-3"), Some(500))], false);
}

#[test]
fn two_orders_with_our_label_are_not_taken_for_one() {
    let list = OrderList::complete(vec![row("1", Some("bs-1"), None), row("2", Some("bs-1"), None)]);
    assert!(matches!(list.find(&ours()), Lookup::Several(orders) if orders.len() == 2));
}

#[test]
fn a_label_is_compared_whole() {
    let list = OrderList::complete(vec![row("1", Some("bs-10"), None), row("2", Some("BS-1"), None)]);
    assert_eq!(list.find(&ours()), Lookup::NotListed);
}
