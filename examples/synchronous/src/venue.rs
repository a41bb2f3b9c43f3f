//! The other side: a toy of a broker, with a thread for each connection, that can be told what becomes of the next orders.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, mpsc};

use backstop_broker::Decimal;
use backstop_clock::{Clock, SystemClock, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// What becomes of an order that is to be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is placed, and nobody is told.
    AnswerLost,
    /// It is lost, and nobody is told.
    RequestLost,
    /// It is placed as it should be, with its answer.
    Placed,
    /// It is placed when [`Venue::land`] is called, long after everybody has gone.
    Late,
}

#[derive(Debug)]
pub(crate) struct Venue {
    state: Mutex<State>,
    clock: SystemClock,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    orders: Vec<Value>,
    fates: VecDeque<Fate>,
    late: Vec<Value>,
    /// Somebody else trades whenever the hours are asked for, so that the list of orders reaches to that moment.
    pub(crate) others_trade: bool,
    /// By how many days its calendar is ahead.
    pub(crate) days: i64,
    /// Who wants to know before the quote after so many others is given, and lets it go.
    pub(crate) gate: Option<(usize, mpsc::Sender<()>, mpsc::Receiver<()>)>,
    /// Who wants to know of orders that meet their fate.
    told: Option<mpsc::Sender<Fate>>,
}

impl Venue {
    /// Answers on `socket` as long as the process lives.
    pub(crate) fn open(socket: &Path) -> std::io::Result<Arc<Self>> {
        let venue = Arc::new(Self { state: Mutex::default(), clock: SystemClock::new() });
        let (serving, listener) = (Arc::clone(&venue), UnixListener::bind(socket)?);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let venue = Arc::clone(&serving);
                std::thread::spawn(move || drop(venue.talk(stream)));
            }
        });
        Ok(venue)
    }

    fn talk(&self, mut stream: UnixStream) -> std::io::Result<()> {
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        let Ok(request) = serde_json::from_str::<Value>(&line) else { return Ok(()) };
        if request.get("do").and_then(Value::as_str) == Some("quote") {
            self.pass_gate();
        }
        let is_order = request.get("do").and_then(Value::as_str) == Some("place");
        let fate = if is_order { self.state.lock().fates.pop_front() } else { None };
        let Some(fate) = fate.filter(|fate| *fate != Fate::Placed) else {
            return stream.write_all(format!("{}\n", self.answer(&request)).as_bytes());
        };
        match fate {
            Fate::AnswerLost => drop(self.answer(&request)),
            Fate::RequestLost | Fate::Placed => {}
            Fate::Late => self.state.lock().late.push(request),
        }
        let told = self.state.lock().told.clone();
        told.map_or(Ok(()), |told| told.send(fate)).map_err(std::io::Error::other)?;
        // Until the other side has given up, or is dead.
        stream.read(&mut [0]).map(drop)
    }

    /// What becomes of the next order, and who is told when it has happened.
    pub(crate) fn next(&self, fate: Fate, told: Option<mpsc::Sender<Fate>>) {
        let mut state = self.state.lock();
        state.fates.push_back(fate);
        state.told = told;
    }

    /// What was late arrives.
    pub(crate) fn land(&self) {
        let late = std::mem::take(&mut self.state.lock().late);
        for request in late {
            drop(self.answer(&request));
        }
    }

    /// For what is to go wrong there.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
    }

    fn pass_gate(&self) {
        let mut state = self.state.lock();
        match &mut state.gate {
            Some((left, ..)) if *left > 0 => *left = left.saturating_sub(1),
            gate => {
                let gate = gate.take();
                drop(state);
                // Whoever is gone holds nobody up.
                let _gone = gate.map(|(_, told, goes)| told.send(()).is_ok() && goes.recv().is_ok());
            }
        }
    }

    /// The labels of the orders there are.
    pub(crate) fn labels(&self) -> Vec<String> {
        let state = self.state.lock();
        state.orders.iter().filter_map(|order| order.get("label")?.as_str().map(str::to_owned)).collect()
    }

    /// What is held of `symbol`.
    pub(crate) fn held(&self, symbol: &str) -> Decimal {
        held(&self.state.lock().orders, symbol)
    }

    fn answer(&self, request: &Value) -> Value {
        let now = self.clock.wall();
        let mut state = self.state.lock();
        let body = match request.get("do").and_then(Value::as_str) {
            Some("place") => state.place(request, now),
            Some("orders") => json!(state.orders),
            Some("positions") => {
                let held = held(&state.orders, "ACME");
                let rows = [json!({ "symbol": "ACME", "quantity": held })];
                json!(rows.into_iter().filter(|_| !held.is_zero()).collect::<Vec<_>>())
            }
            Some("quote") => json!({ "bid": "99.98", "ask": "100.02", "at": now }),
            Some("money") => json!({ "cash": "10000" }),
            Some("hours") => {
                if state.others_trade {
                    state.place(&by_hand(), now);
                }
                let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
                json!({ "date": today.saturating_add(jiff::Span::new().days(state.days)), "state": "open" })
            }
            _ => return json!({ "status": "refused", "reason": "no such request" }),
        };
        json!({ "status": "ok", "body": body })
    }
}

impl State {
    /// All of it is filled at once, at its own price.
    pub(crate) fn place(&mut self, request: &Value, at: Timestamp) -> Value {
        let id = self.orders.len().saturating_add(1).to_string();
        let mut order = request.clone();
        if let Some(fields) = order.as_object_mut() {
            let quantity = fields.get("quantity").map(ToString::to_string).unwrap_or_default();
            let more = [("id", json!(id)), ("state", json!("filled")), ("at", json!(at))];
            let counts = [("quantity", json!(quantity)), ("filled", json!(quantity))];
            fields.extend(more.into_iter().chain(counts).map(|(name, value)| (name.to_owned(), value)));
        }
        self.orders.push(order);
        json!({ "id": id })
    }
}

pub(crate) fn by_hand() -> Value {
    json!({ "label": "by hand", "symbol": "OTHR", "side": "buy", "effect": "open", "quantity": 1, "price": "1" })
}

fn held(orders: &[Value], symbol: &str) -> Decimal {
    let text = |order: &Value, name| order.get(name).and_then(Value::as_str).map(str::to_owned);
    let of = |order: &Value| {
        let filled: Decimal = text(order, "filled")?.parse().ok()?;
        Some(if text(order, "side")? == "buy" { filled } else { -filled })
    };
    let ours = orders.iter().filter(|order| text(order, "symbol").as_deref() == Some(symbol));
    ours.filter_map(of).fold(Decimal::ZERO, Decimal::saturating_add)
}
