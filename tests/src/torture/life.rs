//! One life: started, struck, dead, and looked at.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::thread::park_timeout;
use std::time::Duration;

use backstop_clock::{Clock, Mono, SystemClock};
use backstop_sim::Ledger;
use rustix::process::Signal;
use serde::Serialize;

use super::Trouble;
use super::bot::{self, Book, Style};
use super::judge::{self, Violation, violation};
use super::samples::Peak;
use super::schedule::{Blow, Life, Strike};
use super::watch::{Came, Tail, wait};
use super::world::{Process, World};

/// How long a moment is waited for that may not come.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks at descriptors and memory.
const SAMPLED: Duration = Duration::from_millis(100);
/// How long a second instance may take to be turned away.
const TURNED_AWAY: Duration = Duration::from_secs(20);
/// What a bot that halts by itself for a broker like this one says.
const DOUBTS: &str = "submits in a row ended in doubt";

/// What a strike was in truth.
#[derive(Debug, Clone, Serialize)]
pub struct Struck {
    /// Milliseconds since the start of the life.
    pub at_ms: u64,
    /// What.
    pub blow: Blow,
    /// Whether the moment that it waited for came.
    pub in_time: bool,
}

/// What became of a life.
#[derive(Debug, Default)]
pub(super) struct Lived {
    pub(super) struck: Vec<Struck>,
    /// How it ended: `None` before.
    pub(super) end: Option<ExitStatus>,
    /// The last strike did not come: it ended by itself.
    pub(super) by_itself: bool,
    /// Operations that were not at rest when it died.
    pub(super) in_flight: usize,
    /// Second instances that were turned away.
    pub(super) turned_away: u32,
    /// Halts that somebody took back.
    pub(super) resumed: u32,
    pub(super) peak: Peak,
    pub(super) violations: Vec<Violation>,
}

/// Whether a process is still there, and how it ended.
pub(super) fn ended(process: &mut Process) -> Result<Option<ExitStatus>, Trouble> {
    process.0.try_wait().map_err(Trouble::io("cannot ask for a process"))
}

/// Waits for the end of a process.
pub(super) fn await_end(
    process: &mut Process,
    clock: &SystemClock,
    limit: Duration,
) -> Result<Option<ExitStatus>, Trouble> {
    let began = clock.mono();
    loop {
        let end = ended(process)?;
        if end.is_some() || clock.mono().since(began) >= limit {
            return Ok(end);
        }
        park_timeout(Duration::from_millis(2));
    }
}

/// How long a bot may take to come to rest after SIGTERM: three settling times, an order that is followed to its end, and
/// whatever a busy machine takes.
pub(super) fn time_to_stop(world: &World) -> Duration {
    world.plan().settle() * 12 + Duration::from_secs(20)
}

/// Lives it.
pub(super) fn live(world: &World, clock: &SystemClock, life: &Life) -> Result<Lived, Trouble> {
    let mut lived = Lived::default();
    let mut tail = Tail::of(world.journal());
    let began = clock.mono();
    let mut process = bot::start(world, Style::HASTY)?;
    let mut sampled = Mono::ORIGIN;
    for strike in &life.strikes {
        let look = |now: Mono| {
            if now.since(sampled) >= SAMPLED {
                sampled = now;
                lived.peak.sample(process.id());
            }
            lived.end = ended(&mut process)?;
            Ok(lived.end.is_some())
        };
        let came = wait(world, clock, &mut tail, &strike.on, PATIENCE, look)?;
        lived.peak.sample(process.id());
        if came == Came::Ended {
            lived.by_itself = true;
            break;
        }
        let at_ms = u64::try_from(clock.mono().since(began).as_millis()).unwrap_or(u64::MAX);
        lived.struck.push(Struck { at_ms, blow: strike.then.clone(), in_time: came == Came::Moment });
        strike_it(world, clock, &mut process, strike, &mut lived)?;
    }
    if lived.end.is_none() {
        lived.end = await_end(&mut process, clock, time_to_stop(world))?;
    }
    judge_end(&mut lived);
    drop(process);
    Ok(lived)
}

