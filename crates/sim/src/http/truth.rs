//! The truth and the switches, outside the protocol: for tests, and for people who run the simulator by hand.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Form as FormBody, Router, routing};

use super::answer::{JSON, sentence, whole};
use super::form::Form;
use super::routes::Shared;
use crate::faults::FaultKind;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/sim/ledger", routing::get(ledger))
        .route("/sim/faults", routing::get(faults))
        .route("/sim/inject", routing::post(inject))
}

async fn ledger(State(shared): State<Arc<Shared>>) -> Response {
    written(serde_json::to_string_pretty(&shared.handle.ledger()))
}

async fn faults(State(shared): State<Arc<Shared>>) -> Response {
    written(serde_json::to_string_pretty(&shared.handle.fault_counts()))
}

/// Form: `kind`, and `times` (1 without it).
async fn inject(State(shared): State<Arc<Shared>>, FormBody(pairs): FormBody<Vec<(String, String)>>) -> Response {
    let form = Form(pairs);
    let kind = form.get("kind").unwrap_or_default().parse::<FaultKind>();
    let times = form.get("times").map_or(Ok(1), str::parse);
    match (kind, times) {
        (Ok(kind), Ok(times)) => {
            shared.handle.inject(kind, times);
            whole((StatusCode::OK, JSON, format!("{{\"kind\":\"{kind}\",\"times\":{times}}}")))
        }
        (Err(unknown), _) => whole(sentence(StatusCode::BAD_REQUEST, unknown.to_string())),
        (_, Err(_)) => whole(sentence(StatusCode::BAD_REQUEST, "times is not a number")),
    }
}

fn written(json: Result<String, serde_json::Error>) -> Response {
    match json {
        Ok(json) => whole((StatusCode::OK, JSON, json)),
        Err(error) => whole(sentence(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}
