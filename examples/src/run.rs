//! `run`: one session, from the lock to the summary.

mod calendar;
mod limits;
mod session;
mod settings;
mod spent;
mod summary;

use std::sync::Arc;

use backstop::clock::{Clock, SystemClock};
use backstop::file_lock::{Claim, Lock};
use backstop::{Desk, LogJournal, Switch, Upkeep, told};

use crate::alerts::Sinks;
use crate::cli::{Common, RunArgs};
use crate::failure::Failure;
use crate::signals::Signals;
use crate::state_dir::StateDir;
use crate::view::View;
use crate::wiring::{self, Target};

use session::Session;
use settings::Settings;
use spent::Spent;
use summary::Summary;

/// Trades one session and says how it went.
pub(crate) async fn run(args: &RunArgs, common: &Common) -> Result<(), Failure> {
    // Everything that can be wrong with the command line is found before anything is touched.
    let settings = Settings::of(args)?;
    let sinks = Sinks::of(&args.alerts)?;
    let target = wiring::target(args, settings.strategy.reference(), settings.settle)?;

    let is_sandbox = matches!(&target, Target::Tradier(config) if config.base_url().is_sandbox());

    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let dir = StateDir::at(&common.state_dir);
    dir.create()?;
    let claim = Claim { label: "paper-trader".to_owned(), since: clock.wall() };
    let lock = Lock::acquire(dir.lock(), &claim)?;
    let switch = Switch::open(&dir.switch())?;
    let (journal, contents) = LogJournal::open(&dir.journal(), claim, Upkeep::default())?;
    let signals = Signals::listen()?;

    let wired = wiring::connect(target, &dir, settings.settle, &clock).await?;
    let (config, state) = (settings.desk(wired.home.clone(), &contents.state, &dir)?, contents.state);
    let (broker, journal) = (wired.broker.clone(), Arc::new(journal));
    let desk = Desk::open(config, broker, Arc::clone(&clock), lock, switch, journal, state).await?;
    if let Some((by, reason)) = settings.limits.allows_repeats() {
        desk.allow_repeats(by, reason).await?;
    }

    sinks.tell(&desk);
    desk.watch(settings.watch);
    desk.keep_reconciled(settings.reconcile_every);
    let settings = Arc::new(settings);
    let view = Arc::new(View::start(&desk, common.json, &settings.described(&wired.described)));
    if let Some(torn) = &contents.torn {
        view.say(&format!("the journal ended in half a record, which counts for nothing ({torn})"));
    }
    if let Some(pull) = desk.state().halted() {
        view.say(&format!("{pull}: no entry passes until `paper-trader resume --by NAME --reason TEXT`"));
    }
    match settings.delayed_quotes {
        Some(by) => view.say(&format!("quotes may be {by:?} old, as was declared: good for trying out, not for trading")),
        None if is_sandbox => view.say(
            "Tradier's sandbox serves quotes of 15 minutes ago: entries will be refused as on old quotes; add --delayed-quotes \
             to trade on them on paper",
        ),
        None => {}
    }
    let end = Session::trade(&desk, &clock, &settings, &view, signals).await;
    let alerts = sinks.end(&desk).await;
    let stopped = desk.stop().await;
    view.finish().await;
    let mut end = end?;
    end.alerts = alerts;
    end.watch = desk.watch_tally();
    end.failure = end.failure.or_else(|| stopped.err().map(|error| told(&error)));

    let simulator = wired.simulator.as_ref().map(|sim| &sim.server);
    let summary = Summary::new(&desk.state(), &end, &settings, Spent::of(&wired.broker.budget_use()), simulator);
    let printed = summary.print(common.json);
    if let Some(simulator) = wired.simulator {
        simulator.server.shutdown().await;
    }
    // That something is unresolved matters more than that nobody reads it.
    if summary.is_at_rest() { printed } else { Err(Failure::Unresolved) }
}
