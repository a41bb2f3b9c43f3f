//! An adapter for the tiny broker, honest unless told to have a flaw.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::server::{Broken, Reply, Server, TIME_OUT};
use crate::{
    Balances, Broker, BrokerOrderId, Decimal, Doubt, DoubtCause, Field, Grant, MarketClock, MarketState, NotSent,
    Order, OrderKind, OrderLeg, OrderList, OrderRequest, OrderStatus, Outcome, Position, PositionEffect, Quote,
    QuoteSide, Quotes, ReadError, Received, Rejection, Side, Symbol,
};

/// One way to betray the trait, each an easy mistake in an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    RepeatsSubmit,
    RepeatsCancel,
    FollowsRedirects,
    TimeOutIsRejected,
    LostConnectionIsNotSent,
    RefusedConnectionIsUnknown,
    ServerErrorIsRejected,
    ThrottledIsRejected,
    AnySuccessIsAccepted,
    NoTimeOut,
    FailedReadIsEmpty,
    NothingIsEmpty,
    FirstPageOnly,
    KeepsPagesBeforeFailure,
    UnknownStatusIsFilled,
    UnknownMarketIsOpen,
    ForgetsLabels,
    UnknownIdIsAnyOrder,
    TakesFillsBack,
    FinishedCancelIsAccepted,
}

#[derive(Debug)]
pub(super) struct Adapter {
    server: Arc<Server>,
    flaw: Option<Flaw>,
    /// For [`Flaw::TakesFillsBack`] and [`Flaw::FinishedCancelIsAccepted`].
    reads: AtomicUsize,
    canceled: Mutex<BTreeSet<BrokerOrderId>>,
}

impl Adapter {
    pub(super) fn new(server: Arc<Server>, flaw: Option<Flaw>) -> Self {
        Self { server, flaw, reads: AtomicUsize::new(0), canceled: Mutex::default() }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    async fn limited<T>(&self, limit: Duration, call: impl Future<Output = T>) -> Option<T> {
        if self.has(Flaw::NoTimeOut) { Some(call.await) } else { timeout(limit, call).await.ok() }
    }

    /// One change, and the classification that all of this is about. `None`: the answer confirms nothing.
    async fn change<T>(&self, request: &Value, repeats: Flaw, read: impl Fn(&str) -> Option<T>) -> Outcome<T> {
        let limit = if self.has(repeats) { TIME_OUT / 2 } else { TIME_OUT };
        let mut answer = self.limited(limit, self.server.exchange(request)).await;
        if self.has(repeats) && !matches!(answer, Some(Ok(_))) {
            answer = self.limited(limit, self.server.exchange(request)).await;
        }
        if self.has(Flaw::FollowsRedirects) && matches!(answer, Some(Ok(Reply { status: 307, .. }))) {
            answer = self.limited(limit, self.server.exchange(request)).await;
        }
        match answer {
            None if self.has(Flaw::TimeOutIsRejected) => rejected("no answer"),
            None => doubt(DoubtCause::TimedOut),
            Some(Err(Broken::Refused)) if self.has(Flaw::RefusedConnectionIsUnknown) => doubt(DoubtCause::TimedOut),
            Some(Err(Broken::Refused)) => Outcome::NotSent(NotSent::NoConnection { detail: "refused".into() }),
            Some(Err(Broken::Closed)) if self.has(Flaw::LostConnectionIsNotSent) => {
                Outcome::NotSent(NotSent::NoConnection { detail: "closed".into() })
            }
            Some(Err(Broken::Closed)) => doubt(DoubtCause::ConnectionLost),
            Some(Ok(Reply { status: 200, body })) => match read(&body) {
                Some(done) => Outcome::Accepted(done),
                None => doubt(DoubtCause::Unreadable),
            },
            Some(Ok(Reply { status: 429, .. })) if self.has(Flaw::ThrottledIsRejected) => rejected("throttled"),
            Some(Ok(Reply { status: 429, .. })) => doubt(DoubtCause::Throttled),
            Some(Ok(Reply { status, body })) if (400..500).contains(&status) => rejected(&body),
            Some(Ok(Reply { body, .. })) if self.has(Flaw::ServerErrorIsRejected) => rejected(&body),
            Some(Ok(Reply { status, .. })) => doubt(DoubtCause::ServerError { status }),
        }
    }

    /// One exchange of a read.
    async fn ask(&self, request: &Value) -> Result<Value, ReadError> {
        match self.server.exchange(request).await {
            Err(_) => Err(ReadError::ConnectionLost { detail: String::new() }),
            Ok(Reply { status: 200, body }) => match serde_json::from_str(&body) {
                Ok(Value::Null) if self.has(Flaw::NothingIsEmpty) => Ok(empty()),
                Err(_) if body.is_empty() && self.has(Flaw::NothingIsEmpty) => Ok(empty()),
                Ok(value) => Ok(value),
                Err(_) => Err(unreadable()),
            },
            Ok(Reply { status: 404, body }) => Err(ReadError::Refused { detail: body }),
            Ok(Reply { status, body }) => Err(ReadError::Server { status, detail: body }),
        }
    }

    async fn read<T>(&self, read: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
        self.limited(TIME_OUT, read).await.unwrap_or(Err(ReadError::TimedOut { detail: String::new() }))
    }

    /// A read whose failure a careless adapter takes for an empty list.
    async fn list(&self, request: &Value) -> Result<Value, ReadError> {
        match self.read(self.ask(request)).await {
            Err(_) if self.has(Flaw::FailedReadIsEmpty) => Ok(empty()),
            answer => answer,
        }
    }

    fn parsed(&self, row: &Value) -> Option<Order> {
        let state = row["state"].as_str()?;
        let mut status = match state {
            "working" => OrderStatus::Open,
            "filled" => OrderStatus::Filled,
            "canceled" => OrderStatus::Canceled,
            _ if self.has(Flaw::UnknownStatusIsFilled) => OrderStatus::Filled,
            word => OrderStatus::Unrecognized(word.to_owned()),
        };
        if self.has(Flaw::TakesFillsBack) && state == "filled" && self.reads.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
            status = OrderStatus::PartiallyFilled;
        }
        let leg = OrderLeg {
            symbol: "SPY".parse().ok()?,
            side: Side::Buy,
            effect: PositionEffect::Open,
            quantity: row["quantity"].as_u64()?.into(),
            filled: Some(row["filled"].as_u64()?.into()),
            price: Some(Decimal::TEN),
        };
        Some(Order {
            id: BrokerOrderId::new(row["id"].as_str()?).ok()?,
            label: row["label"].as_str().filter(|_| !self.has(Flaw::ForgetsLabels)).map(str::to_owned),
            status,
            legs: vec![leg],
            net_price: Some(Decimal::TEN),
            created_at: None,
            reason: None,
        })
    }

