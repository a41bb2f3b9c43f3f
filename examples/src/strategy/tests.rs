use backstop::State;
use backstop::broker::{Field, Fill, PositionEffect, Quantity, Quote, QuoteSide, Received, Side};
use backstop::clock::Mono;
use backstop::reconcile::{Book, Executed};
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

fn spread() -> Spread {
    Spread::new(&"SPXW".parse().unwrap(), Quantity::new(2).unwrap()).unwrap()
}

const SHORT: &str = "SPXW300102P05870000";
const LONG: &str = "SPXW300102P05860000";

/// Two spreads sold at 1.00, in the book.
fn book(legs: [(&str, Side); 2]) -> Book {
    let fill = |(symbol, side): (&str, Side), price: &str| Fill {
        symbol: symbol.parse().unwrap(),
        side,
        effect: PositionEffect::Open,
        quantity: Decimal::TWO,
        price: price.parse().unwrap(),
    };
    let [first, second] = legs;
    let fills = vec![fill(first, "3.00"), fill(second, "2.00")];
    let id = "bs-spread-20300102-1-1-open-1".parse().unwrap();
    let (executed, mut book) = (Executed::recorded(id, "1".parse().unwrap(), fills), Book::new());
    let (name, underlying) = ("spread-20300102-1-1".parse().unwrap(), "SPX".parse().unwrap());
    book.book(&name, &underlying, &executed, Timestamp::UNIX_EPOCH).unwrap();
    book
}

fn position() -> Position {
    first(&book([(SHORT, Side::Sell), (LONG, Side::Buy)]))
}

fn first(book: &Book) -> Position {
    book.positions().values().next().unwrap().clone()
}

fn moment(held: i64) -> Moment {
    let now = Timestamp::from_second(held).unwrap();
    Moment { now, hold: Duration::from_mins(1), flatten: false }
}

fn leaves(position: &Position, closing: Option<i64>, moment: &Moment) -> Option<(String, ExitAt)> {
    leaves_after(0, position, closing, moment)
}

fn leaves_after(attempts: u32, position: &Position, closing: Option<i64>, moment: &Moment) -> Option<(String, ExitAt)> {
    let plan = Strategy::Spread(spread()).exit(position, attempts, closing.map(Decimal::from), moment)?;
    Some((plan.reason, plan.at))
}

fn level(bid: &str, ask: &str) -> Quote {
    quote("SPX", bid, ask)
}

#[test]
fn sells_half_a_percent_below_and_buys_two_strikes_lower() {
    let legs = spread().legs(DAY, &level("5899.90", "5900.10"), 4, &State::default()).unwrap();
    assert_eq!(legs, [(SHORT.parse().unwrap(), Side::Sell), (LONG.parse().unwrap(), Side::Buy)]);
}

#[test]
fn steps_lower_where_a_leg_would_meet_its_own_opposite() {
    let state = State { book: book([(SHORT, Side::Buy), (LONG, Side::Buy)]), ..State::default() };
    let legs = spread().legs(DAY, &level("5899.90", "5900.10"), 4, &state).unwrap();
    assert_eq!(legs[0].0.as_str(), "SPXW300102P05865000");
}

#[test]
fn has_no_strikes_by_one_side_or_by_the_last_trade() {
    for (bid, ask) in [("x", "5900"), ("5900", "x"), ("x", "x"), ("0", "0")] {
        let mut level = level(bid, ask);
        level.last = Field::Value(Decimal::from(5_900));
        assert!(spread().legs(DAY, &level, 1, &State::default()).is_err(), "{bid} {ask}");
    }
}

#[test]
fn has_no_entry_without_a_credit() {
    let plan = |bid, ask| spread().entry(&[&quote(SHORT, bid, "9"), &quote(LONG, "1.90", ask)]);
    assert!(plan("2.00", "2.00").is_err());
    assert!(plan("x", "2.00").is_err());
    assert!(plan("3.00", "x").is_err());
    assert!(spread().entry(&[]).is_err());
    let plan = plan("3.00", "2.00").unwrap();
    assert_eq!(plan.kind, OrderKind::Credit { price: Decimal::ONE });
    assert_eq!(plan.reserve, Decimal::from(2_000));
    assert!(plan.legs.iter().all(|leg| leg.effect == PositionEffect::Open));
    assert_eq!([plan.legs[0].side, plan.legs[1].side], [Side::Sell, Side::Buy]);
}

#[test]
fn leaves_at_half_the_credit_at_as_much_lost_and_when_the_time_is_over() {
    let position = position();
    let by_policy = |reason: &str| Some((reason.to_owned(), ExitAt::Policy));
    assert_eq!(leaves(&position, Some(-160), &moment(0)), None);
    assert_eq!(leaves(&position, Some(-100), &moment(0)), by_policy("profit target"));
    assert_eq!(leaves(&position, Some(-400), &moment(0)), by_policy("stop loss"));
    assert_eq!(leaves(&position, Some(-160), &moment(60)), by_policy("time"));
}

#[test]
fn leaves_without_a_quote_when_the_time_is_over_and_at_the_market_when_patience_is() {
    let position = position();
    assert_eq!(leaves(&position, None, &moment(0)), None);
    assert_eq!(leaves(&position, None, &moment(60)), Some(("time".to_owned(), ExitAt::Policy)));
    let third = leaves_after(2, &position, Some(-160), &moment(60));
    assert_eq!(third.unwrap().1, ExitAt::Order(OrderKind::Market));
}

#[test]
fn an_exit_that_did_not_come_through_is_tried_again() {
    let mut book = book([(SHORT, Side::Sell), (LONG, Side::Buy)]);
    let name = "spread-20300102-1-1".parse().unwrap();
    book.pend(&name, "test", Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(leaves(&first(&book), Some(-160), &moment(0)).unwrap().0, "trying again");
}

#[test]
fn options_expire_today_while_there_is_a_session_and_else_on_the_next_trading_day() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let (friday, saturday, monday) = (date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 23));
    for (today, now, expires) in [
        (friday, "2026-11-20T20:59:59Z", friday),
        (friday, "2026-11-20T21:00:00Z", monday),
        (saturday, "2026-11-21T15:00:00Z", monday),
        // The day before Thanksgiving, and an early close behind it.
        (date(2026, 11, 26), "2026-11-26T15:00:00Z", date(2026, 11, 27)),
        (date(2026, 11, 27), "2026-11-27T18:00:00Z", date(2026, 11, 30)),
        // The broker's day is ahead of ours.
        (monday, "2026-11-20T15:00:00Z", monday),
    ] {
        assert_eq!(expiration(today, at(now)), expires, "{now}");
    }
}
