//! `status`: what the records say, beside a live bot. Takes no lock, writes nothing.

use std::io::{self, Write};

use backstop::clock::{Clock, SystemClock, Timestamp};
use backstop::file_lock::{LockState, Presence};
use backstop::reconcile::Drift;
use backstop::rollback::BalanceRead;
use backstop::{
    CASH, DRIFT, HALT, Level, LogJournal, Operation, Pull, SlotRow, SlotStanding, Stage, State, Switch, told,
};
use serde::Serialize;

use crate::alerts::remedy;
use crate::failure::Failure;
use crate::positions::{self, PositionView};
use crate::render::{self, Num, instant, money};
use crate::resolve;
use crate::state_dir::StateDir;

/// `status --json`. The field names are a contract.
#[derive(Debug, Serialize)]
struct Status {
    lock: LockView,
    halted: Option<HaltedView>,
    session: Option<SessionView>,
    slots: Vec<SlotView>,
    positions: Vec<PositionView>,
    operations: Vec<OperationView>,
    /// By the records; a loss on paper is not in it.
    limits: Vec<LimitView>,
    unresolved: Vec<UnresolvedView>,
    cash: CashView,
    reconcile: Option<ReconcileView>,
}

#[derive(Debug, Serialize)]
struct LockView {
    /// `null` where it cannot be told.
    held: Option<bool>,
    pid: Option<u32>,
    since: Option<Timestamp>,
    fence: u64,
}

#[derive(Debug, Serialize)]
struct HaltedView {
    /// `null` where the switch itself is what is wrong.
    since: Option<Timestamp>,
    reason: String,
    by: String,
    level: Level,
    /// How many pulls stand; one resume takes all of them back.
    pulls: usize,
}

#[derive(Debug, Serialize)]
struct SessionView {
    id: String,
    limit: u32,
    executed: u32,
    refused: u32,
}