    async fn pages(&self) -> Result<Vec<Order>, ReadError> {
        let mut orders = Vec::new();
        for page in 0.. {
            let answer = match self.ask(&json!({ "do": "orders", "page": page })).await {
                Err(_) if page > 0 && self.has(Flaw::KeepsPagesBeforeFailure) => break,
                answer => answer?,
            };
            let rows = answer["orders"].as_array().ok_or_else(unreadable)?;
            for row in rows {
                orders.push(self.parsed(row).ok_or_else(unreadable)?);
            }
            let more = answer["more"].as_bool().ok_or_else(unreadable)?;
            if !more || self.has(Flaw::FirstPageOnly) {
                break;
            }
        }
        Ok(orders)
    }
}

fn rejected<T>(reason: &str) -> Outcome<T> {
    Outcome::Rejected(Rejection { code: None, reason: reason.to_owned() })
}

fn doubt<T>(cause: DoubtCause) -> Outcome<T> {
    Outcome::Unknown(Doubt { cause, detail: String::new() })
}

fn empty() -> Value {
    json!({ "orders": [], "more": false, "positions": [], "quotes": [] })
}

fn unreadable() -> ReadError {
    ReadError::Unreadable { detail: String::new() }
}

#[async_trait]
impl Broker for Adapter {
    fn call_timeout(&self) -> Duration {
        TIME_OUT
    }

