use proptest::prelude::*;

use super::*;

fn order(status: OrderStatus, filled: Option<u32>, price: Option<&str>) -> Order {
    Order {
        id: BrokerOrderId::new("1").unwrap(),
        label: None,
        status,
        legs: vec![OrderLeg {
            symbol: "SPY".parse().unwrap(),
            side: Side::Buy,
            effect: PositionEffect::Open,
            quantity: Decimal::TEN,
            filled: filled.map(Decimal::from),
            price: price.map(|p| p.parse().unwrap()),
        }],
        net_price: None,
        created_at: None,
        reason: None,
    }
}

fn filled_quantity(progress: &Progress) -> Option<Decimal> {
    match progress {
        Progress::Final(fills) => Some(fills.iter().map(|fill| fill.quantity).sum()),
        Progress::Working | Progress::Unmeasured => None,
    }
}

// proves: BRK-2
#[test]
fn a_word_that_is_not_known_is_neither_terminal_nor_filled() {
    let odd = order(OrderStatus::Unrecognized("calculated".into()), Some(10), Some("5"));
    assert_eq!(odd.progress(), Progress::Working);
}

#[test]
fn filled_without_a_quantity_or_a_price_is_not_measured_yet() {
    for (filled, price) in
        [(None, None), (None, Some("5")), (Some(10), None), (Some(10), Some("0")), (Some(4), Some("5"))]
    {
        assert_eq!(order(OrderStatus::Filled, filled, price).progress(), Progress::Unmeasured, "{filled:?} {price:?}");
    }
}

#[test]
fn a_canceled_order_keeps_the_part_that_was_filled() {
    let part = order(OrderStatus::Canceled, Some(4), Some("5")).progress();
    assert_eq!(filled_quantity(&part), Some(Decimal::from(4)));
    assert_eq!(order(OrderStatus::Canceled, None, None).progress(), Progress::Unmeasured);
}

#[test]
fn a_rejected_order_filled_nothing() {
    assert_eq!(order(OrderStatus::Rejected, None, None).progress(), Progress::Final(vec![]));
}

#[test]
fn more_than_was_asked_for_is_not_believed() {
    assert_eq!(order(OrderStatus::Canceled, Some(11), Some("5")).progress(), Progress::Unmeasured);
}

#[test]
fn a_leg_may_be_free_once_the_whole_order_has_a_price() {
    let mut spread = order(OrderStatus::Filled, Some(10), Some("0"));
    spread.net_price = Some("-1.20".parse().unwrap());
    assert_eq!(filled_quantity(&spread.progress()), Some(Decimal::TEN));
}

#[test]
fn cash_of_a_fill_counts_a_hundred_shares_a_contract_and_is_positive_for_a_sale() {
    let fill = |symbol: &str, side| Fill {
        symbol: symbol.parse().unwrap(),
        side,
        effect: PositionEffect::Open,
        quantity: Decimal::TWO,
        price: "1.25".parse().unwrap(),
    };
    assert_eq!(fill("SPY", Side::Buy).cash(), Some("-2.50".parse().unwrap()));
    assert_eq!(fill("SPXW300102P05900000", Side::Sell).cash(), Some("250".parse().unwrap()));
}

proptest! {
    // proves: BRK-2
    #[test]
    fn only_a_terminal_status_with_a_plausible_quantity_is_final(
        status in prop_oneof![
            Just(OrderStatus::Pending), Just(OrderStatus::Open), Just(OrderStatus::PartiallyFilled),
            Just(OrderStatus::PendingCancel), Just(OrderStatus::Filled), Just(OrderStatus::Canceled),
            Just(OrderStatus::Expired), Just(OrderStatus::Rejected), Just(OrderStatus::Failed),
            "[a-z_]{0,12}".prop_map(OrderStatus::Unrecognized),
        ],
        filled in prop::option::of(0u32..13),
        price in prop::option::of(prop_oneof![Just("0"), Just("5.25"), Just("-1")]),
    ) {
        let report = order(status, filled, price);
        if let Progress::Final(fills) = report.progress() {
            prop_assert!(report.status.is_terminal());
            prop_assert!(filled.is_some() || report.status == OrderStatus::Rejected);
            let total: Decimal = fills.iter().map(|fill| fill.quantity).sum();
            prop_assert_eq!(total, Decimal::from(filled.unwrap_or(0)));
            prop_assert!(total <= Decimal::TEN);
            prop_assert!(fills.iter().all(|fill| fill.price > Decimal::ZERO));
        }
    }
}