fn strike_it(
    world: &World,
    clock: &SystemClock,
    process: &mut Process,
    strike: &Strike,
    lived: &mut Lived,
) -> Result<(), Trouble> {
    match strike.then {
        Blow::Kill => process.signal(Signal::KILL)?,
        Blow::Term => process.signal(Signal::TERM)?,
        Blow::TermKill { ms } => {
            process.signal(Signal::TERM)?;
            lived.end = await_end(process, clock, Duration::from_millis(ms))?;
            if lived.end.is_none() {
                process.signal(Signal::KILL)?;
            }
        }
        Blow::Pause { ms, second } => {
            pause(world, clock, process, (ms, second), lived)?;
            process.signal(Signal::CONT)?;
        }
        Blow::PauseKill { ms, second } => {
            pause(world, clock, process, (ms, second), lived)?;
            process.signal(Signal::KILL)?;
        }
    }
    Ok(())
}

/// Stops a bot for a while. LOCK-1: it holds the lock although it does nothing with it.
fn pause(
    world: &World,
    clock: &SystemClock,
    process: &Process,
    (ms, second): (u64, bool),
    lived: &mut Lived,
) -> Result<(), Trouble> {
    // Before the first one has the lock, a second one may take it.
    let holds =
        bot::status(world)?.is_ok_and(|book| book.lock.held == Some(true) && book.lock.pid == Some(process.id()));
    process.signal(Signal::STOP)?;
    let began = clock.mono();
    if second && holds {
        let mut second = bot::second(world)?;
        match await_end(&mut second, clock, TURNED_AWAY)? {
            Some(status) if status.code() == Some(3) => lived.turned_away += 1,
            end => {
                let end = end.map_or("goes on".to_owned(), |status| format!("ended with {status}"));
                let text = format!("a second instance beside one that was stopped {end}, instead of with exit code 3");
                lived.violations.push(violation("LOCK-1", text));
            }
        }
    }
    park_timeout(Duration::from_millis(ms).saturating_sub(clock.mono().since(began)));
    Ok(())
}

/// DESK-6, and what a bot may say when it ends by itself.
fn judge_end(lived: &mut Lived) {
    let Some(status) = lived.end else {
        let text = "SIGTERM did not end it, nor did the time in which everything comes to rest".to_owned();
        return lived.violations.push(violation("DESK-6", text));
    };
    // Before it listens to signals, SIGTERM ends it as it ends everybody.
    let by_signal = matches!(status.signal(), Some(9 | 15)) && !lived.by_itself;
    if !by_signal && !matches!(status.code(), Some(0 | 4)) {
        lived.violations.push(violation("DESK-6", format!("a life ended with {status}")));
    }
}

/// Looks at a dead bot: its records must be readable, and the ledger as it must be at any time.
pub(super) fn look_at(world: &World, lived: &mut Lived) -> Result<Ledger, Trouble> {
    let ledger = world.simulator.ledger()?;
    lived.violations.extend(judge::at_any_time(&ledger));
    lived.peak.orders = ledger.orders.len() as u64;
    match bot::status(world)? {
        Ok(book) => {
            lived.in_flight = book.operations.len();
            lived.resumed += see_halt(world, &book, &mut lived.violations)?;
        }
        // Killed before it made its directory, there is nothing to read yet.
        Err(_) if !world.state().join("lock").exists() => {}
        Err(text) => lived.violations.push(violation("WAL-1", format!("its records cannot be read: {text}"))),
    }
    Ok(ledger)
}

/// A halt for want of answers is taken back, as an operator would who knows the broker; any other halt is a finding of the
/// bot's own.
pub(super) fn see_halt(world: &World, book: &Book, found: &mut Vec<Violation>) -> Result<u32, Trouble> {
    match &book.halted {
        None => Ok(0),
        Some(halted) if halted.reason.contains(DOUBTS) => bot::resume(world).map(|()| 1),
        Some(halted) => {
            found.push(violation("REC-7", format!("the bot halted: {}", halted.reason)));
            Ok(0)
        }
    }
}
