//! Which fault strikes now, and the count of those that did.

use std::collections::BTreeMap;
use std::time::Duration;

use backstop_clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FaultKind, FaultPlan};
use crate::dice::Dice;

/// Decides what goes wrong. Each kind draws from a stream of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Faults {
    plan: FaultPlan,
    seed: u64,
    dice: BTreeMap<FaultKind, Dice>,
    scripted: BTreeMap<FaultKind, u32>,
    counts: BTreeMap<FaultKind, u64>,
}

impl Faults {
    pub(crate) fn new(plan: FaultPlan, seed: u64) -> Self {
        Self { plan, seed, dice: BTreeMap::new(), scripted: BTreeMap::new(), counts: BTreeMap::new() }
    }

    pub(crate) fn set_plan(&mut self, plan: FaultPlan) {
        self.plan = plan;
    }

    /// Makes the next `times` events that can suffer `kind` suffer it.
    pub(crate) fn inject(&mut self, kind: FaultKind, times: u32) {
        let left = self.scripted.entry(kind).or_default();
        *left = left.saturating_add(times);
    }

    pub(crate) fn counts(&self) -> &BTreeMap<FaultKind, u64> {
        &self.counts
    }

    pub(crate) fn delay(&self, kind: FaultKind) -> Duration {
        self.plan.delay(kind)
    }

    /// Whether `kind` strikes this event. Counted if it does.
    pub(crate) fn strikes(&mut self, kind: FaultKind) -> bool {
        self.first_of(&[kind]).is_some()
    }

    /// The one of `kinds` that strikes this event: what a test asked for first, else the first that was drawn. All of
    /// them draw, so that none disturbs the others' streams.
    pub(crate) fn first_of(&mut self, kinds: &[FaultKind]) -> Option<FaultKind> {
        let mut drawn = None;
        for &kind in kinds {
            let seed = self.seed;
            let dice = self.dice.entry(kind).or_insert_with(|| Dice::new(seed, kind.name()));
            if dice.chance(self.plan.per_mille(kind)) {
                drawn = drawn.or(Some(kind));
            }
        }
        let scripted = kinds.iter().copied().find(|kind| self.scripted.get(kind).is_some_and(|left| *left > 0));
        if let Some(left) = scripted.and_then(|kind| self.scripted.get_mut(&kind)) {
            *left -= 1;
        }
        let struck = scripted.or(drawn)?;
        *self.counts.entry(struck).or_default() += 1;
        tracing::debug!(fault = struck.name(), "fault struck");
        Some(struck)
    }
}

/// What the transport does with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Sends it.
    Deliver,
    /// Says nothing for so long, then closes the connection.
    Hang(Duration),
    /// Closes the connection.
    Close,
    /// Sends it after so long.
    Delay(Duration),
    /// Answers with a failure instead.
    ServerError(u16),
    /// Sends a part of the body, then closes the connection.
    Truncate,
    /// Sends half of the JSON as if it were all.
    CutJson,
    /// Sends an HTML page with status 200 instead.
    Html,
    /// Refuses for too many requests, until then.
    Throttle(Timestamp),
}

#[cfg(test)]
mod tests;
