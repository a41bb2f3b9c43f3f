//! Where to connect to, as whom, and how long to wait.

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use backstop_rate_limiter::{Limits, Start, Timer, TokioTimer};
use reqwest::Url;
use secrecy::SecretString;

use crate::budget::{self, Budgeting};

use crate::credentials::{AccountId, Credentials, SHORTEST_TOKEN};

/// The variable that names another base URL.
const BASE_VARIABLE: &str = "TRADIER_API_BASE";

/// The root of the API, version path included: `https://sandbox.tradier.com/v1`.
///
/// Plain HTTP is taken for loopback hosts only, because the token travels in a header.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Tradier's paper-trading environment.
    pub const SANDBOX: &str = "https://sandbox.tradier.com/v1";

    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// [`ConfigError::BaseUrl`] when it is not an absolute `https` URL (or `http` to a loopback host) with a version
    /// path, or when it holds credentials, a query or a fragment.
    pub fn new(text: &str) -> Result<Self, ConfigError> {
        let refuse = |why: &'static str| ConfigError::BaseUrl { why };
        let url = Url::parse(text.trim()).map_err(|_| refuse("it is not an absolute URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it holds credentials; they belong into TRADIER_ACCESS_TOKEN"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it holds a query or a fragment"));
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(refuse("plain http would show the token to the network; use https")),
            _ => return Err(refuse("it is neither https nor http")),
        }
        if url.path().trim_end_matches('/').is_empty() {
            return Err(refuse("the version path is missing; it should end in /v1"));
        }
        Ok(Self(url))
    }

    /// What `TRADIER_API_BASE` says; the sandbox when it says nothing.
    ///
    /// # Errors
    /// [`ConfigError::BaseUrl`] when the variable holds something else than a base URL.
    pub fn from_env() -> Result<Self, ConfigError> {
        match env::var(BASE_VARIABLE) {
            Ok(text) if !text.trim().is_empty() => Self::new(&text),
            Ok(_) | Err(env::VarError::NotPresent) => Self::new(Self::SANDBOX),
            Err(env::VarError::NotUnicode(_)) => Err(ConfigError::BaseUrl { why: "it is not readable text" }),
        }
    }

    /// Whether orders sent here move real money: any host of Tradier's but the sandbox, however it is written.
    pub fn is_production(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        let tradier = host == "tradier.com" || host.ends_with(".tradier.com");
        tradier && host != "sandbox.tradier.com"
    }

    /// Whether this is Tradier's sandbox, whose quotes are those of 15 minutes ago.
    pub fn is_sandbox(&self) -> bool {
        self.0.host_str().is_some_and(|host| host.trim_end_matches('.').eq_ignore_ascii_case("sandbox.tradier.com"))
    }

    /// The URL of `path` below the base.
    pub(crate) fn join(&self, path: &str, query: Option<&str>) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{path}", self.0.path().trim_end_matches('/')));
        url.set_query(query);
        url
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str())
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl FromStr for BaseUrl {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::new(text)
    }
}

/// How to reach one account. Time-outs: to connect < one exchange <= the whole call.
#[derive(Debug, Clone)]
pub struct TradierConfig {
    pub(crate) base_url: BaseUrl,
    pub(crate) account: AccountId,
    pub(crate) token: SecretString,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) max_body: usize,
    pub(crate) budget: Option<Budgeting>,
}

impl TradierConfig {
    /// The account at `base_url`: 3 s to connect, 8 s for one exchange, 15 s for a call of several, 8 MiB an answer.
    pub fn new(base_url: BaseUrl, credentials: Credentials) -> Self {
        let Credentials { account, token } = credentials;
        Self {
            base_url,
            account,
            token,
            connect_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(8),
            call_timeout: Duration::from_secs(15),
            max_body: 8 << 20,
            budget: None,
        }
    }

    /// The longest wait for a connection, name resolution and TLS included.
    #[must_use]
    pub fn with_connect_timeout(self, connect_timeout: Duration) -> Self {
        Self { connect_timeout, ..self }
    }

    /// The longest wait for one exchange: connection, request and complete answer.
    #[must_use]
    pub fn with_request_timeout(self, request_timeout: Duration) -> Self {
        Self { request_timeout, ..self }
    }

    /// The longest wait for a whole call, all pages of it (BRK-1).
    #[must_use]
    pub fn with_call_timeout(self, call_timeout: Duration) -> Self {
        Self { call_timeout, ..self }
    }

    /// The longest answer that is read, in bytes. A longer one is an error, or for an order an unknown outcome.
    #[must_use]
    pub fn with_max_body(self, max_body: usize) -> Self {
        Self { max_body, ..self }
    }

