//! What a torture did and found, for people and for machines.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use backstop_sim::Ledger;
use serde::Serialize;

use super::judge::Violation;
use super::life::Lived;
use super::samples::Trend;
use super::schedule::{Blow, Plan};

/// How much was done: a torture that does nothing finds nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Figures {
    /// Lives that a signal ended.
    pub kills: u64,
    /// Of them by SIGKILL.
    pub sigkill: u64,
    /// Of them by SIGTERM, and left in good order.
    pub sigterm: u64,
    /// SIGSTOP, with SIGCONT or SIGKILL after it.
    pub sigstop: u64,
    /// Lives that ended before their signal came.
    pub by_itself: u64,
    /// Strikes whose moment came: the record was written, the request was seen.
    pub in_time: u64,
    /// Strikes whose moment did not come in time.
    pub late: u64,
    /// Deaths with an operation that was not at rest.
    pub in_flight: u64,
    /// Operations that were not at rest at a death, in all.
    pub operations_cut: u64,
    /// Second instances that were turned away with exit code 3.
    pub turned_away: u64,
    /// Halts that were taken back: so many submits in a row had ended in doubt.
    pub resumed: u64,
    /// Inspections: faults off, two runs to the end, everything compared.
    pub inspections: u64,
    /// Of them with positions in the book and at the broker.
    pub with_positions: u64,
    /// Orders of the bots that the brokers have taken.
    pub orders: u64,
    /// Entries that were filled, at least in part.
    pub entries_filled: u64,
    /// Exits that were filled, at least in part.
    pub exits_filled: u64,
    /// Faults that struck.
    pub faults: u64,
    /// By kind.
    pub faults_by_kind: BTreeMap<String, u64>,
}

impl Figures {
    pub(super) fn count(&mut self, lived: &Lived) {
        for struck in &lived.struck {
            *if struck.in_time { &mut self.in_time } else { &mut self.late } += 1;
            self.sigstop += u64::from(matches!(struck.blow, Blow::Pause { .. } | Blow::PauseKill { .. }));
        }
        if lived.by_itself {
            self.by_itself += 1;
        } else {
            self.kills += 1;
            let is_clean = lived.end.is_some_and(|status| status.code().is_some());
            *if is_clean { &mut self.sigterm } else { &mut self.sigkill } += 1;
        }
        self.in_flight += u64::from(lived.in_flight > 0);
        self.operations_cut += lived.in_flight as u64;
        self.turned_away += u64::from(lived.turned_away);
        self.resumed += u64::from(lived.resumed);
    }

    /// What one simulator did, at its end.
    pub(super) fn add_ledger(&mut self, ledger: &Ledger) {
        let ours = ledger.orders.iter().filter(|order| order.tag.as_deref().is_some_and(|tag| tag.starts_with("bs-")));
        for order in ours {
            self.orders += 1;
            if !order.fills.is_empty() {
                *if order.opens() { &mut self.entries_filled } else { &mut self.exits_filled } += 1;
            }
        }
        for (kind, count) in &ledger.faults {
            self.faults += count;
            *self.faults_by_kind.entry(kind.to_string()).or_default() += count;
        }
    }

    /// What must have been done at least, in proportion to the kills.
    pub(super) fn floors(&self, plan: &Plan) -> Vec<Floor> {
        let kills = self.kills;
        let has_faults = u64::from(plan.faults != "none");
        let per_thousand = |share: u64| kills * share / 1_000;
        vec![
            Floor::new("kills", self.kills, 1),
            Floor::new("entries filled", self.entries_filled, per_thousand(600)),
            Floor::new("exits filled", self.exits_filled, per_thousand(300)),
            Floor::new("kills with an order in flight", self.in_flight, per_thousand(250)),
            Floor::new("strikes at the moment they waited for", self.in_time, per_thousand(600)),
            Floor::new("faults that struck", self.faults, per_thousand(1_000) * has_faults),
            Floor::new("SIGTERM to a clean end", self.sigterm, per_thousand(40)),
            Floor::new("SIGSTOP", self.sigstop, per_thousand(100)),
            Floor::new("second instances turned away", self.turned_away, per_thousand(15)),
            Floor::new("inspections", self.inspections, u64::from(plan.bots)),
            Floor::new("inspections with positions", self.with_positions, u64::from(plan.bots)),
        ]
    }
}

/// A figure, and what it must be at least.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Floor {
    /// Of what.
    pub what: &'static str,
    /// The figure.
    pub was: u64,
    /// Its floor.
    pub least: u64,
}

impl Floor {
    fn new(what: &'static str, was: u64, least: u64) -> Self {
        Self { what, was, least }
    }

    fn is_met(&self) -> bool {
        self.was >= self.least
    }
}

/// How a torture ended.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What was to be done.
    pub plan: Plan,
    /// What was done.
    pub figures: Figures,
    /// And what had to be, at least.
    pub floors: Vec<Floor>,
    /// What must not be, with the bot and the life after which it was seen.
    pub violations: Vec<(String, Violation)>,
    /// Descriptors and memory of each process.
    pub trends: BTreeMap<String, Trend>,
    /// How long it took.
    pub seconds: u64,
}

impl Report {
    /// Whether enough was done, and nothing found.
    pub fn is_passed(&self) -> bool {
        self.violations.is_empty() && self.floors.iter().all(Floor::is_met)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { kills, sigkill, sigterm, sigstop, by_itself, in_time, late, .. } = &self.figures;
        let Figures { in_flight, operations_cut, turned_away, resumed, inspections, with_positions, .. } =
            &self.figures;
        let Figures { orders, entries_filled, exits_filled, faults, faults_by_kind, .. } = &self.figures;
        writeln!(f, "kills           {kills} in {} s: {sigkill} by SIGKILL, {sigterm} by SIGTERM", self.seconds)?;
        writeln!(f, "                {sigstop} times SIGSTOP; {by_itself} lives ended by themselves before")?;
        writeln!(f, "moments         {in_time} came, {late} did not in time")?;
        writeln!(f, "in flight       {in_flight} deaths with an order in flight, {operations_cut} orders in all")?;
        writeln!(f, "second ones     {turned_away} turned away beside one that was stopped")?;
        writeln!(
            f,
            "inspections     {inspections}, {with_positions} of them with positions; {resumed} halts taken back"
        )?;
        writeln!(f, "orders          {orders}: {entries_filled} entries and {exits_filled} exits filled")?;
        let mut kinds = String::new();
        for (kind, count) in faults_by_kind {
            let _infallible = write!(kinds, "{}{kind} {count}", if kinds.is_empty() { "" } else { ", " });
        }
        writeln!(f, "faults          {faults} of {} kinds: {kinds}", faults_by_kind.len())?;
        for (who, trend) in &self.trends {
            writeln!(f, "{who:<15} {trend}")?;
        }
        for floor in self.floors.iter().filter(|floor| !floor.is_met()) {
            writeln!(f, "TOO LITTLE      {}: {}, and at least {} were to be", floor.what, floor.was, floor.least)?;
        }
        for (place, violation) in &self.violations {
            writeln!(f, "VIOLATION       {place}: {violation}")?;
        }
        Ok(())
    }
}
