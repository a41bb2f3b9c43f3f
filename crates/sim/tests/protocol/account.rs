//! Profile, money, positions, and what only the night brings.

use crate::client::{BUY, SPREAD, Sim};
use backstop_sim::FaultKind;
use serde_json::json;

#[tokio::test]
async fn profile_and_balances_name_the_account() {
    let sim = Sim::start().await;
    let profile = sim.get("/v1/user/profile").await.json();
    assert_eq!(profile["profile"]["account"]["account_number"], sim.server.account());
    let reply = sim.get(&sim.account("balances")).await;
    assert!(reply.body.contains(r#""total_cash":100000.000000000000000000000000"#), "{}", reply.body);
    assert_eq!(reply.json()["balances"]["margin"]["option_buying_power"], json!(100_000));
}

#[tokio::test]
async fn a_rich_account_is_told_like_any_other() {
    let sim = Sim::with(|config| config.with_start_cash(250_000_000.into())).await;
    let reply = sim.get(&sim.account("balances")).await;
    assert!(reply.body.contains(r#""total_cash":250000000.000000000000000000000000,"#), "{}", reply.body);
}

#[tokio::test]
async fn positions_are_a_word_an_object_or_an_array() {
    let sim = Sim::start().await;
    let positions = async || sim.get(&sim.account("positions")).await.json()["positions"].clone();
    assert_eq!(positions().await, "null");
    sim.place(BUY).await;
    sim.pass(2_000);
    let one = positions().await;
    assert_eq!(one["position"]["symbol"], "SPY");
    assert!(sim.get(&sim.account("positions")).await.body.contains(r#""quantity":1.00000000"#));
    sim.place(SPREAD).await;
    sim.pass(2_000);
    let rows = positions().await["position"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 3);
    let short = rows.iter().find(|row| row["symbol"] == "SPXW300102P05900000").unwrap();
    assert_eq!(short["quantity"].to_string(), "-2.0");
    assert!(short["cost_basis"].to_string().starts_with('-'), "{short}");
    assert_eq!(short.as_object().unwrap().len(), 5, "five fields and no more");
}

#[tokio::test]
async fn positions_lag_behind_a_fill_and_may_be_empty_for_once() {
    let sim = Sim::with(|config| config.with_positions_lag(std::time::Duration::from_secs(3))).await;
    sim.inject(FaultKind::PositionsEmpty);
    let id = sim.place(BUY).await;
    sim.pass(2_000);
    assert_eq!(sim.order(id, "").await["status"], "filled");
    assert_eq!(sim.get(&sim.account("positions")).await.json()["positions"], "null", "lag");
    sim.pass(2_000);
    assert_eq!(sim.get(&sim.account("positions")).await.json()["positions"], "null", "a glitch");
    assert_eq!(sim.get(&sim.account("positions")).await.json()["positions"]["position"]["symbol"], "SPY");
    assert_eq!(sim.server.handle().fault_counts()[&FaultKind::PositionsEmpty], 1);
}

#[tokio::test]
async fn history_and_gainloss_know_nothing_of_today() {
    let sim = Sim::start().await;
    sim.place(BUY).await;
    sim.pass(2_000);
    assert_eq!(sim.get(&sim.account("history")).await.json()["history"], "null");
    assert_eq!(sim.get(&sim.account("gainloss")).await.json()["gainloss"], "null");
}

#[tokio::test]
async fn after_expiry_cash_is_settled_and_the_rows_linger() {
    let sim = Sim::start().await;
    sim.place(SPREAD).await;
    sim.pass(2_000);
    let handle = sim.server.handle();
    handle.set_price(&"SPX".parse().unwrap(), 5_800.into());
    handle.close_session();
    let ledger = handle.ledger();
    assert!(ledger.positions.is_empty());
    let settled: backstop_broker::Decimal =
        ledger.movements.iter().filter(|movement| movement.order_id.is_none()).map(|movement| movement.amount).sum();
    assert_eq!(settled, (-2_000).into(), "two spreads, ten points wide");
    let rows = async || sim.get(&sim.account("positions")).await.json()["positions"].clone();
    assert_eq!(rows().await["position"].as_array().unwrap().len(), 2);
    sim.pass(61_000);
    assert_eq!(rows().await, "null");
    assert_eq!(sim.get("/v1/markets/clock").await.json()["clock"]["state"], "closed");
}
