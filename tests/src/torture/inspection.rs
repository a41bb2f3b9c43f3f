//! Faults off, and the bot run to its end twice: once with positions, once without. Then all is compared.

use std::thread::park_timeout;
use std::time::Duration;

use backstop_clock::{Clock, SystemClock};
use rustix::process::Signal;

use super::Trouble;
use super::bot::{self, Style};
use super::judge::{self, End, Violation, violation};
use super::life::{await_end, ended, see_halt, time_to_stop};
use super::samples::Peak;
use super::world::World;

/// How long the bot may take until it holds something again: recovery, an order, perhaps some that are not filled.
const TO_TRADE: Duration = Duration::from_secs(40);
/// How long it trades before it is stopped.
const TRADES: Duration = Duration::from_millis(1_500);

/// What an inspection saw.
#[derive(Debug, Default)]
pub(super) struct Inspected {
    /// Positions that the book held, and the broker.
    pub(super) held: usize,
    /// Halts that somebody took back.
    pub(super) resumed: u32,
    pub(super) peak: Peak,
    pub(super) violations: Vec<Violation>,
}

/// Inspects one bot, which is dead.
pub(super) fn inspect(world: &mut World, clock: &SystemClock) -> Result<Inspected, Trouble> {
    let mut seen = Inspected::default();
    world.restart(true)?;
    for (style, end) in [(Style::HOLDING, End::Holding), (Style::CLEARING, End::Flat)] {
        run(world, clock, (style, end), &mut seen)?;
        if !seen.violations.is_empty() {
            return Ok(seen);
        }
    }
    match bot::log(world)? {
        Ok(log) => seen.violations.extend(judge::by_the_log(&world.simulator.ledger()?, &log)),
        Err(text) => seen.violations.push(violation("WAL-1", format!("its log cannot be read: {text}"))),
    }
    world.restart(false)?;
    Ok(seen)
}

fn run(world: &World, clock: &SystemClock, (style, end): (Style, End), seen: &mut Inspected) -> Result<(), Trouble> {
    let mut process = bot::start(world, style)?;
    let began = clock.mono();
    let mut held = 0;
    loop {
        park_timeout(Duration::from_millis(100));
        seen.peak.sample(process.id());
        if let Ok(book) = bot::status(world)? {
            seen.resumed += see_halt(world, &book, &mut seen.violations)?;
            held = book.positions.len();
        }
        let lived = clock.mono().since(began);
        // Recovery takes the settling time; what is held before may be of an earlier run.
        if lived >= world.plan().settle() * 2 + TRADES && (held > 0 || end == End::Flat) {
            break;
        }
        if lived >= TO_TRADE || ended(&mut process)?.is_some() {
            let text = format!("with no faults it holds nothing {} s after its start", lived.as_secs());
            seen.violations.push(violation("DESK-3", text));
            break;
        }
    }
    process.signal(Signal::TERM)?;
    let Some(status) = await_end(&mut process, clock, time_to_stop(world) * 2)? else {
        seen.violations.push(violation("DESK-6", "SIGTERM did not end it although nothing fails".to_owned()));
        return Ok(());
    };
    let ledger = world.simulator.ledger()?;
    seen.violations.extend(judge::at_any_time(&ledger));
    match bot::status(world)? {
        Ok(book) => {
            seen.held = seen.held.max(book.positions.len());
            seen.violations.extend(judge::at_rest(&ledger, &book, end, status.code()));
        }
        Err(text) => seen.violations.push(violation("WAL-1", format!("its records cannot be read: {text}"))),
    }
    Ok(())
}
