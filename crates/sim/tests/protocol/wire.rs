//! What goes wrong on the wire, and what is true afterwards.

use std::time::Duration;

use backstop_sim::{FaultKind, FaultPlan, SimConfig, SimServer};
use tokio::time::{Instant, timeout};

use crate::client::{BUY, REST, Sim};

/// A plan whose delays a test can wait for.
fn short() -> FaultPlan {
    [FaultKind::RequestLost, FaultKind::CancelLost, FaultKind::AnswerDelayed, FaultKind::ReadDelayed]
        .into_iter()
        .fold(FaultPlan::none(), |plan, kind| plan.with_delay(kind, Duration::from_millis(120)))
        .with_delay(FaultKind::LateProcessing, Duration::from_millis(100))
}

async fn suffer(kind: FaultKind) -> (Sim, Option<crate::client::Reply>) {
    let sim = Sim::with(|config| config.with_faults(short())).await;
    sim.inject(kind);
    let reply = sim.try_call("POST", &sim.account("orders"), &format!("{BUY}&tag=w-1")).await;
    assert_eq!(sim.server.handle().fault_counts().get(&kind), Some(&1), "no silent fault");
    (sim, reply)
}

fn orders(sim: &Sim) -> usize {
    sim.server.handle().ledger().by_tag("w-1").count()
}

#[tokio::test]
async fn a_lost_request_gets_no_answer_and_is_no_order() {
    let (sim, reply) = suffer(FaultKind::RequestLost).await;
    assert!(reply.is_none());
    sim.pass(60_000);
    assert_eq!(orders(&sim), 0);
}

#[tokio::test]
async fn a_lost_answer_leaves_an_order_behind() {
    let (sim, reply) = suffer(FaultKind::AnswerLost).await;
    assert!(reply.is_none());
    assert_eq!(orders(&sim), 1);
}

#[tokio::test]
async fn a_delayed_answer_comes_whole_but_late_and_the_order_lives_at_once() {
    let sim = Sim::with(|config| config.with_faults(short())).await;
    sim.inject(FaultKind::AnswerDelayed);
    let path = sim.account("orders");
    let before = Instant::now();
    let waiting = sim.try_call("POST", &path, BUY);
    let reply = waiting.await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(120));
    Sim::placed(&reply);
}

#[tokio::test]
async fn a_request_whose_client_has_gone_is_processed_late() {
    let sim = Sim::with(|config| config.with_faults(short())).await;
    sim.inject(FaultKind::LateProcessing);
    let path = sim.account("orders");
    let form = format!("{BUY}&tag=w-1");
    // The client gives up long before the server does.
    let gone = timeout(Duration::from_millis(40), sim.try_call("POST", &path, &form)).await;
    assert!(gone.is_err());
    assert_eq!(orders(&sim), 0);
    sim.pass(101);
    assert_eq!(orders(&sim), 1);
}

#[tokio::test]
async fn server_errors_come_before_or_after_the_order() {
    let (sim, reply) = suffer(FaultKind::ServerErrorBefore).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, orders(&sim)), (503, 0));
    assert_eq!(reply.json()["fault"]["faultstring"], "Datastore Error");
    let (sim, reply) = suffer(FaultKind::ServerErrorAfter).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, orders(&sim)), (502, 1));
    assert!(reply.body.contains("<html>"));
}

#[tokio::test]
async fn bodies_are_cut_on_the_wire_or_in_their_json_or_are_a_page() {
    let (sim, reply) = suffer(FaultKind::TruncatedBody).await;
    let reply = reply.unwrap();
    assert!(reply.status == 200 && !reply.is_whole(), "{reply:?}");
    assert_eq!(orders(&sim), 1);
    let (sim, reply) = suffer(FaultKind::CutJson).await;
    let reply = reply.unwrap();
    assert!(reply.is_whole() && serde_json::from_str::<serde_json::Value>(&reply.body).is_err(), "{reply:?}");
    assert_eq!(orders(&sim), 1);
    let (sim, reply) = suffer(FaultKind::HtmlBody).await;
    let reply = reply.unwrap();
    assert!(reply.status == 200 && reply.body.starts_with("<!DOCTYPE html>"), "{reply:?}");
    assert_eq!(orders(&sim), 1);
}

