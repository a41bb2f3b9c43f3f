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

/// What Tradier's policy makes of an answer: taken in, and judged for a buy and for a sell of `X` or of the option.
fn judged(symbol: &str, fields: &str) -> [String; 2] {
    use backstop_quote::{Feed, Market, MarketState, Need, Now, Policy, PolicyConfig};

    let wall: Timestamp = "2030-01-02T15:00:00Z".parse().unwrap();
    let received = Received { mono: Mono::from_origin(std::time::Duration::from_secs(1)), wall };
    let text = format!(
        r#"{{"quotes":{{"quote":[{{"symbol":"{symbol}",{fields}}},
        {{"symbol":"SPY","bid":560.10,"ask":560.12,"bid_date":1893596399000,"ask_date":1893596400000}}]}}}}"#
    );
    let all = quotes(&Object::parse(&text).unwrap(), received).unwrap();
    let mut feed = Feed::new(Policy::new(PolicyConfig::tradier()).unwrap());
    for quote in &all.quotes {
        feed.follow(&quote.symbol, received.mono).unwrap();
        let _verdict = feed.receive(quote);
    }
    let market = Market { state: MarketState::Open, asked: received.mono };
    let now = Now { mono: received.mono, wall };
    [Need::Buy, Need::Sell].map(|need| match feed.fresh(&symbol.parse().unwrap(), need, &market, now) {
        Ok(_fresh) => String::new(),
        Err(refusal) => refusal.reason.name().to_owned(),
    })
}

#[test]
fn what_comes_over_the_wire_is_judged_by_the_policy_for_tradier() {
    let both = |reason: &str| [reason.to_owned(), reason.to_owned()];
    let good = r#""bid":100.00,"ask":100.10,"bid_date":1893596395000,"ask_date":1893596399000"#;
    assert_eq!(judged("X", good), both(""));
    for (from, to, reason) in [
        ("100.00", "\"NaN\"", "unreadable"),
        ("100.00", "\"Infinity\"", "unreadable"),
        ("100.00", "-100.00", "negative"),
        ("100.10", "1e20", "enormous"),
        ("100.10", "1e30", "unreadable"),
        ("100.10", "99.90", "crossed"),
        ("100.10", "102.10", "too wide"),
        ("1893596399000", "null", "no stamp"),
        ("1893596399000", "0", "no stamp"),
        // Seconds, microseconds.
        ("1893596399000", "1893596399", "implausible"),
        ("1893596399000", "1893596399000000", "unreadable"),
        ("1893596399000", "1893596402000", "clock ahead"),
    ] {
        assert_eq!(judged("X", &good.replacen(from, to, 1)), both(reason), "{from} as {to}");
    }
    // The time of the last trade is no age, in either direction.
    let old =
        r#""bid":100.00,"ask":100.10,"bid_date":1893595400000,"ask_date":1893595401000,"trade_date":1893596400000"#;
    assert_eq!(judged("X", old), both("stamp stale"));
    assert_eq!(judged("X", &format!("{good},\"trade_date\":1893500000000")), both(""));
}

#[test]
fn a_quiet_option_is_fresh_while_the_feed_lives_and_needs_no_bid_to_be_bought() {
    const OPTION: &str = "SPXW300102P05900000";
    let quiet = r#""bid":1.00,"ask":1.10,"bid_date":1893595700000,"ask_date":1893596315000"#;
    assert_eq!(judged(OPTION, quiet), ["", ""], "85 s and 700 s old");
    // Never bid for.
    let worthless = r#""bid":0,"ask":0.05,"bid_date":0,"ask_date":1893596399000,"bidsize":0,"asksize":120"#;
    assert_eq!(judged(OPTION, worthless), ["", "no side"]);
}
