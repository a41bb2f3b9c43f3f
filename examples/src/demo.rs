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
use std::sync::Arc;

use backstop::clock::{Clock, SystemClock};

use crate::cli::{Common, DemoArgs};
use crate::failure::Failure;
use crate::signals::Signals;

use race::Raced;
use screen::Screen;
use world::{Place, Plan};

/// Runs both bots and says what became of them.
pub(crate) async fn run(args: &DemoArgs, common: &Common) -> Result<(), Failure> {
    let plan = Plan::of(args)?;
    let place = Place::of(args.keep.as_deref())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let signals = Signals::listen()?;
    if !common.json {
        announce(&plan)?;
    }
    let screen = Screen::of(common.json);
    let raced = race::run(&plan, &place, &clock, &screen, signals).await;
    screen.finish();
    let raced = raced?;
    print(&raced, &plan, common.json)?;
    if let Some(path) = &args.svg {
        let written = fs::write(path, picture::of(&raced, plan.seed));
        written.map_err(|error| Failure::Broker(format!("cannot write {}: {error}", path.display())))?;
    }
    if let (Place::Kept(dir), false) = (&place, common.json) {
        explain(dir)?;
    }
    judge(&raced)
}

fn announce(plan: &Plan) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let (entries, strategy, seconds) = (plan.entries, plan.strategy(), plan.expected().as_secs());
    writeln!(
        out,
        "Two bots trade the same {strategy} strategy, {entries} slots each, in about {seconds} seconds: one is written"
    )?;
    writeln!(
        out,
        "as such bots are, the other one is on Backstop. Each has a broker of its own, with the same prices and the"
    )?;
    writeln!(
        out,
        "same faults: lost and late answers, lists that lag, bad quotes. Both are killed twice at the same moments,"
    )?;
    writeln!(out, "and once a second instance of each is started. Then the brokers' ledgers say what was done.")?;
    writeln!(out, "Nothing is scripted but the seed, {}: try another with --seed. Ctrl-C ends it early.\n", plan.seed)?;
    Ok(())
}

fn print(raced: &Raced, plan: &Plan, json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if json {
        return Ok(writeln!(out, "{}", report::as_json(raced, plan)?)?);
    }
    writeln!(out)?;
    if raced.is_partial {
        writeln!(out, "ended early: what was measured until then")?;
    }
    Ok(report::write(&mut out, raced)?)
}

/// What shows more of a demo that was kept.
fn explain(dir: &std::path::Path) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
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
    let is_well = raced.backstop.measures.harms().is_empty() && raced.backstop.is_at_rest();
    // Ended in the middle, it is in the middle of something.
    if is_well || raced.is_partial { Ok(()) } else { Err(Failure::Harmed) }
}
