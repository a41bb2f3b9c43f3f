//! A web hook as a sink: one POST of JSON for each alert. Its URL is a secret, and is in no error and no log.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use backstop::{AlertSink, NotTaken, Notice};
use reqwest::{Client, Url, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::tls::tls;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Discord takes 2000 characters.
const LONGEST: usize = 1_900;

/// Somewhere that takes alerts as JSON over HTTP.
pub(super) struct Webhook {
    url: SecretString,
    shape: Shape,
    client: Client,
}

/// What the receiver understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Discord,
    Slack,
    /// `text` for people, and each part by itself.
    Plain,
}

impl Webhook {
    /// The web hook whose URL is in the environment variable `name`. `Err` says what is wrong, without the URL.
    pub(super) fn from_env(name: &str) -> Result<Self, String> {
        let url = std::env::var(name).map_err(|_| format!("there is no environment variable {name} with a URL"))?;
        Self::new(&url).map_err(|why| format!("the URL in {name} {why}"))
    }

    fn new(text: &str) -> Result<Self, String> {
        let url = Url::parse(text.trim()).map_err(|_| "is none".to_owned())?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let is_local = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        if url.scheme() != "https" && !(is_local && url.scheme() == "http") {
            return Err("must begin with https://, or everybody on the way can read it".to_owned());
        }
        let is_of = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
        let shape = match () {
            () if is_of("discord.com") || is_of("discordapp.com") => Shape::Discord,
            () if is_of("slack.com") => Shape::Slack,
            () => Shape::Plain,
        };
        let client = tls().map_err(|error| error.to_string()).and_then(|tls| {
            let client = Client::builder().tls_backend_preconfigured(tls).http1_only().no_proxy().referer(false);
            // A redirect could lead the alert, and the secret with it, anywhere. The desk repeats by itself.
            let client = client.redirect(redirect::Policy::none()).retry(retry::never()).connect_timeout(CONNECT);
            client.build().map_err(|error| error.to_string())
        });
        let client = client.map_err(|error| format!("cannot be used: {error}"))?;
        Ok(Self { url: SecretString::from(url.to_string()), shape, client })
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("shape", &self.shape).finish_non_exhaustive()
    }
}

#[async_trait]
impl AlertSink for Webhook {
    fn name(&self) -> &'static str {
        "web hook"
    }

    async fn deliver(&self, notice: &Notice) -> Result<(), NotTaken> {
        let post = self.client.post(self.url.expose_secret()).header("content-type", "application/json");
        match post.body(self.shape.body(notice).to_string()).send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(NotTaken(format!("answered {}", answer.status()))),
            // Not the library's own words: they name the URL, or what of it could not be reached.
            Err(error) if error.is_connect() => Err(NotTaken("cannot be reached".to_owned())),
            Err(_) => Err(NotTaken("did not answer".to_owned())),
        }
    }
}

impl Shape {
    fn body(self, notice: &Notice) -> Value {
        let text: String = notice.to_string().chars().take(LONGEST).collect();
        match self {
            // What a broker says must not call everybody in the room.
            Self::Discord => json!({ "content": text, "allowed_mentions": { "parse": [] } }),
            Self::Slack => json!({ "text": text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;") }),
            Self::Plain => json!({
                "text": text,
                "subject": notice.subject,
                "urgency": notice.urgency.to_string(),
                "since": notice.since.to_string(),
                "times": notice.times,
                "lasts": notice.lasts,
                "remedy": notice.remedy,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
