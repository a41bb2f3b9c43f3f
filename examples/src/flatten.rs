//! `flatten`: everything that the book holds is closed, everything that works is brought to rest, and both are verified at the
//! broker. With the bot stopped; whatever it left behind.

mod closing;
mod report;

use std::collections::BTreeSet;
use std::time::Duration;

use backstop::{SlotId, State, StrategyName, told};

use crate::cli::{BrokerKind, Common, FlattenArgs};
use crate::failure::Failure;
use crate::halt::somebody;
use crate::signals::Signals;
use crate::state_dir::StateDir;
use crate::stopped::{Opened, Stopped, Terms};
use crate::view::View;
use crate::wiring;

use closing::{Closing, Pace};
use report::{Report, Tally};

/// Closes everything, and says what could not be verified.
pub(crate) async fn run(args: &FlattenArgs, common: &Common) -> Result<(), Failure> {
    let dir = StateDir::at(&common.state_dir);
    let stopped = Stopped::take(&dir, "paper-trader flatten").map_err(Failure::while_it_runs)?;
    check_broker(args, stopped.is_simulated())?;
    let strategies = strategies(&stopped.state);
    let Some(strategy) = newest(&stopped.state).or_else(|| strategies.first().cloned()) else {
        return Report::nothing_was_sent().print(common.json);
    };
    let pace = pace(args, stopped.is_simulated());
    let signals = Signals::listen()?;
    let (home, torn) = (stopped.home.clone(), stopped.torn.clone());
    let terms = Terms {
        strategy,
        settle: pace.settle,
        poll: pace.poll,
        fill_timeout: pace.fill_timeout,
        others: &args.others,
        market: &args.market,
    };
    let Opened { desk, broker, simulator } = stopped.open(&dir, terms).await?;

    let view = View::start(&desk, common.json, &format!("flatten: closing everything that the book holds, at {home}"));
    let mut tally = Tally::of(&desk);
    if let Some(torn) = torn {
        view.say(&format!("the journal ended in half a record, which counts for nothing ({torn})"));
    }
    // What works is canceled at the first look, and nothing is entered here. That no bot that is started meanwhile or
    // afterwards opens anew what is closed here takes the switch (HALT-1).
    desk.stop_entries();
    let (by, reason) = (args.by.clone().unwrap_or_else(somebody), format!("flatten: {}", args.reason));
    let standing = desk.ask_switch().await;
    // Called again, it says the same and no more.
    let is_said = standing.pulls().values().any(|pull| pull.by == by && pull.reason == reason);
    if !is_said && let Err(error) = desk.halt(&by, &reason).await {
        // Law 4: nobody is kept from leaving by a switch that cannot be written.
        view.say(&format!("not halted for later starts: {}", told(&error)));
    }
    let left = Closing::new(&desk, &*broker, &view, pace, strategies).work(signals, &mut tally).await;
    let stopped = desk.stop().await;
    view.finish().await;
    tally.drain();
    let report = Report::new(tally, left, &desk.state(), stopped.err().map(|error| told(&error)));
    let printed = report.print(common.json);
    if let Some(simulator) = simulator {
        simulator.server.shutdown().await;
    }
    // That something is not verified matters more than that nobody reads it.
    if report.is_flat() { printed } else { Err(Failure::NotFlat) }
}

/// DESK-5: the records say whose account it is; real money takes a word more.
fn check_broker(args: &FlattenArgs, is_simulated: bool) -> Result<(), Failure> {
    let wrong = |text: &str| Err(Failure::Usage(text.to_owned()));
    match (args.broker, is_simulated) {
        (Some(BrokerKind::Tradier), true) => wrong("the records are of the embedded simulator: drop --broker tradier"),
        (Some(BrokerKind::Sim), false) => wrong("the records are not of the embedded simulator: drop --broker sim"),
        (_, true) if args.live => wrong("--live trades with real money, and the records are of the embedded simulator"),
        (_, true) => Ok(()),
        (_, false) => wiring::check_live(args.live),
    }
}

fn pace(args: &FlattenArgs, is_simulated: bool) -> Pace {
    let or = |given: Option<Duration>, in_sim: u64, at_tradier: u64| {
        given.unwrap_or(Duration::from_millis(if is_simulated { in_sim } else { at_tradier }))
    };
    Pace {
        within: or(args.within, 60_000, 300_000),
        poll: or(args.poll, 250, 2_000),
        fill_timeout: or(args.fill_timeout, 3_000, 20_000),
        settle: or(args.settle, 5_000, 60_000),
    }
}

/// Whose orders the records are about.
fn strategies(state: &State) -> BTreeSet<StrategyName> {
    let of_orders = state.issued.keys().chain(state.operations.keys());
    let slots = of_orders.filter_map(|id| SlotId::of_label(id.as_str())).chain(state.positions().map(|(slot, _)| slot));
    slots.map(|slot| slot.strategy).collect()
}

/// Whose the newest session was.
fn newest(state: &State) -> Option<StrategyName> {
    state.slots.keys().next_back().map(|slot| slot.strategy.clone())
}
