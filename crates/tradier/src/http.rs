//! One HTTP exchange: once on the wire, bounded in time and size. The only file that names the HTTP client.
//!
//! Two clients. Reads share pooled connections. Everything else goes over a connection of its own, because a pooled one
//! may have been closed by the server just before: the library below would then send the request again over a fresh
//! one (`retry_canceled_requests` of hyper-util, on by default and out of our reach), and "could not connect" would no
//! longer prove that nothing was written. On a fresh connection that error can only come before the first byte.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use backstop_broker::Received;
use backstop_clock::{Clock, Timestamp};
use parking_lot::Mutex;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, ClientBuilder, Method, Response, redirect, retry};
use secrecy::ExposeSecret;

use crate::budget::{Budget, Leave};
use crate::config::{BaseUrl, ConfigError, TradierConfig};
use crate::form::Form;
use crate::rate::{self, RateClass, RateLimits};
use crate::redact::Redactor;

/// How the gateway begins a refusal for too many requests, whatever the status.
const QUOTA: &str = "Quota Violation";

/// What became of an exchange: all that the classification may look at.
#[derive(Debug)]
pub(crate) enum Happened {
    /// No connection, hence not a byte of the request on it.
    ConnectFailed(String),
    /// The connection ended, somewhere between the first byte of the request and the last of the answer.
    Lost(String),
    /// No complete answer in time.
    TimedOut(String),
    /// The answer was longer than we read.
    TooLarge(String),
    /// A complete answer.
    Answer(Answer),
}

/// A complete answer, the token taken out.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// How long to keep quiet, if it is a refusal for too many requests.
    pub(crate) pause: Option<Timestamp>,
    pub(crate) received: Received,
}

/// What to ask.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) class: RateClass,
    /// Below the base URL.
    pub(crate) path: String,
    /// The same for logs: no account number, no order id.
    pub(crate) shown: &'static str,
    pub(crate) query: Form,
    pub(crate) body: Option<Form>,
}

#[derive(Debug)]
pub(crate) struct Http {
    reads: Client,
    writes: Client,
    base: BaseUrl,
    authorization: HeaderValue,
    redactor: Redactor,
    limits: Mutex<RateLimits>,
    budget: Budget,
    clock: Arc<dyn Clock>,
    request_timeout: Duration,
    max_body: usize,
}

impl Http {
    pub(crate) fn new(config: &TradierConfig, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        config.check()?;
        let bearer = format!("Bearer {}", config.token.expose_secret());
        let mut authorization = HeaderValue::from_str(&bearer).map_err(|_| ConfigError::Token)?;
        authorization.set_sensitive(true);
        let redactor = Redactor::new(config.token.clone(), config.account.clone());
        let refuse = |detail: String| ConfigError::Client { detail };
        let tls = tls().map_err(|error| refuse(error.to_string()))?;
        let build = |builder: ClientBuilder| builder.build().map_err(|error| refuse(error.to_string()));
        Ok(Self {
            reads: build(client(config, tls.clone()))?,
            writes: build(client(config, tls).pool_max_idle_per_host(0))?,
            base: config.base_url.clone(),
            authorization,
            redactor,
            limits: Mutex::default(),
            budget: Budget::new(config.budget.clone(), Arc::clone(&clock))?,
            clock,
            request_timeout: config.request_timeout,
            max_body: config.max_body,
        })
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    pub(crate) fn wall(&self) -> Timestamp {
        self.clock.wall()
    }

    pub(crate) fn limits(&self) -> RateLimits {
        *self.limits.lock()
    }

    /// The request budget. Nothing is sent without leave by it.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Puts the request on the wire, at most once, and waits for the end of it.
    ///
    /// # Cancel safety
    /// When dropped, the request may have been sent, or not, or in part.
    pub(crate) async fn exchange(&self, request: &Request, leave: Leave) -> Happened {
        let started = self.clock.mono();
        // BRK-1: over head and body together; a server that trickles a byte a second meets the same end.
        let happened = match tokio::time::timeout(self.request_timeout, self.send(request, &leave)).await {
            Ok(happened) => happened,
            Err(_) => Happened::TimedOut(format!("{} within {:?}", request.shown, self.request_timeout)),
        };
        let status = match &happened {
            Happened::Answer(answer) => answer.status,
            _ => 0,
        };
        let elapsed = self.clock.mono().since(started);
        tracing::debug!(method = %request.method, path = request.shown, status, ?elapsed, end = happened.name(), "exchange");
        happened
    }

    async fn send(&self, request: &Request, leave: &Leave) -> Happened {
        // Whatever is not a GET may change something: a connection of its own, see above.
        let client = if request.method == Method::GET { &self.reads } else { &self.writes };
        let query = Some(request.query.as_str()).filter(|query| !query.is_empty());
        let mut outgoing = reqwest::Request::new(request.method.clone(), self.base.join(&request.path, query));
        let headers = outgoing.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        // Without it the answer is XML.
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(form) = &request.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            *outgoing.body_mut() = Some(form.as_str().to_owned().into());
        }
        match client.execute(outgoing).await {
            Ok(response) => self.read(request, response, leave).await,
            Err(error) if error.is_connect() => Happened::ConnectFailed(self.words(error)),
            Err(error) => Happened::Lost(self.words(error)),
        }
    }

    async fn read(&self, request: &Request, mut response: Response, leave: &Leave) -> Happened {
        let now = self.clock.wall();
        if let Some(limit) = rate::limit(response.headers(), now) {
            self.limits.lock().note(request.class, limit);
        }
        let pause = rate::pause(response.headers(), now);
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let refused = status == 429;
        self.budget.heard(request.class, leave, &headers, refused);
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if chunk.len() > self.max_body.saturating_sub(body.len()) => {
                    let detail = format!("{}: status {status}, more than {} bytes", request.shown, self.max_body);
                    return Happened::TooLarge(detail);
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Happened::Lost(self.words(error)),
            }
        }
        let received = Received { mono: self.clock.mono(), wall: self.clock.wall() };
        // A replacement character cannot turn a text into another well-formed number or word.
        let body = self.redactor.scrub(String::from_utf8_lossy(&body).into_owned());
        if !refused && body.trim_start().starts_with(QUOTA) {
            self.budget.heard(request.class, leave, &headers, true);
        }
        Happened::Answer(Answer { status, body, pause, received })
    }

    /// The library's words without the URL, which holds the account number, down to the cause.
    fn words(&self, error: reqwest::Error) -> String {
        let error = error.without_url();
        let mut words = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            words = format!("{words}: {inner}");
            cause = inner.source();
        }
        self.redactor.detail(&words)
    }
}

impl Happened {
    fn name(&self) -> &'static str {
        match self {
            Self::ConnectFailed(_) => "connect failed",
            Self::Lost(_) => "connection lost",
            Self::TimedOut(_) => "timed out",
            Self::TooLarge(_) => "answer too large",
            Self::Answer(_) => "answered",
        }
    }
}

/// Everything that could repeat a request, send it elsewhere or carry something between requests is off.
fn client(config: &TradierConfig, tls: rustls::ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("backstop-tradier/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .retry(retry::never())
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(config.connect_timeout)
}

/// ring and Mozilla's roots, compiled in: builds without cmake, runs on a machine without certificate files.
fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}
