//! Account and trading calls, and what stands before every call: the token, the quota, the form of the answer.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Form as FormBody, Router, routing};
use backstop_broker::Decimal;

use super::answer::{self, JSON, Page, deliver, fault, ok, sentence, whole};
use super::form::Form;
use super::json::Json;
use super::quota::{Class, Quota};
use super::shapes;
use super::{markets, truth};
use crate::exchange::{Exchange, OrderView};
use crate::handle::SimHandle;
use crate::order::{CancelRefusal, Refusal};

type Pairs = Vec<(String, String)>;

/// What all calls share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) handle: SimHandle,
    pub(super) token: String,
    pub(super) account: String,
    pub(super) quota: Quota,
}

impl Shared {
    /// The refusal for accounts and orders that are not of this account.
    fn unauthorized(account: &str) -> Page {
        sentence(StatusCode::UNAUTHORIZED, format!("Unauthorized Account: {account}"))
    }
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let orders = routing::get(list_orders).post(place_order);
    let order = routing::get(get_order).put(change_order).delete(cancel_order);
    let account = Router::new()
        .route("/v1/user/profile", routing::get(profile))
        .route("/v1/accounts/{account}/balances", routing::get(balances))
        .route("/v1/accounts/{account}/positions", routing::get(positions))
        .route("/v1/accounts/{account}/orders", orders)
        .route("/v1/accounts/{account}/orders/{id}", order)
        .route("/v1/accounts/{account}/history", routing::get(history))
        .route("/v1/accounts/{account}/gainloss", routing::get(gainloss));
    account
        .merge(markets::router())
        .fallback(async || whole(sentence(StatusCode::NOT_FOUND, "Not Found")))
        .layer(middleware::from_fn_with_state(shared.clone(), gate))
        .merge(truth::router())
        .with_state(shared)
}

/// Token, quota and `Accept`, in this order, as the gateway before the broker does it.
async fn gate(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if header(request.headers(), AUTHORIZATION) != format!("Bearer {}", shared.token) {
        let (text, code) = ("Invalid Access Token", "keymanagement.service.invalid_access_token");
        return whole(fault(StatusCode::UNAUTHORIZED, text, code));
    }
    let wants_json = header(request.headers(), ACCEPT).contains("json");
    let class = Class::of(request.method(), request.uri().path());
    let standing = shared.quota.take(class, shared.handle.clock().wall());
    let mut response = if standing.granted {
        next.run(request).await
    } else {
        let text = format!("Quota Violation: rate limit exceeded. Resets at {}", standing.ends.as_millisecond());
        if request.method() == Method::POST && class == Class::Trading {
            note_refused(&shared, request, &text).await;
        }
        whole(sentence(StatusCode::TOO_MANY_REQUESTS, text))
    };
    standing.write(response.headers_mut());
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(JSON.as_bytes()));
    if is_json && !wants_json && response.extensions().get::<answer::Drop>().is_none() {
        // The broker's default is XML. What was asked for was done all the same.
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><answer>send Accept: application/json</answer>";
        *response.body_mut() = Body::from(xml);
        response.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    }
    response
}

