//! Who takes a lock, and who is found to hold it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest label and the longest host name in a record, in characters.
const MAX_CHARS: usize = 64;

/// What a program says of itself when it takes a lock. It is shown to whoever is refused; nothing is decided by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What the program is called among its like: `paper-trader`, `desk-2`. The record keeps its first 64 characters,
    /// control characters replaced.
    pub label: String,
    /// Now, by the caller's clock.
    pub since: Timestamp,
}

impl Claim {
    /// The same claim, made good `waited` later.
    pub(crate) fn after(&self, waited: Duration) -> Self {
        let since = self.since.checked_add(waited).unwrap_or(self.since);
        Self { label: self.label.clone(), since }
    }
}

/// Who holds a lock, or held it last, by the record in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Holder {
    /// The number of the acquisition (LOCK-5).
    pub fence: u64,
    /// The process, as numbered on its own machine, or in its own container.
    pub pid: u32,
    /// The machine, where it told its name.
    pub host: Option<String>,
    /// What the program called itself.
    pub label: String,
    /// When it took the lock, by its own clock.
    pub since: Timestamp,
}

impl Holder {
    /// This process, with texts cut so that the record of any holder fits its slot.
    pub(crate) fn ours(claim: &Claim, fence: u64) -> Self {
        Self {
            fence,
            pid: std::process::id(),
            host: crate::host::name().map(|host| printable(&host)),
            label: printable(&claim.label),
            since: claim.since,
        }
    }
}

impl fmt::Display for Holder {
    /// The texts come from a file that anybody may have written, so they are shown escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)?;
        if let Some(host) = &self.host {
            write!(f, " on host {}", host.escape_debug())?;
        }
        write!(f, " ({}) since {}, fence {}", self.label.escape_debug(), self.since, self.fence)
    }
}

fn printable(text: &str) -> String {
    text.chars().take(MAX_CHARS).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
