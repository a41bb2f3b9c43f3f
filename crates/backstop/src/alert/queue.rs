//! What is waiting to be told: bounded, folded by subject, and quick whatever the sinks do.

use std::collections::BTreeMap;
use std::time::Duration;

use backstop_clock::{Mono, Timestamp};

use super::{AlertPolicy, AlertTally, Notice, Urgency};
use crate::state::{OTHERS, Untold, room_for};

/// How long nobody looks again when nothing is due.
const IDLE: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// One for each subject, and never more than there is room for.
    entries: BTreeMap<String, Entry>,
    /// After a failure nothing is offered before.
    not_before: Mono,
    failures_in_a_row: u32,
    /// How often anything was offered: whoever failed goes behind the others.
    offered: u64,
    tally: AlertTally,
}

#[derive(Debug)]
struct Entry {
    since: Timestamp,
    text: String,
    times: u64,
    /// Whether there is something that no sink has taken.
    is_news: bool,
    /// Whether its record is on its way to the journal.
    is_pending: bool,
    /// When it was first said in this process, and how old it was then.
    raised: Mono,
    age: Duration,
    /// When a sink last took it.
    told: Option<Mono>,
    /// Changes with each text: what is taken while a newer one came is not the newer one.
    version: u64,
    offered: u64,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Offer this. The number goes back with the answer.
    Tell(Notice, u64),
    /// Nothing is due for that long.
    Wait(Duration),
}

impl Queue {
    /// What no sink took from the process before is due at once.
    pub(crate) fn after(untold: &BTreeMap<String, Untold>, wall: Timestamp, now: Mono) -> Self {
        let entry = |untold: &Untold| Entry {
            since: untold.since,
            text: untold.text.clone(),
            times: untold.times,
            is_news: true,
            is_pending: false,
            raised: now,
            age: Duration::try_from(wall.duration_since(untold.since)).unwrap_or_default(),
            told: None,
            version: 1,
            offered: 0,
        };
        let entries = untold.iter().map(|(subject, untold)| (subject.clone(), entry(untold))).collect();
        Self { entries, ..Self::default() }
    }

    /// Something is to be said about a subject, and `is_pending` whether it is about to be written down. Told before, it
    /// waits until it may be told again.
    pub(crate) fn raise(&mut self, subject: &str, text: &str, (at, now): (Timestamp, Mono), is_pending: bool) {
        self.fold(subject, text, (at, now), is_pending);
    }

    /// What was about to be written down is, or never will be. Returns whether a sink has taken it by then.
    pub(crate) fn recorded(&mut self, subject: &str) -> bool {
        let subject = room_for(&self.entries, subject);
        let Some(entry) = self.entries.get_mut(subject) else { return false };
        entry.is_pending = false;
        !entry.is_news
    }

    /// The same as before is to be said.
    pub(crate) fn repeat(&mut self, subject: &str) {
        if let Some(entry) = self.entries.get_mut(subject) {
            entry.times = entry.times.saturating_add(1);
        }
    }

    /// An alert is on disk: mostly one that was raised just before.
    pub(crate) fn written(&mut self, subject: &str, text: &str, at: Timestamp, now: Mono) {
        let known = self.entries.get(room_for(&self.entries, subject));
        if known.is_none_or(|entry| !entry.is_pending || entry.text != text) {
            self.fold(subject, text, (at, now), false);
        }
    }

    fn fold(&mut self, subject: &str, text: &str, (at, now): (Timestamp, Mono), is_pending: bool) {
        let subject = room_for(&self.entries, subject);
        if subject == OTHERS {
            self.tally.crowded_out = self.tally.crowded_out.saturating_add(1);
        }
        let entry = self.entries.entry(subject.to_owned()).or_insert_with(|| Entry {
            since: at,
            text: String::new(),
            times: 0,
            is_news: false,
            is_pending,
            raised: now,
            age: Duration::ZERO,
            told: None,
            version: 0,
            offered: 0,
        });
        entry.times = entry.times.saturating_add(1);
        entry.is_pending = is_pending;
        // The same once more is a count, and no news to whoever has heard it.
        if entry.text != text || entry.version == 0 {
            text.clone_into(&mut entry.text);
            entry.version = entry.version.saturating_add(1);
            entry.is_news = true;
        }
    }

