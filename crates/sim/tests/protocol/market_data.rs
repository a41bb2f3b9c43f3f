//! Quotes as they should be, and in every way in which they should not; clock and chains.

use std::io::Write;

use backstop_sim::{FaultKind, Replay};
use serde_json::{Value, json};

use crate::client::Sim;

const PUT: &str = "SPXW300102P05880000";

async fn quote(sim: &Sim, symbol: &str) -> Value {
    sim.get(&format!("/v1/markets/quotes?symbols={symbol}")).await.json()["quotes"]["quote"].clone()
}

#[tokio::test]
async fn one_quote_is_an_object_several_are_an_array_and_strangers_are_named() {
    let sim = Sim::start().await;
    let one = quote(&sim, "SPY").await;
    assert_eq!((&one["symbol"], &one["type"]), (&json!("SPY"), &json!("etf")));
    let form = format!("symbols=SPY,SPX,{PUT},NOPE&greeks=true");
    let several = sim.call("POST", "/v1/markets/quotes", &form).await.json()["quotes"].clone();
    let rows = several["quote"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(several["unmatched_symbols"]["symbol"], "NOPE");
    let put = &rows[2];
    assert_eq!(
        (&put["option_type"], &put["strike"], &put["root_symbol"]),
        (&json!("put"), &json!(5880), &json!("SPXW"))
    );
    assert_eq!((&put["underlying"], &put["expiration_date"]), (&json!("SPX"), &json!("2030-01-02")));
    let strangers = sim.get("/v1/markets/quotes?symbols=NOPE,NADA").await.json()["quotes"].clone();
    assert_eq!(strangers, json!({"unmatched_symbols": {"symbol": ["NOPE", "NADA"]}}));
}

#[tokio::test]
async fn sides_and_last_trade_have_clocks_of_their_own() {
    let sim = Sim::start().await;
    sim.pass(30_000);
    let quote = quote(&sim, PUT).await;
    let now = "2030-01-02T15:00:30Z".parse::<backstop_clock::Timestamp>().unwrap().as_millisecond();
    let [bid, ask, trade] = ["bid_date", "ask_date", "trade_date"].map(|name| quote[name].as_i64().unwrap());
    assert!(bid % 1000 == 0 && ask % 1000 == 0);
    assert!((now - 8_000..=now).contains(&bid) && (now - 8_000..=now).contains(&ask));
    assert!(trade < now);
}

#[tokio::test]
async fn each_spoiled_quote_looks_as_it_does_in_the_field() {
    let sim = Sim::start().await;
    let spoiled = async |kind| {
        sim.inject(kind);
        quote(&sim, "SPY").await
    };
    let fine = quote(&sim, "SPY").await;
    let number = |value: &Value| value.to_string().parse::<backstop_broker::Decimal>().unwrap();
    assert!(number(&fine["bid"]) < number(&fine["ask"]));
    let crossed = spoiled(FaultKind::QuoteCrossed).await;
    assert!(number(&crossed["bid"]) > number(&crossed["ask"]));
    assert_eq!(spoiled(FaultKind::QuoteZero).await["ask"], 0);
    assert!(number(&spoiled(FaultKind::QuoteNegative).await["bid"]) < 0.into());
    assert_eq!(spoiled(FaultKind::QuoteText).await["bid"], "NaN");
    let missing = spoiled(FaultKind::QuoteMissing).await;
    assert!(missing["bid"].is_null() || missing["ask"].is_null());
    let at = |quote: &Value| quote["bid_date"].as_i64().unwrap();
    assert!(at(&spoiled(FaultKind::QuoteStale).await) <= at(&fine) - 590_000);
    assert!(at(&spoiled(FaultKind::QuoteFuture).await) >= at(&fine) + 30_000);
    assert_eq!(spoiled(FaultKind::QuoteUnmatched).await, Value::Null);
    let frozen = spoiled(FaultKind::QuoteFrozen).await;
    sim.pass(5_000);
    assert_eq!(quote(&sim, "SPY").await, frozen);
    assert_eq!(sim.server.handle().fault_counts().len(), 9);
}

#[tokio::test]
async fn recorded_quotes_are_played_with_their_gaps() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recorded.csv");
    let mut file = std::fs::File::create(&path).unwrap();
    writeln!(file, "symbol,exchange_ts_us,receive_ts_us,bid,bid_size,ask,ask_size").unwrap();
    writeln!(file, "XYZ,1000000000,1000000000,10.10,3,10.12,4").unwrap();
    writeln!(file, "XYZ,1001000000,1001000000,,,10.13,1").unwrap();
    drop(file);
    let replay = Replay::read(&path).unwrap();
    let sim = Sim::with(|config| config.with_replay(replay)).await;
    let first = quote(&sim, "XYZ").await;
    assert_eq!((first["bid"].to_string(), first["asksize"].to_string()), ("10.1".to_owned(), "4".to_owned()));
    sim.pass(1_000);
    assert!(quote(&sim, "XYZ").await["bid"].is_null());
    assert_eq!(quote(&sim, "XYZ").await["ask"].to_string(), "10.13");
}

#[tokio::test]
async fn the_clock_says_day_and_state() {
    let sim = Sim::start().await;
    let clock = sim.get("/v1/markets/clock").await.json()["clock"].clone();
    assert_eq!((&clock["date"], &clock["state"]), (&json!("2030-01-02"), &json!("open")));
    assert_eq!(
        clock["timestamp"].as_i64(),
        Some("2030-01-02T15:00:00Z".parse::<backstop_clock::Timestamp>().unwrap().as_second())
    );
}

#[tokio::test]
async fn chains_lead_to_contracts_that_are_quoted() {
    let sim = Sim::start().await;
    let dates = sim.get("/v1/markets/options/expirations?symbol=SPX&includeAllRoots=true").await.json();
    assert_eq!(dates["expirations"]["date"][0], "2030-01-02");
    let strikes = sim.get("/v1/markets/options/strikes?symbol=SPX&expiration=2030-01-02").await.json();
    assert_eq!(strikes["strikes"]["strike"].as_array().unwrap().len(), 81);
    let chain = sim.get("/v1/markets/options/chains?symbol=SPX&expiration=2030-01-02").await.json();
    assert_eq!(chain["options"]["option"].as_array().unwrap().len(), 162);
    let none = sim.get("/v1/markets/options/chains?symbol=NOPE&expiration=2030-01-02").await.json();
    assert!(none["options"].is_null());
}
