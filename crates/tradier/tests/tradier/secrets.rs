//! The token and the account number appear nowhere, even if the server sends them back.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use backstop_broker::{Broker, Grant, Outcome, ReadError};
use backstop_tradier::{AccountId, Credentials, NightlyFilter, Tradier};
use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

use crate::server::{ACCOUNT, Behavior, Server, TOKEN, broker, config, http, nobody, order};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn percent_encoded() -> String {
    TOKEN.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// Everything that a program could print after a round of all calls.
async fn everything(broker: &Tradier) -> String {
    fn both(result: Result<impl Debug, ReadError>) -> String {
        match result {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("{error:?} {error}"),
        }
    }
    fn outcome(outcome: Outcome<impl Debug>) -> String {
        match outcome {
            Outcome::Rejected(rejection) => format!("{rejection:?} {rejection}"),
            Outcome::NotSent(why) => format!("{why:?} {why}"),
            Outcome::Unknown(doubt) => format!("{doubt:?} {doubt}"),
            Outcome::Accepted(value) => format!("{value:?}"),
        }
    }
    let id = "9100001".parse().unwrap();
    let (everything, symbols) = (NightlyFilter::default(), ["AAPL".parse().unwrap()]);
    [
        format!("{broker:?}"),
        outcome(broker.submit(&order(), Grant::unmetered()).await),
        outcome(broker.preview(&order()).await),
        outcome(broker.cancel(&id).await),
        both(broker.order(&id).await),
        both(broker.orders().await),
        both(broker.positions().await),
        both(broker.quotes(&symbols).await),
        both(broker.balances().await),
        both(broker.market_clock().await),
        both(broker.profile().await),
        both(broker.gain_loss(&everything).await),
        both(broker.history(&everything).await),
        format!("{:?}", broker.rate_limits()),
    ]
    .join("\n")
}

fn assert_clean(text: &str) {
    let lower = text.to_ascii_lowercase();
    for form in [TOKEN.to_owned(), percent_encoded(), TOKEN.replace('/', "\\/"), TOKEN[..12].to_owned()] {
        assert!(!lower.contains(&form.to_ascii_lowercase()), "{form} in {text}");
    }
    assert!(!lower.contains(&ACCOUNT.to_ascii_lowercase()), "account in {text}");
}

// proves: DESK-5
#[tokio::test]
async fn neither_errors_nor_outcomes_nor_logs_hold_the_token_or_the_account_even_if_the_server_echoes_them() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // An event that another test met first, without a subscriber, would stay switched off.
    let mut text = everything(&broker(config(&nobody().await))).await;
    tracing::callsite::rebuild_interest_cache();
    for echo in [TOKEN.to_owned(), percent_encoded(), percent_encoded().to_ascii_lowercase(), TOKEN.replace('/', "\\/")]
    {
        let sentence = format!("Bad header Authorization: Bearer {echo} of {ACCOUNT}");
        let bodies = [
            sentence.clone(),
            format!(r#"{{"errors":{{"error":["{sentence}","{ACCOUNT}"]}}}}"#),
            format!(r#"{{"fault":{{"faultstring":"{sentence}"}}}}"#),
            format!(r#"{{"orders":{{"order":{{"id":"{echo}","status":"{echo}","class":"{ACCOUNT}"}}}}}}"#),
            format!(
                r#"{{"clock":{{"date":"2030-01-02","state":"{echo}"}},"order":{{"id":9100001,"status":"{echo}"}}}}"#
            ),
        ];
        for body in bodies {
            for status in [200, 400, 401, 403, 429, 500] {
                let server = Server::start(Behavior::Write(http(status, &body))).await;
                text += &everything(&server.broker()).await;
            }
        }
    }
    // Cut in the middle of the token.
    let cut = format!("HTTP/1.1 400 Bad\r\n\r\nBad header Bearer {}", &TOKEN[..20]);
    let server = Server::start(Behavior::Write(cut.into_bytes())).await;
    text += &everything(&server.broker()).await;
    for behavior in [Behavior::CloseAtOnce, Behavior::ResetAfterRequest] {
        text += &everything(&Server::start(behavior).await.broker()).await;
    }
    assert_clean(&text);
    assert!(text.contains("...4711"), "the end of the account number is there for people");

    let logged = String::from_utf8(log.0.lock().clone()).unwrap();
    assert!(logged.contains("accounts/{account}/orders"), "{logged}");
    assert_clean(&logged);
}

// proves: DESK-5
#[test]
fn configuration_shows_no_secret() {
    let credentials = Credentials::new(AccountId::new(ACCOUNT).unwrap(), TOKEN.to_owned().into()).unwrap();
    let text = format!("{credentials:?} {} {:?}", credentials.account(), config("http://127.0.0.1:1/v1"));
    assert_clean(&text);
    let error = Credentials::new(AccountId::new(ACCOUNT).unwrap(), format!("{TOKEN}\n").into()).unwrap_err();
    assert_clean(&format!("{error} {error:?}"));
}

#[tokio::test]
async fn the_token_travels_in_one_header() {
    let server = Server::answering(|_, _| http(200, r#"{"positions":"null"}"#)).await;
    server.broker().positions().await.unwrap();
    let request = server.seen().await.requests[0].1.clone();
    assert_eq!(request.matches(TOKEN).count(), 1);
    assert!(request.to_ascii_lowercase().contains("authorization: bearer "));
}
