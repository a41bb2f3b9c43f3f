//! The broker's client, blocking: one connection, one line, one answer. It does not implement `Broker`, which is async, but
//! says the same of how a call can end.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backstop_broker::{
    Balances, BrokerOrderId, Decimal, Doubt, DoubtCause, Field, MarketClock, MarketState, NotSent, Order, OrderKind,
    OrderLeg, OrderList, OrderRequest, OrderStatus, Outcome, Position, PositionEffect, Quote, QuoteSide, ReadError,
    Received, Rejection, Side, Symbol,
};
use backstop_clock::{Clock, Mono, Timestamp};
use backstop_rate_limiter::{Permit, Priority, RateLimiter, Refused, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The longest that a call takes.
pub(crate) const CALL: Duration = Duration::from_millis(400);

#[derive(Debug)]
pub(crate) struct Client {
    socket: PathBuf,
    clock: Arc<dyn Clock>,
    budget: RateLimiter,
}

/// Why there is no answer. Only the first of these is certain.
enum Broken {
    NoConnection(String),
    TimedOut,
    Lost(String),
}

#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Answer {
    Ok { body: Value },
    Refused { reason: String },
}

impl Client {
    pub(crate) fn new(socket: PathBuf, clock: Arc<dyn Clock>, budget: RateLimiter) -> Self {
        Self { socket, clock, budget }
    }

    /// Leave to send one order, within a second or not at all. Asked for before the intent is written down, because it may
    /// take its time.
    pub(crate) fn grant(&self, priority: Priority) -> Result<Permit, Refused> {
        self.budget.acquire_blocking(Request::new(priority), self.clock.mono().plus(Duration::from_secs(1)))
    }

