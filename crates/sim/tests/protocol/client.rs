//! A client that knows nothing of the protocol: it writes bytes and reads bytes.

use std::sync::Arc;
use std::time::Duration;

use backstop_clock::ManualClock;
use backstop_sim::{FaultKind, SimConfig, SimServer};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Whether the body is as long as was announced.
    pub(crate) fn is_whole(&self) -> bool {
        self.header("content-length").is_some_and(|length| length.parse() == Ok(self.body.len()))
    }
}

/// A server with a clock that stands still, and a way to talk to it.
pub(crate) struct Sim {
    pub(crate) server: SimServer,
    pub(crate) clock: Arc<ManualClock>,
}

/// A Wednesday, 10:00 in New York.
const START: &str = "2030-01-02T15:00:00Z";

impl Sim {
    pub(crate) async fn start() -> Self {
        Self::with(|config| config).await
    }

    pub(crate) async fn with(change: impl FnOnce(SimConfig) -> SimConfig) -> Self {
        let clock = Arc::new(ManualClock::new(START.parse().unwrap()));
        let config = SimConfig::new(11).with_clock(clock.clone());
        Self { server: SimServer::start(change(config)).await.unwrap(), clock }
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    pub(crate) fn inject(&self, kind: FaultKind) {
        self.server.handle().inject(kind, 1);
    }

    /// Sends bytes and reads until the server closes. `None`: it closed without a word.
    pub(crate) async fn raw(&self, request: &str) -> Option<Reply> {
        let mut stream = TcpStream::connect(self.server.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await;
        read.expect("the server answers or closes").ok();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Reply { status, head: head.to_owned(), body: body.to_owned() })
    }

    pub(crate) async fn try_call(&self, method: &str, path: &str, form: &str) -> Option<Reply> {
        let token = self.server.token();
        let length = form.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\nAccept: application/json\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n\r\n{form}"
        );
        self.raw(&request).await
    }

    pub(crate) async fn call(&self, method: &str, path: &str, form: &str) -> Reply {
        self.try_call(method, path, form).await.expect("an answer")
    }

    pub(crate) fn account(&self, rest: &str) -> String {
        format!("/v1/accounts/{}/{rest}", self.server.account())
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, "").await
    }

    pub(crate) async fn orders(&self, query: &str) -> Value {
        self.get(&self.account(&format!("orders{query}"))).await.json()["orders"].clone()
    }

    pub(crate) async fn post(&self, form: &str) -> Reply {
        self.call("POST", &self.account("orders"), form).await
    }

    #[track_caller]
    pub(crate) fn placed(reply: &Reply) -> u64 {
        assert_eq!(reply.json()["order"]["status"], "ok", "{reply:?}");
        reply.json()["order"]["id"].as_u64().unwrap()
    }

    pub(crate) async fn place(&self, form: &str) -> u64 {
        Self::placed(&self.post(form).await)
    }

    pub(crate) async fn order(&self, id: u64, query: &str) -> Value {
        self.get(&self.account(&format!("orders/{id}{query}"))).await.json()["order"].clone()
    }

    pub(crate) async fn cancel(&self, id: u64) -> Reply {
        self.call("DELETE", &self.account(&format!("orders/{id}")), "").await
    }
}

pub(crate) const BUY: &str = "class=equity&symbol=SPY&side=buy&quantity=1&type=market&duration=day";
pub(crate) const REST: &str = "class=equity&symbol=SPY&side=buy&quantity=1&type=limit&duration=day&price=500";
pub(crate) const SPREAD: &str = "class=multileg&symbol=SPX&type=market&duration=day&tag=bk-1\
    &option_symbol[0]=SPXW300102P05900000&side[0]=sell_to_open&quantity[0]=2\
    &option_symbol[1]=SPXW300102P05890000&side[1]=buy_to_open&quantity[1]=2";
