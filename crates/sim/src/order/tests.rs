use super::*;

fn leg(name: &str, side: Side, quantity: u32) -> Leg {
    Leg {
        symbol: name.parse().unwrap(),
        side,
        effect: PositionEffect::Open,
        quantity: Quantity::new(quantity).unwrap(),
    }
}

#[test]
fn a_unit_is_the_smallest_whole_combination() {
    let request = NewOrder {
        tag: None,
        underlying: "SPX".parse().unwrap(),
        legs: vec![leg("SPXW300102P05900000", Side::Sell, 4), leg("SPXW300102P05890000", Side::Buy, 6)],
        kind: OrderKind::Market,
        time_in_force: TimeInForce::Day,
    };
    assert_eq!(request.units(), 2);
    assert_eq!(request.ratio(&request.legs[1]), Decimal::from(3));
    let mut order = SimOrder::new(1, request, "2030-01-02".parse().unwrap(), Timestamp::UNIX_EPOCH);
    assert_eq!(order.net_price(), None);
    let fill = |units, first, second| UnitFill {
        at: Timestamp::UNIX_EPOCH,
        units,
        prices: vec![Decimal::from(first), Decimal::from(second)],
    };
    order.fills = vec![fill(1, 10, 2), fill(1, 12, 2)];
    order.filled_units = 2;
    order.state = OrderState::Filled;
    // Two at 11 sold, three at 2 bought.
    assert_eq!(order.net_price(), Some(Decimal::from(-16)));
    assert_eq!(order.leg_price(0), Some(Decimal::from(11)));
    assert_eq!(order.filled(&order.request.legs[1]), Decimal::from(6));
}
