//! What stands before every call: token, form of the answer, allowance.

use backstop_sim::RateLimits;

use crate::client::{BUY, Sim};

#[tokio::test]
async fn without_the_right_token_there_is_a_json_fault() {
    let sim = Sim::start().await;
    for authorization in ["", "Authorization: Bearer wrong\r\n"] {
        let request = format!(
            "GET /v1/user/profile HTTP/1.1\r\nHost: sim\r\nConnection: close\r\nAccept: application/json\r\n{authorization}\r\n"
        );
        let reply = sim.raw(&request).await.unwrap();
        assert_eq!(reply.status, 401);
        assert_eq!(reply.json()["fault"]["faultstring"], "Invalid Access Token");
    }
}

#[tokio::test]
async fn a_caller_that_does_not_ask_for_json_gets_xml() {
    let sim = Sim::start().await;
    let token = sim.server.token();
    let request = format!(
        "GET /v1/user/profile HTTP/1.1\r\nHost: sim\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let reply = sim.raw(&request).await.unwrap();
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/xml")));
    assert!(reply.body.starts_with("<?xml") && reply.is_whole(), "{reply:?}");
}

#[tokio::test]
async fn a_foreign_account_is_a_401_sentence() {
    let sim = Sim::start().await;
    for path in ["balances", "positions", "orders", "orders/9100001", "history", "gainloss"] {
        let reply = sim.get(&format!("/v1/accounts/XX9/{path}")).await;
        assert_eq!((reply.status, reply.body.as_str()), (401, "Unauthorized Account: XX9"), "{path}");
    }
    let reply = sim.call("POST", "/v1/accounts/XX9/orders", BUY).await;
    assert_eq!((reply.status, reply.body.as_str()), (401, "Unauthorized Account: XX9"));
    assert!(sim.server.handle().ledger().orders.is_empty());
}

#[tokio::test]
async fn windows_begin_with_their_first_request_and_say_how_they_stand() {
    let limits = RateLimits { standard: 2, market_data: 1, trading: 1 };
    let sim = Sim::with(|config| config.with_rate_limits(limits)).await;
    sim.pass(17_000);
    let first = sim.get("/v1/user/profile").await;
    let window = |reply: &crate::client::Reply| {
        ["Allowed", "Used", "Available", "Expiry"].map(|name| {
            reply.header(&format!("X-Ratelimit-{name}")).and_then(|value| value.parse::<i64>().ok()).unwrap()
        })
    };
    let expiry = "2030-01-02T15:01:17Z".parse::<backstop_clock::Timestamp>().unwrap().as_millisecond();
    assert_eq!(window(&first), [2, 1, 1, expiry]);
    sim.pass(59_999);
    assert_eq!(window(&sim.get("/v1/user/profile").await), [2, 2, 0, expiry]);
    let refused = sim.get("/v1/user/profile").await;
    assert_eq!(refused.status, 429);
    assert!(refused.body.starts_with("Quota Violation") && refused.body.ends_with(&expiry.to_string()), "{refused:?}");
    // The other classes have windows of their own.
    assert_eq!(sim.get("/v1/markets/clock").await.status, 200);
    assert_eq!(sim.get("/v1/markets/clock").await.status, 429);
    sim.place(BUY).await;
    let turned_away = sim.post(&format!("{BUY}&tag=late")).await;
    assert_eq!(turned_away.status, 429);
    sim.pass(1);
    assert_eq!(sim.get("/v1/user/profile").await.status, 200);
    let ledger = sim.server.handle().ledger();
    assert_eq!(ledger.orders.len(), 1);
    assert_eq!(ledger.requests[1].tag.as_deref(), Some("late"), "what the gateway refuses was on the wire too");
}

#[tokio::test]
async fn the_truth_and_the_switches_need_no_token() {
    let sim = Sim::start().await;
    let bare = |method: &str, path: &str, form: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        )
    };
    let injected = sim.raw(&bare("POST", "/sim/inject", "kind=server_error_after&times=1")).await.unwrap();
    assert_eq!(injected.status, 200, "{injected:?}");
    assert_eq!(sim.post(&format!("{BUY}&tag=x-1")).await.status, 502);
    let ledger = sim.raw(&bare("GET", "/sim/ledger", "")).await.unwrap().json();
    assert_eq!(ledger["orders"][0]["tag"], "x-1");
    let faults = sim.raw(&bare("GET", "/sim/faults", "")).await.unwrap().json();
    assert_eq!(faults["server_error_after"], 1);
    let unknown = sim.raw(&bare("POST", "/sim/inject", "kind=nonsense")).await.unwrap();
    assert_eq!(unknown.status, 400);
    assert!(unknown.body.contains("answer_lost"), "{unknown:?}");
}
