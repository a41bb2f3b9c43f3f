//! The broker over HTTP, as a bot writes it in an afternoon: one client, one time-out, and what looks like an answer is one.

use std::collections::BTreeSet;
use std::env;
use std::time::Duration;

use backstop::broker::{Decimal, Field, Leg, OrderKind, PositionEffect, Quote, QuoteSide, Received, Side, Symbol};
use backstop::clock::{Mono, Timestamp};
use jiff::civil::Date;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use crate::failure::Failure;
use crate::tls::tls;

const PATIENCE: Duration = Duration::from_secs(2);

/// The account.
pub(super) struct Account {
    client: Client,
    base_url: String,
    token: String,
    number: String,
}

/// Why there is no answer. What may have happened all the same is not among the words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("too many requests")]
    TooMany,
    #[error("no answer ({0})")]
    NoAnswer(String),
    #[error("refused: {0}")]
    Refused(String),
}

impl Trouble {
    pub(super) fn is_too_many(&self) -> bool {
        matches!(self, Self::TooMany)
    }
}

/// An order at rest or not.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) status: String,
    /// Below zero for a credit. `None`: not told, or zero.
    pub(super) average: Option<Decimal>,
}

impl Account {
    /// The account of the environment. Nothing but a server on this machine: the bot is here to lose.
    pub(super) fn from_env() -> Result<Self, Failure> {
        let of = |name: &str| {
            let value = env::var(name).ok().filter(|value| !value.is_empty());
            value.ok_or_else(|| Failure::Usage(format!("set {name}: `paper-trader simulator` says to what")))
        };
        let base_url = of("TRADIER_API_BASE")?;
        if !["http://127.0.0.1:", "http://localhost:"].iter().any(|local| base_url.starts_with(local)) {
            return Err(Failure::Usage(
                "the naive bot trades with a simulator on this machine and nobody else".to_owned(),
            ));
        }
        let broken = |error: String| Failure::Broker(error);
        let tls = tls().map_err(|error| broken(error.to_string()))?;
        let client = Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(PATIENCE).build();
        Ok(Self {
            client: client.map_err(|error| broken(error.to_string()))?,
            base_url,
            token: of("TRADIER_ACCESS_TOKEN")?,
            number: of("TRADIER_ACCOUNT_ID")?,
        })
    }

    /// docs/incidents/stale-quotes.md: neither stamp is looked at, and `or` takes what is there.
    pub(super) async fn quote(&self, symbol: &Symbol) -> Result<Quote, Trouble> {
        let answer = self.get(&format!("/markets/quotes?symbols={symbol}")).await?;
        let quote = rows(&answer, "quotes", "quote").first().copied().cloned().unwrap_or_default();
        let [bid, ask, last] = ["bid", "ask", "last"].map(|key| number(quote.get(key)));
        let (bid, ask, last) = (bid?, ask?, last?);
        let side = |price: Option<Decimal>| QuoteSide {
            price: price.map_or(Field::Missing, Field::Value),
            size: Field::Missing,
            at: Field::Missing,
        };
        Ok(Quote {
            symbol: symbol.clone(),
            bid: side(bid.or(last).or(ask)),
            ask: side(ask.or(last).or(bid)),
            last: Field::Missing,
            last_at: Field::Missing,
            received: Received { mono: Mono::ORIGIN, wall: Timestamp::UNIX_EPOCH },
        })
    }

    /// Sends an order, and returns the broker's id for it.
    pub(super) async fn place(
        &self,
        tag: &str,
        underlying: &Symbol,
        legs: &[Leg],
        kind: OrderKind,
    ) -> Result<u64, Trouble> {
        let form = form(tag, underlying, legs, kind);
        let answer = self.call(Method::POST, &format!("/accounts/{}/orders", self.number), Some(&form)).await?;
        let id = answer.pointer("/order/id").and_then(Value::as_u64);
        id.ok_or_else(|| Trouble::Refused(answer.get("errors").unwrap_or(&answer).to_string()))
    }