    /// One request and its answer, once.
    fn exchange(&self, request: &Value) -> Result<String, Broken> {
        let deadline = self.clock.mono().plus(CALL);
        let mut stream = UnixStream::connect(&self.socket).map_err(|error| Broken::NoConnection(error.to_string()))?;
        // From here on a byte may have left: whatever goes wrong, nobody knows what became of it.
        self.talk(&mut stream, request, deadline).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Broken::TimedOut,
            _ => Broken::Lost(error.to_string()),
        })
    }

    fn talk(&self, stream: &mut UnixStream, request: &Value, deadline: Mono) -> std::io::Result<String> {
        stream.set_write_timeout(Some(self.left(deadline)?))?;
        stream.write_all(format!("{request}\n").as_bytes())?;
        let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            // A time-out of the system is for one read; an answer that trickles would never end.
            stream.set_read_timeout(Some(self.left(deadline)?))?;
            let count = stream.read(&mut chunk)?;
            answer.extend_from_slice(chunk.get(..count).unwrap_or_default());
            if answer.ends_with(b"\n") {
                return String::from_utf8(answer).map_err(std::io::Error::other);
            }
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn left(&self, deadline: Mono) -> std::io::Result<Duration> {
        let left = deadline.since(self.clock.mono());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    /// Places an order: once, or not at all, or nobody knows.
    pub(crate) fn submit(&self, order: &OrderRequest, _leave: Permit) -> Outcome<BrokerOrderId> {
        let (OrderKind::Limit { price }, [leg]) = (order.kind(), order.legs()) else {
            return Outcome::NotSent(NotSent::Unsupported {
                detail: "this broker has limit orders of one leg".to_owned(),
            });
        };
        let request = json!({ "do": "place", "label": order.client_order_id(), "symbol": leg.symbol, "side": leg.side,
            "effect": leg.effect, "quantity": leg.quantity, "price": price });
        let doubt = |cause, detail: &str| Outcome::Unknown(Doubt { cause, detail: detail.trim_end().to_owned() });
        let line = match self.exchange(&request) {
            Ok(line) => line,
            Err(Broken::NoConnection(detail)) => return Outcome::NotSent(NotSent::NoConnection { detail }),
            Err(Broken::TimedOut) => return doubt(DoubtCause::TimedOut, "the answer to an order"),
            Err(Broken::Lost(detail)) => return doubt(DoubtCause::ConnectionLost, &detail),
        };
        match serde_json::from_str(&line) {
            Ok(Answer::Ok { body }) => match body.get("id").and_then(Value::as_str).map(BrokerOrderId::new) {
                Some(Ok(id)) => Outcome::Accepted(id),
                Some(Err(_)) | None => doubt(DoubtCause::Unreadable, &line),
            },
            Ok(Answer::Refused { reason }) => Outcome::Rejected(Rejection { code: None, reason }),
            Err(_) => doubt(DoubtCause::Unreadable, &line),
        }
    }

    /// A read: the whole answer, or an error, which says nothing.
    fn read<T: DeserializeOwned>(&self, request: &Value) -> Result<T, ReadError> {
        // Reads wait behind orders, and never use what is kept for exits.
        let _leave = self
            .grant(Priority::Polling)
            .map_err(|refused| ReadError::Throttled { until: None, detail: refused.to_string() })?;
        let line = self.exchange(request).map_err(|broken| match broken {
            Broken::NoConnection(detail) => ReadError::NoConnection { detail },
            Broken::TimedOut => ReadError::TimedOut { detail: request.to_string() },
            Broken::Lost(detail) => ReadError::ConnectionLost { detail },
        })?;
        let unreadable = || ReadError::Unreadable { detail: line.trim_end().to_owned() };
        match serde_json::from_str(&line).map_err(|_| unreadable())? {
            Answer::Ok { body } => serde_json::from_value(body).map_err(|_| unreadable()),
            Answer::Refused { reason } => Err(ReadError::Refused { detail: reason }),
        }
    }

    pub(crate) fn orders(&self) -> Result<OrderList, ReadError> {
        let rows: Vec<Row> = self.read(&json!({ "do": "orders" }))?;
        Ok(OrderList::complete(rows.into_iter().map(Row::order).collect()))
    }

    pub(crate) fn positions(&self) -> Result<Vec<Position>, ReadError> {
        let rows: Vec<Held> = self.read(&json!({ "do": "positions" }))?;
        let row =
            |held: Held| Position { symbol: held.symbol, quantity: held.quantity, cost_basis: None, acquired_at: None };
        Ok(rows.into_iter().map(row).collect())
    }

    pub(crate) fn quote(&self, symbol: &Symbol) -> Result<Quote, ReadError> {
        let Quoted { bid, ask, at } = self.read(&json!({ "do": "quote", "symbol": symbol }))?;
        let received = Received { mono: self.clock.mono(), wall: self.clock.wall() };
        let side = |price| QuoteSide { price: field(price), size: Field::Missing, at: field(at) };
        let (last, last_at) = (Field::Missing, Field::Missing);
        Ok(Quote { symbol: symbol.clone(), bid: side(bid), ask: side(ask), last, last_at, received })
    }

    pub(crate) fn balances(&self) -> Result<Balances, ReadError> {
        let Money { cash } = self.read(&json!({ "do": "money" }))?;
        Ok(Balances { total_cash: cash, total_equity: cash, option_buying_power: None, stock_buying_power: None })
    }

    pub(crate) fn market_clock(&self) -> Result<MarketClock, ReadError> {
        let Hours { date, state } = self.read(&json!({ "do": "hours" }))?;
        let state = if state == "open" { MarketState::Open } else { MarketState::Unrecognized(state) };
        Ok(MarketClock { date, state, at: None })
    }
}

#[derive(Deserialize)]
struct Row {
    id: BrokerOrderId,
    label: Option<String>,
    state: String,
    symbol: Symbol,
    side: Side,
    effect: PositionEffect,
    quantity: Decimal,
    filled: Option<Decimal>,
    price: Option<Decimal>,
    at: Timestamp,
}

impl Row {
    fn order(self) -> Order {
        let status = match self.state.as_str() {
            "working" => OrderStatus::Open,
            "filled" => OrderStatus::Filled,
            _ => OrderStatus::Unrecognized(self.state),
        };
        let Self { symbol, side, effect, quantity, filled, price, .. } = self;
        let legs = vec![OrderLeg { symbol, side, effect, quantity, filled, price }];
        Order {
            id: self.id,
            label: self.label,
            status,
            legs,
            net_price: price,
            created_at: Some(self.at),
            reason: None,
        }
    }
}

#[derive(Deserialize)]
struct Held {
    symbol: Symbol,
    quantity: Decimal,
}

#[derive(Deserialize)]
struct Quoted {
    bid: Option<Decimal>,
    ask: Option<Decimal>,
    at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Money {
    cash: Decimal,
}

#[derive(Deserialize)]
struct Hours {
    date: jiff::civil::Date,
    state: String,
}

fn field<T>(value: Option<T>) -> Field<T> {
    value.map_or(Field::Missing, Field::Value)
}
