//! What is measured: each figure is defined here, once, and alike for both bots.
//!
//! A figure comes from the broker's ledger, from what the bot believed at each sample, and from the true prices at the end;
//! never from what a bot says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backstop::broker::{Decimal, Symbol};
use backstop_sim::{Ledger, LedgerOrder};
use serde::Serialize;

use super::samples::{Net, Sample};

mod money;

pub(crate) use money::{Cause, Money};

/// What is older is no price to trade on: the default of `run`.
const MAX_QUOTE_AGE: Duration = Duration::from_secs(5);
/// From a look at the quotes to the order, at most, for a bot that is not slow.
const DECIDED_WITHIN: Duration = Duration::from_secs(1);

/// What one bot's side is judged by.
#[derive(Debug)]
pub(crate) struct Observed<'o> {
    pub(crate) ledger: &'o Ledger,
    /// In the order of time.
    pub(crate) samples: &'o [Sample],
    /// The true price of every symbol that was traded, at the end: what closing would bring or cost where it is still held,
    /// else half way between bid and ask.
    pub(crate) marks: &'o Net,
    /// Requests that the server refused because there were too many in the minute; refusals that are faults do not count.
    pub(crate) refused_requests: u64,
}

/// What was measured of one bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measures {
    /// Slots for which anything was sent.
    pub(crate) slots: usize,
    /// Slots of whose position anything was filled.
    pub(crate) entered: usize,
    /// Requests to open the position of one slot that came over the wire, whatever became of them: the most of any slot.
    pub(crate) most_orders_a_slot: usize,
    /// The same over all slots.
    pub(crate) opening_orders: usize,
    /// Orders that opened the position of a slot again: filled at least in part, after another one of the slot was.
    pub(crate) duplicate_entries: BTreeSet<u64>,
    /// Orders that closed more of a slot than was opened of it, by what was filled.
    pub(crate) duplicate_exits: BTreeSet<u64>,
    pub(crate) unwatched: Unwatched,
    /// What the broker holds at the end and the bot does not account for: symbol by symbol, long or short.
    pub(crate) orphans: Net,
    /// What the bot believes to hold at the end, and the broker does not hold although no order that the bot follows could
    /// have taken it.
    pub(crate) phantoms: Net,
    /// What the bot tracks, and the broker holds, at the end: known, and open all the same.
    pub(crate) left_open: Decimal,
    pub(crate) cash: Cash,
    pub(crate) refused_requests: u64,
    /// Orders to open something for which the newest quote that the broker had told of a leg was no price to trade on: spoiled
    /// in a way that can be seen, or older than five seconds. Where a good one was told in the last second before the order,
    /// nobody outside can say on which of both it was decided, since a bot also looks at what it holds: it does not count, for
    /// neither bot.
    pub(crate) bad_quote_entries: BTreeSet<u64>,
    pub(crate) money: Money,
}

/// What a bot believes that its cash is at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cash {
    /// It follows orders, whose fills may have moved cash already: nothing can be compared.
    InFlight,
    /// It does not know.
    Unknown,
    /// What it believes less what is true.
    Off(Decimal),
}

/// What nobody watched: symbols of which the broker held more than the bot accounted for, at two samples in a row at least;
/// each stretch of time counts as one. It ends when the bot has left for good: what is there then is an orphan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unwatched {
    pub(crate) count: usize,
    /// From the first sample of the longest stretch to its last one.
    pub(crate) longest: Duration,
    /// How much of the longest one passed while no instance of the bot ran.
    pub(crate) of_it_down: Duration,
}

/// A way in which a bot was harmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Harm {
    DuplicateEntries,
    DuplicateExits,
    Unwatched,
    Orphans,
    Phantoms,
    CashDrift,
    RefusedRequests,
    BadQuotes,
}

impl Cash {
    fn is_wrong(self) -> bool {
        match self {
            Self::InFlight => false,
            Self::Unknown => true,
            Self::Off(drift) => !drift.is_zero(),
        }
    }
}

impl Measures {
    pub(crate) fn of(observed: &Observed<'_>) -> Self {
        let ledger = observed.ledger;
        let sent = opening_requests(ledger);
        let duplicate_entries = duplicate_entries(ledger);
        let duplicate_exits = duplicate_exits(ledger);
        let opening = ledger.orders.iter().filter(|order| order.opens());
        let bad_quote_entries: BTreeSet<u64> =
            opening.filter(|order| is_on_bad_quote(order)).map(|order| order.id).collect();
        let cause = |order: &LedgerOrder| {
            if duplicate_entries.contains(&order.id) {
                Cause::DuplicateEntries
            } else if duplicate_exits.contains(&order.id) {
                Cause::DuplicateExits
            } else if bad_quote_entries.contains(&order.id) {
                Cause::BadQuotes
            } else {
                Cause::Meant
            }
        };
        let money = Money::of(ledger, observed.marks, cause);
        let last = observed.samples.last();
        Self {
            slots: sent.len(),
            most_orders_a_slot: sent.values().copied().max().unwrap_or(0),
            opening_orders: sent.values().sum(),
            entered: filled(ledger)
                .filter(|(_, opens, _)| *opens)
                .map(|(slot, ..)| slot)
                .collect::<BTreeSet<_>>()
                .len(),
            unwatched: Unwatched::of(while_it_ran(observed.samples)),
            orphans: last.map(Sample::unwatched).unwrap_or_default(),
            phantoms: last.map(Sample::phantoms).unwrap_or_default(),
            left_open: last.map(Sample::size_known).unwrap_or_default(),
            cash: last.map_or(Cash::Unknown, |last| match last.belief.cash {
                _ if !last.belief.followed.is_empty() => Cash::InFlight,
                None => Cash::Unknown,
                Some(believed) => Cash::Off(believed - ledger.cash),
            }),
            refused_requests: observed.refused_requests,
            duplicate_entries,
            duplicate_exits,
            bad_quote_entries,
            money,
        }
    }