    pub(super) async fn order(&self, id: u64) -> Result<Standing, Trouble> {
        let answer = self.get(&format!("/accounts/{}/orders/{id}", self.number)).await?;
        let status = answer.pointer("/order/status").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Standing { status, average: number(answer.pointer("/order/avg_fill_price"))? })
    }

    pub(super) async fn cancel(&self, id: u64) -> Result<(), Trouble> {
        self.call(Method::DELETE, &format!("/accounts/{}/orders/{id}", self.number), None).await.map(drop)
    }

    /// The symbols in the list of positions. What is in it besides them is not read.
    pub(super) async fn symbols_held(&self) -> Result<BTreeSet<String>, Trouble> {
        let answer = self.get(&format!("/accounts/{}/positions", self.number)).await?;
        let symbols = rows(&answer, "positions", "position").into_iter().filter_map(|row| row.get("symbol")?.as_str());
        Ok(symbols.map(str::to_owned).collect())
    }

    pub(super) async fn cash(&self) -> Result<Decimal, Trouble> {
        let answer = self.get(&format!("/accounts/{}/balances", self.number)).await?;
        number(answer.pointer("/balances/total_cash"))?.ok_or_else(|| Trouble::NoAnswer("no cash in it".to_owned()))
    }

    /// The broker's day.
    pub(super) async fn day(&self) -> Result<Date, Trouble> {
        let answer = self.get("/markets/clock").await?;
        let day = answer.pointer("/clock/date").and_then(Value::as_str).and_then(|day| day.parse().ok());
        day.ok_or_else(|| Trouble::NoAnswer("no date in it".to_owned()))
    }

    async fn get(&self, path: &str) -> Result<Value, Trouble> {
        self.call(Method::GET, path, None).await
    }

    async fn call(&self, method: Method, path: &str, form: Option<&str>) -> Result<Value, Trouble> {
        let lost =
            |error: reqwest::Error| Trouble::NoAnswer(if error.is_timeout() { "timed out" } else { "lost" }.to_owned());
        let request = self.client.request(method, format!("{}{path}", self.base_url)).bearer_auth(&self.token);
        let mut request = request.header("accept", "application/json");
        if let Some(form) = form {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
        }
        let answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        let body = answer.text().await.map_err(lost)?;
        match status {
            StatusCode::TOO_MANY_REQUESTS => Err(Trouble::TooMany),
            status if status.is_server_error() => Err(Trouble::NoAnswer(status.to_string())),
            status if !status.is_success() => Err(Trouble::Refused(body)),
            _ => serde_json::from_str(&body).map_err(|error| Trouble::NoAnswer(error.to_string())),
        }
    }
}

/// One row or several, or a word where there is none.
fn rows<'v>(answer: &'v Value, outer: &str, inner: &str) -> Vec<&'v Value> {
    match answer.get(outer).and_then(|outer| outer.get(inner)) {
        Some(Value::Array(rows)) => rows.iter().collect(),
        Some(row) => vec![row],
        None => Vec::new(),
    }
}

/// docs/incidents/stale-quotes.md: zero and null are both nothing, and nothing is what `or` passes over.
fn number(value: Option<&Value>) -> Result<Option<Decimal>, Trouble> {
    let number = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.to_string(),
        Some(other) => return Err(Trouble::NoAnswer(format!("could not convert {other}"))),
    };
    let number = number.parse::<Decimal>().or_else(|_| Decimal::from_scientific(&number));
    number
        .map(|number| Some(number).filter(|number| !number.is_zero()))
        .map_err(|error| Trouble::NoAnswer(error.to_string()))
}

/// The order as the broker's form.
fn form(tag: &str, underlying: &Symbol, legs: &[Leg], kind: OrderKind) -> String {
    let (kind, price) = match kind {
        OrderKind::Limit { price } => ("limit", Some(price)),
        OrderKind::Credit { price } => ("credit", Some(price)),
        OrderKind::Debit { price } => ("debit", Some(price)),
        _ => ("market", None),
    };
    let mut form = vec![format!("symbol={underlying}&type={kind}&duration=day&tag={tag}")];
    form.extend(price.map(|price| format!("price={}", price.normalize())));
    if let [leg] = legs {
        let side = if leg.side == Side::Buy { "buy" } else { "sell" };
        form.push(format!("class=equity&side={side}&quantity={}", leg.quantity));
        return form.join("&");
    }
    form.push("class=multileg".to_owned());
    for (index, leg) in legs.iter().enumerate() {
        let side = match (leg.side, leg.effect) {
            (Side::Buy, PositionEffect::Open) => "buy_to_open",
            (Side::Sell, PositionEffect::Open) => "sell_to_open",
            (Side::Buy, PositionEffect::Close) => "buy_to_close",
            (Side::Sell, PositionEffect::Close) => "sell_to_close",
        };
        let (symbol, quantity) = (&leg.symbol, leg.quantity);
        form.push(format!("option_symbol[{index}]={symbol}&side[{index}]={side}&quantity[{index}]={quantity}"));
    }
    form.join("&")
}
