//! `positions`: what the book holds, what made it, and what came of closing it. Takes no lock, writes nothing.

use std::io::{self, Write};
use std::time::Duration;

use backstop::clock::{Clock, SystemClock, Timestamp};
use backstop::reconcile::Position;
use backstop::{SlotId, State};
use serde::Serialize;

use crate::failure::Failure;
use crate::render::{self, Num, age, instant, money};
use crate::state_dir::StateDir;
use crate::status::{read, to_json};

/// A position in JSON. The field names are a contract.
#[derive(Debug, Serialize)]
pub(crate) struct PositionView {
    id: String,
    state: &'static str,
    legs: Vec<LegView>,
    opened_at: Timestamp,
    /// The order that made it; `null` for one that was adopted.
    client_order_id: Option<String>,
    age_ms: u64,
    /// What its fills have done to cash so far: below zero, paid.
    cash_flow: Num,
    /// How many exits were attempted.
    close_attempts: u32,
    /// The order that is closing it.
    closing: Option<String>,
    /// Why it is not known to be closed, once closing has begun.
    pending_close: Option<PendingView>,
    /// When its exit rule was last evaluated on fresh quotes; `null` for never. Written down every quarter of --watch, so it may
    /// have been since.
    checked_at: Option<Timestamp>,
    /// How long ago that was, or it was opened; `null` once nothing of it is left to check.
    unchecked_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct LegView {
    symbol: String,
    /// Signed: below zero, short.
    quantity: Num,
    /// The average price at which it was opened, per share.
    price: Num,
}

#[derive(Debug, Serialize)]
struct PendingView {
    since: Timestamp,
    reason: String,
    /// The command that settles it.
    settle: String,
}

impl PositionView {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whether its fills have closed it.
    pub(crate) fn is_flat(&self) -> bool {
        self.legs.iter().all(|leg| leg.quantity.0.is_zero())
    }

    /// Since when and why it is not known to be closed, and what to type.
    pub(crate) fn pending(&self) -> Option<(Timestamp, &str, &str)> {
        self.pending_close.as_ref().map(|pending| (pending.since, pending.reason.as_str(), pending.settle.as_str()))
    }
}

/// Prints the open positions.
pub(crate) fn positions(dir: &StateDir, json: bool) -> Result<(), Failure> {
    let (state, _) = read(dir)?;
    let mut out = io::stdout().lock();
    if json {
        for position in views(&state) {
            writeln!(out, "{}", to_json(&position)?)?;
        }
        return Ok(());
    }
    Ok(print(&mut out, &state)?)
}

/// Every position of the book.
pub(crate) fn views(state: &State) -> impl Iterator<Item = PositionView> {
    let now = SystemClock::new().wall();
    state.positions().map(move |(slot, position)| view(state, &slot, position, now))
}

fn view(state: &State, slot: &SlotId, position: &Position, now: Timestamp) -> PositionView {
    let since = position.pending().map(|pending| pending.since);
    let pending = since.or(position.is_flat().then_some(position.opened_at())).map(|since| PendingView {
        since,
        reason: position.pending().map_or_else(not_confirmed, |pending| pending.reason.clone()),
        settle: settles(slot),
    });
    let legs = position.legs().iter().map(|leg| LegView {
        symbol: leg.symbol.to_string(),
        quantity: Num(leg.left),
        price: Num(leg.price),
    });
    PositionView {
        id: slot.to_string(),
        state: if pending.is_some() { "pending_close" } else { "open" },
        legs: legs.collect(),
        opened_at: position.opened_at(),
        client_order_id: position.orders().first().map(|order| order.client_order_id().to_string()),
        age_ms: milliseconds(since_then(position.opened_at(), now)),
        cash_flow: Num(position.cash_flow()),
        close_attempts: state.exits.get(slot).copied().unwrap_or_default(),
        closing: state.closing(slot).map(ToString::to_string),
        pending_close: pending,
        checked_at: state.checks.get(slot).copied(),
        unchecked_ms: unchecked(state, slot, position, now).map(milliseconds),
    }
}

/// How long nobody has checked a position, by the records: at most that. `None` once nothing of it is left.
fn unchecked(state: &State, slot: &SlotId, position: &Position, now: Timestamp) -> Option<Duration> {
    let since = state.checks.get(slot).copied().unwrap_or(position.opened_at());
    (!position.is_flat()).then(|| since_then(since, now))
}

fn not_confirmed() -> String {
    "closed by its fills; the broker's lists do not confirm it yet".to_owned()
}

/// What to type about a close that does not come through.
pub(crate) fn settles(slot: &SlotId) -> String {
    format!(
        "a bot that runs goes on; with none, `paper-trader flatten`, or if the broker does not hold it any more: `paper-trader \
         resolve {slot} --closed --by NAME --reason TEXT`"
    )
}

fn since_then(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The book as a table.
pub(crate) fn print(out: &mut impl Write, state: &State) -> io::Result<()> {
    let mut rows = views(state).peekable();
    if rows.peek().is_none() {
        return writeln!(out, "no open positions");
    }
    writeln!(
        out,
        "{:<26} {:<13} {:>9}  {:<22} {:>12} {:>14}  {:<7} checked",
        "position", "state", "quantity", "symbol", "price", "cash so far", "age"
    )?;
    rows.try_for_each(|row| print_one(out, &row))
}

fn print_one(out: &mut impl Write, row: &PositionView) -> io::Result<()> {
    for (index, leg) in row.legs.iter().enumerate() {
        let (quantity, symbol, price) = (leg.quantity.0, &leg.symbol, render::price(leg.price.0));
        if index > 0 {
            writeln!(out, "{:<40} {quantity:>9}  {symbol:<22} {price:>12}", "")?;
            continue;
        }
        let (id, state, cash) = (&row.id, row.state, money(row.cash_flow.0));
        let (held, checked) = (age(Duration::from_millis(row.age_ms)), checked_word(row));
        let line =
            format!("{id:<26} {state:<13} {quantity:>9}  {symbol:<22} {price:>12} {cash:>14}  {held:<7} {checked}");
        writeln!(out, "{}", line.trim_end())?;
    }
    let maker = row.client_order_id.as_deref().unwrap_or("nobody here: it was adopted");
    writeln!(out, "    by {maker}, opened {}", instant(row.opened_at))?;
    if let Some(order) = &row.closing {
        writeln!(out, "    being closed by {order}")?;
    }
    if let Some(PendingView { since, reason, settle }) = &row.pending_close {
        let exits = if row.close_attempts == 1 { "exit" } else { "exits" };
        writeln!(out, "    NOT CLOSED since {} after {} {exits}: {reason}", instant(*since), row.close_attempts)?;
        writeln!(out, "    {settle}")?;
    }
    Ok(())
}

/// The age of the last check, for people.
fn checked_word(row: &PositionView) -> String {
    match (row.unchecked_ms, row.checked_at) {
        (Some(ms), Some(_)) => format!("{} ago", age(Duration::from_millis(ms))),
        (Some(ms), None) => format!("NEVER, in {}", age(Duration::from_millis(ms))),
        (None, _) => String::new(),
    }
}
