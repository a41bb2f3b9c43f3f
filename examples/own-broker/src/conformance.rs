//! The conformance suite, run against the adapter: a proxy in front of the gateway does to each exchange what wires do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backstop::broker::{
    Broker, BrokerOrderId, ClientOrderId, Decimal, Leg, OrderKind, OrderRequest, PositionEffect, Quantity, Side,
    TimeInForce,
};
use backstop::clock::{Clock, SystemClock};
use backstop_broker::conformance::{Calls, Disturbance, Rig, run};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;

use crate::adapter::{CALL, Harbor};
use crate::harbor::Gateway;

/// A rig is the broker under test, and somebody between it and its other side who tells the truth.
struct Proxied {
    broker: Arc<Harbor>,
    gateway: Arc<Gateway>,
    proxy: Arc<Proxy>,
    _directory: tempfile::TempDir,
}

struct Proxy {
    /// Where the adapter knocks, and where the file is put while nobody may come in.
    door: PathBuf,
    bolted: PathBuf,
    gateway: PathBuf,
    wire: Mutex<Wire>,
}

#[derive(Default)]
struct Wire {
    disturbance: Option<Disturbance>,
    /// Since the disturbance began.
    exchanges: usize,
    /// How often each order and cancel came, by label or id.
    came: BTreeMap<String, usize>,
    /// What will land when nobody waits for it any more.
    late: Vec<String>,
}

impl Proxied {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let gateway = Gateway::new(Decimal::from(10_000_000), Arc::clone(&clock));
        gateway.serve(&path("gateway")).unwrap();
        let wire = Mutex::default();
        let proxy = Arc::new(Proxy { door: path("door"), bolted: path("bolted"), gateway: path("gateway"), wire });
        let listener = UnixListener::bind(&proxy.door).unwrap();
        let serving = Arc::clone(&proxy);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = Arc::clone(&serving);
                tokio::spawn(async move { drop(proxy.pass(stream).await) });
            }
        });
        let broker = Arc::new(Harbor::new(proxy.door.clone(), clock));
        Self { broker, gateway, proxy, _directory: directory }
    }
}

impl Proxy {
    /// One exchange, and what becomes of it.
    async fn pass(&self, mut stream: UnixStream) -> std::io::Result<()> {
        let mut request = String::new();
        BufReader::new(&mut stream).read_line(&mut request).await?;
        let disturbance = self.note(&request);
        match disturbance {
            Some(Disturbance::LoseRequest) => return hold(&mut stream).await,
            Some(Disturbance::LandLate) => {
                self.wire.lock().late.push(request);
                return hold(&mut stream).await;
            }
            Some(Disturbance::CutRequest { after }) if after < request.len() => {
                return UnixStream::connect(&self.gateway).await?.write_all(&request.as_bytes()[..after]).await;
            }
            Some(Disturbance::FailBefore | Disturbance::FailLater) => return say(&mut stream, FAILED).await,
            Some(Disturbance::Throttle) => return say(&mut stream, "{\"status\":\"busy\"}\n").await,
            Some(Disturbance::Redirect) => return say(&mut stream, "{\"status\":\"moved\",\"to\":\"door\"}\n").await,
            _ => {}
        }
        let answer = ask(&self.gateway, &request).await?;
        match disturbance {
            Some(Disturbance::LoseAnswer) => Ok(()),
            Some(Disturbance::CutAnswer { after }) if after < answer.len() => {
                stream.write_all(&answer.as_bytes()[..after]).await
            }
            Some(Disturbance::HoldAnswer) => {
                sleep(CALL * 2).await;
                say(&mut stream, &answer).await
            }
            Some(Disturbance::Trickle) => {
                for byte in answer.as_bytes() {
                    stream.write_all(&[*byte]).await?;
                    sleep(CALL / 16).await;
                }
                Ok(())
            }
            Some(Disturbance::FailAfter) => say(&mut stream, FAILED).await,
            Some(Disturbance::Garbage) => say(&mut stream, "Harbor is being restarted\n").await,
            Some(Disturbance::Truncate) => say(&mut stream, &format!("{}\n", &answer[..answer.len() / 2])).await,
            Some(Disturbance::Empty) => say(&mut stream, "\n").await,
            Some(Disturbance::Null) => say(&mut stream, "null\n").await,
            Some(Disturbance::UnknownWord) => {
                let words = ["working", "filled", "canceled", "open"].map(|word| format!("\"state\":\"{word}\""));
                let new = |answer: String, word: &String| answer.replace(word, "\"state\":\"adrift\"");
                say(&mut stream, &words.iter().fold(answer, new)).await
            }
            _ => say(&mut stream, &answer).await,
        }
    }

