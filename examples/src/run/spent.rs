//! What a session spent of the broker's request budget, and who waited for it: measured where the adapter waits.

use std::io::{self, Write};
use std::time::Duration;

use backstop_tradier::{BudgetUse, ClassUse, Waits};
use serde::Serialize;

/// The figures of a run.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spent {
    /// Requests of the account.
    standard: u64,
    market_data: u64,
    /// Orders and cancels.
    trading: u64,
    /// Requests that were not made, because their turn would have come too late.
    held_back: u64,
    /// Answers in which the broker refused for too many requests.
    turned_away: u64,
    /// Exits that went out although the file with all processes' requests was lost.
    exits_uncounted: u64,
    longest_wait_ms: Longest,
}

/// The longest time that a request waited for its turn, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
struct Longest {
    exits: u64,
    entries: u64,
    polls: u64,
}

impl Spent {
    pub(crate) fn of(budget: &BudgetUse) -> Self {
        let sent = |class: ClassUse| class.exits.granted + class.entries.granted + class.polls.granted;
        let classes = budget.classes();
        let longest = |which: fn(ClassUse) -> Waits| {
            let longest = classes.into_iter().map(|class| which(class).longest).max().unwrap_or(Duration::ZERO);
            u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)
        };
        Self {
            standard: sent(budget.standard),
            market_data: sent(budget.market_data),
            trading: sent(budget.trading),
            held_back: classes
                .iter()
                .map(|class| class.exits.refused + class.entries.refused + class.polls.refused)
                .sum(),
            turned_away: classes.iter().map(|class| class.turned_away).sum(),
            exits_uncounted: classes.iter().map(|class| class.apart).sum(),
            longest_wait_ms: Longest {
                exits: longest(|class| class.exits),
                entries: longest(|class| class.entries),
                polls: longest(|class| class.polls),
            },
        }
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { standard, market_data, trading, held_back, turned_away, exits_uncounted, longest_wait_ms } = self;
        writeln!(
            out,
            "requests        {standard} of the account, {market_data} of the market, {trading} orders and cancels; {held_back} held back, {turned_away} turned away by the broker"
        )?;
        if *exits_uncounted > 0 {
            writeln!(
                out,
                "                {exits_uncounted} of them for exits while the file with the requests of all processes was lost: see the log"
            )?;
        }
        let Longest { exits, entries, polls } = longest_wait_ms;
        writeln!(out, "longest wait    for a request's turn: exits {exits} ms, entries {entries} ms, polls {polls} ms")
    }
}
