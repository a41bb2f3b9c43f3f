//! Every sequence, up to a length, of what a broker's lists may do while positions are opened, closed, sold by hand, and the
//! process is restarted: no position that is open leaves the book. The same search finds the incident when the rule is
//! "not in the list" once, often, or often without a witness.
//!
//! The list of positions may fail, be empty, or be any list that it ever was, for as long as it likes; the list of orders may
//! fail, or lose a day. What is not in the model: a list that lacks one row and is otherwise new, and two endpoints that lie
//! alike; those are bounded by counting.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use backstop_broker::{OrderList, Position, Symbol};

use crate::fixture::*;
use crate::{Config, Portion, PositionId, Repeat, Run};

/// How long a sequence is.
const LENGTH: usize = 4;
/// With `BACKSTOP_DEEP=1`.
const DEEP: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    /// We close SPY, and book the fill.
    Close,
    /// Somebody sells it by hand.
    ByHand,
    /// We buy more of another symbol.
    Other,
    /// We sell that again.
    OtherBack,
    /// We open SPY once more, under another name.
    Again,
    /// The process dies and is started again.
    Restart,
    Look(Positions, Orders),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Positions {
    Fail,
    Empty,
    /// As it was at that step.
    AsAt(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Orders {
    Fail,
    /// The broker's day has ended.
    Rolled,
    Told,
}

/// Who says that a position is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Ours,
    /// Not in the list, once: the incident.
    NotListed,
    /// Not in the list, three times.
    NotListedOften,
}

#[derive(Debug, Clone)]
struct Node {
    world: World,
    /// Every list of positions that the broker ever had.
    past: Vec<Vec<Position>>,
    /// For the rules that only count.
    missed: BTreeMap<PositionId, u32>,
    /// Whether SPY was opened once more.
    opened: bool,
    /// Whether it was sold by hand: once, so that nothing is short.
    sold: bool,
    trace: Vec<Step>,
}

fn quick() -> Config {
    let mut config = config();
    let spacing = Duration::from_secs(10);
    config.lag = Duration::from_secs(15);
    config.confirm = Repeat { reads: 2, spacing, over: spacing };
    config.absence = Repeat { reads: 2, spacing, over: Duration::from_secs(20) };
    config.names.clock_tolerance = jiff::SignedDuration::ZERO;
    config.glitch = Portion { positions: 2, percent: 50 };
    config
}

impl Node {
    fn first() -> Self {
        let mut world = World::with(quick());
        // The broker had QQQ before SPY was bought, and that list may come again.
        world.open("q", &[("QQQ", 1)]);
        let before = world.rows();
        world.wait(10);
        world.open("p", &[("SPY", 5)]);
        let past = vec![before, world.rows()];
        let mut node = Self { world, past, missed: BTreeMap::new(), opened: false, sold: false, trace: Vec::new() };
        node.world.wait(20);
        // It was seen to be there.
        drop(node.world.run());
        node.world.wait(10);
        node
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::Other, Step::OtherBack, Step::Restart];
        if self.world.book.get(&id("p")).is_some_and(|position| !position.is_flat()) {
            steps.extend([Step::Close, Step::ByHand].into_iter().filter(|_| !self.sold));
        }
        if !self.opened {
            steps.push(Step::Again);
        }
        let lists = (0..self.past.len()).map(Positions::AsAt);
        for positions in [Positions::Fail, Positions::Empty].into_iter().chain(lists) {
            // Without positions nothing is judged, whatever the orders say.
            let orders: &[_] = match positions {
                Positions::Fail => &[Orders::Told],
                Positions::Empty | Positions::AsAt(_) => &[Orders::Fail, Orders::Rolled, Orders::Told],
            };
            steps.extend(orders.iter().map(|orders| Step::Look(positions, *orders)));
        }
        steps
    }

    fn take(&mut self, step: Step, rule: Rule) {
        self.trace.push(step);
        match step {
            Step::Close => self.world.close("p", &[("SPY", -5)]),
            Step::ByHand => {
                self.sold = true;
                self.world.by_hand("SPY", -5);
            }
            Step::Other => self.world.open("q", &[("QQQ", 1)]),
            Step::OtherBack => self.world.close("q", &[("QQQ", -1)]),
            Step::Again => {
                self.opened = true;
                self.world.open("r", &[("SPY", 3)]);
            }
            Step::Restart => self.world.restart(quick()),
            Step::Look(positions, orders) => self.look(positions, orders, rule),
        }
        let rows = self.world.rows();
        if !self.past.contains(&rows) {
            self.past.push(rows);
        }
        self.world.wait(10);
    }

    fn look(&mut self, positions: Positions, orders: Orders, rule: Rule) {
        let mut reads = self.world.reads();
        match positions {
            Positions::Fail => reads.positions.answer = failed(),
            Positions::Empty => reads.positions.answer = Ok(Vec::new()),
            Positions::AsAt(step) => reads.positions.answer = Ok(self.past[step].clone()),
        }
        match orders {
            Orders::Fail => reads.orders.answer = failed(),
            Orders::Rolled => reads.orders.answer = Ok(OrderList::default()),
            Orders::Told => {}
        }
        let run = self.world.judge(&reads);
        match rule {
            Rule::Ours => drop(self.world.spend(Run { corrections: Vec::new(), ..run })),
            Rule::NotListed => self.count(&reads.positions.answer, 1),
            Rule::NotListedOften => self.count(&reads.positions.answer, 3),
        }
    }

    /// What a bot does that only looks at the list.
    fn count(&mut self, rows: &Result<Vec<Position>, backstop_broker::ReadError>, times: u32) {
        let Ok(rows) = rows else { return };
        let ids: Vec<_> = self.world.book.positions().keys().cloned().collect();
        for id in ids {
            let legs = self.world.book.get(&id).unwrap().legs().to_vec();
            let listed = |symbol: &Symbol| rows.iter().any(|row| row.symbol == *symbol);
            let missed = self.missed.entry(id.clone()).or_default();
            *missed = if legs.iter().any(|leg| listed(&leg.symbol)) { 0 } else { *missed + 1 };
            if *missed >= times {
                let person = crate::Override {
                    by: "the list".to_owned(),
                    reason: "not in it".to_owned(),
                    at: at(self.world.now).wall,
                    despite_the_broker: true,
                };
                let (book, others) = (&self.world.book, crate::Others::default());
                let unread = self.world.reads().positions;
                let word = crate::VerifiedClosed::by_operator(book, &self.world.intents, &unread, &others, &id, person);
                self.world.book.remove(word.unwrap(), at(self.world.now).wall).unwrap();
            }
        }
    }

    /// What is held and in no position. What was sold by hand may be in the book for longer than it was held.
    fn forgotten(&self) -> Option<String> {
        let lost = ["SPY", "QQQ"].into_iter().find(|text| {
            let held = self.world.held.get(&symbol(text)).copied().unwrap_or_default();
            self.world.book.net(&symbol(text)) < held
        });
        lost.map(|text| format!("{text} is held and in no position, after {:?}", self.trace))
    }

    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let Self { world, past, missed, opened, sold, trace: _ } = self;
        let all = (&world.held, &world.orders, &world.book, &world.reconciler, past, missed, opened, sold);
        format!("{all:?}").hash(&mut hasher);
        hasher.finish()
    }
}

