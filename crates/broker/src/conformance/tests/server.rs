//! The other side: a tiny broker that speaks JSON over a wire that can be disturbed at each byte.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::conformance::Disturbance;

/// What the adapter promises; the server holds answers back for longer.
pub(super) const TIME_OUT: Duration = Duration::from_secs(1);
const PAGE: usize = 20;

#[derive(Debug)]
pub(super) enum Broken {
    Refused,
    Closed,
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: String,
}

#[derive(Debug, Default)]
pub(super) struct Server(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    disturbance: Option<Disturbance>,
    deaf: bool,
    exchanges: usize,
    arrivals: BTreeMap<String, usize>,
    late: Vec<Value>,
    orders: Vec<Value>,
    held: u64,
}

impl Server {
    pub(super) fn disturb(&self, disturbance: Option<Disturbance>) {
        let mut state = self.0.lock().unwrap();
        state.disturbance = disturbance.filter(|_| !state.deaf);
        state.exchanges = 0;
    }

    pub(super) fn ignore_disturbances(&self) {
        self.0.lock().unwrap().deaf = true;
    }

    pub(super) fn settle(&self) {
        let mut state = self.0.lock().unwrap();
        for request in std::mem::take(&mut state.late) {
            state.arrive(&request);
            state.handle(&request);
        }
    }

    pub(super) fn arrivals(&self, what: &str) -> usize {
        self.0.lock().unwrap().arrivals.get(what).copied().unwrap_or(0)
    }

    pub(super) fn placed(&self, label: &str) -> usize {
        self.0.lock().unwrap().orders.iter().filter(|order| order["label"] == label).count()
    }

    /// One request and its answer, whatever the wire makes of them.
    pub(super) async fn exchange(&self, request: &Value) -> Result<Reply, Broken> {
        let disturbance = {
            let mut state = self.0.lock().unwrap();
            state.exchanges += 1;
            let later = state.exchanges > 1;
            state.disturbance.filter(|disturbance| *disturbance != Disturbance::FailLater || later)
        };
        match disturbance {
            Some(Disturbance::RefuseConnection) => return Err(Broken::Refused),
            Some(Disturbance::LoseRequest) => std::future::pending::<()>().await,
            Some(Disturbance::LandLate) => {
                self.0.lock().unwrap().late.push(request.clone());
                std::future::pending::<()>().await;
            }
            _ => self.0.lock().unwrap().arrive(request),
        }
        match disturbance {
            Some(Disturbance::CutRequest { after }) if after < request.to_string().len() => return Err(Broken::Closed),
            Some(Disturbance::FailBefore | Disturbance::FailLater) => return Ok(reply(503, "unavailable")),
            Some(Disturbance::Throttle) => return Ok(reply(429, "too many requests")),
            Some(Disturbance::Redirect) => return Ok(reply(307, "elsewhere")),
            _ => {}
        }
        let (status, body) = self.0.lock().unwrap().handle(request);
        let body = body.to_string();
        Ok(match disturbance {
            Some(Disturbance::LoseAnswer) => return Err(Broken::Closed),
            Some(Disturbance::CutAnswer { after }) if after < "200".len() + body.len() => return Err(Broken::Closed),
            Some(Disturbance::HoldAnswer) => {
                sleep(TIME_OUT * 2).await;
                reply(status, &body)
            }
            Some(Disturbance::Trickle) => {
                for _ in 0..body.len() {
                    sleep(TIME_OUT / 8).await;
                }
                reply(status, &body)
            }
            Some(Disturbance::FailAfter) => reply(502, "bad gateway"),
            Some(Disturbance::Garbage) => reply(200, "<html><body>Maintenance</body></html>"),
            Some(Disturbance::Truncate) => reply(status, &body[..body.len() / 2]),
            Some(Disturbance::Empty) => reply(200, ""),
            Some(Disturbance::Null) => reply(200, "null"),
            Some(Disturbance::UnknownWord) => {
                let words = ["\"working\"", "\"filled\"", "\"canceled\"", "\"open\""];
                let swap = |body: String, word: &str| body.replace(&format!("\"state\":{word}"), "\"state\":\"limbo\"");
                reply(status, &words.into_iter().fold(body, swap))
            }
            _ => reply(status, &body),
        })
    }
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, body: body.to_owned() }
}

impl State {
    fn arrive(&mut self, request: &Value) {
        let what = match request["do"].as_str().unwrap() {
            "submit" => format!("submit {}", request["label"].as_str().unwrap()),
            "cancel" => format!("cancel {}", request["id"].as_str().unwrap()),
            _ => return,
        };
        *self.arrivals.entry(what).or_default() += 1;
    }

    fn handle(&mut self, request: &Value) -> (u16, Value) {
        match request["do"].as_str().unwrap() {
            "submit" => self.submit(request),
            "cancel" => self.cancel(request["id"].as_str().unwrap()),
            "order" => match self.orders.iter().find(|order| order["id"] == request["id"]) {
                Some(order) => (200, order.clone()),
                None => (404, json!("no such order")),
            },
            "orders" => {
                let page = usize::try_from(request["page"].as_u64().unwrap()).unwrap();
                let rows: Vec<_> = self.orders.iter().skip(page * PAGE).take(PAGE).collect();
                (200, json!({ "orders": rows, "more": self.orders.len() > (page + 1) * PAGE }))
            }
            "positions" if self.held == 0 => (200, json!({ "positions": [] })),
            "positions" => (200, json!({ "positions": [{ "symbol": "SPY", "quantity": self.held }] })),
            "quotes" => (200, json!({ "quotes": ["SPY"] })),
            "balances" => (200, json!({ "cash": "100000" })),
            "clock" => (200, json!({ "state": "open" })),
            other => panic!("no such request: {other}"),
        }
    }

    fn submit(&mut self, request: &Value) -> (u16, Value) {
        let price = request["price"].as_str();
        if price == Some("1000000") {
            return (400, json!("not enough money"));
        }
        let quantity = request["quantity"].as_u64().unwrap();
        let filled = if price.is_none() { quantity } else { 0 };
        self.held += filled;
        let id = (self.orders.len() + 1).to_string();
        let state = if price.is_none() { "filled" } else { "working" };
        let label = &request["label"];
        self.orders.push(json!({ "id": id, "label": label, "state": state, "quantity": quantity, "filled": filled }));
        (200, json!({ "id": id }))
    }

    fn cancel(&mut self, id: &str) -> (u16, Value) {
        match self.orders.iter_mut().find(|order| order["id"] == id) {
            Some(order) if order["state"] == "working" => {
                order["state"] = json!("canceled");
                (200, json!({ "id": id }))
            }
            Some(_) => (400, json!("order already in finalized state")),
            None => (404, json!("no such order")),
        }
    }
}
