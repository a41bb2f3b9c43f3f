//! How long ago each position was checked, by both clocks and over restarts. Pure: told what is held and what time it is.

use std::collections::BTreeMap;
use std::time::Duration;

use backstop_clock::{Mono, Timestamp};

use super::super::Moment;
use super::{WatchPolicy, WatchTally};
use crate::SlotId;

/// What is known of the checks of everything that is held or may be.
#[derive(Debug, Default)]
pub(in crate::desk) struct Ages {
    pub(super) policy: Option<WatchPolicy>,
    pub(super) tally: WatchTally,
    of: BTreeMap<SlotId, Age>,
    /// When this process last looked, and when it began to: anew after it had stood still.
    looked: Option<(Mono, Mono)>,
}

/// The age of one.
#[derive(Debug, Clone, Copy)]
struct Age {
    /// From when it counts in this process: the last check, or when it was first seen; later, where the market was shut since.
    from: Moment,
    /// How old it was then, by the records.
    carried: Duration,
    /// The last check, by whichever process.
    checked: Option<Timestamp>,
    /// Whether an alert has said that it is late.
    is_said: bool,
    /// When the fallback last acted, and whether on something open.
    acted: Option<(Mono, bool)>,
}

/// What may be held under a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Open {
        since: Timestamp,
        checked: Option<Timestamp>,
    },
    /// An entry that is not at rest. A check is a look at the broker that shows nothing of it filled.
    Perhaps {
        since: Timestamp,
    },
}

/// The broker's newest word on whether there is a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trading {
    /// It has not said anything yet.
    Unknown,
    Open,
    Shut {
        asked: Mono,
    },
}

/// What one look has found.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Late before, and not held any more.
    pub(super) over: Vec<SlotId>,
    /// Late now, in words for people.
    pub(super) late: Vec<(SlotId, String)>,
    /// Those for which the fallback is due.
    pub(super) due: Vec<Due>,
    /// Whether somebody should look for an entry at the broker.
    pub(super) wants_orders: bool,
    /// Whether somebody should ask if the market is open.
    pub(super) wants_market: bool,
    /// The last check of each.
    pub(super) checks: BTreeMap<SlotId, Timestamp>,
}

/// One for which the fallback is due.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) slot: SlotId,
    pub(super) held: Held,
    pub(super) text: String,
    pub(super) is_first: bool,
}

impl Ages {
    /// A check was made. Returns whether an alert is over with it.
    pub(super) fn checked(&mut self, slot: &SlotId, at: Moment) -> bool {
        self.note(slot, at, Some(at.wall))
    }

    /// A look has shown that an entry has filled nothing. No rule was evaluated on what it may fill later.
    pub(super) fn unfilled(&mut self, slot: &SlotId, at: Moment) -> bool {
        self.note(slot, at, None)
    }

    fn note(&mut self, slot: &SlotId, at: Moment, checked: Option<Timestamp>) -> bool {
        let age = self.of.get(slot).copied();
        // An answer that took its time takes back nothing.
        if age.is_some_and(|age| age.from.mono > at.mono) {
            return false;
        }
        if let Some(age) = age {
            self.tally.longest = self.tally.longest.max(age.at(at));
        }
        let new = Age { from: at, carried: Duration::ZERO, checked, is_said: false, acted: None };
        self.of.insert(slot.clone(), new);
        age.is_some_and(|age| age.is_said)
    }

    pub(super) fn look(
        &mut self,
        WatchPolicy { within, .. }: WatchPolicy,
        now: Moment,
        held: &BTreeMap<SlotId, Held>,
        trading: Trading,
    ) -> Looked {
        let gone = self.of.iter().filter(|(slot, age)| age.is_said && !held.contains_key(*slot));
        let mut looked = Looked { over: gone.map(|(slot, _)| slot.clone()).collect(), ..Looked::default() };
        self.of.retain(|slot, _| held.contains_key(slot));
        let awake = self.awake(now.mono, within);
        for (slot, held) in held {
            let first_seen = || Age::first_seen(*held, now, within);
            let age = self.of.entry(slot.clone()).or_insert_with(first_seen);
            if let Trading::Shut { asked } = trading {
                age.skip(asked, now);
            }
            looked.checks.extend(age.checked.filter(|_| held.is_open()).map(|at| (slot.clone(), at)));
            let old = age.at(now);
            self.tally.longest = self.tally.longest.max(old);
            let is_getting_old = old >= part(within, 4, 8);
            looked.wants_market |= is_getting_old;
            looked.wants_orders |= is_getting_old && !held.is_open();
            // A process that has just come gets this long to hear whether the market is open, and to check for itself; so does
            // one that stood still, or whose clock was just set.
            let is_settled = now.mono.since(age.from.mono.max(awake)) >= part(within, 1, 8);
            // WATCH-1: early enough that it is delivered by then.
            if old >= part(within, 6, 8) && !age.is_said && (is_settled || trading != Trading::Unknown) {
                age.is_said = true;
                self.tally.late = self.tally.late.saturating_add(1);
                let (words, next) = (held.words(slot, age.checked), held.next());
                looked.late.push((slot.clone(), format!("{words}: {next}")));
            }
            // While the newest word is that the market is shut nothing could be closed, and nothing is entered.
            let may_act = is_settled && !matches!(trading, Trading::Shut { .. });
            let acted = age.acted.filter(|(_, was_open)| *was_open == held.is_open()).map(|(at, _)| at);
            let is_again = acted.is_none_or(|acted| now.mono.since(acted) >= within);
            if old >= within.saturating_mul(2) && may_act && is_again {
                age.acted = Some((now.mono, held.is_open()));
                let is_first = acted.is_none();
                self.tally.acted = self.tally.acted.saturating_add(u64::from(is_first));
                let text = held.words(slot, age.checked);
                looked.due.push(Due { slot: slot.clone(), held: *held, text, is_first });
            }
        }
        looked
    }

