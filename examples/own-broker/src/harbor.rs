//! The other side of the socket: a toy of a gateway, so that the example needs nothing but itself.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backstop::broker::{Decimal, Side, Symbol};
use backstop::clock::{Clock, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

const PAGE: usize = 20;
/// Longer than anybody waits for one order.
const LATER: Duration = Duration::from_secs(7);

/// The gateway's account. What it says is the truth.
#[derive(Debug)]
pub(crate) struct Gateway {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    orders: Vec<Row>,
    held: BTreeMap<Symbol, Decimal>,
    cash: Decimal,
    /// How many answers to orders are thrown away.
    lose: usize,
    /// How many orders are thrown away before they are orders.
    lose_requests: usize,
    /// From when on somebody else trades.
    others_trade: Option<Timestamp>,
    /// How many reads of the positions fail.
    fail_positions: usize,
}

#[derive(Debug)]
struct Row {
    label: String,
    state: &'static str,
    asked: Value,
    filled: Decimal,
    price: Option<Decimal>,
    at: Timestamp,
}

impl Gateway {
    pub(crate) fn new(cash: Decimal, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, state: Mutex::new(State { cash, ..State::default() }) })
    }

    /// Answers on `socket` for as long as the runtime lives.
    pub(crate) fn serve(self: &Arc<Self>, socket: &Path) -> io::Result<()> {
        let (gateway, listener) = (Arc::clone(self), UnixListener::bind(socket)?);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let gateway = Arc::clone(&gateway);
                // Whoever hangs up has no answer; nobody is left to be told.
                tokio::spawn(async move { drop(gateway.talk(stream).await) });
            }
        });
        Ok(())
    }

    async fn talk(&self, mut stream: UnixStream) -> io::Result<()> {
        let mut line = String::new();
        BufReader::new(&mut stream).take(1 << 16).read_line(&mut line).await?;
        // A request that was cut is none.
        let Some(request) = line.strip_suffix('\n').and_then(|line| serde_json::from_str::<Value>(line).ok()) else {
            return Ok(());
        };
        let is_order = request.get("do").and_then(Value::as_str) == Some("place");
        if is_order && self.loses_this_request() {
            return Ok(());
        }
        let answer = self.answer(&request);
        if is_order && self.loses_this_answer() {
            return Ok(());
        }
        stream.write_all(format!("{answer}\n").as_bytes()).await
    }

    /// The next so many orders are taken and done, and their answers get lost.
    pub(crate) fn lose_answers(&self, count: usize) {
        self.state.lock().lose = count;
    }

    fn loses_this_answer(&self) -> bool {
        let mut state = self.state.lock();
        let loses = state.lose > 0;
        state.lose = state.lose.saturating_sub(1);
        loses
    }

    fn loses_this_request(&self) -> bool {
        let mut state = self.state.lock();
        let loses = state.lose_requests > 0;
        state.lose_requests = state.lose_requests.saturating_sub(1);
        if loses {
            state.others_trade = self.clock.wall().checked_add(LATER).ok();
        }
        loses
    }

    /// The next so many orders get lost on their way; long after that somebody else's show how far the list of orders reaches.
    #[cfg(test)]
    pub(crate) fn lose_requests(&self, count: usize) {
        self.state.lock().lose_requests = count;
    }

    /// The next so many reads of the positions fail.
    #[cfg(test)]
    pub(crate) fn fail_positions(&self, count: usize) {
        self.state.lock().fail_positions = count;
    }

    /// The labels of all orders that were ever placed.
    pub(crate) fn placed(&self) -> Vec<String> {
        self.state.lock().orders.iter().map(|row| row.label.clone()).collect()
    }

    /// What is held of `symbol`.
    pub(crate) fn held(&self, symbol: &Symbol) -> Decimal {
        self.state.lock().held.get(symbol).copied().unwrap_or_default()
    }

    /// The answer to one request, which is done with that.
    fn answer(&self, request: &Value) -> Value {
        let now = self.clock.wall();
        let mut state = self.state.lock();
        match request["do"].as_str() {
            Some("place") => state.place(request, now),
            Some("cancel") => match state.row(&request["id"]) {
                Some((_, row)) if row.state != "working" => refused("finished", "the order is at rest"),
                Some((id, row)) => {
                    row.state = "canceled";
                    ok(&json!({ "id": id }))
                }
                None => refused("unknown", "no such order"),
            },
            Some("order") => match state.row(&request["id"]) {
                Some((id, row)) => ok(&shown(&id, row)),
                None => refused("unknown", "no such order"),
            },
            Some("orders") => {
                if state.others_trade.is_some_and(|from| now >= from) {
                    let (label, asked) = (
                        "by hand".to_owned(),
                        json!({ "symbol": "OTHR", "side": "buy", "effect": "open", "quantity": 1 }),
                    );
                    state.orders.push(Row {
                        label,
                        state: "canceled",
                        asked,
                        filled: Decimal::ZERO,
                        price: None,
                        at: now,
                    });
                }
                let from = request["from"].as_u64().and_then(|from| usize::try_from(from).ok()).unwrap_or(0);
                let rows = state.orders.iter().enumerate().skip(from).take(PAGE);
                let rows: Vec<Value> = rows.map(|(index, row)| shown(&name(index), row)).collect();
                let more = from.saturating_add(rows.len()) < state.orders.len();
                ok(&json!({ "orders": rows, "more": more }))
            }
            Some("positions") if state.fail_positions > 0 => {
                state.fail_positions = state.fail_positions.saturating_sub(1);
                json!({ "status": "failed" })
            }
            Some("positions") => {
                let held = state.held.iter().filter(|(_, quantity)| !quantity.is_zero());
                ok(&held.map(|(symbol, quantity)| json!({ "symbol": symbol, "quantity": quantity })).collect())
            }
            Some("quotes") => {
                let symbols = request["symbols"].as_array().into_iter().flatten();
                ok(&symbols.map(|symbol| json!({ "symbol": symbol, "bid": BID, "ask": ASK, "at": now })).collect())
            }
            Some("money") => ok(&json!({ "cash": state.cash, "equity": state.cash })),
            Some("hours") => {
                let date = now.to_zoned(jiff::tz::TimeZone::UTC).date();
                ok(&json!({ "date": date, "state": "open", "at": now }))
            }
            _ => refused("unknown", "no such request"),
        }
    }
}

