//! How flattening went: what was closed, what came to rest, and what could not be verified.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::Arc;

use backstop::broker::{Decimal, Fill};
use backstop::clock::Timestamp;
use backstop::reconcile::{Change, Position};
use backstop::{Batch, Desk, Record, SlotId, State};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::failure::Failure;
use crate::render::{self, Num, money};

/// Something that could not be verified as closed or at rest.
#[derive(Debug, Serialize)]
pub(super) struct Left {
    /// `position`, `order`, `symbol`, `broker` or `desk`.
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) since: Option<Timestamp>,
    pub(super) why: String,
    /// The command that settles it.
    pub(super) settle: String,
    /// What the book holds of it.
    pub(super) legs: Vec<LegLeft>,
}

#[derive(Debug, Serialize)]
pub(super) struct LegLeft {
    symbol: String,
    quantity: Num,
}

impl Left {
    pub(super) fn new(kind: &'static str, id: &impl Display, why: String, settle: String) -> Self {
        Self { kind, id: id.to_string(), since: None, why, settle, legs: Vec::new() }
    }

    pub(super) fn since(self, at: Timestamp) -> Self {
        Self { since: Some(at), ..self }
    }

    pub(super) fn with_legs(self, position: &Position) -> Self {
        let open = position.open_legs();
        let legs = open.map(|leg| LegLeft { symbol: leg.symbol.to_string(), quantity: Num(leg.left) });
        Self { legs: legs.collect(), ..self }
    }
}

/// What the records say that happened meanwhile.
pub(super) struct Tally {
    events: Receiver<Arc<Batch>>,
    /// Positions that left the book, with the proof.
    closed: BTreeMap<SlotId, String>,
    /// What orders that came to rest did to cash, by position.
    cash: BTreeMap<SlotId, Decimal>,
    /// Entries that came to rest, and how.
    at_rest: BTreeMap<String, String>,
}

impl Tally {
    /// From here on everything counts.
    pub(super) fn of(desk: &Desk) -> Self {
        let (closed, cash, at_rest) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { events: desk.events(), closed, cash, at_rest }
    }

    /// Takes in what was written since.
    pub(super) fn drain(&mut self) {
        loop {
            match self.events.try_recv() {
                Ok(batch) => batch.records.iter().for_each(|record| self.count(record)),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn count(&mut self, record: &Record) {
        match record {
            Record::Book { change: Change::Removed { position, evidence, .. } } => {
                if let Ok(slot) = position.as_str().parse() {
                    self.closed.insert(slot, render::proven(evidence));
                }
            }
            Record::Finished { client_order_id, end, fills } => {
                let Some(slot) = SlotId::of_label(client_order_id.as_str()) else { return };
                if client_order_id.as_str().contains("-open-") {
                    self.at_rest.insert(client_order_id.to_string(), render::finished(end, fills));
                    return;
                }
                let flow = fills.iter().filter_map(Fill::cash).fold(Decimal::ZERO, Decimal::saturating_add);
                let sum = self.cash.entry(slot).or_default();
                *sum = sum.saturating_add(flow);
            }
            _ => {}
        }
    }
}

/// How it ended.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    r#type: &'static str,
    flat: bool,
    closed: Vec<Closed>,
    at_rest: Vec<AtRest>,
    left: Vec<Left>,
    halted: Option<String>,
    cash: Option<Num>,
}

#[derive(Debug, Serialize)]
struct Closed {
    id: String,
    /// What closing it brought, here and now.
    cash: Num,
    evidence: String,
}

#[derive(Debug, Serialize)]
struct AtRest {
    client_order_id: String,
    end: String,
}

impl Report {
    /// Of a state directory from which no order was ever sent.
    pub(super) fn nothing_was_sent() -> Self {
        let (closed, at_rest, left) = (Vec::new(), Vec::new(), Vec::new());
        Self { r#type: "flattened", flat: true, closed, at_rest, left, halted: None, cash: None }
    }

    pub(super) fn new(tally: Tally, mut left: Vec<Left>, state: &State, failure: Option<String>) -> Self {
        if let Some(why) = failure.filter(|why| left.iter().all(|row| row.why != *why)) {
            left.push(Left::new("desk", &"state", why, "paper-trader flatten".to_owned()));
        }
        let Tally { closed, cash, at_rest, .. } = tally;
        let closed = closed.into_iter().map(|(slot, evidence)| Closed {
            cash: Num(cash.get(&slot).copied().unwrap_or_default()),
            id: slot.to_string(),
            evidence,
        });
        Self {
            r#type: "flattened",
            flat: left.is_empty(),
            closed: closed.collect(),
            at_rest: at_rest.into_iter().map(|(client_order_id, end)| AtRest { client_order_id, end }).collect(),
            left,
            halted: state.halted().map(ToString::to_string),
            cash: state.account.cash().map(Num),
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_flat(&self) -> bool {
        self.flat
    }

    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if json {
            let line = serde_json::to_string(self).map_err(|error| Failure::Output(error.into()))?;
            return Ok(writeln!(out, "{line}")?);
        }
        Ok(self.write(&mut out)?)
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out)?;
        for Closed { id, cash, evidence } in &self.closed {
            writeln!(out, "closed      {id:<28} {:>14}  {evidence}", money(cash.0))?;
        }
        for AtRest { client_order_id, end } in &self.at_rest {
            writeln!(out, "at rest     {client_order_id}: {end}")?;
        }
        for row in &self.left {
            let since = row.since.map_or(String::new(), |since| format!(" since {}", render::instant(since)));
            let legs = row.legs.iter().map(|leg| format!("{} {}", leg.quantity.0, leg.symbol)).collect::<Vec<_>>();
            let legs = if legs.is_empty() { String::new() } else { format!(" {}", legs.join(", ")) };
            writeln!(out, "NOT CLOSED  {} {}{legs}{since}: {}", row.kind, row.id, row.why)?;
            writeln!(out, "            settle: {}", row.settle)?;
        }
        match (self.flat, self.closed.len()) {
            (true, 0) => writeln!(out, "nothing is open")?,
            (true, 1) => writeln!(out, "flat: 1 position closed, verified at the broker; nothing is open")?,
            (true, count) => writeln!(out, "flat: {count} positions closed, verified at the broker; nothing is open")?,
            (false, _) => writeln!(out, "NOT FLAT    {} not verified, see above", self.left.len())?,
        }
        if let Some(cash) = self.cash {
            writeln!(out, "cash        {} by the book", money(cash.0))?;
        }
        if let Some(halted) = &self.halted {
            writeln!(out, "{halted}")?;
            writeln!(out, "to trade again: `paper-trader resume --by NAME --reason TEXT`")?;
        }
        Ok(())
    }
}
