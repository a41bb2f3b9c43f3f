//! All windows of one budget over one ring: when is the next grant legal?
//!
//! The ring holds the moments of the last `N` units, `N` being the most that any of the windows allows. Of a window that
//! allows `n`, the units that matter are the newest `n` in it: one more is legal when the oldest of those has left. So
//! all windows are charged by one entry, together, and looking takes one reading for each window.

use crate::ahead::Ahead;
use crate::request::Priority;
use crate::tick::{Tick, nanos};
use crate::window::Window;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Track {
    windows: Vec<Rule>,
    /// Moments of units that were granted, as many as the ring has places; sorted, the oldest at `oldest`.
    ring: Vec<Tick>,
    oldest: usize,
    /// Units that somebody has been given and not fetched yet: they count in every window until they are.
    pending: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    length: i64,
    most: [usize; Priority::COUNT],
}

impl Track {
    /// `windows` must not be empty.
    pub(crate) fn new(windows: &[Window]) -> Self {
        let places = windows.iter().map(Window::max).max().unwrap_or(0) as usize;
        let rule = |window: &Window| Rule {
            length: nanos(window.length()),
            most: Priority::ALL.map(|priority| window.most_for(priority) as usize),
        };
        Self { windows: windows.iter().map(rule).collect(), ring: vec![Tick::NEVER; places], oldest: 0, pending: 0 }
    }

    /// The most units that one request of `priority` may have.
    pub(crate) fn most(&self, priority: Priority) -> usize {
        self.windows.iter().map(|rule| *priority.of(&rule.most)).min().unwrap_or(0)
    }

    /// How many units are kept from `priority`, where that is most.
    pub(crate) fn kept_from(&self, priority: Priority) -> usize {
        let kept = |rule: &Rule| Priority::Exit.of(&rule.most) - priority.of(&rule.most);
        self.windows.iter().map(kept).max().unwrap_or(0)
    }

    /// RATE-1: the first moment at which `weight` more units fit into every window, after those that are pending have
    /// been granted at `now`, and the units of `ahead` at their moments. May lie in the past.
    pub(crate) fn legal_at(&self, now: Tick, priority: Priority, weight: usize, ahead: &Ahead) -> Tick {
        // All units in their order: the ring's, the pending ones, those ahead. The last `most` of them are what a window
        // may hold; `weight` more push out as many of the oldest of those.
        let fixed = self.ring.len() + self.pending;
        let all = fixed + ahead.len();
        let leaving = |rule: &Rule| {
            let place = all + weight - priority.of(&rule.most) - 1;
            let moment = if place < self.ring.len() {
                self.nth(place)
            } else if place < fixed {
                now
            } else {
                ahead.nth(place - fixed)
            };
            moment.plus(rule.length)
        };
        self.windows.iter().map(leaving).max().unwrap_or(Tick::LAST)
    }

    /// RATE-1: whether [`legal_at`](Self::legal_at) is `now` or earlier, with nobody ahead.
    #[inline]
    pub(crate) fn is_free(&self, now: Tick, priority: Priority, weight: usize) -> bool {
        let all = self.ring.len() + self.pending + weight - 1;
        let free = |rule: &Rule| {
            let place = all - priority.of(&rule.most);
            place < self.ring.len() && self.nth(place).plus(rule.length) <= now
        };
        self.windows.iter().all(free)
    }

    /// Gives `weight` units away that are fetched later.
    pub(crate) fn promise(&mut self, weight: usize) {
        self.pending += weight;
    }

    /// Takes a promise back: nothing is left of it.
    pub(crate) fn take_back(&mut self, weight: usize) {
        self.pending -= weight;
    }

    /// Grants `weight` units at `now`, which no unit in the ring is later than.
    #[inline]
    pub(crate) fn charge(&mut self, now: Tick, weight: usize) {
        for _ in 0..weight {
            if let Some(place) = self.ring.get_mut(self.oldest) {
                *place = now;
            }
            self.oldest += 1;
            if self.oldest == self.ring.len() {
                self.oldest = 0;
            }
        }
    }

    /// Grants one unit at `at`, or at the newest one if that is later: what another process granted.
    pub(crate) fn charge_elsewhere(&mut self, at: Tick) -> Tick {
        let at = at.max(self.nth(self.ring.len().saturating_sub(1)));
        self.charge(at, 1);
        at
    }

    /// How many units it can remember.
    pub(crate) fn places(&self) -> usize {
        self.ring.len()
    }

    #[inline]
    fn nth(&self, place: usize) -> Tick {
        let place = self.oldest + place;
        let place = if place < self.ring.len() { place } else { place - self.ring.len() };
        // In doubt never legal.
        self.ring.get(place).copied().unwrap_or(Tick::LAST)
    }
}
