//! A bot with a broker adapter of its own: `adapter.rs` is all that it takes. It trades through a `Desk`, and the answer
//! to its first order gets lost.

mod adapter;
mod harbor;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use backstop::broker::{Broker, Decimal, Leg, OrderKind, PositionEffect, Quantity, Side, Symbol};
use backstop::clock::{Clock, SystemClock};
use backstop::file_lock::{Claim, Lock};
use backstop::limits::{Collar, Config as Limits, Rate};
use backstop::quote::{Need, Now, Policy, PolicyConfig};
use backstop::reconcile::{Config as Reconcile, Repeat};
use backstop::{
    Desk, DeskConfig, EntryEnd, EntryPlan, ExitAt, ExitEnd, ExitPlan, LogJournal, SlotId, StrategyName, Switch, Upkeep,
};

use adapter::{CALL, Harbor};
use harbor::Gateway;

const SHARES: u32 = 10;
const ENTRIES: u32 = 2;
/// How long a position is tried to be left before somebody is told.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let (_, at_rest) = trade(directory.path(), &mut std::io::stdout()).await?;
    Ok(if at_rest { ExitCode::SUCCESS } else { ExitCode::from(4) })
}

/// A session of two trades in `directory`; tells what happens to `out`. Returns the gateway, which knows what happened, and
/// whether nothing is left open.
async fn trade(directory: &Path, out: &mut impl Write) -> Result<(Arc<Gateway>, bool), Box<dyn Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let symbol: Symbol = "ACME".parse()?;
    let (gateway, desk) = start(directory, &clock, &symbol).await?;
    gateway.lose_answers(1);
    writeln!(out, "the answer to the first order will be lost on its way")?;
    for number in 1..=ENTRIES {
        let slot = desk.slot(number).ok_or("no session")?;
        // Every end has an arm. The one that a bot must not have is "try again".
        match enter(&desk, &slot, &clock, &symbol).await? {
            EntryEnd::Refused(refusal) => writeln!(out, "{slot}: refused, nothing was sent: {refusal}")?,
            EntryEnd::NotExecuted { end } => writeln!(out, "{slot}: nothing was filled: {end:?}")?,
            EntryEnd::Unresolved { reason } => writeln!(out, "{slot}: nobody knows yet: {reason}")?,
            EntryEnd::Opened(slot) => {
                drop(writeln!(out, "{slot}: open, {SHARES} {symbol}"));
                leave(&desk, &slot, &*clock, PATIENCE, out).await;
            }
        }
    }
    desk.stop().await?;
    let state = desk.state();
    for (slot, _) in state.positions() {
        writeln!(out, "{slot}: still open, and nobody watches it: start again, or close it at the broker")?;
    }
    for label in state.operations.keys() {
        writeln!(out, "{label}: nobody knows what became of it: start again, or look for it at the broker")?;
    }
    let (placed, held) = (gateway.placed(), gateway.held(&symbol));
    writeln!(out, "the gateway has {} orders, and the account holds {held} {symbol}", placed.len())?;
    for label in placed {
        writeln!(out, "  {label}")?;
    }
    Ok((gateway, state.operations.is_empty() && state.positions().next().is_none()))
}

/// The gateway, which runs in this process, and a desk over it.
async fn start(
    directory: &Path,
    clock: &Arc<dyn Clock>,
    symbol: &Symbol,
) -> Result<(Arc<Gateway>, Desk), Box<dyn Error>> {
    let socket = directory.join("harbor.sock");
    let gateway = Gateway::new(Decimal::from(10_000), Arc::clone(clock));
    gateway.serve(&socket)?;
    let broker = Arc::new(Harbor::new(socket, Arc::clone(clock)));
    let desk = open(directory, broker, clock, symbol).await?;
    Ok((gateway, desk))
}

async fn enter(
    desk: &Desk,
    slot: &SlotId,
    clock: &Arc<dyn Clock>,
    symbol: &Symbol,
) -> Result<EntryEnd, Box<dyn Error>> {
    let view = desk.look(std::slice::from_ref(symbol)).await?;
    let quote = desk.fresh(&view, symbol, Need::Buy)?;
    let ask = quote.at(Now::of(&**clock))?.ask.price.value().ok_or("no ask")?;
    let quantity = Quantity::new(SHARES)?;
    let plan = EntryPlan {
        underlying: symbol.clone(),
        legs: vec![Leg { symbol: symbol.clone(), side: Side::Buy, effect: PositionEffect::Open, quantity }],
        kind: OrderKind::Limit { price: ask },
        reserve: ask * Decimal::from(SHARES),
        margin: Decimal::ZERO,
    };
    Ok(desk.enter(slot.clone(), plan, view).await)
}

