//! One state of the search: what is held, what the broker may answer, and what is done about it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use backstop_broker::PositionEffect::Close;
use backstop_broker::{ClosedLot, Order, Position, ReadError, Symbol};

use crate::fixture::*;
use crate::{Config, Executed, Portion, PositionId, Read, Reads, Repeat, Run, Stage};

/// How long a look takes, and how long anything else.
const LOOK: u64 = 20;
const ACTION: u64 = 10;
const LAG: u64 = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// We close SPY, and book the fill.
    Close,
    /// We close a part of it.
    ClosePart,
    /// We close it, it is filled, and the answer is lost.
    CloseLost,
    /// What became of that is looked up, and booked.
    Recover,
    /// Somebody sells it by hand.
    ByHand,
    /// Somebody sells a part of it.
    ByHandPart,
    /// Somebody sells shares of their own, which were in the same row.
    Theirs,
    /// We buy more of another symbol.
    Other,
    /// We open SPY once more, under another name.
    Again,
    /// We open a symbol that was never held.
    Fresh,
    /// The process dies and is started again.
    Crash,
    /// The broker's day ends: its list of orders begins anew.
    Roll,
    Look(Positions, Beside),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Positions {
    Fail,
    Empty,
    /// As it was when it was the list of that number.
    AsAt(usize),
    /// As it is, but for the row of that number.
    Lacks(usize),
}

/// What else was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Beside {
    NoOrders,
    Orders,
    /// The orders and the balances.
    Balances,
    /// The orders and the clearing firm's report.
    Report,
}

/// Who says that a position is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Ours,
    /// Not in the list, once: the incident.
    NotListed,
    /// Not in the list, three times.
    NotListedOften,
    /// Not in the list, no order works, and, with `grace`, it is older than the broker's lag.
    NoneWorks {
        grace: bool,
    },
}

/// What the broker's list of positions does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broker {
    Hostile,
    /// It is as old as the lag at most, and whole.
    Lags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Start {
    /// What is at the broker is ours.
    Alone,
    /// Somebody holds as many shares in the same row, undeclared. The process lives on, and lists are as old as the lag at most.
    BesideTheirs,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    start: Start,
    world: World,
    /// Every list of positions that the broker ever had, and until when.
    past: Vec<(Vec<Position>, u64)>,
    /// For the rules that only count.
    missed: BTreeMap<PositionId, u32>,
    changed: BTreeMap<PositionId, u64>,
    /// How many of SPY are somebody else's.
    theirs: i64,
    /// What was closed so far, by whomever.
    closed: i64,
    lost: Option<Order>,
    done: Vec<Step>,
    trace: Vec<Step>,
}

fn quick() -> Config {
    let mut config = config();
    let spacing = Duration::from_secs(10);
    config.lag = Duration::from_secs(LAG);
    config.confirm = Repeat { reads: 2, spacing, over: spacing };
    config.absence = Repeat { reads: 2, spacing, over: Duration::from_secs(LOOK) };
    config.names.clock_tolerance = jiff::SignedDuration::ZERO;
    config.glitch = Portion { positions: 2, percent: 50 };
    // No option is traded here, and each state has a copy.
    config.cash_settled.clear();
    config
}

impl Node {
    pub(super) fn first(start: Start) -> Self {
        let mut world = World::with(quick());
        let theirs = if start == Start::BesideTheirs { 5 } else { 0 };
        world.move_held("SPY", theirs);
        // The broker had QQQ before SPY was bought, and that list may come again.
        world.open("q", &[("QQQ", 1)]);
        let before = (world.rows(), 10);
        world.wait(ACTION);
        world.open("p", &[("SPY", 5)]);
        let past = vec![before, (world.rows(), 10)];
        let changed = BTreeMap::from([(id("q"), 0), (id("p"), 10)]);
        let (missed, lost, done, trace) = (BTreeMap::new(), None, Vec::new(), Vec::new());
        let mut node = Self { start, world, past, missed, changed, theirs, closed: 0, lost, done, trace };
        node.world.wait(LOOK);
        // It was seen to be there, and the account to be worth more than its cash.
        let mut reads = node.world.reads();
        node.balances(&mut reads);
        drop(node.world.judge(&reads));
        node.world.wait(ACTION);
        node
    }

    pub(super) fn positions(&self) -> usize {
        self.world.book.positions().len()
    }