    /// The ways in which the bot was harmed. Cash that it does not know is cash that is off.
    pub(crate) fn harms(&self) -> Vec<Harm> {
        let is = [
            (Harm::DuplicateEntries, !self.duplicate_entries.is_empty()),
            (Harm::DuplicateExits, !self.duplicate_exits.is_empty()),
            (Harm::Unwatched, self.unwatched.count > 0),
            (Harm::Orphans, !self.orphans.is_empty()),
            (Harm::Phantoms, !self.phantoms.is_empty()),
            (Harm::CashDrift, self.cash.is_wrong()),
            (Harm::RefusedRequests, self.refused_requests > 0),
            (Harm::BadQuotes, !self.bad_quote_entries.is_empty()),
        ];
        is.into_iter().filter(|(_, is)| *is).map(|(harm, _)| harm).collect()
    }
}

/// The samples until the bot has left for good.
fn while_it_ran(samples: &[Sample]) -> &[Sample] {
    let end = samples.iter().rposition(|sample| sample.is_up).map_or(0, |last| last + 1);
    samples.get(..end).unwrap_or_default()
}

impl Unwatched {
    fn of(samples: &[Sample]) -> Self {
        let mut all = Self::default();
        // Symbol: since when, until when, and how much of that nobody ran.
        let mut open: BTreeMap<Symbol, (Duration, Duration, Duration)> = BTreeMap::new();
        for sample in samples {
            let now = sample.unwatched();
            let over: Vec<_> = open.extract_if(.., |symbol, _| !now.contains_key(symbol)).collect();
            for (_, stretch) in over {
                all.add(stretch);
            }
            for (symbol, _) in now {
                let (_, until, down) = open.entry(symbol).or_insert((sample.at, sample.at, Duration::ZERO));
                if !sample.is_up {
                    *down += sample.at.saturating_sub(*until);
                }
                *until = sample.at;
            }
        }
        for stretch in open.into_values() {
            all.add(stretch);
        }
        all
    }

    fn add(&mut self, (since, until, down): (Duration, Duration, Duration)) {
        let lasted = until.saturating_sub(since);
        // Seen once only, it may have lasted for no time at all.
        self.count += usize::from(!lasted.is_zero());
        if lasted > self.longest {
            (self.longest, self.of_it_down) = (lasted, down);
        }
    }
}

/// The slot that an order belongs to by its label, and whether it opens. What a label begins with, up to its purpose, is the
/// slot: `bs-spread-20261120-1-3-open-2`, `nv-spread-3-close-1`.
pub(crate) fn slot_of(tag: &str) -> Option<(&str, bool)> {
    tag.split_once("-open").map(|(slot, _)| (slot, true)).or(tag.split_once("-close").map(|(slot, _)| (slot, false)))
}

fn is_on_bad_quote(order: &LedgerOrder) -> bool {
    let was_good_just_now = |ms: u64| Duration::from_millis(ms) <= DECIDED_WITHIN;
    order.quoted.iter().any(|leg| leg.is_bad(MAX_QUOTE_AGE) && !leg.good_ms.is_some_and(was_good_just_now))
}

/// How many requests to open came over the wire for each slot.
fn opening_requests(ledger: &Ledger) -> BTreeMap<&str, usize> {
    let mut sent = BTreeMap::new();
    for request in &ledger.requests {
        if let Some((slot, true)) = request.tag.as_deref().and_then(slot_of) {
            *sent.entry(slot).or_default() += 1;
        }
    }
    sent
}

/// The orders of each slot of which anything was filled, in the order in which they were taken.
fn filled(ledger: &Ledger) -> impl Iterator<Item = (&str, bool, &LedgerOrder)> {
    let filled = ledger.orders.iter().filter(|order| !order.fills.is_empty());
    filled.filter_map(|order| {
        let (slot, opens) = slot_of(order.tag.as_deref()?)?;
        Some((slot, opens, order))
    })
}

fn duplicate_entries(ledger: &Ledger) -> BTreeSet<u64> {
    let mut entered = BTreeSet::new();
    let opening = filled(ledger).filter(|(_, opens, _)| *opens);
    opening.filter(|(slot, ..)| !entered.insert(*slot)).map(|(.., order)| order.id).collect()
}

fn duplicate_exits(ledger: &Ledger) -> BTreeSet<u64> {
    let mut left: BTreeMap<(&str, &Symbol), Decimal> = BTreeMap::new();
    for (slot, _, order) in filled(ledger).filter(|(_, opens, _)| *opens) {
        for fill in &order.fills {
            *left.entry((slot, &fill.symbol)).or_default() += fill.quantity;
        }
    }
    let closing = filled(ledger).filter(|(_, opens, _)| !*opens);
    let beyond = closing.filter(|(slot, _, order)| {
        let mut is_beyond = false;
        for fill in &order.fills {
            let left = left.entry((slot, &fill.symbol)).or_default();
            *left -= fill.quantity;
            is_beyond |= *left < Decimal::ZERO;
        }
        is_beyond
    });
    beyond.map(|(.., order)| order.id).collect()
}

#[cfg(test)]
mod tests;
