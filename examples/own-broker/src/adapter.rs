//! The adapter: [`Broker`] over Harbor, a gateway that runs beside the bot and speaks lines of JSON on a Unix socket.
//!
//! One connection is one request and one answer, each a line. What an answer may say is in [`Answer`]; everything that is
//! not one of these words, in whole, is a doubt.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backstop::broker::{
    Balances, Broker, BrokerOrderId, Decimal, Doubt, DoubtCause, Field, Grant, MarketClock, MarketState, NotSent,
    Order, OrderKind, OrderLeg, OrderList, OrderRequest, OrderStatus, Outcome, Position, PositionEffect, Quote,
    QuoteSide, Quotes, ReadError, Received, Rejection, Side, Symbol, TimeInForce,
};
use backstop::clock::{Clock, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The longest that any call takes, all pages of a list included (BRK-1).
pub(crate) const CALL: Duration = Duration::from_millis(600);
/// Of that, the longest wait for a connection.
const CONNECT: Duration = Duration::from_millis(150);
/// An answer that goes on for longer is none.
const LONGEST_ANSWER: u64 = 1 << 20;

/// Harbor's gateway.
#[derive(Debug)]
pub(crate) struct Harbor {
    socket: PathBuf,
    clock: Arc<dyn Clock>,
}

/// Why an exchange brought no answer. The border between the first and the others is the whole of law 1: up to it nothing
/// has left, after it anything may have.
enum Broken {
    NoConnection(String),
    TimedOut,
    Lost(String),
}

/// What Harbor can say.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Answer {
    Ok { body: Value },
    Refused { code: Option<String>, reason: String },
    Busy,
    Failed,
}

impl Harbor {
    pub(crate) fn new(socket: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { socket, clock }
    }

    /// One request and its answer, once: nothing here tries again.
    async fn exchange(&self, request: &Value) -> Result<String, Broken> {
        let mut stream = match timeout(CONNECT, UnixStream::connect(&self.socket)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Broken::NoConnection(error.to_string())),
            Err(_) => return Err(Broken::NoConnection("no answer to the attempt to connect".to_owned())),
        };
        let talk = async {
            stream.write_all(format!("{request}\n").as_bytes()).await?;
            let mut line = String::new();
            BufReader::new(&mut stream).take(LONGEST_ANSWER).read_line(&mut line).await?;
            Ok::<_, std::io::Error>(line)
        };
        match timeout(CALL.saturating_sub(CONNECT), talk).await {
            Err(_) => Err(Broken::TimedOut),
            Ok(Err(error)) => Err(Broken::Lost(error.to_string())),
            // Told apart from nonsense, because whoever reads of the doubt looks elsewhere.
            Ok(Ok(line)) if !line.ends_with('\n') => Err(Broken::Lost("it ended inside the answer".to_owned())),
            Ok(Ok(line)) => Ok(line),
        }
    }

    /// A call that changes something. `read` finds what confirms it: an answer without that confirms nothing.
    async fn change<T>(&self, request: &Value, read: impl FnOnce(&Value) -> Option<T>) -> Outcome<T> {
        let line = match self.exchange(request).await {
            Ok(line) => line,
            Err(Broken::NoConnection(detail)) => return Outcome::NotSent(NotSent::NoConnection { detail }),
            Err(Broken::TimedOut) => return doubt(DoubtCause::TimedOut, ""),
            Err(Broken::Lost(detail)) => return doubt(DoubtCause::ConnectionLost, &detail),
        };
        match serde_json::from_str(&line) {
            Ok(Answer::Ok { body }) => {
                read(&body).map_or_else(|| doubt(DoubtCause::Unreadable, &line), Outcome::Accepted)
            }
            // Harbor refuses before it does anything, and says so in these words only.
            Ok(Answer::Refused { code, reason }) => Outcome::Rejected(Rejection { code, reason }),
            Ok(Answer::Busy) => doubt(DoubtCause::Throttled, &line),
            Ok(Answer::Failed) => doubt(DoubtCause::ServerError { status: 500 }, &line),
            Err(_) => doubt(DoubtCause::Unreadable, &line),
        }
    }

    /// A read: the whole answer or an error, never less.
    async fn read<T: DeserializeOwned>(&self, request: Value) -> Result<T, ReadError> {
        let line = self.exchange(&request).await.map_err(|broken| match broken {
            Broken::NoConnection(detail) => ReadError::NoConnection { detail },
            Broken::TimedOut => ReadError::TimedOut { detail: request.to_string() },
            Broken::Lost(detail) => ReadError::ConnectionLost { detail },
        })?;
        let detail = || short(&line);
        match serde_json::from_str(&line) {
            Ok(Answer::Ok { body }) => {
                serde_json::from_value(body).map_err(|_| ReadError::Unreadable { detail: detail() })
            }
            Ok(Answer::Refused { reason, .. }) => Err(ReadError::Refused { detail: reason }),
            Ok(Answer::Busy) => Err(ReadError::Throttled { until: None, detail: detail() }),
            Ok(Answer::Failed) => Err(ReadError::Server { status: 500, detail: detail() }),
            Err(_) => Err(ReadError::Unreadable { detail: detail() }),
        }
    }

    async fn all_orders(&self) -> Result<OrderList, ReadError> {
        let mut orders = Vec::new();
        loop {
            let page: Page = self.read(json!({ "do": "orders", "from": orders.len() })).await?;
            // A page without an order and with more behind it would never end.
            if page.more && page.orders.is_empty() {
                return Err(ReadError::Partial { detail: format!("nothing after {} orders", orders.len()) });
            }
            orders.extend(page.orders.into_iter().map(Row::order));
            if !page.more {
                return Ok(OrderList::complete(orders));
            }
        }
    }
}

