use super::*;

fn leg(symbol: &str, side: Side, effect: PositionEffect) -> Leg {
    Leg { symbol: symbol.parse().unwrap(), side, effect, quantity: Quantity::new(1).unwrap() }
}

fn order(underlying: &str, legs: Vec<Leg>, kind: OrderKind) -> Result<OrderRequest, InvalidOrder> {
    OrderRequest::new(ClientOrderId::new("t-1").unwrap(), underlying.parse().unwrap(), legs, kind, TimeInForce::Day)
}

fn price(text: &str) -> Decimal {
    text.parse().unwrap()
}

const SHORT: &str = "SPXW300102P05900000";
const LONG: &str = "SPXW300102P05890000";

fn spread() -> Vec<Leg> {
    vec![leg(SHORT, Side::Sell, PositionEffect::Open), leg(LONG, Side::Buy, PositionEffect::Open)]
}

#[test]
fn a_credit_spread_and_a_share_order_are_well_formed() {
    let credit = order("SPX", spread(), OrderKind::Credit { price: price("1.20") }).unwrap();
    assert!(credit.opens());
    let close = leg("SPY", Side::Sell, PositionEffect::Close);
    let limit = order("SPY", vec![close], OrderKind::Limit { price: price("560.1234") }).unwrap();
    assert!(!limit.opens());
}

#[test]
fn an_order_with_one_opening_leg_among_closing_ones_is_an_entry() {
    let roll = vec![leg(SHORT, Side::Buy, PositionEffect::Close), leg(LONG, Side::Sell, PositionEffect::Open)];
    assert!(order("SPX", roll, OrderKind::Market).unwrap().opens());
}

#[test]
fn refuses_each_malformed_order_for_its_own_reason() {
    let share = || vec![leg("SPY", Side::Buy, PositionEffect::Open)];
    let limit = OrderKind::Limit { price: price("1") };
    assert!(matches!(order("SPX", vec![], OrderKind::Market), Err(InvalidOrder::LegCount { count: 0 })));
    assert!(matches!(order("SPX", spread(), limit), Err(InvalidOrder::KindForLegs { .. })));
    assert!(matches!(order("SPY", share(), OrderKind::Even), Err(InvalidOrder::KindForLegs { .. })));
    assert!(matches!(order("QQQ", share(), limit), Err(InvalidOrder::Underlying { .. })));
    let twice = vec![leg(SHORT, Side::Sell, PositionEffect::Open), leg(SHORT, Side::Buy, PositionEffect::Open)];
    assert!(matches!(order("SPX", twice, OrderKind::Market), Err(InvalidOrder::RepeatedSymbol { .. })));
    let mixed = vec![leg(SHORT, Side::Sell, PositionEffect::Open), leg("SPX", Side::Buy, PositionEffect::Open)];
    assert!(matches!(order("SPX", mixed, OrderKind::Market), Err(InvalidOrder::NotAnOption { .. })));
    for bad in ["0", "-1", "1.205"] {
        let kind = OrderKind::Credit { price: price(bad) };
        assert!(matches!(order("SPX", spread(), kind), Err(InvalidOrder::Price { .. })), "{bad}");
    }
}

#[test]
fn a_quantity_is_never_zero_nor_beyond_what_one_order_may_ask() {
    assert!(Quantity::new(0).is_err());
    assert!(Quantity::new(Quantity::MAX + 1).is_err());
    assert!(serde_json::from_str::<Quantity>("0").is_err());
}

#[test]
fn an_order_survives_the_journal_and_a_malformed_one_does_not_come_back() {
    let written = order("SPX", spread(), OrderKind::Credit { price: price("1.20") }).unwrap();
    let json = serde_json::to_string(&written).unwrap();
    assert_eq!(serde_json::from_str::<OrderRequest>(&json).unwrap(), written);
    assert!(serde_json::from_str::<OrderRequest>(&json.replace("1.20", "-1.20")).is_err());
}