fn header(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The ledger holds every request that came over the wire, those that the gateway refused too.
async fn note_refused(shared: &Shared, request: Request, text: &str) {
    let form =
        FormBody::<Pairs>::from_request(request, &()).await.map_or_else(|_| Form::default(), |body| Form(body.0));
    note(shared, form.get("tag"), text);
}

fn note(shared: &Shared, tag: Option<&str>, text: &str) {
    shared.handle.tell(|exchange, now| exchange.note_refused(now, tag.map(str::to_owned), text));
}

async fn profile(State(shared): State<Arc<Shared>>) -> Response {
    let account = Json::Object(vec![
        ("account_number", Json::text(&shared.account)),
        ("classification", Json::text("individual")),
        ("date_created", Json::text("2029-03-01T15:00:00.000Z")),
        ("day_trader", Json::bool(false)),
        ("option_level", Json::number(6)),
        ("status", Json::text("active")),
        ("type", Json::text("margin")),
        ("last_update_date", Json::text("2029-03-01T15:00:00.000Z")),
    ]);
    let profile = Json::Object(vec![
        ("id", Json::text("id-sim")),
        ("name", Json::text("Simulated Trader")),
        ("account", account),
    ]);
    let answer = shared.handle.call(|exchange, now| exchange.read(now, |_| Json::Object(vec![("profile", profile)])));
    deliver(answer, |body| ok(&body)).await
}

/// A read of the account: of this one, or refused.
async fn read(shared: &Shared, account: &str, what: impl FnOnce(&mut Exchange) -> Json) -> Response {
    if account != shared.account {
        return whole(Shared::unauthorized(account));
    }
    deliver(shared.handle.call(|exchange, now| exchange.read(now, what)), |body| ok(&body)).await
}

async fn balances(State(shared): State<Arc<Shared>>, Path(account): Path<String>) -> Response {
    let name = shared.account.clone();
    read(&shared, &account, |exchange| {
        let mut held = shapes::Holdings {
            requirement: exchange.requirement(),
            working: exchange.working_count(),
            ..shapes::Holdings::default()
        };
        for (_, value) in exchange.market_values() {
            if value < Decimal::ZERO { held.short += value } else { held.long += value }
        }
        shapes::balances(&name, &exchange.balances(), &held)
    })
    .await
}

async fn positions(State(shared): State<Arc<Shared>>, Path(account): Path<String>) -> Response {
    read(&shared, &account, |exchange| {
        let rows = exchange.positions().iter().map(|(id, row)| shapes::position(*id, row)).collect();
        Json::collection("positions", "position", rows)
    })
    .await
}

/// Nightly, from the clearing firm: nothing of today is ever in it.
async fn history(State(shared): State<Arc<Shared>>, Path(account): Path<String>) -> Response {
    read(&shared, &account, |_| Json::collection("history", "event", Vec::new())).await
}

/// Nightly, from the clearing firm: nothing of today is ever in it.
async fn gainloss(State(shared): State<Arc<Shared>>, Path(account): Path<String>) -> Response {
    read(&shared, &account, |_| Json::collection("gainloss", "closed_position", Vec::new())).await
}

async fn list_orders(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
    Query(pairs): Query<Pairs>,
) -> Response {
    let query = Form(pairs);
    let number =
        |key: &str, default: usize| query.get(key).and_then(|text| text.parse().ok()).unwrap_or(default).max(1);
    let (page, limit) = (number("page", 1), number("limit", 25));
    let tags = query.is_true("includeTags");
    read(&shared, &account, |exchange| {
        let views = exchange.order_views(page == 1);
        let rows = views.iter().skip((page - 1).saturating_mul(limit)).take(limit);
        Json::collection("orders", "order", rows.map(|view| shapes::order(view, tags)).collect())
    })
    .await
}

async fn get_order(
    State(shared): State<Arc<Shared>>,
    Path((account, id)): Path<(String, String)>,
    Query(pairs): Query<Pairs>,
) -> Response {
    let tags = Form(pairs).is_true("includeTags");
    let answer = shared.handle.call(|exchange, now| {
        exchange.read(now, |exchange| {
            let known = id.parse().ok().filter(|_| account == shared.account);
            known.and_then(|id| exchange.order_view(id))
        })
    });
    let render = |view: Option<OrderView>| match view {
        Some(view) => ok(&Json::Object(vec![("order", shapes::order(&view, tags))])),
        None => Shared::unauthorized(&account),
    };
    deliver(answer, render).await
}

async fn place_order(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
    form: Result<FormBody<Pairs>, FormRejection>,
) -> Response {
    let form = match form {
        Ok(FormBody(pairs)) => Form(pairs),
        Err(rejection) => return whole(sentence(StatusCode::BAD_REQUEST, rejection.body_text())),
    };
    let preview = form.is_true("preview");
    let refused = |refusal: &Refusal| {
        if !preview {
            note(&shared, form.get("tag"), &refusal.text());
        }
        whole(refusal_body(refusal))
    };
    if account != shared.account {
        return refused(&Refusal::Parameter(format!("Unauthorized Account: {account}")));
    }
    let order = match form.order() {
        Ok(order) => order,
        Err(refusal) => return refused(&refusal),
    };
    if preview {
        let answer = shared.handle.call(|exchange, now| exchange.preview(now, &order));
        return deliver(answer, |checked| match checked {
            Ok(cost) => ok(&preview_body(&form, cost)),
            Err(refusal) => refusal_body(&refusal),
        })
        .await;
    }
    let answer = shared.handle.call(|exchange, now| exchange.submit(now, &order));
    deliver(answer, |placed| match placed {
        Ok(id) => ok(&confirmation(id)),
        Err(refusal) => refusal_body(&refusal),
    })
    .await
}

fn confirmation(id: u64) -> Json {
    let partner = format!("5f0e1c1e-0000-4000-8000-{id:012}");
    let order = vec![("id", Json::number(id)), ("status", Json::text("ok")), ("partner_id", Json::text(partner))];
    Json::Object(vec![("order", Json::Object(order))])
}

fn preview_body(form: &Form, cost: Decimal) -> Json {
    let word = |key: &str| form.get(key).map_or(Json::Null, Json::text);
    let order = Json::Object(vec![
        ("status", Json::text("ok")),
        ("commission", Json::number("0.0")),
        ("cost", Json::decimal(cost)),
        ("fees", Json::number(0)),
        ("symbol", word("symbol")),
        ("type", word("type")),
        ("duration", word("duration")),
        ("result", Json::bool(true)),
        ("order_cost", Json::decimal(cost)),
        ("margin_change", Json::number("0.0")),
        ("extended_hours", Json::bool(false)),
        ("class", word("class")),
        ("day_trades", Json::number(0)),
    ]);
    Json::Object(vec![("order", order)])
}

fn refusal_body(refusal: &Refusal) -> Page {
    match refusal {
        Refusal::Parameter(text) if text.starts_with("Unauthorized") => {
            sentence(StatusCode::UNAUTHORIZED, text.as_str())
        }
        Refusal::Parameter(text) => sentence(StatusCode::BAD_REQUEST, text.as_str()),
        Refusal::Errors { words, .. } => {
            let words = Json::one_or_many(words.iter().map(Json::text).collect()).unwrap_or(Json::Null);
            ok(&Json::Object(vec![("errors", Json::Object(vec![("error", words)]))]))
        }
    }
}

async fn cancel_order(State(shared): State<Arc<Shared>>, Path((account, id)): Path<(String, String)>) -> Response {
    let Some(number) = id.parse().ok().filter(|_| account == shared.account) else {
        return whole(Shared::unauthorized(&account));
    };
    let answer = shared.handle.call(|exchange, now| exchange.cancel(now, number));
    deliver(answer, |canceled| match canceled {
        Ok(()) => {
            let order = vec![("id", Json::number(number)), ("status", Json::text("ok"))];
            ok(&Json::Object(vec![("order", Json::Object(order))]))
        }
        Err(CancelRefusal::NoSuchOrder) => Shared::unauthorized(&account),
        Err(CancelRefusal::Final(state)) => finished(state.name()),
    })
    .await
}

fn finished(state: &str) -> Page {
    sentence(StatusCode::BAD_REQUEST, format!("order already in finalized state: {state}"))
}

/// Changes are not simulated: a working order is left as it is, and the caller is told.
async fn change_order(State(shared): State<Arc<Shared>>, Path((account, id)): Path<(String, String)>) -> Response {
    let answer = shared.handle.call(|exchange, now| {
        exchange.read(now, |exchange| {
            let known = id.parse().ok().filter(|_| account == shared.account);
            known.and_then(|id| exchange.order_view(id))
        })
    });
    deliver(answer, |view| match view {
        None => Shared::unauthorized(&account),
        Some(view) if !view.order.state.is_working() => finished(view.order.state.name()),
        Some(_) => sentence(StatusCode::BAD_REQUEST, "this simulator does not change orders: cancel and place anew"),
    })
    .await
}
