//! A disturbed wire: a proxy before a server in Tradier's protocol, which counts what passes and harms it to order.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use backstop_broker::conformance::Disturbance;
use backstop_broker::{BrokerOrderId, ClientOrderId};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::http;

/// The proxy. Connections are kept alive, so that clients with a pool meet stale ones. Ends when it is dropped.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<AbortHandle>>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    patience: Duration,
    rows_per_page: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    disturbance: Option<Disturbance>,
    exchanges: usize,
    /// Requests that are held up and will still land.
    late: usize,
    seen: BTreeMap<String, usize>,
}

impl Wire {
    /// A wire to `upstream` for a client that gives up after `patience`. Whatever `limit` of rows the client asks for,
    /// the server hears `rows_per_page`: a client must not rely on getting what it asked for.
    ///
    /// # Errors
    /// When no local port can be had.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn to(upstream: SocketAddr, patience: Duration, rows_per_page: usize) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { upstream, patience, rows_per_page, state: Mutex::default() });
        let wire = Self { address, shared, accepting: Mutex::new(None) };
        wire.accept(listener);
        Ok(wire)
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on every exchange suffers this, or nothing.
    ///
    /// # Errors
    /// When the port that was closed to refuse connections cannot be had again.
    ///
    /// # Cancel safety
    /// Call it again when it was dropped.
    pub async fn disturb(&self, disturbance: Option<Disturbance>) -> io::Result<()> {
        {
            let mut state = self.shared.state.lock();
            state.disturbance = disturbance;
            state.exchanges = 0;
        }
        if disturbance == Some(Disturbance::RefuseConnection) {
            // Aborting drops the listener, so that the port is closed, and the connections that clients keep.
            self.hang_up();
            while TcpStream::connect(self.address).await.is_ok() {
                sleep(Duration::from_millis(1)).await;
            }
        } else if self.accepting.lock().is_none() {
            self.accept(TcpListener::bind(self.address).await?);
        }
        Ok(())
    }

    /// Waits until every request that was held up has landed.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn settle(&self) {
        while self.shared.state.lock().late > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// How many submits with this client order id came by.
    pub fn submits(&self, id: &ClientOrderId) -> usize {
        self.seen(&format!("submit {id}"))
    }

    /// How many cancels of this order came by.
    pub fn cancels(&self, id: &BrokerOrderId) -> usize {
        self.seen(&format!("cancel {id}"))
    }

    fn seen(&self, what: &str) -> usize {
        self.shared.state.lock().seen.get(what).copied().unwrap_or(0)
    }