#[async_trait]
impl Broker for Harbor {
    fn call_timeout(&self) -> Duration {
        CALL
    }

    async fn submit(&self, order: &OrderRequest, _: Grant) -> Outcome<BrokerOrderId> {
        let (price, leg) = match (order.kind(), order.legs(), order.time_in_force()) {
            (OrderKind::Market, [leg], TimeInForce::Day) => (None, leg),
            (OrderKind::Limit { price }, [leg], TimeInForce::Day) => (Some(price), leg),
            (kind, ..) => {
                return Outcome::NotSent(NotSent::Unsupported {
                    detail: format!("{kind:?}; Harbor has day orders of one leg"),
                });
            }
        };
        let request = json!({ "do": "place", "label": order.client_order_id(), "symbol": leg.symbol, "side": leg.side,
            "effect": leg.effect, "quantity": leg.quantity, "price": price });
        self.change(&request, |body| BrokerOrderId::new(body["id"].as_str()?).ok()).await
    }

    async fn cancel(&self, id: &BrokerOrderId) -> Outcome<()> {
        self.change(&json!({ "do": "cancel", "id": id }), |body| (body["id"] == id.as_str()).then_some(())).await
    }

    async fn order(&self, id: &BrokerOrderId) -> Result<Order, ReadError> {
        Ok(self.read::<Row>(json!({ "do": "order", "id": id })).await?.order())
    }

    async fn orders(&self) -> Result<OrderList, ReadError> {
        // BRK-1: the time-out is for the call, however many pages it has.
        let late = |_| Err(ReadError::TimedOut { detail: "the list of orders".to_owned() });
        timeout(CALL, self.all_orders()).await.unwrap_or_else(late)
    }

    async fn positions(&self) -> Result<Vec<Position>, ReadError> {
        let held: Vec<Held> = self.read(json!({ "do": "positions" })).await?;
        let row =
            |held: Held| Position { symbol: held.symbol, quantity: held.quantity, cost_basis: None, acquired_at: None };
        Ok(held.into_iter().map(row).collect())
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<Quotes, ReadError> {
        let quoted: Vec<Quoted> = self.read(json!({ "do": "quotes", "symbols": symbols })).await?;
        let received = Received { mono: self.clock.mono(), wall: self.clock.wall() };
        let side = |price: Option<Decimal>, at| QuoteSide { price: field(price), size: Field::Missing, at: field(at) };
        let quote = |row: Quoted| Quote {
            symbol: row.symbol,
            bid: side(row.bid, row.at),
            ask: side(row.ask, row.at),
            last: Field::Missing,
            last_at: Field::Missing,
            received,
        };
        Ok(Quotes { quotes: quoted.into_iter().map(quote).collect(), unmatched: Vec::new() })
    }

    async fn balances(&self) -> Result<Balances, ReadError> {
        let Money { cash, equity } = self.read(json!({ "do": "money" })).await?;
        Ok(Balances { total_cash: cash, total_equity: equity, option_buying_power: None, stock_buying_power: None })
    }

    async fn market_clock(&self) -> Result<MarketClock, ReadError> {
        let Hours { date, state, at } = self.read(json!({ "do": "hours" })).await?;
        let state = match state.as_str() {
            "open" => MarketState::Open,
            "closed" => MarketState::Closed,
            _ => MarketState::Unrecognized(state),
        };
        Ok(MarketClock { date, state, at: Some(at) })
    }
}

#[derive(Deserialize)]
struct Page {
    orders: Vec<Row>,
    more: bool,
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
            "canceled" => OrderStatus::Canceled,
            // BRK-2: a word that is new is neither the end of the order nor a fill.
            _ => OrderStatus::Unrecognized(self.state),
        };
        let Self { symbol, side, effect, quantity, filled, price, .. } = self;
        let leg = OrderLeg { symbol, side, effect, quantity, filled, price };
        let (net_price, created_at) = (price, Some(self.at));
        Order { id: self.id, label: self.label, status, legs: vec![leg], net_price, created_at, reason: None }
    }
}

#[derive(Deserialize)]
struct Held {
    symbol: Symbol,
    quantity: Decimal,
}

#[derive(Deserialize)]
struct Quoted {
    symbol: Symbol,
    bid: Option<Decimal>,
    ask: Option<Decimal>,
    at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Money {
    cash: Decimal,
    equity: Decimal,
}

#[derive(Deserialize)]
struct Hours {
    date: jiff::civil::Date,
    state: String,
    at: Timestamp,
}

fn field<T>(value: Option<T>) -> Field<T> {
    value.map_or(Field::Missing, Field::Value)
}

fn doubt<T>(cause: DoubtCause, detail: &str) -> Outcome<T> {
    Outcome::Unknown(Doubt { cause, detail: short(detail) })
}

fn short(text: &str) -> String {
    text.trim_end().chars().take(120).collect()
}