    async fn submit(&self, order: &OrderRequest, _: Grant) -> Outcome<BrokerOrderId> {
        let price = match order.kind() {
            OrderKind::Limit { price } => Some(price.to_string()),
            _ => None,
        };
        let quantity = order.legs()[0].quantity;
        let request = json!({ "do": "submit", "label": order.client_order_id(), "quantity": quantity, "price": price });
        let sloppy = self.has(Flaw::AnySuccessIsAccepted);
        let read = |body: &str| {
            let read: Option<Value> = serde_json::from_str(body).ok();
            let id = read.and_then(|body| BrokerOrderId::new(body["id"].as_str()?).ok());
            if sloppy { id.or_else(|| BrokerOrderId::new("0").ok()) } else { id }
        };
        self.change(&request, Flaw::RepeatsSubmit, read).await
    }

    async fn cancel(&self, id: &BrokerOrderId) -> Outcome<()> {
        let again = !self.canceled.lock().unwrap().insert(id.clone());
        if again && self.has(Flaw::FinishedCancelIsAccepted) {
            return Outcome::Accepted(());
        }
        let sloppy = self.has(Flaw::AnySuccessIsAccepted);
        let read = |body: &str| {
            let read: Option<Value> = serde_json::from_str(body).ok();
            (sloppy || read.is_some_and(|body| body["id"] == id.as_str())).then_some(())
        };
        self.change(&json!({ "do": "cancel", "id": id }), Flaw::RepeatsCancel, read).await
    }

    async fn order(&self, id: &BrokerOrderId) -> Result<Order, ReadError> {
        let answer = self.read(self.ask(&json!({ "do": "order", "id": id }))).await;
        if self.has(Flaw::UnknownIdIsAnyOrder) && matches!(answer, Err(ReadError::Refused { .. })) {
            return self.orders().await?.orders().first().cloned().ok_or_else(unreadable);
        }
        self.parsed(&answer?).ok_or_else(unreadable)
    }

    async fn orders(&self) -> Result<OrderList, ReadError> {
        match self.read(self.pages()).await {
            Err(_) if self.has(Flaw::FailedReadIsEmpty) => Ok(OrderList::default()),
            orders => orders.map(OrderList::complete),
        }
    }

    async fn positions(&self) -> Result<Vec<Position>, ReadError> {
        let answer = self.list(&json!({ "do": "positions" })).await?;
        let rows = answer["positions"].as_array().ok_or_else(unreadable)?;
        let position = |row: &Value| {
            let (symbol, quantity) = (row["symbol"].as_str()?.parse().ok()?, row["quantity"].as_u64()?.into());
            Some(Position { symbol, quantity, cost_basis: None, acquired_at: None })
        };
        rows.iter().map(position).collect::<Option<_>>().ok_or_else(unreadable)
    }

    async fn quotes(&self, _: &[Symbol]) -> Result<Quotes, ReadError> {
        let answer = self.list(&json!({ "do": "quotes" })).await?;
        let rows = answer["quotes"].as_array().ok_or_else(unreadable)?;
        let quote = |row: &Value| {
            Some(Quote {
                symbol: row.as_str()?.parse().ok()?,
                bid: QuoteSide::MISSING,
                ask: QuoteSide::MISSING,
                last: Field::Missing,
                last_at: Field::Missing,
                received: Received { mono: backstop_clock::Mono::ORIGIN, wall: Timestamp::UNIX_EPOCH },
            })
        };
        let quotes = rows.iter().map(quote).collect::<Option<_>>().ok_or_else(unreadable)?;
        Ok(Quotes { quotes, unmatched: vec![] })
    }

    async fn balances(&self) -> Result<Balances, ReadError> {
        let answer = self.read(self.ask(&json!({ "do": "balances" }))).await?;
        let cash: Decimal = answer["cash"].as_str().and_then(|cash| cash.parse().ok()).ok_or_else(unreadable)?;
        Ok(Balances { total_cash: cash, total_equity: cash, option_buying_power: None, stock_buying_power: None })
    }

    async fn market_clock(&self) -> Result<MarketClock, ReadError> {
        let answer = self.read(self.ask(&json!({ "do": "clock" }))).await?;
        let state = match answer["state"].as_str().ok_or_else(unreadable)? {
            "open" => MarketState::Open,
            _ if self.has(Flaw::UnknownMarketIsOpen) => MarketState::Open,
            word => MarketState::Unrecognized(word.to_owned()),
        };
        Ok(MarketClock { date: jiff::civil::date(2030, 1, 2), state, at: None })
    }
}