    /// What is to be offered now, or how long nothing is. `lasts` says whether the cause of a subject does.
    pub(crate) fn next(&mut self, now: Mono, policy: &AlertPolicy, lasts: impl Fn(&str) -> bool) -> Next {
        // ALERT-1: what no sink took stays, whether its cause lasts or not.
        self.entries.retain(|subject, entry| entry.is_news || entry.is_pending || lasts(subject));
        let pause = self.not_before.since(now);
        if !pause.is_zero() {
            return Next::Wait(pause.min(IDLE));
        }
        let to_tell = |subject: &str, entry: &Entry| entry.is_news || lasts(subject);
        let is_due = |subject: &str, entry: &Entry| entry.due(policy) <= now && to_tell(subject, entry);
        let due = self.entries.iter_mut().filter(|(subject, entry)| is_due(subject, entry));
        let Some((subject, entry)) = due.min_by_key(|(_, entry)| (entry.offered, entry.raised)) else {
            let waits = self.entries.iter().filter(|(subject, entry)| to_tell(subject, entry));
            let waits = waits.map(|(_, entry)| entry.due(policy).since(now));
            return Next::Wait(waits.min().unwrap_or(IDLE).min(IDLE));
        };
        self.offered = self.offered.saturating_add(1);
        entry.offered = self.offered;
        // What is not even written down yet is not over.
        let lasts = entry.is_pending || lasts(subject);
        let age = entry.age.saturating_add(now.since(entry.raised));
        let notice = Notice {
            subject: subject.clone(),
            text: entry.text.clone(),
            since: entry.since,
            times: entry.times,
            lasts,
            urgency: match age.as_nanos().checked_div(policy.remind.as_nanos()) {
                Some(1) if lasts => Urgency::High,
                Some(2..) if lasts => Urgency::Critical,
                _ => Urgency::Normal,
            },
            remedy: (policy.remedy)(subject),
        };
        Next::Tell(notice, entry.version)
    }

    /// A sink took what was offered. Returns whether that was the newest there is to say.
    pub(crate) fn taken(&mut self, subject: &str, version: u64, now: Mono) -> bool {
        self.tally.delivered = self.tally.delivered.saturating_add(1);
        (self.failures_in_a_row, self.not_before) = (0, now);
        let Some(entry) = self.entries.get_mut(subject) else { return true };
        (entry.is_news, entry.told) = (entry.version != version, Some(now));
        !entry.is_news
    }

    /// No sink took it: the next attempt is after a pause that grows, whatever it is about.
    pub(crate) fn failed(&mut self, why: String, now: Mono, policy: &AlertPolicy) {
        self.tally.failures = self.tally.failures.saturating_add(1);
        self.tally.last_failure = Some(why);
        let doubled = 1_u32.checked_shl(self.failures_in_a_row).unwrap_or(u32::MAX);
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.not_before = now.plus(policy.first_pause.saturating_mul(doubled).min(policy.longest_pause));
    }

    /// The process is about to end: what waits, for whatever reason, is tried once more now.
    pub(crate) fn hurry(&mut self) {
        self.not_before = Mono::ORIGIN;
        for entry in self.entries.values_mut().filter(|entry| entry.is_news) {
            entry.told = None;
        }
    }

    pub(crate) fn tally(&self) -> AlertTally {
        let waiting = self.entries.iter().filter(|(_, entry)| entry.is_news).map(|(subject, _)| subject.clone());
        AlertTally { waiting: waiting.collect(), ..self.tally.clone() }
    }
}

impl Entry {
    /// Not to be told before: what is new waits until it can be folded, what is known until it is time to repeat it.
    fn due(&self, policy: &AlertPolicy) -> Mono {
        let pause = if self.is_news { policy.fold.min(policy.remind) } else { policy.remind };
        self.told.map_or(Mono::ORIGIN, |told| told.plus(pause))
    }
}

#[cfg(test)]
mod tests;
