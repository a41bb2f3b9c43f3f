//! The table of the crate's documentation, row by row, for an order.

use std::time::Duration;

use backstop_broker::{Broker, DoubtCause, Grant, NotSent, OrderKind, OrderRequest, Outcome, TimeInForce};
use backstop_clock::{Clock, SystemClock};

use crate::server::{Behavior, Server, broker, config, hasty, http, nobody, order};

const OK: &str = r#"{"order":{"id":9100001,"status":"ok","partner_id":"5f0e1c1e-0000-4000-8000-000000000001"}}"#;
const MARGIN: &str = r#"{"errors":{"error":["Backoffice rejected override of the order.","InitialMargin"]}}"#;
const TEXT_400: &str = "Invalid parameter, tag: contains invalid characters.";
const FAULT: &str = r#"{"fault":{"faultstring":"Invalid Access Token","detail":{"errorcode":"keymanagement.service.invalid_access_token"}}}"#;
const DATASTORE: &str = r#"{"fault":{"faultstring":"Datastore Error","detail":{"errorcode":"datastore.error"}}}"#;
const HTML: &str = "<!DOCTYPE html><html><body>Bad gateway</body></html>";

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    Accepted,
    Rejected,
    NotSent,
    Unknown(DoubtCause),
}

pub(crate) fn end<T>(outcome: &Outcome<T>) -> End {
    match outcome {
        Outcome::Accepted(_) => End::Accepted,
        Outcome::Rejected(_) => End::Rejected,
        Outcome::NotSent(_) => End::NotSent,
        Outcome::Unknown(doubt) => End::Unknown(doubt.cause),
    }
}

/// Submits once; asserts how it ends, that it ends in time, and how often the server saw it.
#[track_caller]
fn check(behavior: Behavior, expected: End) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let server = Server::start(behavior).await;
        let (broker, clock) = (server.broker(), SystemClock::new());
        let started = clock.mono();
        let (order, limit) = (order(), broker.call_timeout() * 2);
        let submit = tokio::time::timeout(limit, broker.submit(&order, Grant::unmetered()));
        let outcome = submit.await.expect("the call ends by itself");
        assert!(clock.mono().since(started) < broker.call_timeout(), "{caller}: not in time");
        assert_eq!(end(&outcome), expected, "{caller}: {outcome:?}");
        let seen = server.seen().await;
        assert!(seen.connections == 1 && seen.requests.len() <= 1, "{caller}: {seen:?}");
    }
}

async fn check_answer(status: u16, body: &str, expected: End) {
    let server = Server::start(Behavior::Write(http(status, body))).await;
    let outcome = server.broker().submit(&order(), Grant::unmetered()).await;
    assert_eq!(end(&outcome), expected, "{status} {body}: {outcome:?}");
    assert_eq!(server.seen().await.requests.len(), 1, "{status} {body}");
}

// proves: BRK-1
#[tokio::test]
async fn failures_of_the_connection_end_in_time_and_once_on_the_wire() {
    let lost = End::Unknown(DoubtCause::ConnectionLost);
    let late = End::Unknown(DoubtCause::TimedOut);
    check(Behavior::CloseAtOnce, lost).await;
    check(Behavior::ResetAtOnce, lost).await;
    check(Behavior::ResetAfterHalf, lost).await;
    check(Behavior::CloseAfterRequest, lost).await;
    check(Behavior::ResetAfterRequest, lost).await;
    check(Behavior::Silent, late).await;
    check(Behavior::Trickle, late).await;
    check(Behavior::WriteAndHang(b"HTTP/1.1 200 OK\r\nContent-Length: 9".to_vec()), late).await;
    check(Behavior::Write(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()), lost).await;
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let refused = broker(config(&nobody().await)).submit(&order(), Grant::unmetered()).await;
    assert!(matches!(refused, Outcome::NotSent(NotSent::NoConnection { .. })), "{refused:?}");
    // A server that takes the connection but never answers the TLS greeting: no session, hence no request.
    let server = Server::start(Behavior::Silent).await;
    let base = server.config().base_url().to_string().replace("http://", "https://");
    let no_tls = broker(hasty(config(&base))).submit(&order(), Grant::unmetered()).await;
    assert!(matches!(no_tls, Outcome::NotSent(NotSent::NoConnection { .. })), "{no_tls:?}");
    assert!(server.seen().await.requests.is_empty());
}

