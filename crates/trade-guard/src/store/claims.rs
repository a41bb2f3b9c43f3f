//! What the records of a store amount to.

use std::collections::BTreeMap;

use backstop_clock::Timestamp;
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::record::{Event, Record, Verdict};
use crate::key::{Key, Session};

/// What must be known of the past: counts of the newest session, and every attempt that may have been executed.
///
/// Made by [`apply`](Claims::apply)ing records in the order in which they were written. Of a session that is over only
/// what is unresolved stays, so that it does not grow with the years.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    newest: Option<Session>,
    keys: BTreeMap<Key, Claim>,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The newest attempt.
    pub(crate) attempt: u64,
    /// Entries executed.
    pub(crate) executed: u16,
    /// Set while the newest attempt has no end.
    pub(crate) open: Option<Open>,
    /// Whether the newest attempt is among those executed.
    pub(crate) spent: bool,
}

/// An attempt without an end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub(crate) struct Open {
    /// Whose.
    pub(crate) by: String,
    /// Since when, by the wall clock.
    pub(crate) at: Timestamp,
}

impl Claims {
    /// Takes one record into account.
    pub fn apply(&mut self, record: &Record) {
        let key = record.key;
        self.begin(key.session());
        match &record.event {
            Event::Claimed { by, executed } => {
                let open = Some(Open { by: by.clone(), at: record.at });
                let claim = Claim { attempt: record.attempt, executed: *executed, open, spent: false };
                // A claim whose append was given up may arrive behind the next one of its key, and says nothing then.
                let known = self.keys.get(&key).map(|known| known.attempt);
                if known < Some(claim.attempt) {
                    self.keys.insert(key, claim);
                }
            }
            Event::Executed | Event::Resolved { verdict: Verdict::Executed, .. } => self.end(key, record.attempt, true),
            Event::NotExecuted { .. } | Event::Resolved { verdict: Verdict::NotExecuted, .. } => {
                self.end(key, record.attempt, false);
            }
        }
    }

    /// Every attempt without an end: of what, by whom, and since when on the wall clock.
    pub fn open(&self) -> impl Iterator<Item = (&Key, &str, Timestamp)> {
        self.keys.iter().filter_map(|(key, claim)| claim.open.as_ref().map(|open| (key, open.by.as_str(), open.at)))
    }

    /// The newest session of all records.
    pub(crate) fn newest(&self) -> Option<Session> {
        self.newest
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Claim)> {
        self.keys.iter()
    }

    fn end(&mut self, key: Key, attempt: u64, executed: bool) {
        // The end of an earlier attempt is in the claim of the later one already.
        let Some(claim) = self.keys.get_mut(&key).filter(|claim| claim.attempt == attempt) else { return };
        claim.open = None;
        // GUARD-2: of two ends, as a resolution that was given up leaves one behind, the one counts that takes room.
        if executed && !claim.spent {
            claim.spent = true;
            claim.executed = claim.executed.saturating_add(1);
        }
        if Some(key.session()) < self.newest {
            self.keys.remove(&key);
        }
    }

    fn begin(&mut self, session: Session) {
        if self.newest < Some(session) {
            self.newest = Some(session);
            // GUARD-6: nothing opens in an older session any more, so its counts need not be known. Law 3: what may have
            // been executed is not forgotten.
            self.keys.retain(|_, claim| claim.open.is_some());
        }
    }
}

/// As a list: JSON has no other keys than text.
#[cfg(feature = "serde")]
#[derive(Serialize, Deserialize)]
struct Listed {
    newest: Option<Session>,
    claims: Vec<ListedClaim>,
}

#[cfg(feature = "serde")]
#[derive(Serialize, Deserialize)]
struct ListedClaim {
    key: Key,
    attempt: u64,
    executed: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<Open>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    spent: bool,
}

#[cfg(feature = "serde")]
impl Serialize for Claims {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let listed = |(key, claim): (&Key, &Claim)| {
            let Claim { attempt, executed, open, spent } = claim.clone();
            ListedClaim { key: *key, attempt, executed, open, spent }
        };
        Listed { newest: self.newest, claims: self.keys.iter().map(listed).collect() }.serialize(serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Listed { newest, claims } = Listed::deserialize(deserializer)?;
        let claim = |ListedClaim { key, attempt, executed, open, spent }: ListedClaim| {
            (key, Claim { attempt, executed, open, spent })
        };
        Ok(Self { newest, keys: claims.into_iter().map(claim).collect() })
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