/// Visits every state that can be reached in so many steps. How many there were, and the first in which something is lost.
fn explore(rule: Rule, length: usize) -> (usize, Option<String>, usize) {
    let mut layer = vec![Node::first()];
    let (mut visited, mut removed) = (0, 0);
    for _ in 0..length {
        let mut next = Vec::new();
        let mut seen = HashSet::new();
        for node in layer {
            for step in node.steps() {
                let mut after = node.clone();
                after.take(step, rule);
                visited += 1;
                removed += usize::from(after.world.book.positions().len() < node.world.book.positions().len());
                if let Some(lost) = after.forgotten() {
                    return (visited, Some(lost), removed);
                }
                if seen.insert(after.key()) {
                    next.push(after);
                }
            }
        }
        layer = next;
    }
    (visited, None, removed)
}

// proves: REC-5
#[test]
fn no_sequence_of_failed_old_or_empty_lists_takes_an_open_position_out_of_the_book() {
    let is_deep = std::env::var_os("BACKSTOP_DEEP").is_some_and(|value| value != "0");
    let (visited, lost, removed) = explore(Rule::Ours, if is_deep { DEEP } else { LENGTH });
    assert_eq!(lost, None, "{visited} states");
    // It is no search in which nothing ever leaves.
    assert!(visited > 10_000 && removed > 50, "{visited} states, {removed} removals");
}

#[test]
fn the_search_finds_the_incident_where_the_list_alone_decides() {
    for rule in [Rule::NotListed, Rule::NotListedOften] {
        let (_, lost, _) = explore(rule, LENGTH);
        assert!(lost.is_some(), "{rule:?}");
    }
}
