//! What the server said of a class: no more than so many units until then (RATE-4).

use crate::tick::Tick;

/// More words than a server has windows; beyond it two are made one, on the tight side.
const MOST: usize = 8;

/// Each entry is a limit of its own, so one more can only tighten. Sorted by end; the later ends have the higher limits,
/// because a word that ends later and allows no more makes the earlier one superfluous.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ceilings(Vec<Ceiling>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ceiling {
    /// The class may have been granted so many units, counted from the beginning.
    most: u64,
    until: Tick,
}

impl Ceilings {
    /// No more than `most` units of the class, counted from the beginning, before `until`.
    pub(crate) fn add(&mut self, now: Tick, most: u64, until: Tick) {
        self.0.retain(|known| known.until > now);
        if until <= now || self.0.iter().any(|known| known.most <= most && known.until >= until) {
            return;
        }
        self.0.retain(|known| known.most < most || known.until > until);
        let place = self.0.partition_point(|known| known.until <= until);
        self.0.insert(place, Ceiling { most, until });
        if self.0.len() > MOST {
            let first = self.0.remove(0);
            if let Some(second) = self.0.first_mut() {
                second.most = first.most;
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first moment from `at` on at which the class may have been granted `count` units.
    pub(crate) fn legal_at(&self, at: Tick, count: u64) -> Tick {
        let over = |at: Tick, known: &Ceiling| if known.until > at && known.most < count { known.until } else { at };
        self.0.iter().fold(at, over)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
