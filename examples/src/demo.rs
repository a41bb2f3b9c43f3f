//! `demo`: the same market, the same faults and the same strategy twice, side by side: a naive bot, and one on Backstop.
//!
//! Both are processes of this program, each against a simulated broker of its own that runs here. Nothing is scripted but the
//! seed; what they did is read off the brokers' ledgers.

mod beliefs;
mod bots;
mod measures;
mod picture;
mod race;
mod report;
mod samples;
mod schedule;
mod screen;
mod side;
mod words;
mod world;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use backstop::clock::{Clock, SystemClock};

use crate::cli::{Common, DemoArgs};
use crate::failure::Failure;

use race::{Interrupts, Raced};
use screen::Screen;
use world::{Place, Plan};

/// Runs both bots and says what became of them.
pub(crate) async fn run(args: &DemoArgs, common: &Common) -> Result<(), Failure> {
    let plan = Plan::of(args)?;
    let place = Place::of(args.keep.as_deref())?;
    // Found out now rather than when all is over.
    args.svg.as_deref().map_or(Ok(()), |path| write_to(path, ""))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let interrupts = Interrupts::listen()?;
    if !common.json {
        announce(&plan)?;
    }
    let screen = Screen::of(common.json);
    let raced = race::run(&plan, &place, &clock, &screen, interrupts).await;
    screen.finish();
    let raced = raced?;
    let drawn = args.svg.as_deref().map_or(Ok(()), |path| write_to(path, &picture::of(&raced, plan.seed)));
    let verdict = judge(&raced);
    // Whoever finds that something is wrong looks for what was written.
    let kept = place.kept(verdict.is_err());
    let printed = print(&raced, &plan, kept.as_deref(), common.json);
    // Harm matters more than that nobody reads of it.
    verdict?;
    drawn?;
    printed
}

fn write_to(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::Broker(format!("cannot write {}: {error}", path.display())))
}

fn announce(plan: &Plan) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let (entries, strategy, seconds) = (plan.entries, plan.strategy(), plan.expected().as_secs());
    writeln!(out, "Two bots trade the same {strategy} strategy, {entries} slots each, in about {seconds} seconds.")?;
    writeln!(out, "One is written as such bots are, the other one is on Backstop. Each has a broker")?;
    writeln!(out, "of its own, with the same prices and the same faults ({}: lost and", plan.faults())?;
    writeln!(out, "late answers, lists that lag, bad quotes). Both are killed twice at the same")?;
    writeln!(out, "moments, and once a second instance of each is started. Then the brokers'")?;
    writeln!(out, "ledgers say what was done. Nothing is scripted but the seed, {}.", plan.seed)?;
    writeln!(out, "Another one: --seed N. Ctrl-C ends it early.\n")?;
    Ok(())
}

fn print(raced: &Raced, plan: &Plan, kept: Option<&Path>, json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if json {
        return Ok(writeln!(out, "{}", report::as_json(raced, plan, kept)?)?);
    }
    writeln!(out)?;
    if raced.is_partial {
        writeln!(out, "ended early: what was measured until then")?;
    }
    report::write(&mut out, raced, plan.entries)?;
    kept.map_or(Ok(()), |dir| explain(&mut out, dir))
}

/// What shows more of a demo that was kept.
fn explain(out: &mut impl Write, dir: &Path) -> Result<(), Failure> {
    let dir = dir.display();
    writeln!(out, "\nWhat the one on Backstop did, and what it believes:")?;
    writeln!(out, "  paper-trader --state-dir {dir}/backstop log")?;
    writeln!(out, "  paper-trader --state-dir {dir}/backstop status")?;
    writeln!(out, "What the naive one believes, and what both said:")?;
    writeln!(out, "  {dir}/naive/positions.json   {dir}/naive.out   {dir}/backstop.out")?;
    Ok(())
}

/// Harm to the naive bot is what there is to see; harm to the other one is a failure.
fn judge(raced: &Raced) -> Result<(), Failure> {
    let bot = &raced.backstop;
    if !bot.measures.harms().is_empty() {
        return Err(Failure::Harmed);
    }
    // Ended in the middle, it is in the middle of something.
    if bot.is_at_rest() || raced.is_partial { Ok(()) } else { Err(Failure::LeftUnresolved) }
}
