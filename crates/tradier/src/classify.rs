//! From what happened to what it means. Pure; the table and its reasons stand in the crate's documentation.
//!
//! The default is doubt: a status that is not listed here is `Unknown` for an order and an error for a read.

use backstop_broker::{Doubt, DoubtCause, NotSent, Outcome, ReadError, Rejection};

use crate::answer::{Body, code};
use crate::http::{Answer, Happened};
use crate::json::{Malformed, Object};
use crate::rate::reset_in_text;
use crate::redact::Redactor;

/// How a call that may change something ended. `confirm` finds the confirmation in a readable answer.
pub(crate) fn outcome<T>(
    happened: &Happened,
    redactor: &Redactor,
    confirm: impl FnOnce(&Object<'_>) -> Result<T, Malformed>,
) -> Outcome<T> {
    let unknown = |cause, detail: &str| Outcome::Unknown(Doubt { cause, detail: redactor.detail(detail) });
    let answer = match happened {
        Happened::ConnectFailed(detail) => {
            return Outcome::NotSent(NotSent::NoConnection { detail: redactor.detail(detail) });
        }
        Happened::Lost(detail) => return unknown(DoubtCause::ConnectionLost, detail),
        Happened::TimedOut(detail) => return unknown(DoubtCause::TimedOut, detail),
        Happened::TooLarge(detail) => return unknown(DoubtCause::Unreadable, detail),
        Happened::Answer(answer) => answer,
    };
    let status = answer.status;
    let body = Body::of_order_answer(&answer.body);
    match (status, &body) {
        (429, _) | (_, Body::Quota(_)) => unknown(DoubtCause::Throttled, &body.words()),
        (200, Body::Json(object)) => match confirm(object) {
            Ok(confirmed) => Outcome::Accepted(confirmed),
            Err(Malformed(why)) => unknown(DoubtCause::Unreadable, &why),
        },
        (200 | 400 | 401 | 403, Body::Errors(texts)) => rejected(texts, redactor),
        (400 | 401, Body::Sentence(text)) | (401, Body::Fault(text)) => rejected(std::slice::from_ref(text), redactor),
        (200, Body::Sentence(_) | Body::Opaque(_)) => unknown(DoubtCause::Unreadable, &body.words()),
        (status, body) => unknown(DoubtCause::ServerError { status }, &body.words()),
    }
}

fn rejected<T>(texts: &[String], redactor: &Redactor) -> Outcome<T> {
    let reason = redactor.detail(&texts.join("; "));
    Outcome::Rejected(Rejection { code: code(texts).map(|code| redactor.detail(&code)), reason })
}

/// What a read brought. `decode` reads the answer whole, or says what is missing (BRK-2).
pub(crate) fn read<T>(
    happened: &Happened,
    redactor: &Redactor,
    decode: impl FnOnce(&Object<'_>, &Answer) -> Result<T, Malformed>,
) -> Result<T, ReadError> {
    let answer = match happened {
        Happened::ConnectFailed(detail) => return Err(ReadError::NoConnection { detail: redactor.detail(detail) }),
        Happened::Lost(detail) => return Err(ReadError::ConnectionLost { detail: redactor.detail(detail) }),
        Happened::TimedOut(detail) => return Err(ReadError::TimedOut { detail: redactor.detail(detail) }),
        Happened::TooLarge(detail) => return Err(ReadError::Unreadable { detail: redactor.detail(detail) }),
        Happened::Answer(answer) => answer,
    };
    let status = answer.status;
    let body = Body::of(&answer.body);
    let detail = redactor.detail(&body.words());
    Err(match (status, &body) {
        (429, _) | (_, Body::Quota(_)) => {
            let until = answer.pause.max(reset_in_text(&body.words(), answer.received.wall));
            ReadError::Throttled { until, detail }
        }
        (200, Body::Json(object)) => {
            return decode(object, answer)
                .map_err(|Malformed(why)| ReadError::Unreadable { detail: redactor.detail(&why) });
        }
        (401 | 403, _) => ReadError::Unauthorized { detail },
        (200 | 400, Body::Errors(_)) | (400, Body::Sentence(_)) => ReadError::Refused { detail },
        // The latter: seen on good requests, or said by something in front of the broker.
        (200..300, Body::Fault(_) | Body::Broken(_)) | (400 | 404 | 408 | 409, _) => {
            ReadError::Server { status, detail }
        }
        (200..300, _) => ReadError::Unreadable { detail: format!("status {status}: {detail}") },
        (400..500, _) => ReadError::Refused { detail: format!("status {status}: {detail}") },
        (_, _) => ReadError::Server { status, detail },
    })
}

#[cfg(test)]
mod tests;
