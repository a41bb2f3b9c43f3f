//! Why a read brought nothing. None of these is an answer: what was asked about is as unknown as before.

use jiff::Timestamp;

/// A read that failed. It says nothing about orders, positions or money: least of all that there are none (BRK-2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No connection came about.
    #[error("no connection to the broker ({detail}); check the network and the base URL")]
    NoConnection {
        /// What the system said.
        detail: String,
    },
    /// No complete answer in time.
    #[error("no complete answer in time ({detail}); ask again")]
    TimedOut {
        /// What was asked.
        detail: String,
    },
    /// The connection ended before the answer did.
    #[error("the connection ended before the answer did ({detail}); ask again")]
    ConnectionLost {
        /// What the system said.
        detail: String,
    },
    /// The broker, or something in front of it, failed.
    #[error("the broker failed with status {status} ({detail}); ask again later")]
    Server {
        /// The HTTP status or its like.
        status: u16,
        /// The answer's text, shortened.
        detail: String,
    },
    /// Too many requests.
    #[error("too many requests ({detail}); wait{}", until.map(|at| format!(" until {at:.3}")).unwrap_or_default())]
    Throttled {
        /// When the broker will answer again, where it said so.
        until: Option<Timestamp>,
        /// The answer's text, shortened.
        detail: String,
    },
    /// The broker does not accept who we are, or what we may see: bad token, foreign account. Some brokers say the
    /// same of an order id that they do not know.
    #[error("the broker refuses access ({detail}); check token, account and environment")]
    Unauthorized {
        /// The answer's text, shortened.
        detail: String,
    },
    /// The broker understood and said no.
    #[error("the broker refused the request ({detail})")]
    Refused {
        /// The broker's words, shortened.
        detail: String,
    },
    /// An answer that does not say what was asked for.
    #[error("unreadable answer ({detail}); ask again, and report it if it stays")]
    Unreadable {
        /// What did not fit.
        detail: String,
    },
    /// Only a part of the answer could be had. The part is withheld, so that it cannot pass for the whole.
    #[error("only a part of the answer could be read ({detail}); ask again")]
    Partial {
        /// How far it went.
        detail: String,
    },
}

impl ReadError {
    /// Whether asking again, a little later, may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unauthorized { .. } | Self::Refused { .. } => false,
            Self::NoConnection { .. }
            | Self::TimedOut { .. }
            | Self::ConnectionLost { .. }
            | Self::Server { .. }
            | Self::Throttled { .. }
            | Self::Unreadable { .. }
            | Self::Partial { .. } => true,
        }
    }
}