/// A market that stands still, so that the example ends as it should.
const BID: Decimal = Decimal::from_parts(9_998, 0, 0, false, 2);
const ASK: Decimal = Decimal::from_parts(10_002, 0, 0, false, 2);

impl State {
    fn place(&mut self, request: &Value, at: Timestamp) -> Value {
        let read = || {
            let side: Side = serde_json::from_value(request["side"].clone()).ok()?;
            let symbol: Symbol = serde_json::from_value(request["symbol"].clone()).ok()?;
            let limit: Option<Decimal> = serde_json::from_value(request["price"].clone()).ok()?;
            Some((side, symbol, request["quantity"].as_u64()?, limit, request["label"].as_str()?))
        };
        let Some((side, symbol, quantity, limit, label)) = read() else { return refused("malformed", "no order") };
        let (market, quantity) = (if side == Side::Buy { ASK } else { BID }, Decimal::from(quantity));
        if side == Side::Buy && limit.unwrap_or(market).saturating_mul(quantity) > self.cash {
            return refused("cash", "not enough cash");
        }
        let fills = limit.is_none_or(|limit| if side == Side::Buy { limit >= market } else { limit <= market });
        let filled = if fills { quantity } else { Decimal::ZERO };
        let held = self.held.entry(symbol).or_default();
        *held = held.saturating_add(side.signed(filled));
        self.cash = self.cash.saturating_sub(side.signed(filled).saturating_mul(market));
        let (state, price) = if fills { ("filled", Some(market)) } else { ("working", None) };
        self.orders.push(Row { label: label.to_owned(), state, asked: request.clone(), filled, price, at });
        ok(&json!({ "id": name(self.orders.len().saturating_sub(1)) }))
    }

    fn row(&mut self, id: &Value) -> Option<(String, &mut Row)> {
        let rows = self.orders.iter_mut().enumerate().map(|(index, row)| (name(index), row));
        rows.into_iter().find(|(name, _)| id == name)
    }
}

fn name(index: usize) -> String {
    format!("H{}", index.saturating_add(1))
}

fn shown(id: &str, row: &Row) -> Value {
    let asked = &row.asked;
    json!({ "id": id, "label": row.label, "state": row.state, "symbol": asked["symbol"], "side": asked["side"],
        "effect": asked["effect"], "quantity": asked["quantity"].to_string(), "filled": row.filled, "price": row.price, "at": row.at })
}

fn ok(body: &Value) -> Value {
    json!({ "status": "ok", "body": body })
}

fn refused(code: &str, reason: &str) -> Value {
    json!({ "status": "refused", "code": code, "reason": reason })
}
