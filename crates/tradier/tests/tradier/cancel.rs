//! The same table for a cancel.

use backstop_broker::{Broker, BrokerOrderId, DoubtCause, NotSent, Outcome};

use crate::server::{Behavior, Server, broker, config, http, nobody};
use crate::submit::{End, end};

fn id() -> BrokerOrderId {
    BrokerOrderId::new("9100001").unwrap()
}

async fn check(behavior: Behavior, expected: End) {
    let server = Server::start(behavior).await;
    let broker = server.broker();
    let cancel = tokio::time::timeout(broker.call_timeout() * 2, broker.cancel(&id())).await;
    let outcome = cancel.expect("the call ends by itself");
    assert_eq!(end(&outcome), expected, "{outcome:?}");
    let seen = server.seen().await;
    assert!(seen.connections == 1 && seen.requests.len() <= 1, "{seen:?}");
}

async fn check_answer(status: u16, body: &str, expected: End) {
    check(Behavior::Write(http(status, body)), expected).await;
}

// proves: BRK-1
#[tokio::test]
async fn failures_of_the_connection_end_in_time_and_once_on_the_wire() {
    let lost = End::Unknown(DoubtCause::ConnectionLost);
    check(Behavior::CloseAtOnce, lost).await;
    check(Behavior::ResetAtOnce, lost).await;
    check(Behavior::ResetAfterHalf, lost).await;
    check(Behavior::CloseAfterRequest, lost).await;
    check(Behavior::ResetAfterRequest, lost).await;
    check(Behavior::Silent, End::Unknown(DoubtCause::TimedOut)).await;
    check(Behavior::Trickle, End::Unknown(DoubtCause::TimedOut)).await;
    assert_eq!(end(&broker(config(&nobody().await)).cancel(&id()).await), End::NotSent);
}

#[tokio::test]
async fn only_documented_answers_are_certain() {
    let unreadable = End::Unknown(DoubtCause::Unreadable);
    let failed = |status| End::Unknown(DoubtCause::ServerError { status });
    check_answer(200, r#"{"order":{"id":9100001,"status":"ok"}}"#, End::Accepted).await;
    check_answer(200, r#"{"order":{"status":"OK"}}"#, End::Accepted).await;
    check_answer(200, r#"{"order":{"id":9100002,"status":"ok"}}"#, unreadable).await;
    check_answer(200, r#"{"order":{"id":9100001,"status":"filled"}}"#, unreadable).await;
    check_answer(200, "<html></html>", unreadable).await;
    check_answer(200, r#"{"errors":{"error":"no"}}"#, End::Rejected).await;
    check_answer(400, "order already in finalized state: filled", End::Rejected).await;
    check_answer(400, "order already in finalized state: canceled", End::Rejected).await;
    check_answer(401, "Unauthorized Account: VA00004711", End::Rejected).await;
    check_answer(401, r#"{"fault":{"faultstring":"Invalid Access Token"}}"#, End::Rejected).await;
    check_answer(404, "order not found", failed(404)).await;
    check_answer(429, "", End::Unknown(DoubtCause::Throttled)).await;
    check_answer(500, "", failed(500)).await;
    check_answer(502, "<html></html>", failed(502)).await;
}

#[tokio::test]
async fn the_request_names_the_order_and_nothing_else_can_stand_in_its_place() {
    let server = Server::answering(|_, _| http(200, r#"{"order":{"id":9100001,"status":"ok"}}"#)).await;
    let broker = server.broker();
    assert_eq!(broker.cancel(&id()).await, Outcome::Accepted(()));
    for odd in ["..", ".", "abc", "1:2"] {
        let outcome = broker.cancel(&BrokerOrderId::new(odd).unwrap()).await;
        assert!(matches!(outcome, Outcome::NotSent(NotSent::Unsupported { .. })), "{odd}: {outcome:?}");
    }
    let seen = server.seen().await;
    assert_eq!(seen.requests.len(), 1);
    assert!(seen.requests[0].1.starts_with("DELETE /v1/accounts/VA00004711/orders/9100001 HTTP/1.1\r\n"));
}
