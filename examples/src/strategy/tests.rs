use backstop::broker::{Field, PositionEffect, Quantity, Quote, QuoteSide, Quotes, Received, Side};
use backstop::clock::Mono;
use backstop::{HeldLeg, Pending, State};
use jiff::civil::date;

use super::*;

fn quote(symbol: &str, bid: &str, ask: &str) -> Quote {
    let side = |price: &str| QuoteSide {
        price: price.parse().map_or(Field::Missing, Field::Value),
        size: Field::Missing,
        at: Field::Missing,
    };
    Quote {
        symbol: symbol.parse().unwrap(),
        bid: side(bid),
        ask: side(ask),
        last: Field::Missing,
        last_at: Field::Missing,
        received: Received { mono: Mono::ORIGIN, wall: Timestamp::UNIX_EPOCH },
    }
}

const DAY: Date = date(2030, 1, 2);

fn quotes(quotes: Vec<Quote>) -> Quotes {
    Quotes { quotes, unmatched: vec![] }
}

fn spread() -> Spread {
    Spread::new(&"SPXW".parse().unwrap(), Quantity::new(2).unwrap()).unwrap()
}

const SHORT: &str = "SPXW300102P05870000";
const LONG: &str = "SPXW300102P05860000";

/// Two spreads sold at 1.00.
fn position() -> Position {
    let leg = |symbol: &str, quantity: i64, price: &str| HeldLeg {
        symbol: symbol.parse().unwrap(),
        quantity: Decimal::from(quantity),
        price: price.parse().unwrap(),
    };
    Position {
        legs: vec![leg(SHORT, -2, "3.00"), leg(LONG, 2, "2.00")],
        client_order_id: "bs-spread-20300102-1-1-open-1".parse().unwrap(),
        underlying: "SPX".parse().unwrap(),
        opened_at: Timestamp::UNIX_EPOCH,
        margin: Decimal::from(2_000),
        cash_flow: Decimal::from(200),
        close_attempts: 0,
        pending_close: None,
    }
}

fn moment(held: i64) -> Moment {
    let now = Timestamp::from_second(held).unwrap();
    Moment { now, hold: Duration::from_mins(1), flatten: false }
}

#[track_caller]
fn leaves(position: &Position, short_ask: &str, long_bid: &str, moment: &Moment) -> Option<(String, OrderKind)> {
    let quotes = quotes(vec![quote(SHORT, "0.05", short_ask), quote(LONG, long_bid, "9.00")]);
    let plan = Strategy::Spread(spread()).exit(position, Some(&quotes), moment)?;
    Some((plan.reason, plan.kind))
}

fn debit(price: &str) -> OrderKind {
    OrderKind::Debit { price: price.parse().unwrap() }
}

#[test]
fn sells_half_a_percent_below_and_buys_two_strikes_lower() {
    let legs = spread().legs(DAY, &quotes(vec![quote("SPX", "5899.90", "5900.10")]), 4, &State::default()).unwrap();
    assert_eq!(legs.iter().map(Symbol::as_str).collect::<Vec<_>>(), [SHORT, LONG]);
}

#[test]
fn steps_lower_where_a_leg_would_meet_its_own_opposite() {
    let mut state = State::default();
    state.positions.insert("spread-20300102-1-1".parse().unwrap(), {
        let mut held = position();
        held.legs[0].quantity = Decimal::TWO;
        held
    });
    let legs = spread().legs(DAY, &quotes(vec![quote("SPX", "5899.90", "5900.10")]), 4, &state).unwrap();
    assert_eq!(legs[0].as_str(), "SPXW300102P05865000");
}

#[test]
fn has_no_strikes_without_a_level_and_no_entry_without_a_credit() {
    assert!(spread().legs(DAY, &quotes(vec![]), 1, &State::default()).is_err());
    assert!(spread().legs(DAY, &quotes(vec![quote("SPX", "x", "5900")]), 1, &State::default()).is_err());
    let legs = [SHORT.parse().unwrap(), LONG.parse().unwrap()];
    assert!(spread().entry(&quotes(vec![quote(SHORT, "2.00", "2.10"), quote(LONG, "1.90", "2.00")]), &legs).is_err());
    let plan = spread().entry(&quotes(vec![quote(SHORT, "3.00", "3.10"), quote(LONG, "1.90", "2.00")]), &legs).unwrap();
    assert_eq!(plan.kind, OrderKind::Credit { price: Decimal::ONE });
    assert_eq!(plan.reserve, Decimal::from(2_000));
    assert!(plan.legs.iter().all(|leg| leg.effect == PositionEffect::Open));
    assert_eq!([plan.legs[0].side, plan.legs[1].side], [Side::Sell, Side::Buy]);
}

#[test]
fn leaves_at_half_the_credit_at_as_much_lost_and_when_the_time_is_over() {
    let position = position();
    assert_eq!(leaves(&position, "1.90", "1.10", &moment(0)), None);
    assert_eq!(leaves(&position, "1.50", "1.00", &moment(0)), Some(("profit target".to_owned(), debit("0.55"))));
    assert_eq!(leaves(&position, "4.00", "2.00", &moment(0)), Some(("stop loss".to_owned(), debit("2.05"))));
    assert_eq!(leaves(&position, "1.90", "1.10", &moment(60)), Some(("time".to_owned(), debit("0.85"))));
}

#[test]
fn leaves_at_the_market_when_there_is_no_price_or_patience_is_over() {
    let mut position = position();
    let strategy = Strategy::Spread(spread());
    assert!(strategy.exit(&position, None, &moment(0)).is_none());
    assert_eq!(strategy.exit(&position, None, &moment(60)).unwrap().kind, OrderKind::Market);
    assert_eq!(leaves(&position, "0", "1.10", &moment(60)).unwrap().1, OrderKind::Market);
    position.close_attempts = 2;
    assert_eq!(leaves(&position, "1.90", "1.10", &moment(60)).unwrap().1, OrderKind::Market);
}

#[test]
fn a_broken_spread_has_no_net_price_and_leaves_at_the_market() {
    for (short, long) in [(-2, 1), (-1, 2)] {
        let mut position = position();
        position.legs[0].quantity = Decimal::from(short);
        position.legs[1].quantity = Decimal::from(long);
        assert_eq!(leaves(&position, "1.90", "1.10", &moment(60)).unwrap().1, OrderKind::Market);
        // The rules still see what leaving would cost.
        assert_eq!(leaves(&position, "9.00", "0.10", &moment(0)), Some(("stop loss".to_owned(), OrderKind::Market)));
    }
    let mut one_leg = position();
    one_leg.legs[1].quantity = Decimal::ZERO;
    let kind = OrderKind::Limit { price: "1.90".parse().unwrap() };
    assert_eq!(leaves(&one_leg, "1.90", "1.10", &moment(60)).unwrap().1, kind);
}

#[test]
fn an_exit_that_did_not_come_through_is_tried_again() {
    let mut position = position();
    position.pending_close = Some(Pending { since: Timestamp::UNIX_EPOCH, reason: "test".to_owned() });
    assert_eq!(leaves(&position, "1.90", "1.10", &moment(0)).unwrap().0, "trying again");
}
