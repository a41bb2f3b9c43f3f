//! Orders: placed, followed, canceled, refused.

use backstop_sim::{FaultKind, Hours};
use serde_json::{Value, json};

use crate::client::{BUY, REST, SPREAD, Sim};

#[tokio::test]
async fn an_order_is_ok_then_pending_open_and_filled() {
    let sim = Sim::start().await;
    let reply = sim.post(BUY).await;
    let id = Sim::placed(&reply);
    assert!(reply.json()["order"]["partner_id"].is_string());
    assert_eq!(sim.order(id, "").await["status"], "pending");
    sim.pass(90);
    assert_eq!(sim.order(id, "").await["status"], "open");
    sim.pass(1_000);
    let filled = sim.order(id, "").await;
    assert_eq!(filled["status"], "filled");
    assert_eq!((&filled["class"], &filled["side"]), (&json!("equity"), &json!("buy")));
    let body = sim.get(&sim.account(&format!("orders/{id}"))).await.body;
    assert!(
        body.contains(r#""exec_quantity":1.00000000"#) && body.contains(r#""remaining_quantity":0.00000000"#),
        "{body}"
    );
}

#[tokio::test]
async fn an_exponent_stands_where_nothing_was_filled() {
    let sim = Sim::start().await;
    let id = sim.place(REST).await;
    let body = sim.get(&sim.account(&format!("orders/{id}"))).await.body;
    assert!(body.contains(r#""last_fill_quantity":0E-8"#), "{body}");
}

#[tokio::test]
async fn a_multileg_parent_says_buy_and_a_credit_is_negative() {
    let sim = Sim::start().await;
    let id = sim.place(SPREAD).await;
    sim.pass(2_000);
    let order = sim.order(id, "?includeTags=true").await;
    assert_eq!(
        (&order["side"], &order["class"], &order["strategy"]),
        (&json!("buy"), &json!("multileg"), &json!("spread"))
    );
    assert_eq!((&order["num_legs"], &order["tag"]), (&json!(2), &json!("bk-1")));
    let number = |value: &Value| value.to_string().parse::<backstop_broker::Decimal>().unwrap();
    let legs = order["leg"].as_array().unwrap();
    let net = number(&legs[1]["avg_fill_price"]) - number(&legs[0]["avg_fill_price"]);
    assert!(net < backstop_broker::Decimal::ZERO);
    assert_eq!(number(&order["avg_fill_price"]), net);
    assert_eq!(legs[0]["id"].as_u64(), Some(id + 1));
    assert_eq!((&legs[0]["side"], &legs[1]["side"]), (&json!("sell_to_open"), &json!("buy_to_open")));
    assert!(legs.iter().all(|leg| leg["status"] == "filled" && leg["exec_quantity"] == 2.0));
}

#[tokio::test]
async fn brackets_may_be_encoded_or_not_and_nested_keys_are_no_legs() {
    let sim = Sim::start().await;
    sim.place(&SPREAD.replace('[', "%5B").replace(']', "%5D")).await;
    let nested = SPREAD.replace("option_symbol[0]", "leg[0][option_symbol]");
    let refused = sim.post(&nested).await;
    assert_eq!((refused.status, refused.body.as_str()), (400, "number of legs must be > 1"));
}

#[tokio::test]
async fn the_tag_is_told_only_on_demand_and_never_on_half_a_word() {
    let sim = Sim::start().await;
    let id = sim.place(&format!("{BUY}&tag=a-1")).await;
    assert_eq!(sim.order(id, "").await.get("tag"), None);
    assert_eq!(sim.orders("").await["order"].get("tag"), None);
    assert_eq!(sim.orders("?includeTags=true").await["order"]["tag"], "a-1");
    for bad in ["a_1", "a.1", "a%3A1", "a%201", "a%2F1"] {
        let refused = sim.post(&format!("{BUY}&tag={bad}")).await;
        assert_eq!(refused.status, 400, "{bad}");
        assert_eq!(refused.body, "Invalid parameter, tag: contains invalid characters.");
    }
    sim.place(&format!("{BUY}&tag={}", "a".repeat(255))).await;
    let refused = sim.post(&format!("{BUY}&tag={}", "a".repeat(256))).await;
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (400, "Invalid parameter, tag: contains more than 255 characters.")
    );
    assert_eq!(sim.server.handle().ledger().orders.len(), 2);
}

#[tokio::test]
async fn two_posts_with_one_tag_are_two_orders() {
    let sim = Sim::start().await;
    let form = format!("{BUY}&tag=same");
    assert_ne!(sim.place(&form).await, sim.place(&form).await);
    assert_eq!(sim.server.handle().ledger().by_tag("same").count(), 2);
}

#[tokio::test]
async fn a_refusal_is_a_200_with_errors_with_or_without_a_row() {
    let sim = Sim::start().await;
    let unknown = sim.post(&BUY.replace("SPY", "NOPE")).await;
    assert_eq!((unknown.status, unknown.json()), (200, json!({"errors": {"error": "Undefined symbol: NOPE"}})));
    assert_eq!(sim.orders("").await, "null");
    let margin = sim.post(&BUY.replace("quantity=1", "quantity=9999")).await;
    let words = json!(["Backoffice rejected override of the order.", "InitialMargin"]);
    assert_eq!((margin.status, margin.json()), (200, json!({"errors": {"error": words}})));
    let row = sim.orders("").await["order"].clone();
    assert_eq!(row["status"], "rejected");
    assert!(row["reason_description"].as_str().unwrap().contains("InitialMargin"));
}

#[tokio::test]
async fn a_second_close_is_refused_while_the_first_is_pending() {
    let sim = Sim::start().await;
    sim.place(BUY).await;
    sim.pass(2_000);
    let sell = BUY.replace("side=buy", "side=sell");
    sim.place(&sell).await;
    let refused = sim.post(&sell).await.json();
    assert_eq!(refused["errors"]["error"][1], "LongPositionCrossZero");
}

#[tokio::test]
async fn each_bad_parameter_is_a_400_sentence() {
    let sim = Sim::start().await;
    for (form, sentence) in [
        (SPREAD.replace("type=market", "type=limit&price=1"), "Invalid parameter, type: is not valid."),
        (BUY.replace("duration=day", "duration=week"), "Invalid parameter, duration: is not valid."),
        (BUY.replace("duration=day", "duration=pre"), "Invalid parameter, duration: pre market no longer available"),
        (BUY.replace("class=equity", "class=combo"), "Invalid parameter, class: is not valid."),
        (BUY.replace("quantity=1", "quantity=-1"), "Invalid parameter, quantity: is not valid."),
        (BUY.replace("symbol=SPY", "symbol=spy"), "Invalid parameter, symbol: is not valid"),
        (REST.replace("price=500", "price=-1"), "Invalid parameter, price: is not valid."),
        (BUY.replace("side=buy", "side=buy_to_open"), "Invalid parameter, side: is not valid."),
    ] {
        let refused = sim.post(&form).await;
        assert_eq!((refused.status, refused.body.as_str()), (400, sentence), "{form}");
    }
    let ledger = sim.server.handle().ledger();
    assert!(ledger.orders.is_empty());
    assert_eq!(ledger.requests.len(), 8, "each was on the wire");
}

#[tokio::test]
async fn an_accepted_order_can_be_rejected_a_moment_later() {
    let sim = Sim::start().await;
    sim.inject(FaultKind::RejectedLater);
    let id = sim.place(BUY).await;
    assert_eq!(sim.order(id, "").await["status"], "pending");
    sim.pass(1_000);
    let order = sim.order(id, "").await;
    assert_eq!(order["status"], "rejected");
    assert!(order["reason_description"].is_string());
}

#[tokio::test]
async fn cancel_and_change_of_a_finished_order_are_refused_with_its_state() {
    let sim = Sim::start().await;
    let resting = sim.place(REST).await;
    sim.pass(500);
    let ok = sim.cancel(resting).await;
    assert_eq!((ok.status, &ok.json()["order"]["status"]), (200, &json!("ok")));
    assert_eq!(sim.order(resting, "").await["status"], "open", "confirmed is not canceled");
    sim.pass(500);
    let again = sim.cancel(resting).await;
    assert_eq!((again.status, again.body.as_str()), (400, "order already in finalized state: canceled"));
    let filled = sim.place(BUY).await;
    sim.pass(2_000);
    for method in ["DELETE", "PUT"] {
        let refused = sim.call(method, &sim.account(&format!("orders/{filled}")), "price=1").await;
        assert_eq!((refused.status, refused.body.as_str()), (400, "order already in finalized state: filled"));
    }
    let foreign = sim.cancel(77).await;
    assert_eq!((foreign.status, foreign.body), (401, format!("Unauthorized Account: {}", sim.server.account())));
    let unknown = sim.get(&sim.account("orders/77")).await;
    assert_eq!(unknown.status, 401);
}

#[tokio::test]
async fn a_fill_can_win_against_a_confirmed_cancel() {
    let sim = Sim::start().await;
    let (bid, _) = sim.server.handle().true_prices(&"SPY".parse().unwrap()).unwrap();
    let id = sim.place(&REST.replace("price=500", &format!("price={bid}"))).await;
    sim.inject(FaultKind::CancelRace);
    assert_eq!(sim.cancel(id).await.status, 200);
    sim.pass(1_000);
    assert_eq!(sim.order(id, "").await["status"], "filled");
}

#[tokio::test]
async fn a_part_that_was_filled_stays_after_the_cancel() {
    let sim = Sim::start().await;
    sim.inject(FaultKind::PartialFillStuck);
    let id = sim.place(&BUY.replace("quantity=1", "quantity=10")).await;
    sim.pass(2_000);
    let part = sim.order(id, "").await;
    assert_eq!(part["status"], "partially_filled");
    sim.cancel(id).await;
    sim.pass(1_000);
    let canceled = sim.order(id, "").await;
    assert_eq!(canceled["status"], "canceled");
    assert_eq!(canceled["exec_quantity"], part["exec_quantity"]);
    assert_ne!(canceled["exec_quantity"].to_string(), "0.0");
    assert_eq!(canceled["remaining_quantity"].to_string(), "0.0");
}

#[tokio::test]
async fn filled_is_seen_before_its_quantities() {
    let sim = Sim::start().await;
    sim.inject(FaultKind::FilledBeforeQuantities);
    let id = sim.place(BUY).await;
    let mut order = sim.order(id, "").await;
    while order["status"] != "filled" {
        sim.pass(20);
        order = sim.order(id, "").await;
    }
    assert!(order["avg_fill_price"].is_null());
    assert_eq!(order["exec_quantity"].to_string(), "0.0");
    sim.pass(1_000);
    assert_eq!(sim.order(id, "").await["exec_quantity"].to_string(), "1.0");
}

#[tokio::test]
async fn the_list_comes_in_pages_newest_first() {
    let sim = Sim::start().await;
    assert_eq!(sim.orders("").await, "null");
    let first = sim.place(REST).await;
    assert!(sim.orders("").await["order"].is_object());
    let mut last = first;
    for _ in 0..29 {
        last = sim.place(REST).await;
    }
    let page = sim.orders("").await["order"].as_array().unwrap().clone();
    assert_eq!((page.len(), page[0]["id"].as_u64()), (25, Some(last)));
    let rest = sim.orders("?page=2").await["order"].as_array().unwrap().clone();
    assert_eq!((rest.len(), rest[4]["id"].as_u64()), (5, Some(first)));
    assert_eq!(sim.orders("?page=3").await, "null");
    assert_eq!(sim.orders("?limit=100").await["order"].as_array().unwrap().len(), 30);
}

#[tokio::test]
async fn the_list_forgets_yesterday_and_the_id_does_not() {
    let sim = Sim::with(|config| config.with_hours(Hours::Regular)).await;
    let id = sim.place(BUY).await;
    sim.pass(24 * 3_600 * 1_000);
    assert_eq!(sim.orders("").await, "null");
    assert_eq!(sim.order(id, "").await["status"], "filled");
}

#[tokio::test]
async fn the_list_lags_behind_a_new_order() {
    let sim = Sim::start().await;
    sim.inject(FaultKind::OrdersLag);
    let id = sim.place(BUY).await;
    sim.pass(1_000);
    assert_eq!(sim.orders("").await, "null");
    sim.pass(1_000);
    assert_eq!(sim.orders("").await["order"]["id"].as_u64(), Some(id));
}

#[tokio::test]
async fn a_preview_checks_and_places_nothing() {
    let sim = Sim::start().await;
    let fine = sim.post(&format!("{SPREAD}&preview=true")).await.json();
    assert_eq!((&fine["order"]["result"], fine["order"].get("id")), (&json!(true), None));
    let poor = sim.post(&format!("{}&preview=true", BUY.replace("quantity=1", "quantity=9999"))).await.json();
    assert_eq!(poor["errors"]["error"][1], "InitialMargin");
    let ledger = sim.server.handle().ledger();
    assert!(ledger.orders.is_empty() && ledger.requests.is_empty());
}
