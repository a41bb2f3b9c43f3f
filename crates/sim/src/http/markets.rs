//! Market data: quotes, the clock, and the little of option chains that a bot asks for.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Form as FormBody, Router, routing};
use backstop_broker::{Decimal, MarketClock, MarketState, OptionRight, OptionSymbol, Symbol};
use jiff::civil::Date;

use super::answer::{deliver, ok, sentence, whole};
use super::form::Form;
use super::json::Json;
use super::routes::Shared;
use crate::calendar;
use crate::exchange::{Exchange, RawQuote, RawSide, RawValue};
use crate::market::{UnderlyingKind, underlying_of};

type Pairs = Vec<(String, String)>;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/markets/quotes", routing::get(get_quotes).post(post_quotes))
        .route("/v1/markets/clock", routing::get(clock))
        .route("/v1/markets/options/expirations", routing::get(expirations))
        .route("/v1/markets/options/strikes", routing::get(strikes))
        .route("/v1/markets/options/chains", routing::get(chains))
}

async fn get_quotes(State(shared): State<Arc<Shared>>, Query(pairs): Query<Pairs>) -> Response {
    quotes(&shared, &Form(pairs)).await
}

async fn post_quotes(State(shared): State<Arc<Shared>>, FormBody(pairs): FormBody<Pairs>) -> Response {
    quotes(&shared, &Form(pairs)).await
}

async fn quotes(shared: &Shared, query: &Form) -> Response {
    let Some(symbols) = query.get("symbols") else {
        return whole(sentence(StatusCode::BAD_REQUEST, "Missing or invalid parameter: symbols"));
    };
    let greeks = query.is_true("greeks");
    let answer = shared.handle.call(|exchange, now| {
        exchange.read(now, |exchange| {
            let mut quoted = Vec::new();
            let mut unmatched = Vec::new();
            for name in symbols.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                match Symbol::new(name).ok().and_then(|symbol| exchange.quote(&symbol)) {
                    Some(raw) => quoted.push(quote(exchange, raw, greeks)),
                    None => unmatched.push(Json::text(name)),
                }
            }
            let quoted = Json::one_or_many(quoted).map(|quoted| ("quote", quoted));
            let unmatched = Json::one_or_many(unmatched)
                .map(|symbols| ("unmatched_symbols", Json::Object(vec![("symbol", symbols)])));
            Json::Object(vec![("quotes", Json::Object(quoted.into_iter().chain(unmatched).collect()))])
        })
    });
    deliver(answer, |body| ok(&body)).await
}

fn quote(exchange: &Exchange, raw: RawQuote, greeks: bool) -> Json {
    let RawQuote { symbol, bid, ask, last, last_at } = raw;
    let option = symbol.option();
    let kind = match (&option, exchange.kind_of(&symbol)) {
        (Some(_), _) => "option",
        (None, Some(UnderlyingKind::Index)) => "index",
        (None, Some(UnderlyingKind::Etf)) => "etf",
        (None, _) => "stock",
    };
    let mut fields = vec![
        ("symbol", Json::text(&symbol)),
        ("description", Json::text(&symbol)),
        ("exch", Json::text("Z")),
        ("type", Json::text(kind)),
        ("last", value(&last)),
        ("change", Json::Null),
        ("volume", Json::number(0)),
        ("open", Json::Null),
        ("high", Json::Null),
        ("low", Json::Null),
        ("close", Json::Null),
        ("bid", value(&bid.price)),
        ("ask", value(&ask.price)),
        ("change_percentage", Json::Null),
        ("average_volume", Json::number(0)),
        ("last_volume", Json::number(0)),
        ("trade_date", last_at.map_or_else(|| Json::number(0), |at| Json::number(at.as_millisecond()))),
        ("prevclose", Json::Null),
        ("week_52_high", Json::number("0.0")),
        ("week_52_low", Json::number("0.0")),
    ];
    let side = |[size, exch, date]: [&'static str; 3], side: &RawSide| {
        [(size, value(&side.size)), (exch, Json::text("C")), (date, Json::millis(side.at))]
    };
    fields.extend(side(["bidsize", "bidexch", "bid_date"], &bid));
    fields.extend(side(["asksize", "askexch", "ask_date"], &ask));
    match option {
        Some(option) => {
            fields.extend(contract(&option));
            if greeks {
                fields.push(("greeks", Json::Null));
            }
        }
        None => fields.push(("root_symbols", Json::text(&symbol))),
    }
    Json::Object(fields)
}

fn contract(option: &OptionSymbol) -> impl Iterator<Item = (&'static str, Json)> {
    let right = match option.right() {
        OptionRight::Call => "call",
        OptionRight::Put => "put",
    };
    [
        ("underlying", Json::text(underlying_of(option.root()))),
        ("strike", Json::decimal(option.strike())),
        ("open_interest", Json::number(0)),
        ("contract_size", Json::number(100)),
        ("expiration_date", Json::text(option.expiration())),
        ("expiration_type", Json::text("weeklys")),
        ("option_type", Json::text(right)),
        ("root_symbol", Json::text(option.root())),
    ]
    .into_iter()
}