    fn accept(&self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let shared = Arc::clone(&shared);
                connections.spawn(async move { shared.serve(client).await });
            }
        });
        *self.accepting.lock() = Some(accepting.abort_handle());
    }

    fn hang_up(&self) {
        if let Some(accepting) = self.accepting.lock().take() {
            accepting.abort();
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// What goes back to the client.
enum Answer {
    /// The connection ends.
    Nothing,
    /// The connection stays, and nothing comes.
    Silence,
    Whole(Vec<u8>),
    /// The connection ends after it.
    Cut(Vec<u8>),
    Late(Vec<u8>),
    Trickling(Vec<u8>),
}

impl Shared {
    async fn serve(self: Arc<Self>, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        loop {
            let length = peek_request(&client).await?;
            let disturbance = {
                let mut state = self.state.lock();
                state.exchanges += 1;
                let later = state.exchanges > 1;
                state.disturbance.filter(|disturbance| *disturbance != Disturbance::FailLater || later)
            };
            let mut request = vec![0; length];
            if let Some(Disturbance::CutRequest { after }) = disturbance
                && after < length
            {
                // The peeked bytes tell what it was; closing with bytes unread resets the connection.
                let all = client.peek(&mut request).await?;
                self.count(request.get(..all).unwrap_or_default());
                request.truncate(after);
                client.read_exact(&mut request).await?;
                return Ok(());
            }
            client.read_exact(&mut request).await?;
            match self.exchange(disturbance, request).await? {
                Answer::Nothing => return Ok(()),
                Answer::Silence => std::future::pending::<()>().await,
                Answer::Whole(bytes) => client.write_all(&bytes).await?,
                Answer::Cut(bytes) => return client.write_all(&bytes).await,
                Answer::Late(bytes) => {
                    sleep(self.patience * 2).await;
                    client.write_all(&bytes).await?;
                }
                Answer::Trickling(bytes) => {
                    for byte in bytes {
                        client.write_all(&[byte]).await?;
                        sleep(self.patience / 10).await;
                    }
                }
            }
        }
    }

    fn count(&self, request: &[u8]) {
        if let Some(what) = change(request) {
            *self.state.lock().seen.entry(what).or_default() += 1;
        }
    }

    async fn exchange(self: &Arc<Self>, disturbance: Option<Disturbance>, request: Vec<u8>) -> io::Result<Answer> {
        // Before its fate is known: a request that is lost and sent again was sent twice.
        self.count(&request);
        match disturbance {
            Some(Disturbance::LoseRequest) => return Ok(Answer::Silence),
            Some(Disturbance::LandLate) => {
                self.state.lock().late += 1;
                tokio::spawn(Arc::clone(self).land_late(request));
                return Ok(Answer::Silence);
            }
            _ => {}
        }
        let never_done = match disturbance {
            Some(Disturbance::FailBefore | Disturbance::FailLater) => {
                Some(http::forged("503 Service Unavailable", "", "upstream unavailable"))
            }
            // The header says that the window ends at once, so that the next check need not wait for it.
            Some(Disturbance::Throttle) => {
                Some(http::forged("429 Too Many Requests", "x-ratelimit-expiry: 1\r\n", "Quota Violation"))
            }
            Some(Disturbance::Redirect) => {
                let (head, _) = http::split(&request);
                let path = head.split(' ').nth(1).unwrap_or("/");
                Some(http::forged("307 Temporary Redirect", &format!("location: {path}\r\n"), ""))
            }
            _ => None,
        };
        if let Some(answer) = never_done {
            return Ok(Answer::Whole(answer));
        }
        let answer = http::ask(self.upstream, &self.with_page_limit(request)).await?;
        let (_, body) = http::split(&answer);
        Ok(match disturbance {
            Some(Disturbance::LoseAnswer) => Answer::Nothing,
            Some(Disturbance::CutAnswer { after }) => match answer.get(..after) {
                Some(part) if part.len() < answer.len() => Answer::Cut(part.to_vec()),
                _ => Answer::Whole(answer),
            },
            Some(Disturbance::HoldAnswer) => Answer::Late(answer),
            Some(Disturbance::Trickle) => Answer::Trickling(answer),
            Some(Disturbance::FailAfter) => Answer::Whole(http::forged("502 Bad Gateway", "", "bad gateway")),
            Some(Disturbance::Garbage) => {
                let page = "<!DOCTYPE html><html><body>Scheduled maintenance</body></html>";
                Answer::Whole(http::forged("200 OK", "content-type: text/html\r\n", page))
            }
            Some(Disturbance::Truncate) => {
                Answer::Whole(http::with_body(&answer, body.get(..body.len() / 2).unwrap_or_default()))
            }
            Some(Disturbance::Empty) => Answer::Whole(http::forged("200 OK", "content-type: application/json\r\n", "")),
            Some(Disturbance::Null) => {
                Answer::Whole(http::forged("200 OK", "content-type: application/json\r\n", "null"))
            }
            Some(Disturbance::UnknownWord) => {
                Answer::Whole(http::with_body(&answer, &in_limbo(&in_limbo(&body, "status"), "state")))
            }
            _ => Answer::Whole(answer),
        })
    }

    fn with_page_limit(&self, request: Vec<u8>) -> Vec<u8> {
        let (head, body) = http::split(&request);
        match head.split_once("&limit=") {
            Some((before, after)) if head.starts_with("GET ") => {
                let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{before}&limit={}{rest}{body}", self.rows_per_page).into_bytes()
            }
            _ => request,
        }
    }

    async fn land_late(self: Arc<Self>, request: Vec<u8>) {
        sleep(self.patience * 3 / 2).await;
        let landed = http::ask(self.upstream, &request).await;
        // Whether it landed shows at the other side, where the suite looks.
        drop(landed);
        self.state.lock().late -= 1;
    }
}

/// Waits until a whole request can be read, and says how long it is.
async fn peek_request(client: &TcpStream) -> io::Result<usize> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let length = client.peek(&mut bytes).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(whole) = http::whole(bytes.get(..length).unwrap_or_default()) {
            return Ok(whole);
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// What a request asks to change: `submit <client order id>`, `cancel <broker order id>`.
fn change(request: &[u8]) -> Option<String> {
    let (head, body) = http::split(request);
    let mut words = head.split(' ');
    match (words.next()?, words.next()?) {
        ("POST", path) if path.ends_with("/orders") => {
            let tag = body.split('&').find_map(|pair| pair.strip_prefix("tag="))?;
            Some(format!("submit {tag}"))
        }
        ("DELETE", path) => Some(format!("cancel {}", path.rsplit('/').next()?)),
        _ => None,
    }
}

/// Every string under `key` replaced by a word that nobody knows.
fn in_limbo(json: &str, key: &str) -> String {
    let mark = format!("\"{key}\":\"");
    let mut parts = json.split(&mark);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once('"').map_or("", |(_, rest)| rest);
        text.push_str(&mark);
        text.push_str("limbo\"");
        text.push_str(rest);
    }
    text
}
