use backstop_broker::{Decimal, Field};
use backstop_clock::{Mono, Timestamp};

use super::*;

const NOW: Received = Received { mono: Mono::ORIGIN, wall: Timestamp::UNIX_EPOCH };

fn read(text: &str) -> Result<Quotes, Malformed> {
    quotes(&Object::parse(text).unwrap(), NOW)
}

fn price(text: &str) -> Field<Decimal> {
    Field::Value(text.parse().unwrap())
}

#[test]
fn each_side_has_its_own_price_size_and_clock() {
    let all = read(
        r#"{"quotes":{"quote":{"symbol":"AAPL","last":190.52,"close":null,"bid":190.51,"ask":"190.53","bidsize":3,
        "trade_date":1893500000123,"bid_date":1893500000000,"asksize":5,"ask_date":"1893500001000"},
        "unmatched_symbols":{"symbol":["NOPE","no symbol"]}}}"#,
    )
    .unwrap();
    let quote = all.get(&"AAPL".parse().unwrap()).unwrap();
    assert_eq!((quote.bid.price, quote.ask.price, quote.last), (price("190.51"), price("190.53"), price("190.52")));
    assert_eq!((quote.bid.size, quote.ask.size), (price("3"), price("5")));
    let millis = |at: Field<Timestamp>| at.value().unwrap().as_millisecond();
    assert_eq!((millis(quote.bid.at), millis(quote.ask.at)), (1_893_500_000_000, 1_893_500_001_000));
    assert_eq!(millis(quote.last_at), 1_893_500_000_123);
    assert_eq!(all.unmatched, ["NOPE".parse().unwrap()]);
}

#[test]
fn missing_and_unreadable_and_zero_are_three_things() {
    let all = read(
        r#"{"quotes":{"quote":[{"symbol":"A","bid":null,"ask":"abc","last":0,"bid_date":"soon"},
        {"symbol":"B","bid":true,"ask":{},"bidsize":[],"trade_date":1e40}]}}"#,
    )
    .unwrap();
    let [a, b] = &all.quotes[..] else { panic!("{all:?}") };
    assert_eq!((a.bid.price, a.ask.price, a.last), (Field::Missing, Field::Unreadable, price("0")));
    assert_eq!((a.bid.at, a.ask.at, a.last_at), (Field::Unreadable, Field::Missing, Field::Missing));
    assert_eq!((b.bid.price, b.ask.price, b.bid.size), (Field::Unreadable, Field::Unreadable, Field::Unreadable));
    assert_eq!(b.last_at, Field::Unreadable);
}

#[test]
fn no_quote_at_all_is_said_by_naming_the_unknown_symbols() {
    let none = read(r#"{"quotes":{"unmatched_symbols":{"symbol":"NOPE"}}}"#).unwrap();
    assert_eq!((none.quotes.len(), none.unmatched.len()), (0, 1));
    assert_eq!(read(r#"{"quotes":"null"}"#), Ok(Quotes::default()));
    for text in ["{}", r#"{"quotes":{}}"#, r#"{"quotes":[]}"#, r#"{"quotes":{"quote":[{"bid":1}]}}"#] {
        assert!(read(text).is_err(), "{text}");
    }
}
