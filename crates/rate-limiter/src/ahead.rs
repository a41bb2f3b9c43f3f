//! Units that others will have been granted before: their moments, as far as they can matter.

use std::collections::VecDeque;

use crate::tick::Tick;

/// Sorted. Holds the last so many only, and counts the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ahead {
    units: VecDeque<Tick>,
    dropped: usize,
    last: Tick,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { units: VecDeque::new(), dropped: 0, last: Tick::NEVER }
    }
}

impl Ahead {
    /// Adds `weight` units at `at`, which no unit here is later than. Of all units the last `memory` are kept.
    pub(crate) fn push(&mut self, at: Tick, weight: usize, memory: usize) {
        self.last = at;
        for _ in 0..weight {
            self.units.push_back(at);
        }
        let over = self.units.len().saturating_sub(memory);
        self.units.drain(..over);
        self.dropped += over;
    }

    pub(crate) fn len(&self) -> usize {
        self.dropped + self.units.len()
    }

    /// When the last of them is granted.
    pub(crate) fn last(&self) -> Tick {
        self.last
    }

    /// The moment of the unit with `place` others before it.
    pub(crate) fn nth(&self, place: usize) -> Tick {
        // What was dropped is asked for by nobody; in doubt never legal.
        place.checked_sub(self.dropped).and_then(|place| self.units.get(place)).copied().unwrap_or(Tick::LAST)
    }
}