/// Out of a position: again until the broker's own lists say that it is gone, or until `within` is over. Returns whether it
/// is gone. Nothing ends it early: not a refusal, not a read that fails, not an output that nobody reads.
async fn leave(desk: &Desk, slot: &SlotId, clock: &dyn Clock, within: Duration, out: &mut impl Write) -> bool {
    let plan = ExitPlan { at: ExitAt::Policy, reason: "done".to_owned() };
    let begun = clock.mono();
    loop {
        let state = desk.state();
        let Some(position) = state.held(slot) else {
            drop(writeln!(out, "{slot}: closed, and the broker agrees; free cash {:?}", state.account.free()));
            return true;
        };
        // Asked anew each time, whatever the last exit said: what was pending may have been settled as never placed.
        let in_flight = state.operations.values().any(|operation| operation.slot == *slot);
        if !position.is_flat() && !in_flight {
            match desk.exit(slot.clone(), plan.clone()).await {
                ExitEnd::Closed => continue,
                ExitEnd::StillOpen { end } => drop(writeln!(out, "{slot}: still open: {end:?}")),
                ExitEnd::Pending { reason } => drop(writeln!(out, "{slot}: not known to be closed: {reason}")),
                ExitEnd::Refused(refusal) => drop(writeln!(out, "{slot}: no exit was sent: {refusal}")),
            }
        }
        if clock.mono().since(begun) >= within {
            drop(writeln!(out, "{slot}: not closed within {within:?}"));
            return false;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        // What is pending is settled by evidence, here as in every other case.
        if let Err(error) = desk.reconcile().await {
            drop(writeln!(out, "{slot}: the broker does not say what it holds: {error}"));
        }
    }
}

/// A desk that is ready for entries. Everything that it wants to know is somebody's decision.
async fn open(
    directory: &Path,
    broker: Arc<dyn Broker>,
    clock: &Arc<dyn Clock>,
    symbol: &Symbol,
) -> Result<Desk, Box<dyn Error>> {
    let settle = CALL * 2;
    let mut reconcile = Reconcile::new("bs-");
    reconcile.lag = settle;
    reconcile.confirm = Repeat { reads: 2, spacing: Duration::from_millis(200), over: Duration::from_millis(200) };
    let config = DeskConfig {
        home: "harbor, account 1".to_owned(),
        strategy: StrategyName::new("example")?,
        limits: Some(limits(symbol)),
        loosening: None,
        freshness: Policy::new(PolicyConfig::stream())?,
        poll: Duration::from_millis(100),
        fill_timeout: Duration::from_secs(2),
        settle,
        clock_tolerance: Duration::from_secs(1),
        reconcile,
        copies: None,
    };
    let claim = Claim { label: "own-broker".to_owned(), since: clock.wall() };
    let lock = Lock::acquire(directory.join("lock"), &claim)?;
    let switch = Switch::open(&directory.join("switch"))?;
    let (journal, contents) = LogJournal::open(&directory.join("journal"), claim, Upkeep::default())?;
    let desk = Desk::open(config, broker, Arc::clone(clock), lock, switch, Arc::new(journal), contents.state).await?;
    drop(desk.recover().await?);
    desk.read_cash().await?;
    let today = desk.market_clock().await?.date;
    desk.begin_session(today, ENTRIES, None).await?;
    Ok(desk)
}

fn limits(symbol: &Symbol) -> Limits {
    Limits {
        order_quantity: 100,
        order_notional: Decimal::from(5_000),
        gross_notional: Decimal::from(5_000),
        collar: Collar { bps: 100, least: Decimal::ONE },
        positions: 2,
        positions_per_underlying: 2,
        entries: ENTRIES,
        loss: Decimal::from(500),
        repeats: 100,
        look_alikes: Rate { count: ENTRIES, seconds: 60 },
        messages: Rate { count: 60, seconds: 60 },
        underlyings: [symbol.clone()].into(),
    }
}
