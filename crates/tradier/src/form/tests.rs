use backstop_broker::{ClientOrderId, Quantity, Symbol};

use super::*;

fn leg(symbol: &str, side: Side, effect: PositionEffect) -> Leg {
    Leg { symbol: symbol.parse().unwrap(), side, effect, quantity: Quantity::new(2).unwrap() }
}

fn request(underlying: &str, legs: Vec<Leg>, kind: OrderKind, time: TimeInForce) -> OrderRequest {
    let id = ClientOrderId::new("bk-1").unwrap();
    OrderRequest::new(id, Symbol::new(underlying).unwrap(), legs, kind, time).unwrap()
}

#[track_caller]
fn check(underlying: &str, legs: Vec<Leg>, kind: OrderKind, expected: &str) {
    let form = order(&request(underlying, legs, kind, TimeInForce::Day)).unwrap();
    assert_eq!(form.as_str(), expected);
}

fn price(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn shares_have_words_of_their_own_for_the_four_sides() {
    for (side, effect, word) in [
        (Side::Buy, PositionEffect::Open, "buy"),
        (Side::Sell, PositionEffect::Close, "sell"),
        (Side::Sell, PositionEffect::Open, "sell_short"),
        (Side::Buy, PositionEffect::Close, "buy_to_cover"),
    ] {
        let expected = format!("class=equity&symbol=BRK%2FB&side={word}&quantity=2&type=market&duration=day&tag=bk-1");
        check("BRK/B", vec![leg("BRK/B", side, effect)], OrderKind::Market, &expected);
    }
}

#[test]
fn an_option_is_named_twice() {
    let legs = vec![leg("SPXW300102P05900000", Side::Sell, PositionEffect::Open)];
    let expected = "class=option&symbol=SPX&option_symbol=SPXW300102P05900000&side=sell_to_open&quantity=2\
        &type=stop_limit&duration=day&stop=3&price=2.15&tag=bk-1";
    check("SPX", legs, OrderKind::StopLimit { stop: price("3.00"), price: price("2.150") }, expected);
}

#[test]
fn legs_are_numbered_flat_and_carry_no_price() {
    let legs = vec![
        leg("SPXW300102P05900000", Side::Sell, PositionEffect::Open),
        leg("SPXW300102P05890000", Side::Buy, PositionEffect::Open),
    ];
    let head = "class=multileg&symbol=SPX\
        &option_symbol%5B0%5D=SPXW300102P05900000&side%5B0%5D=sell_to_open&quantity%5B0%5D=2\
        &option_symbol%5B1%5D=SPXW300102P05890000&side%5B1%5D=buy_to_open&quantity%5B1%5D=2";
    for (kind, tail) in [
        (OrderKind::Credit { price: price("1.20") }, "type=credit&duration=day&price=1.2"),
        (OrderKind::Debit { price: price("1.20") }, "type=debit&duration=day&price=1.2"),
        (OrderKind::Even, "type=even&duration=day"),
        (OrderKind::Market, "type=market&duration=day"),
    ] {
        check("SPX", legs.clone(), kind, &format!("{head}&{tail}&tag=bk-1"));
    }
}

#[test]
fn closing_options_uses_closing_sides() {
    for (side, word) in [(Side::Buy, "buy_to_close"), (Side::Sell, "sell_to_close")] {
        let legs = vec![leg("SPXW300102P05900000", side, PositionEffect::Close)];
        let form = order(&request("SPX", legs, OrderKind::Market, TimeInForce::GoodTilCanceled)).unwrap();
        assert!(form.as_str().contains(&format!("side={word}&")) && form.as_str().contains("duration=gtc"));
    }
}

#[test]
fn the_early_and_the_late_session_take_limit_orders_only() {
    let legs = || vec![leg("SPY", Side::Buy, PositionEffect::Open)];
    let limit = OrderKind::Limit { price: price("5") };
    for (time, word) in [(TimeInForce::PreMarket, "pre"), (TimeInForce::PostMarket, "post")] {
        let form = order(&request("SPY", legs(), limit, time)).unwrap();
        assert!(form.as_str().contains(&format!("duration={word}&")));
        for kind in [OrderKind::Market, OrderKind::Stop { stop: price("5") }] {
            assert!(order(&request("SPY", legs(), kind, time)).is_err());
        }
    }
}

#[test]
fn everything_but_the_unreserved_characters_is_encoded() {
    assert_eq!(encode("aZ09-._~"), "aZ09-._~");
    assert_eq!(encode("a b&c=d+e%/ä"), "a%20b%26c%3Dd%2Be%25%2F%C3%A4");
}
