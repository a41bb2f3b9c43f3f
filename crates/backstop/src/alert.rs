//! Alerts on their way to a person: what one says, who takes it, and how patient one is with whoever does not.

mod command;
mod queue;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backstop_clock::{Clock, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::record::{Batch, Record};
use crate::state::Untold;

pub use command::CommandSink;
pub(crate) use queue::{Next, Queue};

/// Where alerts go: a chat, a pager, a program.
#[async_trait]
pub trait AlertSink: Send + Sync + fmt::Debug {
    /// Its name for people, without secrets.
    fn name(&self) -> &str;

    /// Hands one alert over. `Ok` means that whoever it is for will get it; until some sink says so the desk keeps it and
    /// offers it again, over restarts too, so the same one may come twice.
    ///
    /// Runs in a task of its own and is dropped when [`AlertPolicy::call_timeout`] is over. It must not block its thread.
    ///
    /// # Errors
    /// [`NotTaken`], without secrets: it is shown to people and logged.
    ///
    /// # Cancel safety
    /// Dropped, the alert may have been taken or not.
    async fn deliver(&self, notice: &Notice) -> Result<(), NotTaken>;
}

/// Why a sink did not take an alert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotTaken(pub String);

/// One alert, as a sink gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about: a client order id, a position, `cash`, ...
    pub subject: String,
    /// What happened last, and what to do.
    pub text: String,
    /// Since when there is something to say about the subject.
    pub since: Timestamp,
    /// How often something was said about it since then.
    pub times: u64,
    /// Whether the cause lasts. What is over is told all the same: nobody has heard of it yet.
    pub lasts: bool,
    /// How loud: the longer the cause lasts, the louder.
    pub urgency: Urgency,
    /// The command that shows or settles it; empty where nobody named one.
    pub remedy: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}: {} (since {}", self.urgency, self.subject, self.text, self.since)?;
        if self.times > 1 {
            write!(f, ", said {} times", self.times)?;
        }
        f.write_str(if self.lasts { ")" } else { ", over by now)" })?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, " {}", self.remedy) }
    }
}

/// How loud an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "sinks map each to a loudness of their own")]
pub enum Urgency {
    /// New, or over.
    Normal,
    /// The cause has lasted for [`AlertPolicy::remind`].
    High,
    /// It has lasted for twice that or longer.
    Critical,
}

impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "alert",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        })
    }
}

/// How alerts are delivered.
#[derive(Debug, Clone)]
pub struct AlertPolicy {
    /// How long a sink may take.
    pub call_timeout: Duration,
    /// The pause after the first failure in a row; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// What is said about a subject within this long after it was told is folded into the next alert about it.
    pub fold: Duration,
    /// While its cause lasts an alert is told again after this long, and louder.
    pub remind: Duration,
    /// The command that shows or settles what a subject is about, for [`Notice::remedy`].
    pub remedy: fn(&str) -> String,
}

impl Default for AlertPolicy {
    /// 10 s for a sink, pauses of 1 s to 5 min, one alert a minute about a subject, again after 15 min; names no commands.
    fn default() -> Self {
        Self {
            call_timeout: Duration::from_secs(10),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(5),
            fold: Duration::from_mins(1),
            remind: Duration::from_mins(15),
            remedy: |_| String::new(),
        }
    }
}

/// How the alerts of a process fared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertTally {
    /// How often a sink took one.
    pub delivered: u64,
    /// How often none did.
    pub failures: u64,
    /// What was said last on a failure.
    pub last_failure: Option<String>,
    /// The subjects of which something is to be said that no sink has taken.
    pub waiting: Vec<String>,
    /// How many alerts found no room beside these and are told as a number.
    pub crowded_out: u64,
}

/// The alerts of a desk that are on their way.
#[derive(Debug)]
pub(crate) struct Alerts {
    queue: Mutex<Queue>,
    pub(crate) woken: Arc<Notify>,
}

impl Alerts {
    /// Goes on with what no sink took from the process before.
    pub(crate) fn after(untold: &BTreeMap<String, Untold>, clock: &dyn Clock) -> Self {
        let queue = Queue::after(untold, clock.wall(), clock.mono());
        Self { queue: Mutex::new(queue), woken: Arc::default() }
    }

    /// ALERT-1: in memory first, because the journal may be what is wrong. Waits for nothing.
    pub(crate) fn raise(&self, subject: &str, text: &str, clock: &dyn Clock, is_pending: bool) {
        self.queue.lock().raise(subject, text, (clock.wall(), clock.mono()), is_pending);
        self.woken.notify_one();
    }

    /// The same was said once more.
    pub(crate) fn repeat(&self, subject: &str) {
        self.queue.lock().repeat(subject);
    }

    /// Takes in the alerts of a batch that is on disk.
    pub(crate) fn written(&self, batch: &Batch, clock: &dyn Clock) {
        for record in &batch.records {
            if let Record::Alert { subject, text } = record {
                self.queue.lock().written(subject, text, batch.at, clock.mono());
                self.woken.notify_one();
            }
        }
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Queue) -> T) -> T {
        work(&mut self.queue.lock())
    }
}
