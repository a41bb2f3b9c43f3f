//! A bot of threads and blocking I/O. Without an argument it shows four stories against a toy of a broker, with each life of
//! the bot a process of its own; with a socket and a directory it is such a life.

mod bot;
mod client;
mod exit;
mod look;
mod story;
mod venue;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bot::{Bot, End, Failure, SLOTS};
use venue::{Fate, Venue};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let mut out = std::io::stdout();
    let ended = match arguments.as_slice() {
        [] => stories(&mut out),
        [socket, directory] => trade(socket, directory, &mut out),
        _ => Err("give nothing, or the broker's socket and a state directory".into()),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(4),
        Err(error) => {
            drop(writeln!(out, "synchronous: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn stories(out: &mut impl Write) -> Result<bool, Failure> {
    let mut at_rest = true;
    for (fate, killed, title) in [
        (Fate::AnswerLost, false, "the answer to the first order is lost"),
        (Fate::AnswerLost, true, "the first order is placed, and the bot is killed before the answer"),
        (Fate::Late, true, "the bot is killed, and then its first order arrives"),
        (
            Fate::RequestLost,
            true,
            "the first order is lost, and the bot is killed; the broker's list reaches further later",
        ),
    ] {
        writeln!(out, "\n== {title} ==")?;
        at_rest &= story(fate, killed, out)?;
    }
    Ok(at_rest)
}

fn story(fate: Fate, killed: bool, out: &mut impl Write) -> Result<bool, Failure> {
    let directory = tempfile::tempdir()?;
    let socket = directory.path().join("broker");
    let venue = Venue::open(&socket)?;
    let live = || Command::new(std::env::current_exe()?).args([socket.as_path(), directory.path()]).spawn();
    let (told, hears) = mpsc::channel();
    venue.next(fate, Some(told));
    let mut life = live()?;
    if killed {
        hears.recv_timeout(Duration::from_secs(30))?;
        life.kill()?;
        life.wait()?;
        writeln!(out, "killed; started again")?;
        if fate == Fate::RequestLost {
            // Until the list reaches past the moment of the order, its absence proves nothing.
            live()?.wait()?;
            writeln!(out, "somebody else trades; started again")?;
            venue.change(|state| state.others_trade = true);
        }
        life = live()?;
        venue.land();
    }
    let at_rest = life.wait()?.success();
    let ours: Vec<String> = venue.labels().into_iter().filter(|label| label.starts_with("bs-")).collect();
    writeln!(out, "the broker has {}, and the account holds {} ACME", ours.join(", "), venue.held("ACME"))?;
    Ok(at_rest)
}

/// A session; true if nothing is left open.
fn trade(socket: &Path, directory: &Path, out: &mut impl Write) -> Result<bool, Failure> {
    let bot = Bot::open(directory, socket)?;
    for (_, _, intent) in bot.in_flight() {
        writeln!(out, "{}: nobody knows what became of it; nothing new is opened", intent.id())?;
    }
    for position in bot.positions() {
        writeln!(out, "{position}: left by an earlier life")?;
        leave(&bot, &position, out)?;
    }
    for slot in 1..=u32::from(SLOTS) {
        // A scheduler and somebody at a button want the same trade at the same moment.
        let (timed, pressed) = thread::scope(|scope| {
            let button = scope.spawn(|| bot.enter(slot, "button"));
            (bot.enter(slot, "scheduler"), button.join())
        });
        for (caller, end) in [("scheduler", timed?), ("button", pressed.map_err(|_| "the button's thread died")??)] {
            match end {
                End::Refused(reason) => writeln!(out, "slot {slot}, {caller}: refused, nothing was sent: {reason}")?,
                End::Nothing(reason) => writeln!(out, "slot {slot}, {caller}: nothing was filled: {reason}")?,
                End::Unresolved(reason) => writeln!(out, "slot {slot}, {caller}: nobody knows yet: {reason}")?,
                End::Opened(position) => {
                    writeln!(out, "slot {slot}, {caller}: open")?;
                    leave(&bot, &position, out)?;
                }
            }
        }
    }
    let run = bot.reconcile()?;
    for violation in &run.violations {
        writeln!(out, "look at this: {violation}")?;
    }
    for drift in &run.drift {
        writeln!(out, "the broker has something else of {}", drift.symbol)?;
    }
    Ok(bot.positions().is_empty() && bot.in_flight().is_empty() && run.violations.is_empty() && run.drift.is_empty())
}

fn leave(bot: &Bot, position: &backstop_reconcile::PositionId, out: &mut impl Write) -> Result<(), Failure> {
    if bot.leave(position)? {
        writeln!(out, "{position}: closed, and the broker's lists agree")?;
    } else {
        writeln!(out, "{position}: not verified; it stays in the book")?;
    }
    Ok(())
}
