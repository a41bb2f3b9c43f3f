//! A server on a raw socket that does as it is told, and counts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use backstop_broker::{
    ClientOrderId, Leg, OrderKind, OrderRequest, PositionEffect, Quantity, Side, Symbol, TimeInForce,
};
use backstop_clock::{ManualClock, Timestamp};
use backstop_tradier::{AccountId, BaseUrl, Credentials, Tradier, TradierConfig};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const TOKEN: &str = "Marker-Token+0123456789/abcdef==";
pub(crate) const ACCOUNT: &str = "VA00004711";

type Script = dyn Fn(usize, &str) -> Vec<u8> + Send + Sync;

/// What the server does with each connection.
#[derive(Clone)]
pub(crate) enum Behavior {
    CloseAtOnce,
    ResetAtOnce,
    /// Reads some bytes of the request, then resets.
    ResetAfterHalf,
    CloseAfterRequest,
    ResetAfterRequest,
    Silent,
    /// Writes the head, then one byte of the body every 20 ms, without end.
    Trickle,
    /// Writes these bytes, then closes.
    Write(Vec<u8>),
    /// Writes these bytes, then keeps silent.
    WriteAndHang(Vec<u8>),
    /// Answers the n-th request (from 1) of all, each after a while; connections stay open.
    Script(Duration, Arc<Script>),
}

/// What the server saw.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub(crate) connections: usize,
    /// Connection and text, of each request that was read whole.
    pub(crate) requests: Vec<(usize, String)>,
}

pub(crate) struct Server {
    address: SocketAddr,
    ends: bool,
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(behavior: Behavior) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ends = !matches!(behavior, Behavior::Silent | Behavior::Trickle | Behavior::WriteAndHang(_));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = {
                    let mut seen = shared.lock();
                    seen.connections += 1;
                    seen.connections
                };
                tokio::spawn(serve(stream, connection, behavior.clone(), Arc::clone(&shared)));
            }
        });
        Self { address, ends, seen, task }
    }

    pub(crate) async fn answering(script: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(Behavior::Script(Duration::ZERO, Arc::new(script))).await
    }

    pub(crate) fn config(&self) -> TradierConfig {
        config(&format!("http://{}/v1", self.address))
    }

    /// Patient, so that a busy machine fails no test; hasty only where the server would never end.
    pub(crate) fn broker(&self) -> Tradier {
        broker(if self.ends { self.config() } else { hasty(self.config()) })
    }

    /// What was seen, after a moment in which a repetition would have come.
    pub(crate) async fn seen(&self) -> Seen {
        tokio::time::sleep(Duration::from_millis(30)).await;
        self.seen.lock().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn config(base: &str) -> TradierConfig {
    let credentials = Credentials::new(AccountId::new(ACCOUNT).unwrap(), TOKEN.to_owned().into()).unwrap();
    TradierConfig::new(BaseUrl::new(base).unwrap(), credentials)
        .with_connect_timeout(Duration::from_secs(3))
        .with_request_timeout(Duration::from_secs(6))
        .with_call_timeout(Duration::from_secs(9))
        .with_max_body(1 << 16)
}

pub(crate) fn hasty(config: TradierConfig) -> TradierConfig {
    config
        .with_connect_timeout(Duration::from_millis(200))
        .with_request_timeout(Duration::from_millis(300))
        .with_call_timeout(Duration::from_millis(1500))
}

pub(crate) fn broker(config: TradierConfig) -> Tradier {
    Tradier::new(config, Arc::new(ManualClock::new(now()))).unwrap()
}

pub(crate) fn now() -> Timestamp {
    "2030-01-02T14:31:05Z".parse().unwrap()
}

/// An address at which nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

pub(crate) fn order() -> OrderRequest {
    let leg = Leg {
        symbol: "AAPL".parse().unwrap(),
        side: Side::Buy,
        effect: PositionEffect::Open,
        quantity: Quantity::new(10).unwrap(),
    };
    let kind = OrderKind::Limit { price: "190.50".parse().unwrap() };
    let (id, symbol) = (ClientOrderId::new("bs-1").unwrap(), Symbol::new("AAPL").unwrap());
    OrderRequest::new(id, symbol, vec![leg], kind, TimeInForce::Day).unwrap()
}

/// A complete answer.
pub(crate) fn http(status: u16, body: &str) -> Vec<u8> {
    with_headers(status, "", body)
}

pub(crate) fn with_headers(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Word\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

async fn serve(mut stream: TcpStream, connection: usize, behavior: Behavior, seen: Arc<Mutex<Seen>>) {
    match behavior {
        Behavior::CloseAtOnce => return,
        Behavior::ResetAtOnce => return stream.set_zero_linger().unwrap(),
        Behavior::ResetAfterHalf => {
            let mut some = [0; 40];
            stream.read_exact(&mut some).await.ok();
            return stream.set_zero_linger().unwrap();
        }
        _ => {}
    }
    while let Some(request) = read_request(&mut stream).await {
        let number = {
            let mut seen = seen.lock();
            seen.requests.push((connection, request.clone()));
            seen.requests.len()
        };
        match &behavior {
            Behavior::CloseAfterRequest | Behavior::CloseAtOnce | Behavior::ResetAtOnce | Behavior::ResetAfterHalf => {
                return;
            }
            Behavior::ResetAfterRequest => return stream.set_zero_linger().unwrap(),
            Behavior::Silent => std::future::pending().await,
            Behavior::Trickle => trickle(&mut stream).await,
            Behavior::Write(bytes) => {
                stream.write_all(bytes).await.ok();
                stream.shutdown().await.ok();
                return;
            }
            Behavior::WriteAndHang(bytes) => {
                stream.write_all(bytes).await.ok();
                std::future::pending::<()>().await;
            }
            Behavior::Script(delay, script) => {
                tokio::time::sleep(*delay).await;
                let bytes = script(number, &request);
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn trickle(stream: &mut TcpStream) {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{").await.ok();
    while stream.write_all(b" ").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One whole request, or `None` when the connection ended.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let byte = stream.read_u8().await.ok()?;
        text.push(byte);
        if text.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let head = String::from_utf8(text).unwrap();
    let length = head.to_ascii_lowercase();
    let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}