#[tokio::test]
async fn a_throttled_order_is_none_and_a_duplicated_one_is_two() {
    let (sim, reply) = suffer(FaultKind::Throttled).await;
    let reply = reply.unwrap();
    assert!(reply.status == 429 && reply.body.starts_with("Quota Violation"), "{reply:?}");
    let expiry = reply.header("X-Ratelimit-Expiry").unwrap();
    assert!(reply.body.ends_with(expiry), "{reply:?}");
    assert_eq!(reply.header("X-Ratelimit-Available"), Some("0"));
    assert_eq!(orders(&sim), 0);
    let (sim, reply) = suffer(FaultKind::DuplicateProcessing).await;
    Sim::placed(&reply.unwrap());
    assert_eq!(orders(&sim), 2);
}

#[tokio::test]
async fn a_cancel_is_lost_or_its_answer_is() {
    for (kind, state) in [(FaultKind::CancelLost, "open"), (FaultKind::CancelAnswerLost, "canceled")] {
        let sim = Sim::with(|config| config.with_faults(short())).await;
        let id = sim.place(REST).await;
        sim.inject(kind);
        assert!(sim.try_call("DELETE", &sim.account(&format!("orders/{id}")), "").await.is_none());
        sim.pass(1_000);
        assert_eq!(sim.order(id, "").await["status"], state, "{kind}");
    }
}

#[tokio::test]
async fn reads_fail_in_every_way_and_then_work_again() {
    let sim = Sim::with(|config| config.with_faults(short())).await;
    let path = sim.account("positions");
    let read = async |kind| {
        sim.inject(kind);
        sim.try_call("GET", &path, "").await
    };
    assert!(read(FaultKind::ReadLost).await.is_none());
    assert_eq!(read(FaultKind::ReadServerError).await.unwrap().status, 500);
    assert!(!read(FaultKind::ReadTruncated).await.unwrap().is_whole());
    assert!(read(FaultKind::ReadHtml).await.unwrap().body.contains("<html>"));
    assert_eq!(read(FaultKind::ReadThrottled).await.unwrap().status, 429);
    assert_eq!(read(FaultKind::ReadDelayed).await.unwrap().status, 200);
    assert_eq!(sim.get(&path).await.status, 200);
}

#[tokio::test]
async fn a_restarted_server_serves_the_same_account() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("account.json");
    let first = Sim::with(|config| config.with_persistence(path.clone())).await;
    let id = first.place(&format!("{BUY}&tag=w-1")).await;
    // Killed, not shut down.
    drop(first);
    let second = Sim::with(|config| config.with_persistence(path.clone())).await;
    second.pass(2_000);
    let order = second.order(id, "?includeTags=true").await;
    assert_eq!((order["tag"].as_str(), order["status"].as_str()), (Some("w-1"), Some("filled")));
}

#[tokio::test]
async fn shutdown_closes_the_port_even_while_a_request_hangs() {
    let sim = Sim::with(|config| config.with_faults(FaultPlan::none())).await;
    sim.inject(FaultKind::RequestLost);
    let path = sim.account("orders");
    let address = sim.server.address();
    assert!(timeout(Duration::from_millis(50), sim.try_call("POST", &path, BUY)).await.is_err());
    timeout(Duration::from_secs(5), sim.server.shutdown()).await.expect("ends soon");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let first = SimServer::start(SimConfig::new(1)).await.unwrap();
    let error = SimServer::start(SimConfig::new(1).with_port(first.address().port())).await.unwrap_err();
    assert!(error.to_string().contains(&first.address().to_string()), "{error}");
    assert!(first.base_url().ends_with("/v1"));
}
