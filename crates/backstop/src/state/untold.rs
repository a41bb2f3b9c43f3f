//! Alerts that no sink has taken: kept over restarts, folded by subject, and never more than there is room for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::State;

/// So many subjects of alerts are kept apart. A bot that has more to say than this is in trouble as a whole.
const ROOM: usize = 64;

/// The subject of the alerts that found no room.
pub(crate) const OTHERS: &str = "others";

/// An alert that no sink has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Untold {
    /// Since when there is something to say.
    pub since: Timestamp,
    /// What was said last.
    pub text: String,
    /// How often something was said.
    pub times: u64,
}

/// The subject under which there is room for an alert about `subject`.
pub(crate) fn room_for<'a, T>(kept: &BTreeMap<String, T>, subject: &'a str) -> &'a str {
    if kept.contains_key(subject) || kept.len() < ROOM { subject } else { OTHERS }
}

impl State {
    pub(super) fn keep_untold(&mut self, subject: &str, text: &str, at: Timestamp) {
        let subject = room_for(&self.untold, subject).to_owned();
        let untold = self.untold.entry(subject).or_insert(Untold { since: at, text: String::new(), times: 0 });
        text.clone_into(&mut untold.text);
        untold.times = untold.times.saturating_add(1);
    }
}