fn value(value: &RawValue) -> Json {
    match value {
        RawValue::Number(number) => Json::decimal(*number),
        RawValue::Text(text) => Json::text(text),
        RawValue::Null => Json::Null,
    }
}

async fn clock(State(shared): State<Arc<Shared>>) -> Response {
    let answer = shared.handle.call(|exchange, now| exchange.read(now, |exchange| exchange.market_clock()));
    deliver(answer, |(clock, next)| ok(&clock_json(&clock, next))).await
}

fn clock_json(clock: &MarketClock, next: &str) -> Json {
    let (state, next_state) = match clock.state {
        MarketState::PreMarket => ("premarket", "open"),
        MarketState::Open => ("open", "postmarket"),
        MarketState::PostMarket => ("postmarket", "closed"),
        _ => ("closed", "premarket"),
    };
    let description = if state == "open" { "Market is open from 09:30 to 16:00" } else { "Market is closed" };
    let clock = Json::Object(vec![
        ("date", Json::text(clock.date)),
        ("description", Json::text(description)),
        ("state", Json::text(state)),
        ("timestamp", clock.at.map_or(Json::Null, |at| Json::number(at.as_second()))),
        ("next_change", Json::text(next)),
        ("next_state", Json::text(next_state)),
    ]);
    Json::Object(vec![("clock", clock)])
}

async fn expirations(State(shared): State<Arc<Shared>>, Query(pairs): Query<Pairs>) -> Response {
    let query = Form(pairs);
    let answer = shared.handle.call(|exchange, now| {
        exchange.read(now, |exchange| {
            let known =
                query.get("symbol").is_some_and(|name| exchange.underlying_price(underlying_of(name)).is_some());
            let dates = if known { days_from(exchange.today()) } else { Vec::new() };
            Json::one_or_many(dates.into_iter().map(Json::text).collect())
                .map_or(Json::Null, |dates| Json::Object(vec![("date", dates)]))
        })
    });
    deliver(answer, |dates| ok(&Json::Object(vec![("expirations", dates)]))).await
}

/// Today and the next weekdays: dailies.
fn days_from(today: Date) -> Vec<Date> {
    std::iter::successors(Some(today), |day| day.tomorrow().ok())
        .filter(|day| *day == today || calendar::is_weekday(*day))
        .take(5)
        .collect()
}

async fn strikes(State(shared): State<Arc<Shared>>, Query(pairs): Query<Pairs>) -> Response {
    let query = Form(pairs);
    let answer = shared.handle.call(|exchange, now| {
        exchange.read(now, |exchange| {
            let strikes = query.get("symbol").map(|name| strikes_of(exchange, name)).unwrap_or_default();
            Json::one_or_many(strikes.into_iter().map(Json::decimal).collect())
                .map_or(Json::Null, |strikes| Json::Object(vec![("strike", strikes)]))
        })
    });
    deliver(answer, |strikes| ok(&Json::Object(vec![("strikes", strikes)]))).await
}

/// Round strikes around the money.
fn strikes_of(exchange: &Exchange, name: &str) -> Vec<Decimal> {
    let Some(price) = exchange.underlying_price(underlying_of(name)) else { return Vec::new() };
    let step = Decimal::from(if price > Decimal::ONE_THOUSAND { 5 } else { 1 });
    let middle = (price / step).round() * step;
    (-40_i64..=40).map(|k| middle + step * Decimal::from(k)).filter(|strike| *strike > Decimal::ZERO).collect()
}

async fn chains(State(shared): State<Arc<Shared>>, Query(pairs): Query<Pairs>) -> Response {
    let query = Form(pairs);
    let greeks = query.is_true("greeks");
    let answer = shared.handle.call(|exchange, now| {
        exchange.read(now, |exchange| {
            let name = query.get("symbol").unwrap_or_default();
            let root = if name == "SPX" { "SPXW" } else { name };
            let day: Option<Date> = query.get("expiration").and_then(|day| day.parse().ok());
            let mut rows = Vec::new();
            for strike in strikes_of(exchange, name) {
                for right in [OptionRight::Call, OptionRight::Put] {
                    let option = day.and_then(|day| OptionSymbol::new(root, day, right, strike).ok());
                    let raw = option.and_then(|option| exchange.quote(&option.symbol()));
                    rows.extend(raw.map(|raw| quote(exchange, raw, greeks)));
                }
            }
            Json::one_or_many(rows).map_or(Json::Null, |rows| Json::Object(vec![("option", rows)]))
        })
    });
    deliver(answer, |options| ok(&Json::Object(vec![("options", options)]))).await
}