    /// Every request passes the request budget that Tradier documents, of which `start` is known (RATE-1 to RATE-5): 120 a
    /// minute for reads of the account and as many for market data, 60 for orders; in the sandbox 60 for each. Of
    /// orders, a sixth is kept for exits and cancels, and another one for entries; of reads, a sixth passes in ten seconds.
    ///
    /// Tradier says in its answers what is left, so [`Start::Probe`] is for every start of which nothing is known.
    ///
    /// # Errors
    /// [`ConfigError::Budget`].
    pub fn with_documented_limits(self, start: Start) -> Result<Self, ConfigError> {
        let limits = budget::documented(&self.base_url)?;
        Ok(self.with_limits(limits, start))
    }

    /// The same for a server that allows `requests` a minute in each of the three classes: a simulator.
    ///
    /// # Errors
    /// [`ConfigError::Budget`] when that is none, or more than a million.
    pub fn with_requests_a_minute(self, requests: u32, start: Start) -> Result<Self, ConfigError> {
        Ok(self.with_limits(budget::a_minute(requests, requests)?, start))
    }

    /// The same with other limits: three classes, in the order of [`RateLimits`](crate::RateLimits). Without limits, which
    /// is the default, nobody counts.
    #[must_use]
    pub fn with_limits(self, limits: Limits, start: Start) -> Self {
        let budget = Budgeting { limits, start, shared: None, timer: Arc::new(TokioTimer) };
        Self { budget: Some(budget), ..self }
    }

    /// The limits are shared with all processes that give the same file (RATE-6), and with those after this one (RATE-5). A new
    /// file counts as used up, unless the start is [`Start::Unused`]. Does nothing without limits.
    #[must_use]
    pub fn with_shared_window(self, path: PathBuf) -> Self {
        let budget = self.budget.map(|budget| Budgeting { shared: Some(path), ..budget });
        Self { budget, ..self }
    }

    /// Waits for the budget on `timer`, whose time is that of the adapter's clock. Default: tokio's. Does nothing without
    /// limits.
    #[must_use]
    pub fn with_timer(self, timer: Arc<dyn Timer>) -> Self {
        let budget = self.budget.map(|budget| Budgeting { timer, ..budget });
        Self { budget, ..self }
    }

    /// Where this configuration leads.
    pub fn base_url(&self) -> &BaseUrl {
        &self.base_url
    }

    /// Whose account it is.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Self { connect_timeout, request_timeout, call_timeout, .. } = *self;
        // A connect time-out is the one failure that is certain to be "not sent"; it must come before the others.
        if connect_timeout.is_zero() || connect_timeout >= request_timeout || request_timeout > call_timeout {
            return Err(ConfigError::Timeouts { connect_timeout, request_timeout, call_timeout });
        }
        Ok(())
    }
}

/// Why a configuration cannot be used. No variant holds anything secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Variables are not set, or empty.
    #[error(
        "missing in the environment: {}; {}",
        names.join(", "),
        names.iter().map(|name| format!("type: export {name}=...")).collect::<Vec<_>>().join(", ")
    )]
    Missing {
        /// Their names.
        names: Vec<&'static str>,
    },
    /// An account id that could not stand in a URL.
    #[error("the account id must be 1 to 32 ASCII letters, digits or '-'; copy it from Tradier's dashboard")]
    Account,
    /// A token that could not stand in a header.
    #[error(
        "the access token must be ASCII letters, digits or one of -._~+/=; copy it again, without quotes or spaces"
    )]
    Token,
    /// A token so short that taking it out of an answer would take the answer's own words with it.
    #[error(
        "the access token has fewer than {SHORTEST_TOKEN} characters, so it was cut short; copy the whole of it from Tradier's dashboard"
    )]
    ShortToken,
    /// A base URL that must not be used.
    #[error("the base URL cannot be used: {why} (set TRADIER_API_BASE, for example to {sandbox})", sandbox = BaseUrl::SANDBOX)]
    BaseUrl {
        /// What is wrong with it.
        why: &'static str,
    },
    /// Time-outs in the wrong order.
    #[error(
        "time-outs must be 0 < connect ({connect_timeout:?}) < request ({request_timeout:?}) <= call ({call_timeout:?})"
    )]
    Timeouts {
        /// To connect.
        connect_timeout: Duration,
        /// One exchange.
        request_timeout: Duration,
        /// The whole call.
        call_timeout: Duration,
    },
    /// The request budget could not be set up.
    #[error("the request budget cannot be set up: {detail}")]
    Budget {
        /// What is wrong.
        detail: String,
    },
    /// The HTTP client could not be built.
    #[error("the HTTP client could not be built ({detail})")]
    Client {
        /// What the library said.
        detail: String,
    },
}

#[cfg(test)]
mod tests;