    pub(super) fn steps(&self, broker: Broker) -> Vec<Step> {
        let mut steps = vec![Step::Other];
        steps.extend((self.start == Start::Alone).then_some(Step::Crash));
        steps.extend((!self.world.orders.is_empty()).then_some(Step::Roll));
        let once = |step: &Step| !self.done.contains(step);
        steps.extend([Step::Again, Step::Fresh].into_iter().filter(once));
        let left = self.world.book.get(&id("p")).map_or(0, |position| i64::try_from(position.legs()[0].left).unwrap());
        let held = self.held("SPY") - self.theirs;
        if left > 0 && held >= left && self.lost.is_none() {
            steps.extend([Step::Close, Step::CloseLost]);
            steps.extend([Step::ClosePart].into_iter().filter(|_| left > 2));
            let by_hand = [Step::ByHand, Step::ByHandPart].into_iter().filter(once);
            // With shares of their own in the row, those are what they sell.
            steps.extend(by_hand.filter(|_| self.theirs == 0 && left == 5 && held == 5));
        }
        steps.extend(self.lost.is_some().then_some(Step::Recover));
        steps.extend((self.theirs > 0).then_some(Step::Theirs));
        let oldest = self.world.now.saturating_sub(LAG);
        let any_age = broker == Broker::Hostile && self.start == Start::Alone;
        let may_come = |number: &usize| any_age || self.past[*number].1 >= oldest;
        let lists = (0..self.past.len()).filter(may_come).map(Positions::AsAt);
        let mut lists: Vec<_> = lists.collect();
        if broker == Broker::Hostile {
            lists.extend((0..self.world.held.len()).map(Positions::Lacks));
            lists.extend([Positions::Fail, Positions::Empty]);
        }
        for positions in lists {
            let beside: &[_] = match positions {
                // Without positions nothing is judged, whatever else there is.
                Positions::Fail | Positions::AsAt(_) => &[Beside::Orders],
                Positions::Empty | Positions::Lacks(_) => {
                    &[Beside::NoOrders, Beside::Orders, Beside::Balances, Beside::Report]
                }
            };
            steps.extend(beside.iter().map(|beside| Step::Look(positions, *beside)));
        }
        steps
    }

    /// The last step of a sequence: by itself only an answer takes anything out.
    pub(super) fn looks(&self, broker: Broker) -> Vec<Step> {
        self.steps(broker).into_iter().filter(|step| matches!(step, Step::Look(..))).collect()
    }

    pub(super) fn take(&mut self, step: Step, rule: Rule) {
        self.trace.push(step);
        if matches!(step, Step::Again | Step::Fresh | Step::ByHand | Step::ByHandPart) {
            self.done.push(step);
        }
        match step {
            Step::Close => self.close(i64::try_from(self.world.book.net(&symbol("SPY"))).unwrap().min(5)),
            Step::ClosePart => self.close(2),
            Step::CloseLost => self.close_lost(),
            Step::Recover => self.recover(),
            Step::ByHand => self.by_hand(5),
            Step::ByHandPart => self.by_hand(3),
            Step::Theirs => {
                self.theirs -= 5;
                self.by_hand(5);
            }
            Step::Other => self.open("q", "QQQ", 1),
            Step::Again => self.open("r", "SPY", 3),
            Step::Fresh => self.open("s", "DIA", 2),
            Step::Crash => self.world.restart(quick()),
            Step::Roll => self.world.orders.clear(),
            Step::Look(positions, beside) => self.look(positions, beside, rule),
        }
        let rows = self.world.rows();
        self.world.wait(if matches!(step, Step::Look(..)) { LOOK } else { ACTION });
        let now = self.world.now;
        match self.past.iter_mut().find(|(known, _)| *known == rows) {
            Some((_, until)) => *until = now,
            None => self.past.push((rows, now)),
        }
    }

    fn held(&self, text: &str) -> i64 {
        self.world.held.get(&symbol(text)).map_or(0, |held| i64::try_from(*held).unwrap())
    }

    fn open(&mut self, name: &str, text: &str, quantity: i64) {
        self.world.open(name, &[(text, quantity)]);
        self.changed.insert(id(name), self.world.now);
    }

    fn close(&mut self, quantity: i64) {
        let left = self.world.book.get(&id("p")).unwrap().legs()[0].left;
        let quantity = quantity.min(i64::try_from(left).unwrap());
        self.closed += quantity;
        self.world.close("p", &[("SPY", -quantity)]);
        self.changed.insert(id("p"), self.world.now);
    }

    fn by_hand(&mut self, quantity: i64) {
        self.closed += quantity;
        self.world.by_hand("SPY", -quantity);
    }

