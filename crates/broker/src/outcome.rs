//! How a call that changes something at the broker can end.
//!
//! Three of the four ends are certain. The fourth is not an error to retry: something may have happened, and only the
//! broker's own list can tell (law 1 of docs/architecture.md).

use std::fmt;

/// The end of a submit or a cancel.
#[must_use = "an outcome that nobody reads can hide a live order"]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// The broker took the request. For an order that means received, not filled and not even at the market yet.
    Accepted(T),
    /// The broker refused the request. Nothing was done, and nothing will be.
    Rejected(Rejection),
    /// The request provably never left: not one byte of it was written to the broker.
    NotSent(NotSent),
    /// The request may have been done, may be done later, or not at all. Never repeat it; look it up.
    Unknown(Doubt),
}

/// A refusal in the broker's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The broker's code, where it gave one (`InitialMargin`).
    pub code: Option<String>,
    /// The broker's text, shortened, without anything secret.
    pub reason: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "rejected by the broker ({code}): {}", self.reason),
            None => write!(f, "rejected by the broker: {}", self.reason),
        }
    }
}

/// Why a request never left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSent {
    /// No connection came about: refused, no such host, no TLS session, or no answer to the attempt to connect.
    #[error("no connection to the broker ({detail}); nothing was sent")]
    NoConnection {
        /// What the system said.
        detail: String,
    },
    /// The request budget had no room for it in time.
    #[error("no request budget ({detail}); nothing was sent")]
    NoBudget {
        /// How long it would have taken.
        detail: String,
    },
    /// Somebody between the bot and the broker did not let it pass.
    #[error("held back ({detail}); nothing was sent")]
    HeldBack {
        /// Why.
        detail: String,
    },
    /// The request cannot be expressed in this broker's protocol.
    #[error("this broker cannot express the request ({detail}); nothing was sent")]
    Unsupported {
        /// What it cannot express.
        detail: String,
    },
}

/// What is known of a call whose end is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// What went wrong, for decisions.
    pub cause: DoubtCause,
    /// The same for people: shortened, without anything secret.
    pub detail: String,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "outcome unknown, {}: {}", self.cause, self.detail)
    }
}

/// What went wrong after the bytes may have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DoubtCause {
    /// No answer in time.
    TimedOut,
    /// The connection ended before the answer did.
    ConnectionLost,
    /// The broker, or something in front of it, failed.
    ServerError {
        /// The HTTP status or its like.
        status: u16,
    },
    /// Too many requests. Gateways count before they forward, so most likely not done; not proven.
    Throttled,
    /// An answer that is neither a confirmation nor a refusal.
    Unreadable,
    /// One like it went out before, and this one was held back.
    HeldBack,
}

impl fmt::Display for DoubtCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer in time"),
            Self::ConnectionLost => f.write_str("connection lost"),
            Self::ServerError { status } => write!(f, "server answered {status}"),
            Self::Throttled => f.write_str("too many requests"),
            Self::Unreadable => f.write_str("unreadable answer"),
            Self::HeldBack => f.write_str("held back after one like it"),
        }
    }
}