    /// Since when this process has been looking. At most once in `within` it counts as just come: one that looks late each time
    /// must act, too.
    fn awake(&mut self, now: Mono, within: Duration) -> Mono {
        let (last, awake) = self.looked.unwrap_or((now, now));
        let stood_still = now.since(last) >= part(within, 2, 8) && now.since(awake) >= within;
        let awake = if stood_still { now } else { awake };
        self.looked = Some((now, awake));
        awake
    }
}

impl Age {
    /// By the records, because the process before may have left it unchecked: one that dies again and again must not make it
    /// young each time.
    fn first_seen(held: Held, now: Moment, within: Duration) -> Self {
        let (since, checked) = match held {
            Held::Open { since, checked } => (since, checked),
            Held::Perhaps { since } => (since, None),
        };
        // A clock that was set back since then says nothing: doubt is old.
        let carried = between(checked.unwrap_or(since), now.wall).unwrap_or(within.saturating_mul(2));
        Self { from: now, carried, checked, is_said: false, acted: None }
    }

    /// By the clock that shows more: the monotonic one may stand still while the machine sleeps.
    fn at(&self, now: Moment) -> Duration {
        let by_wall = between(self.from.wall, now.wall).unwrap_or_default();
        now.mono.since(self.from.mono).max(by_wall).saturating_add(self.carried)
    }

    /// Up to the broker's word that the market is shut nothing counts.
    fn skip(&mut self, asked: Mono, now: Moment) {
        if asked > self.from.mono {
            let wall = now.wall.checked_sub(now.mono.since(asked)).unwrap_or(now.wall);
            (self.from, self.carried, self.acted) = (Moment { mono: asked, wall }, Duration::ZERO, None);
        }
    }
}

impl Held {
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }

    fn next(self) -> &'static str {
        match self {
            Self::Open { .. } => "see whether its bot and its quotes live",
            Self::Perhaps { .. } => "look for it at the broker",
        }
    }

    /// In the same words at each look, so that what is said again is no news.
    fn words(self, slot: &SlotId, checked: Option<Timestamp>) -> String {
        match (self, checked) {
            (Self::Open { .. }, Some(at)) => format!("nobody has checked position {slot} on fresh quotes since {at}"),
            (Self::Open { since, .. }, None) => {
                format!("nobody has checked position {slot} on fresh quotes since it was opened at {since}")
            }
            (Self::Perhaps { since }, _) => {
                format!("nobody can tell whether entry {slot}, not at rest since {since}, has opened anything")
            }
        }
    }
}

/// Whether what is on record of `checks` is so old that it has to be written down again.
pub(super) fn is_behind(
    recorded: &BTreeMap<SlotId, Timestamp>,
    checks: &BTreeMap<SlotId, Timestamp>,
    within: Duration,
) -> bool {
    let is_old = |from: &Timestamp, to: &Timestamp| between(*from, *to).is_none_or(|age| age >= part(within, 2, 8));
    checks.iter().any(|(slot, at)| recorded.get(slot).is_none_or(|from| from != at && is_old(from, at)))
}

/// `None` where `to` is before `from`.
fn between(from: Timestamp, to: Timestamp) -> Option<Duration> {
    Duration::try_from(to.duration_since(from)).ok()
}

fn part(of: Duration, count: u32, parts: u32) -> Duration {
    of.checked_div(parts).unwrap_or(of).saturating_mul(count)
}
