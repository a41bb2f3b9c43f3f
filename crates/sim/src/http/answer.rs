//! From what the exchange answers to what goes over the wire: whole, late, broken or not at all.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use backstop_clock::Timestamp;
use hyper::body::{Body as HttpBody, Frame};
use tokio::time::sleep;

use super::json::Json;
use super::quota::Standing;
use crate::exchange::Answer;
use crate::faults::Wire;

/// Marks a response that must not be sent: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drop;

pub(super) const JSON: &str = "application/json";

/// Status, kind and body of an answer, before the wire has its way with it.
pub(super) type Page = (StatusCode, &'static str, String);

pub(super) fn ok(body: &Json) -> Page {
    (StatusCode::OK, JSON, body.to_string())
}

/// A bare sentence, as the broker refuses many a parameter.
pub(super) fn sentence(status: StatusCode, text: impl Into<String>) -> Page {
    (status, "text/plain;charset=UTF-8", text.into())
}

/// The gateway's own failures.
pub(super) fn fault(status: StatusCode, text: &str, code: &str) -> Page {
    let detail = Json::Object(vec![("errorcode", Json::text(code))]);
    let fault = Json::Object(vec![("faultstring", Json::text(text)), ("detail", detail)]);
    (status, JSON, Json::Object(vec![("fault", fault)]).to_string())
}

pub(super) fn whole((status, kind, body): Page) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Renders the answer and lets the wire do to it what it does. Dropping the future, when a client has gone, undoes
/// nothing: the exchange has already done its part.
pub(super) async fn deliver<T>(answer: Answer<T>, render: impl FnOnce(T) -> Page) -> Response {
    let nothing = || sentence(StatusCode::INTERNAL_SERVER_ERROR, "");
    let page = answer.body.map_or_else(nothing, render);
    match answer.wire {
        Wire::Deliver => whole(page),
        Wire::Delay(delay) => {
            sleep(delay).await;
            whole(page)
        }
        Wire::Hang(delay) => {
            sleep(delay).await;
            closed()
        }
        Wire::Close => closed(),
        Wire::ServerError(502) => whole(html(StatusCode::BAD_GATEWAY, "502 Bad Gateway")),
        Wire::ServerError(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            whole(fault(status, "Datastore Error", "datastore.ErrorWhileAccessingDataStore"))
        }
        Wire::Truncate => truncated(page),
        Wire::CutJson => whole((page.0, page.1, half(page.2))),
        Wire::Html => whole(html(StatusCode::OK, "Brokerage API documentation")),
        Wire::Throttle(until) => refused_until(until),
    }
}

/// The answer to too many requests: the sentence ends in the moment at which the window does.
fn refused_until(until: Timestamp) -> Response {
    let text = format!("Quota Violation: rate limit exceeded. Resets at {}", until.as_millisecond());
    let mut response = whole(sentence(StatusCode::TOO_MANY_REQUESTS, text));
    Standing { allowed: 60, used: 60, ends: until, granted: false }.write(response.headers_mut());
    response
}

fn html(status: StatusCode, title: &str) -> Page {
    let body =
        format!("<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n");
    (status, "text/html", body)
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
fn truncated((status, kind, body): Page) -> Response {
    let length = HeaderValue::from(body.len());
    let mut response = whole((status, kind, String::new()));
    response.headers_mut().insert(CONTENT_LENGTH, length);
    *response.body_mut() = Body::new(CutBody::Piece(Bytes::from(half(body))));
    response
}

/// A body that breaks off after its only piece.
enum CutBody {
    Piece(Bytes),
    /// One turn without anything, in which the server flushes: else nothing at all would leave.
    Pause,
    Broken,
}

impl HttpBody for CutBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match std::mem::replace(&mut *self, Self::Broken) {
            Self::Piece(bytes) => {
                *self = Self::Pause;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Pause => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Broken => Poll::Ready(Some(Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)))),
        }
    }
}