    /// Writes down that it came, and says what is to be done to it.
    fn note(&self, request: &str) -> Option<Disturbance> {
        let read: Value = serde_json::from_str(request).unwrap_or_default();
        let mut wire = self.wire.lock();
        let name = match read["do"].as_str() {
            Some("place") => read["label"].as_str(),
            Some("cancel") => read["id"].as_str(),
            _ => None,
        };
        if let Some(name) = name {
            *wire.came.entry(name.to_owned()).or_default() += 1;
        }
        wire.exchanges += 1;
        let is_later = wire.exchanges > 1;
        wire.disturbance.filter(|disturbance| *disturbance != Disturbance::FailLater || is_later)
    }

    fn came(&self, name: &str) -> usize {
        self.wire.lock().came.get(name).copied().unwrap_or(0)
    }

    fn change(&self, disturbance: Option<Disturbance>) {
        let (shut, open) = (&self.bolted, &self.door);
        if disturbance == Some(Disturbance::RefuseConnection) {
            std::fs::rename(open, shut).unwrap();
        } else if shut.exists() {
            std::fs::rename(shut, open).unwrap();
        }
        let mut wire = self.wire.lock();
        (wire.disturbance, wire.exchanges) = (disturbance, 0);
    }
}

const FAILED: &str = "{\"status\":\"failed\"}\n";

async fn say(stream: &mut UnixStream, line: &str) -> std::io::Result<()> {
    stream.write_all(line.as_bytes()).await
}

/// Says nothing for longer than anybody waits.
async fn hold(stream: &mut UnixStream) -> std::io::Result<()> {
    stream.read_u8().await.map(drop)
}

async fn ask(gateway: &Path, request: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(gateway).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    Ok(answer)
}

#[async_trait]
impl Rig for Proxied {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.broker) as Arc<dyn Broker>
    }

    async fn disturb(&self, _: Calls, disturbance: Disturbance) -> bool {
        self.proxy.change(Some(disturbance));
        true
    }

    async fn calm(&self) {
        self.proxy.change(None);
    }

    async fn settle(&self) {
        let late = std::mem::take(&mut self.proxy.wire.lock().late);
        for request in late {
            ask(&self.proxy.gateway, &request).await.unwrap();
        }
    }

    async fn arrivals(&self, id: &ClientOrderId) -> usize {
        self.proxy.came(id.as_str())
    }

    async fn placed(&self, id: &ClientOrderId) -> usize {
        self.gateway.placed().iter().filter(|label| *label == id.as_str()).count()
    }

    async fn cancel_arrivals(&self, id: &BrokerOrderId) -> usize {
        self.proxy.came(id.as_str())
    }

    fn resting_order(&self, id: ClientOrderId) -> OrderRequest {
        shares(id, OrderKind::Limit { price: Decimal::ONE })
    }

    fn marketable_order(&self, id: ClientOrderId) -> Option<OrderRequest> {
        Some(shares(id, OrderKind::Market))
    }

    fn unacceptable_order(&self, id: ClientOrderId) -> Option<OrderRequest> {
        Some(shares(id, OrderKind::Limit { price: Decimal::from(10_000_000) }))
    }

    /// Real sockets, and other tests on the same machine.
    fn slack(&self) -> Duration {
        Duration::from_secs(2)
    }
}

fn shares(id: ClientOrderId, kind: OrderKind) -> OrderRequest {
    let quantity = Quantity::new(10).unwrap();
    let leg = Leg { symbol: "ACME".parse().unwrap(), side: Side::Buy, effect: PositionEffect::Open, quantity };
    OrderRequest::new(id, "ACME".parse().unwrap(), vec![leg], kind, TimeInForce::Day).unwrap()
}

#[tokio::test]
async fn the_adapter_passes_every_check_and_none_is_skipped() {
    let report = run(&Proxied::new()).await;
    assert!(report.conforms(), "{report}");
    assert_eq!(report.skipped().count(), 0, "{report}");
}
