//! What was done so far. Goes to disk and back (LIMIT-2).

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use backstop_broker::{Decimal, OrderRequest, PositionEffect, Side, Symbol};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// What executions have in common: the name of a strategy, or of one rule of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(String);

impl Kind {
    /// By this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a session did so far, and what outlives it. [`forget`](Counters::forget) bounds its memory by what may be
/// sent within the spans of [`Config::messages`] and [`Config::look_alikes`].
///
/// Whoever sends an order counts it first: one that then does not leave was counted for nothing, which is the safe side.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    session: String,
    entries: u32,
    result: Decimal,
    repeats: BTreeMap<Kind, u32>,
    messages: VecDeque<Timestamp>,
    orders: VecDeque<(Timestamp, Vec<Likeness>)>,
}

/// What makes two legs alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Likeness {
    symbol: Symbol,
    side: Side,
    opens: bool,
    quantity: u32,
}

fn likeness(order: &OrderRequest) -> Vec<Likeness> {
    let mut legs: Vec<_> = order
        .legs()
        .iter()
        .map(|leg| Likeness {
            symbol: leg.symbol.clone(),
            side: leg.side,
            opens: leg.effect == PositionEffect::Open,
            quantity: leg.quantity.get(),
        })
        .collect();
    legs.sort_unstable();
    legs
}

impl Counters {
    /// Begins session `label`, or goes on with it: entries and result are those of a session. What was executed again and
    /// again, and what was sent within the last seconds, outlives it.
    pub fn begin_session(&mut self, label: &str) {
        if self.session != label {
            label.clone_into(&mut self.session);
            self.entries = 0;
            self.result = Decimal::ZERO;
        }
    }

    /// Counts an entry that is about to be sent.
    pub fn entry(&mut self, order: &OrderRequest, now: Timestamp) {
        self.entries = self.entries.saturating_add(1);
        let now = self.orders.back().map_or(now, |(last, _)| now.max(*last));
        self.orders.push_back((now, likeness(order)));
    }

    /// Counts a message to the broker that is about to be sent: an order, a change or a cancel.
    pub fn message(&mut self, now: Timestamp) {
        let now = self.messages.back().map_or(now, |last| now.max(*last));
        self.messages.push_back(now);
    }

    /// Drops what is too long ago for the limits of `config` to look back at. Call it after counting.
    pub fn forget(&mut self, config: &Config) {
        if let Some((newest, _)) = self.orders.back() {
            let from = beginning(*newest, config.look_alikes.seconds);
            while self.orders.front().is_some_and(|(at, _)| *at <= from) {
                self.orders.pop_front();
            }
        }
        let bound = usize::try_from(config.messages.count).unwrap_or(usize::MAX);
        while self.messages.len() > bound {
            self.messages.pop_front();
        }
    }

    /// Counts an execution. To judge the next order, count what may still be filled too, in a copy.
    pub fn executed(&mut self, kind: &Kind) {
        let count = self.repeats.entry(kind.clone()).or_default();
        *count = count.saturating_add(1);
    }

    /// Counts what a position that was closed has brought; below zero is a loss.
    pub fn closed(&mut self, result: Decimal) {
        self.result = self.result.saturating_add(result);
    }

    /// A person has looked at `kind` and allows as many executions again. Who and why belongs on the record, which is the
    /// caller's.
    pub fn allow_repeats(&mut self, kind: &Kind) {
        self.repeats.remove(kind);
    }

    pub(crate) fn entries(&self) -> u32 {
        self.entries
    }

    /// What the session has lost, `open` included: what its open positions have brought so far.
    pub(crate) fn lost(&self, open: Decimal) -> Decimal {
        // A gain that is only on paper does not buy more losses.
        -self.result.saturating_add(open.min(Decimal::ZERO))
    }

    pub(crate) fn repeated(&self, kind: &Kind) -> u32 {
        self.repeats.get(kind).copied().unwrap_or(0)
    }

    pub(crate) fn most_repeated(&self) -> u32 {
        self.repeats.values().copied().max().unwrap_or(0)
    }

    pub(crate) fn look_alikes(&self, order: &OrderRequest, seconds: u32, now: Timestamp) -> u32 {
        let legs = likeness(order);
        let alike = self.orders.iter().filter(|(_, other)| *other == legs).map(|(at, _)| *at);
        recent(alike, seconds, now)
    }

    pub(crate) fn recent_messages(&self, seconds: u32, now: Timestamp) -> u32 {
        recent(self.messages.iter().copied(), seconds, now)
    }
}

/// How many of `stamps` lie within the span that ends now. One from the future lies in it: a clock that was set back frees
/// nothing.
fn recent(stamps: impl Iterator<Item = Timestamp>, seconds: u32, now: Timestamp) -> u32 {
    let from = beginning(now, seconds);
    stamps.filter(|at| *at > from).fold(0, |count, _| count.saturating_add(1))
}

fn beginning(now: Timestamp, seconds: u32) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(seconds.into())).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests;