#[tokio::test]
async fn what_the_protocol_cannot_say_is_not_sent() {
    let server = Server::start(Behavior::Write(http(200, OK))).await;
    let plain = order();
    let (id, legs) = (plain.client_order_id().clone(), plain.legs().to_vec());
    let early =
        OrderRequest::new(id, plain.underlying().clone(), legs, OrderKind::Market, TimeInForce::PreMarket).unwrap();
    let outcome = server.broker().submit(&early, Grant::unmetered()).await;
    assert!(matches!(outcome, Outcome::NotSent(NotSent::Unsupported { .. })), "{outcome:?}");
    assert_eq!(server.seen().await.connections, 0);
}

#[tokio::test]
async fn only_documented_confirmations_and_refusals_are_certain() {
    let unreadable = End::Unknown(DoubtCause::Unreadable);
    let failed = |status| End::Unknown(DoubtCause::ServerError { status });
    let throttled = End::Unknown(DoubtCause::Throttled);

    check_answer(200, OK, End::Accepted).await;
    check_answer(200, r#"{"order":{"id":"9100001","status":"OK"}}"#, End::Accepted).await;
    check_answer(200, MARGIN, End::Rejected).await;
    check_answer(200, r#"{"errors":{"error":"Undefined symbol: NOPE"}}"#, End::Rejected).await;
    check_answer(200, r#"{"order":{"errors":{"error":"no"},"status":"error"}}"#, End::Rejected).await;
    check_answer(200, r#"{"errors":{"error":["OmsInternalError"]}}"#, failed(200)).await;
    check_answer(200, r#"{"errors":{"error":["The desk must be called","OmsUnavailable"]}}"#, failed(200)).await;
    check_answer(200, r#"{"order":{"id":7,"status":"ok"},"errors":{"error":"no"}}"#, unreadable).await;
    check_answer(200, r#"{"errors":{"why":17}}"#, unreadable).await;
    check_answer(200, r#"{"errors":"null"}"#, unreadable).await;
    check_answer(200, r#"{"order":{"status":"ok"}}"#, unreadable).await;
    check_answer(200, r#"{"order":{"status":"ok","result":true,"cost":1.0}}"#, unreadable).await;
    check_answer(200, r#"{"order":{"id":9100001,"status":"error"}}"#, unreadable).await;
    check_answer(200, r#"{"order":{"id":9100001}}"#, unreadable).await;
    check_answer(200, r#"{"order":"null"}"#, unreadable).await;
    check_answer(200, "{}", unreadable).await;
    check_answer(200, "", unreadable).await;
    check_answer(200, HTML, unreadable).await;
    check_answer(200, "all is well", unreadable).await;
    check_answer(200, FAULT, failed(200)).await;
    check_answer(200, &format!("{OK}{}", " ".repeat(1 << 17)), unreadable).await;
    check_answer(201, OK, failed(201)).await;

    check_answer(400, TEXT_400, End::Rejected).await;
    check_answer(400, MARGIN, End::Rejected).await;
    check_answer(400, "Order failed: OmsInternalError", failed(400)).await;
    check_answer(400, FAULT, failed(400)).await;
    check_answer(400, HTML, failed(400)).await;
    check_answer(400, "", failed(400)).await;
    check_answer(401, FAULT, End::Rejected).await;
    check_answer(401, "Unauthorized Account: VA00004711", End::Rejected).await;
    check_answer(401, HTML, failed(401)).await;
    check_answer(401, "", failed(401)).await;
    check_answer(403, MARGIN, End::Rejected).await;
    check_answer(403, "Access is denied", failed(403)).await;
    check_answer(403, HTML, failed(403)).await;
    for status in [404, 405, 408, 409, 422] {
        check_answer(status, TEXT_400, failed(status)).await;
    }
    check_answer(429, "slow down", throttled).await;
    for status in [200, 400, 403, 503] {
        check_answer(status, "Quota Violation: reset at 1893594725000", throttled).await;
    }
    check_answer(500, DATASTORE, failed(500)).await;
    check_answer(500, MARGIN, failed(500)).await;
    for status in [502, 503, 504, 520, 530] {
        check_answer(status, HTML, failed(status)).await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::start(Behavior::Write(http(200, OK))).await;
    for status in [301, 302, 303, 307, 308] {
        let head = format!("HTTP/1.1 {status} Moved\r\nLocation: {}/x\r\n", other.config().base_url());
        let server = Server::start(Behavior::Write((head + "Content-Length: 0\r\n\r\n").into_bytes())).await;
        let outcome = server.broker().submit(&order(), Grant::unmetered()).await;
        assert_eq!(end(&outcome), End::Unknown(DoubtCause::ServerError { status }));
    }
    assert_eq!(other.seen().await.connections, 0);
}

/// Every way to frame the confirmation, cut at every byte, the connection then closed or left hanging.
// proves: BRK-1
#[tokio::test]
async fn a_confirmation_cut_at_any_byte_is_unknown_and_in_time() {
    let body = r#"{"order":{"id":9100001,"status":"ok"}}"#;
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let framings = [
        String::from_utf8(http(200, body)).unwrap(),
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
    ];
    let mut cases = 0;
    for whole in &framings {
        for cut in 0..=whole.len() {
            check_cut(whole, cut, body).await;
            cases += 1;
        }
    }
    assert!(cases > 250, "the matrix is not empty: {cases}");
    // The same while the connection hangs: slower, so not at every byte.
    let whole = http(200, body);
    let hangs = (0..whole.len()).step_by(7).map(|cut| {
        let sent = whole[..cut].to_vec();
        async move {
            let server = Server::start(Behavior::WriteAndHang(sent)).await;
            let outcome = server.broker().submit(&order(), Grant::unmetered()).await;
            assert_eq!(end(&outcome), End::Unknown(DoubtCause::TimedOut), "cut at {cut}: {outcome:?}");
            assert_eq!(server.seen().await.requests.len(), 1);
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    hangs.for_each(|hang| drop(tasks.spawn(hang)));
    assert!(tasks.join_all().await.len() > 10);
}

async fn check_cut(whole: &str, cut: usize, body: &str) {
    let sent = &whole[..cut];
    let server = Server::start(Behavior::Write(sent.as_bytes().to_vec())).await;
    let broker = server.broker();
    let outcome = tokio::time::timeout(broker.call_timeout(), broker.submit(&order(), Grant::unmetered())).await;
    let outcome = outcome.expect("in time");
    match outcome {
        Outcome::Accepted(id) => assert!(sent.contains(body) && id.as_str() == "9100001", "{sent:?}"),
        Outcome::Unknown(_) => assert!(cut < whole.len(), "{sent:?}"),
        Outcome::Rejected(_) | Outcome::NotSent(_) => panic!("{sent:?}: {outcome:?}"),
    }
}

#[tokio::test]
async fn the_order_travels_once_with_all_its_parameters() {
    let server = Server::answering(|_, _| http(200, OK)).await;
    let outcome = server.broker().submit(&order(), Grant::unmetered()).await;
    assert_eq!(outcome, Outcome::Accepted("9100001".parse().unwrap()));
    let seen = server.seen().await;
    let [(_, request)] = &seen.requests[..] else { panic!("{seen:?}") };
    let (head, form) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/accounts/VA00004711/orders HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("accept: application/json") && head.contains("x-www-form-urlencoded"), "{head}");
    let expected = "class=equity&symbol=AAPL&side=buy&quantity=10&type=limit&duration=day&price=190.5&tag=bs-1";
    assert_eq!(form, expected);
}

#[tokio::test]
async fn a_refusal_keeps_code_and_reason() {
    let server = Server::start(Behavior::Write(http(200, MARGIN))).await;
    let Outcome::Rejected(rejection) = server.broker().submit(&order(), Grant::unmetered()).await else { panic!() };
    assert_eq!(rejection.code.as_deref(), Some("InitialMargin"));
    assert!(rejection.reason.starts_with("Backoffice rejected"), "{rejection}");
}

#[tokio::test]
async fn a_preview_says_so_and_an_order_made_of_it_by_mistake_is_not_taken_for_one() {
    let body = r#"{"order":{"status":"ok","commission":0.35,"cost":1905.35,"result":true,"order_cost":1905.00}}"#;
    let server = Server::answering(move |n, _| http(200, if n == 1 { body } else { OK })).await;
    let broker = server.broker();
    let Outcome::Accepted(preview) = broker.preview(&order()).await else { panic!() };
    assert_eq!(preview.cost, Some("1905.35".parse().unwrap()));
    assert!(server.seen().await.requests[0].1.ends_with("&preview=true"));
    let Outcome::Unknown(doubt) = broker.preview(&order()).await else { panic!() };
    assert!(doubt.detail.contains("9100001"), "{doubt}");
}

// proves: BRK-1
#[tokio::test]
async fn a_trickling_answer_ends_with_the_call() {
    let server = Server::start(Behavior::Trickle).await;
    let limit = Duration::from_millis(300);
    let config = hasty(server.config()).with_request_timeout(limit).with_call_timeout(limit);
    let outcome = tokio::time::timeout(limit * 3, broker(config).submit(&order(), Grant::unmetered())).await;
    assert_eq!(end(&outcome.expect("in time")), End::Unknown(DoubtCause::TimedOut));
}
