//! How long requests waited for budget, counted where they wait.

use std::time::Duration;

use backstop_broker::Priority;
use parking_lot::Mutex;

use crate::rate::RateClass;

/// What passed the request budget since the adapter was made, by class. All zero where nobody counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BudgetUse {
    /// Reads of accounts, orders and the user.
    pub standard: ClassUse,
    /// Everything under `/markets`.
    pub market_data: ClassUse,
    /// Placing and canceling orders.
    pub trading: ClassUse,
}

/// What passed the budget of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassUse {
    /// Orders that close, and cancels.
    pub exits: Waits,
    /// Orders that open.
    pub entries: Waits,
    /// Reads.
    pub polls: Waits,
    /// Answers in which the server refused for too many requests.
    pub turned_away: u64,
    /// Exits that went out although the window that is shared with other processes was lost, counted here alone.
    pub apart: u64,
}

/// Those of one priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waits {
    /// Got leave.
    pub granted: u64,
    /// Got none in time, or gave up.
    pub refused: u64,
    /// The longest that any of them waited, whatever came of it.
    pub longest: Duration,
}

impl BudgetUse {
    /// The three classes.
    pub fn classes(&self) -> [ClassUse; 3] {
        [self.standard, self.market_data, self.trading]
    }

    fn of(&mut self, class: RateClass) -> &mut ClassUse {
        match class {
            RateClass::Standard => &mut self.standard,
            RateClass::MarketData => &mut self.market_data,
            RateClass::Trading => &mut self.trading,
        }
    }
}

impl ClassUse {
    fn of(&mut self, priority: Priority) -> &mut Waits {
        match priority {
            Priority::Exit => &mut self.exits,
            Priority::Entry => &mut self.entries,
            Priority::Polling => &mut self.polls,
        }
    }
}

/// The count, which many tasks keep.
#[derive(Debug, Default)]
pub(crate) struct Counted(Mutex<BudgetUse>);

impl Counted {
    pub(crate) fn so_far(&self) -> BudgetUse {
        *self.0.lock()
    }

    pub(crate) fn turned_away(&self, class: RateClass) {
        self.0.lock().of(class).turned_away += 1;
    }

    pub(crate) fn apart(&self, class: RateClass) {
        self.0.lock().of(class).apart += 1;
    }

    pub(crate) fn waited(&self, class: RateClass, priority: Priority, waited: Duration, granted: bool) {
        let mut counted = self.0.lock();
        let waits = counted.of(class).of(priority);
        waits.longest = waits.longest.max(waited);
        *(if granted { &mut waits.granted } else { &mut waits.refused }) += 1;
    }
}