/// GUARD-4, for whoever looks from outside.
#[derive(Debug, Serialize)]
struct SlotView {
    slot: String,
    state: &'static str,
    by: Option<String>,
    since: Option<Timestamp>,
    client_order_id: Option<String>,
    /// What to do about it; `null` where nothing is to be done.
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct OperationView {
    id: String,
    kind: &'static str,
    state: &'static str,
    since: Timestamp,
    client_order_id: String,
    /// The broker's name for it, once known.
    broker_order_id: Option<String>,
    /// What it is to buy and sell.
    order: String,
    /// Why nobody knows how it ended.
    reason: Option<String>,
    /// The command that settles it.
    settle: String,
}

/// How much of a limit is used.
#[derive(Debug, Serialize)]
pub(crate) struct LimitView {
    name: &'static str,
    used: Num,
    limit: Num,
}

#[derive(Debug, Serialize)]
struct UnresolvedView {
    subject: String,
    since: Timestamp,
    text: String,
    /// The command that shows or settles it.
    settle: String,
}

impl UnresolvedView {
    fn new(subject: String, since: Timestamp, text: String) -> Self {
        Self { settle: remedy(&subject), subject, since, text }
    }
}

#[derive(Debug, Serialize)]
struct CashView {
    total: Option<Num>,
    reserved: Num,
    free: Option<Num>,
    /// What fills took beyond all that; nothing is entered until the account shows that it has it.
    overdrawn: Option<Num>,
    /// The newest reading of the account's balance; `null` before the first.
    read: Option<ReadView>,
}

/// TXN-7: a reading that failed leaves the one before it in force.
#[derive(Debug, Serialize)]
struct ReadView {
    at: Timestamp,
    account: Option<Num>,
    /// What the account had more than the book; below zero, less. The book goes by the account from then on.
    difference: Option<Num>,
    /// Why it could not be read or believed.
    stale: Option<String>,
}

#[derive(Debug, Serialize)]
struct ReconcileView {
    at: Timestamp,
    result: &'static str,
    drift: Vec<DriftView>,
}

#[derive(Debug, Serialize)]
struct DriftView {
    symbol: String,
    tracked: Num,
    broker: Num,
    /// What it looks like, and what to do about it.
    text: String,
    /// The positions that it may belong to.
    positions: Vec<String>,
    /// What to type about it, once somebody has looked at the account.
    settle: String,
}

impl DriftView {
    fn new(drift: &Drift) -> Self {
        Self {
            symbol: drift.symbol.to_string(),
            tracked: Num(drift.tracked),
            broker: Num(drift.broker),
            text: drift.to_string(),
            positions: drift.may_belong.iter().map(|stake| stake.position.to_string()).collect(),
            settle: settles(drift),
        }
    }
}

/// What to type about a difference that does not settle itself.
fn settles(drift: &Drift) -> String {
    let (symbol, more) = (&drift.symbol, drift.difference());
    match drift.may_belong.first() {
        Some(stake) if drift.broker.is_zero() => {
            format!("if it is gone: paper-trader resolve {} --closed --by NAME --reason TEXT", stake.position)
        }
        None => format!(
            "if it is not the bot's: start it with --others {symbol}={more}; to have it closed at a loss: --adopt-orphans PERCENT"
        ),
        Some(_) => format!(
            "if {more} of it is not the bot's: start it with --others {symbol}={more}; if somebody traded the bot's: \
             --correct-sizes"
        ),
    }
}

/// Prints the state of the directory.
pub(crate) fn status(dir: &StateDir, json: bool) -> Result<(), Failure> {
    let (state, lock) = read(dir)?;
    let lock = lock_view(lock.as_ref(), &state);
    let is_running = lock.held != Some(false);
    let status = Status {
        lock,
        slots: state.slot_rows(is_running).iter().map(|row| slot_view(row, is_running)).collect(),
        halted: halted_view(dir, &state),
        session: state.session.as_ref().map(|s| SessionView {
            id: s.id.to_string(),
            limit: s.limit,
            executed: s.executed,
            refused: s.refused,
        }),
        positions: positions::views(&state).collect(),
        operations: state.operations.values().map(operation_view).collect(),
        limits: limits_used(&state),
        unresolved: unresolved(&state),
        cash: CashView {
            total: state.account.cash().map(Num),
            reserved: Num(state.account.reserved()),
            free: state.account.free().map(Num),
            overdrawn: state.account.overdrawn().map(Num),
            read: read_view(state.account.balance(), state.account.read_at()),
        },
        reconcile: state.reconciled.as_ref().map(|r| ReconcileView {
            at: r.at,
            result: if r.drift.is_empty() { "agrees" } else { "drift" },
            drift: (r.drift.iter()).map(DriftView::new).collect(),
        }),
    };
    let mut out = io::stdout().lock();
    if json {
        return Ok(writeln!(out, "{}", to_json(&status)?)?);
    }
    print_status(&mut out, &status, &state)?;
    Ok(())
}

fn read_view(balance: &BalanceRead, at: Option<Timestamp>) -> Option<ReadView> {
    let stale = match balance {
        BalanceRead::Stale { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    let (account, difference) = match balance.newest() {
        Some(compared) => (Some(Num(compared.account)), Some(Num(compared.difference()))),
        None => (None, None),
    };
    at.map(|at| ReadView { at, account, difference, stale })
}

pub(crate) fn unresolved_lines(state: &State) -> Vec<String> {
    let line = |u: UnresolvedView| format!("{} since {}: {} ({})", u.subject, instant(u.since), u.text, u.settle);
    unresolved(state).into_iter().map(line).collect()
}

/// Everything that somebody should look at: orders whose outcome is unknown, exits that did not come through, alerts.
fn unresolved(state: &State) -> Vec<UnresolvedView> {
    let mut rows: Vec<UnresolvedView> = Vec::new();
    for (id, operation) in &state.operations {
        if let Stage::Unknown { reason } = &operation.stage {
            rows.push(UnresolvedView::new(id.to_string(), operation.since, reason.clone()));
        }
    }
    for (slot, position) in state.positions() {
        if let Some(pending) = position.pending() {
            rows.push(UnresolvedView::new(slot.to_string(), pending.since, pending.reason.clone()));
        }
    }
    // A difference of cash that the book has taken over is told beside the cash, and nothing is left to settle.
    // So are the kill switch and what differs.
    let is_told =
        |subject: &str| (subject == CASH && state.account.overdrawn().is_none()) || subject == HALT || subject == DRIFT;
    for (subject, alert) in state.alerts.iter().filter(|(subject, _)| !is_told(subject)) {
        if rows.iter().all(|row| row.subject != *subject) {
            rows.push(UnresolvedView::new(subject.clone(), alert.since, alert.text.clone()));
        }
    }
    rows
}

/// What the records amount to. A directory that no bot has used is an error: a typo must not look like an account without
/// positions.
pub(crate) fn read(dir: &StateDir) -> Result<(State, Option<LockState>), Failure> {
    dir.is_used()?;
    let state = LogJournal::read(&dir.journal())?.state;
    let lock = LockState::read(dir.lock()).map_err(|error| Failure::Broker(told(&error)))?;
    Ok((state, lock))
}

/// By the switch itself, which may say more than the bot has seen.
fn halted_view(dir: &StateDir, state: &State) -> Option<HaltedView> {
    let standing = match Switch::read(&dir.switch(), &state.halts, state.switch_newest) {
        Ok(standing) => standing,
        // As the bot counts it.
        Err(error) => {
            let (by, reason) = ("nobody known".to_owned(), told(&error));
            return Some(HaltedView { since: None, reason, by, level: Level::Halt, pulls: 1 });
        }
    };
    let Pull { level, by, reason, since } = standing.strongest()?.clone();
    Some(HaltedView { since, reason, by, level, pulls: standing.pulls().len() })
}

fn lock_view(lock: Option<&LockState>, state: &State) -> LockView {
    let held = match lock.map(|lock| lock.presence) {
        Some(Presence::Held) => Some(true),
        None | Some(Presence::Free) => Some(false),
        Some(Presence::CannotTell) => None,
    };
    let newest = lock.and_then(|lock| lock.holder.as_ref());
    let holder = newest.filter(|_| held != Some(false));
    LockView {
        held,
        pid: holder.map(|holder| holder.pid),
        since: holder.map(|holder| holder.since),
        fence: newest.map_or(state.fence, |holder| holder.fence),
    }
}

fn slot_view(row: &SlotRow, is_running: bool) -> SlotView {
    let next = match (row.standing, &row.client_order_id) {
        (SlotStanding::Unresolved, None) => {
            Some("start the bot: nothing was sent, and the slot is free again".to_owned())
        }
        (SlotStanding::Unresolved, Some(_)) if is_running => {
            Some("the bot goes on asking the broker; look for the order there, and do not place it again".to_owned())
        }
        (SlotStanding::Unresolved, Some(id)) => Some(format!(
            "start the bot, which asks the broker; what it cannot tell: `paper-trader resolve {id} --not-placed --by \
             NAME --reason TEXT`, or `--filled SYMBOL=QUANTITY@PRICE`"
        )),
        (SlotStanding::InProgress | SlotStanding::Executed | SlotStanding::NotExecuted, _) => None,
    };
    SlotView {
        slot: row.slot.to_string(),
        state: row.standing.word(),
        by: row.by.clone(),
        since: row.since,
        client_order_id: row.client_order_id.as_ref().map(ToString::to_string),
        next,
    }
}

/// How much of the limits is used.
pub(crate) fn limits_used(state: &State) -> Vec<LimitView> {
    let used = state.limits_used(SystemClock::new().wall()).into_iter();
    used.map(|row| LimitView { name: row.name, used: Num(row.used), limit: Num(row.limit) }).collect()
}

/// The same in one line.
pub(crate) fn limits_line(rows: &[LimitView]) -> String {
    let rows = rows.iter().map(|row| {
        let name = row.name.trim_end_matches(".count").replace('_', " ");
        let figure =
            |amount: Num| if amount.0.is_integer() { amount.0.normalize().to_string() } else { money(amount.0) };
        format!("{name} {} of {}", figure(row.used), figure(row.limit))
    });
    rows.collect::<Vec<_>>().join(", ")
}

fn operation_view(operation: &Operation) -> OperationView {
    let id = operation.order.client_order_id().to_string();
    OperationView {
        kind: if operation.order.opens() { "open" } else { "close" },
        state: operation.stage.word(),
        since: operation.since,
        broker_order_id: operation.broker_order_id.as_ref().map(ToString::to_string),
        order: render::describe(&operation.order),
        reason: if let Stage::Unknown { reason } = &operation.stage { Some(reason.clone()) } else { None },
        settle: resolve::settles(operation),
        client_order_id: id.clone(),
        id,
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::Output(error.into()))
}

fn print_status(out: &mut impl Write, status: &Status, state: &State) -> io::Result<()> {
    let lock = match (status.lock.held, status.lock.pid, status.lock.since) {
        (Some(true), pid, since) => format!(
            "held by pid {} since {}",
            pid.map_or("?".to_owned(), |pid| pid.to_string()),
            since.map_or("?".to_owned(), instant)
        ),
        (Some(false), ..) => "free: no bot is running".to_owned(),
        (None, ..) => "cannot be told on this machine".to_owned(),
    };
    writeln!(out, "lock       {lock} (fence {})", status.lock.fence)?;
    match &status.halted {
        Some(halted) => {
            let since = halted.since.map_or("?".to_owned(), instant);
            writeln!(out, "{:<10} since {since} by {}: {}", halted.level, halted.by, halted.reason)?;
            writeln!(out, "           to go on: `paper-trader resume --by NAME --reason TEXT`")?;
        }
        None => writeln!(out, "halted     no")?,
    }
    let session = status.session.as_ref().map_or("none yet".to_owned(), |s| {
        format!("{}: {} of {} entries executed, {} refused", s.id, s.executed, s.limit, s.refused)
    });
    writeln!(out, "session    {session}")?;
    for slot in &status.slots {
        let by = slot.by.as_ref().map_or(String::new(), |by| format!(" by {by}"));
        let since = slot.since.map_or(String::new(), |since| format!(" since {}", instant(since)));
        writeln!(out, "  slot     {:<26} {}{by}{since}", slot.slot, slot.state)?;
        if let Some(next) = &slot.next {
            writeln!(out, "           {next}")?;
        }
    }
    if !status.limits.is_empty() {
        writeln!(out, "limits     {}", limits_line(&status.limits))?;
    }
    let figure = |amount: Option<Num>| amount.map_or("unknown".to_owned(), |amount| money(amount.0));
    let (total, free) = (figure(status.cash.total), figure(status.cash.free));
    writeln!(out, "cash       {total} in all, {} reserved, {free} free", money(status.cash.reserved.0))?;
    if let Some(short) = status.cash.overdrawn {
        writeln!(out, "           OVERDRAWN by {}", money(short.0))?;
    }
    if let Some(read) = &status.cash.read {
        let at = instant(read.at);
        match (&read.stale, read.difference) {
            (Some(why), _) => writeln!(out, "           the balance is STALE since {at}: {why}")?,
            (None, Some(more)) if !more.0.is_zero() => {
                writeln!(out, "           the account had {} more than the book at {at}", money(more.0))?;
            }
            (None, _) => writeln!(out, "           as the account said at {at}")?,
        }
    }
    match &status.reconcile {
        Some(r) if r.drift.is_empty() => writeln!(out, "broker     agreed with the book at {}", instant(r.at))?,
        Some(r) => {
            writeln!(out, "broker     DIFFERS from the book in {} symbol(s) at {}", r.drift.len(), instant(r.at))?;
            for row in &r.drift {
                writeln!(out, "           {}", row.text)?;
                writeln!(out, "           {}", row.settle)?;
            }
        }
        None => writeln!(out, "broker     not compared yet")?,
    }
    writeln!(out)?;
    positions::print(out, state)?;
    for operation in &status.operations {
        let OperationView { kind, state, id, order, reason, settle, .. } = operation;
        writeln!(out, "{kind:<6} {state:<12} since {}  {id}", instant(operation.since))?;
        let number = operation.broker_order_id.as_ref().map_or(String::new(), |number| format!(", order {number}"));
        let reason = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        writeln!(out, "       {order}{number}{reason}")?;
        writeln!(out, "       settle: {settle}")?;
    }
    // Orders and positions have said above what is the matter with them.
    let is_told = |subject: &str| {
        status.operations.iter().any(|row| row.id == subject)
            || status.positions.iter().any(|row| row.id() == subject && row.pending().is_some())
    };
    let untold: Vec<_> = status.unresolved.iter().filter(|row| !is_told(&row.subject)).collect();
    if !untold.is_empty() {
        writeln!(out, "\nunresolved:")?;
    }
    for UnresolvedView { subject, since, text, settle } in untold {
        writeln!(out, "  {subject} since {}: {text}", instant(*since))?;
        writeln!(out, "    {settle}")?;
    }
    Ok(())
}
