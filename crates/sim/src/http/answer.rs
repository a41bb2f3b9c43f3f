//! From what the exchange answers to what goes over the wire: whole, late, broken or not at all.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame};
use tokio::time::sleep;

use super::json::Json;
use crate::exchange::Answer;
use crate::faults::Wire;

/// Marks a response that must not be sent: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drop;

pub(super) const JSON: &str = "application/json";

pub(super) fn json(status: StatusCode, body: &Json) -> Response {
    whole(status, JSON, body.to_string())
}

/// A bare sentence, as the broker refuses many a parameter.
pub(super) fn sentence(status: StatusCode, text: impl Into<String>) -> Response {
    whole(status, "text/plain;charset=UTF-8", text.into())
}

/// The gateway's own failures.
pub(super) fn fault(status: StatusCode, text: &str, code: &str) -> Response {
    let detail = Json::Object(vec![("errorcode", Json::text(code))]);
    let fault = Json::Object(vec![("faultstring", Json::text(text)), ("detail", detail)]);
    json(status, &Json::Object(vec![("fault", fault)]))
}

pub(super) fn whole(status: StatusCode, kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Renders the answer and lets the wire do to it what it does. Dropping the future, when a client has gone, undoes
/// nothing: the exchange has already done its part.
pub(super) async fn deliver<T>(answer: Answer<T>, render: impl FnOnce(T) -> (StatusCode, &'static str, String)) -> Response {
    let (status, kind, body) = answer.body.map_or_else(
        || (StatusCode::INTERNAL_SERVER_ERROR, "text/plain", String::new()),
        render,
    );
    match answer.wire {
        Wire::Deliver => whole(status, kind, body),
        Wire::Delay(delay) => {
            sleep(delay).await;
            whole(status, kind, body)
        }
        Wire::Hang(delay) => {
            sleep(delay).await;
            closed()
        }
        Wire::Close => closed(),
        Wire::ServerError(502) => whole(StatusCode::BAD_GATEWAY, "text/html", page("502 Bad Gateway")),
        Wire::ServerError(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            fault(status, "Datastore Error", "datastore.ErrorWhileAccessingDataStore")
        }
        Wire::Truncate => truncated(status, kind, body),
        Wire::CutJson => whole(status, kind, half(body)),
        Wire::Html => whole(StatusCode::OK, "text/html", page("Brokerage API documentation")),
        Wire::Throttle => sentence(StatusCode::TOO_MANY_REQUESTS, "Quota Violation: too many requests"),
    }
}

fn page(title: &str) -> String {
    format!("<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n")
}

fn closed() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Drop);
    response
}

fn half(mut body: String) -> String {
    let mut cut = body.len() / 2;
    while !body.is_char_boundary(cut) {
        cut -= 1;
    }
    body.truncate(cut);
    body
}

/// Announces the whole body and sends half of it.
fn truncated(status: StatusCode, kind: &'static str, body: String) -> Response {
    let length = HeaderValue::from(body.len());
    let mut response = whole(status, kind, String::new());
    response.headers_mut().insert(CONTENT_LENGTH, length);
    *response.body_mut() = Body::new(CutBody(Some(Bytes::from(half(body)))));
    response
}

/// A body that breaks off after its only piece.
struct CutBody(Option<Bytes>);

impl HttpBody for CutBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(match self.0.take() {
            Some(bytes) => Ok(Frame::data(bytes)),
            None => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
        }))
    }
}