    fn close_lost(&mut self) {
        let left = i64::try_from(self.world.book.get(&id("p")).unwrap().legs()[0].left).unwrap();
        let legs = [("SPY", -left)];
        self.world.intend("p", &client_id("bs-p-lost"), &legs, Close, Stage::InDoubt { order: None });
        let order = filled(900, Some("bs-p-lost"), &[("SPY", -left, Close)], at(self.world.now));
        self.world.orders.push(order.clone());
        self.world.move_held("SPY", -left);
        self.closed += left;
        self.lost = Some(order);
    }

    fn recover(&mut self) {
        let Some(order) = self.lost.take() else { return };
        let label = client_id("bs-p-lost");
        let executed = Executed::of(&label, &order).unwrap();
        let wall = at(self.world.now).wall;
        self.world.book.book(&id("p"), &symbol("SPY"), &executed, wall).unwrap();
        self.world.intents.get_mut(&label).unwrap().stage = Stage::AtRest { orders: [order.id].into() };
        self.world.reconciler.observe(&self.world.book, at(self.world.now));
        self.changed.insert(id("p"), self.world.now);
    }

    fn look(&mut self, positions: Positions, beside: Beside, rule: Rule) {
        let mut reads = self.world.reads();
        match positions {
            Positions::Fail => reads.positions.answer = failed(),
            Positions::Empty => reads.positions.answer = Ok(Vec::new()),
            Positions::AsAt(number) => reads.positions.answer = Ok(self.past[number].0.clone()),
            Positions::Lacks(number) => drop(reads.positions.answer.as_mut().unwrap().remove(number)),
        }
        match beside {
            Beside::NoOrders => reads.orders.answer = failed(),
            Beside::Orders => {}
            Beside::Balances => self.balances(&mut reads),
            Beside::Report => self.report(&mut reads),
        }
        let run = self.world.judge(&reads);
        match rule {
            Rule::Ours => drop(self.world.spend(Run { corrections: Vec::new(), ..run })),
            Rule::NotListed => self.count(&reads.positions.answer, 1, None),
            Rule::NotListedOften => self.count(&reads.positions.answer, 3, None),
            Rule::NoneWorks { grace } if reads.orders.answer.is_ok() => {
                self.count(&reads.positions.answer, 1, grace.then_some(LAG));
            }
            Rule::NoneWorks { .. } => {}
        }
    }

    /// The account is worth more than its cash while anything is held.
    fn balances(&self, reads: &mut Reads) {
        let equity = if self.world.held.is_empty() { 10_000 } else { 10_500 };
        reads.balances = Some(self.world.balances(equity, 10_000));
    }

    /// Everything that was closed so far, by whomever.
    fn report(&self, reads: &mut Reads) {
        let (quantity, closed_on) = (self.closed.into(), jiff::civil::date(2026, 1, 5));
        let lot = ClosedLot { symbol: symbol("SPY"), quantity, closed_on };
        reads.closed = Some(Read::new(reads.positions.asked, Ok(vec![lot])));
    }

    /// What a bot does that only looks at the list.
    fn count(&mut self, rows: &Result<Vec<Position>, ReadError>, times: u32, grace: Option<u64>) {
        let Ok(rows) = rows else { return };
        let ids: Vec<_> = self.world.book.positions().keys().cloned().collect();
        for id in ids {
            let legs = self.world.book.get(&id).unwrap().legs().to_vec();
            let listed = |symbol: &Symbol| rows.iter().any(|row| row.symbol == *symbol);
            let young = grace.is_some_and(|grace| self.changed[&id] + grace > self.world.now);
            let missed = self.missed.entry(id.clone()).or_default();
            *missed = if young || legs.iter().any(|leg| listed(&leg.symbol)) { 0 } else { *missed + 1 };
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
                // An order of it that is in doubt keeps it.
                let Ok(word) = word else { continue };
                self.world.book.remove(word, at(self.world.now).wall).unwrap();
            }
        }
    }

    /// What is held of ours and in no position. What was sold may be in the book for longer than it was held.
    pub(super) fn forgotten(&self) -> Option<String> {
        let ours = |text: &str| self.held(text) - if text == "SPY" { self.theirs } else { 0 };
        let tracked = |text: &str| i64::try_from(self.world.book.net(&symbol(text))).unwrap();
        let lost = ["SPY", "QQQ", "DIA"].into_iter().find(|text| tracked(text) < ours(text));
        lost.map(|text| format!("{text} is held and in no position, after {:?}", self.trace))
    }

    pub(super) fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let Self { start: _, world, past, missed, changed, theirs, closed, lost, done, trace: _ } = self;
        let all = (&world.held, &world.orders, &world.book, &world.reconciler, &world.intents);
        format!("{all:?}{:?}", (world.now, past, missed, changed, theirs, closed, lost, done)).hash(&mut hasher);
        hasher.finish()
    }
}
