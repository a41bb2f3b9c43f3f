//! The desk of a bot that is stopped, opened on the account that its records belong to: for commands that settle and close.

use std::sync::Arc;
use std::time::Duration;

use backstop::broker::{Broker, Symbol};
use backstop::clock::{Clock, SystemClock};
use backstop::file_lock::{Claim, Lock};
use backstop::quote::{Policy, PolicyConfig};
use backstop::reconcile::Position;
use backstop::{Desk, DeskConfig, LogJournal, State, StrategyName, Switch, Upkeep};

use crate::cli::{MarketArgs, OthersArgs};
use crate::failure::Failure;
use crate::state_dir::StateDir;
use crate::wiring::{self, Simulator, Target};

/// Everything that keeps a bot from running while a command is at work. Nothing was sent.
pub(crate) struct Stopped {
    pub(crate) state: State,
    /// The environment and account that the records belong to.
    pub(crate) home: String,
    /// Half a record at the journal's end, which counts for nothing.
    pub(crate) torn: Option<String>,
    clock: Arc<dyn Clock>,
    lock: Lock,
    pub(crate) switch: Switch,
    journal: LogJournal,
}

/// How a desk looks after what is left.
pub(crate) struct Terms<'a> {
    /// Whose orders are looked at for strangers under the same name.
    pub(crate) strategy: StrategyName,
    pub(crate) settle: Duration,
    pub(crate) poll: Duration,
    pub(crate) fill_timeout: Duration,
    /// What else is on the account.
    pub(crate) others: &'a OthersArgs,
    /// The embedded simulator, if that is where the account is.
    pub(crate) market: &'a MarketArgs,
}

/// A desk that opens nothing, and its broker.
pub(crate) struct Opened {
    pub(crate) desk: Desk,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) simulator: Option<Simulator>,
}

impl Stopped {
    /// Takes the lock. A bot that runs would go on with what it knows: it has to be stopped, and the refusal names it.
    pub(crate) fn take(dir: &StateDir, label: &str) -> Result<Self, Failure> {
        dir.exists()?;
        // Before anything is made: a mistyped directory leaves no trace.
        if LogJournal::read(&dir.journal())?.state.home.is_none() {
            return Err(Failure::NothingTraded(dir.path().to_owned()));
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let claim = Claim { label: label.to_owned(), since: clock.wall() };
        let lock = Lock::acquire(dir.lock(), &claim)?;
        let switch = Switch::open(&dir.switch())?;
        let (journal, contents) = LogJournal::open(&dir.journal(), claim, Upkeep::default())?;
        let torn = contents.torn.as_ref().map(ToString::to_string);
        let state = contents.state;
        let home = state.home.clone().ok_or_else(|| Failure::NothingTraded(dir.path().to_owned()))?;
        Ok(Self { state, home, torn, clock, lock, switch, journal })
    }

    /// Whether the account is the embedded simulator's.
    pub(crate) fn is_simulated(&self) -> bool {
        self.home == wiring::SIMULATOR
    }

    /// Reaches the broker and opens a desk that trades nothing.
    pub(crate) async fn open(self, dir: &StateDir, terms: Terms<'_>) -> Result<Opened, Failure> {
        let Self { state, home, clock, lock, switch, journal, .. } = self;
        let Terms { strategy, settle, poll, fill_timeout, others, market } = terms;
        let (broker, simulator): (Arc<dyn Broker>, _) =
            if let Some(broker) = wiring::reach(Some(&home), settle, dir, &clock)? {
                (Arc::new(broker), None)
            } else {
                let held = state.book.positions().values().map(Position::underlying);
                let symbols: Vec<(Symbol, _)> = held.map(|symbol| (symbol.clone(), None)).collect();
                let config = wiring::simulation(market, &symbols)?;
                let target = Target::Simulator { config: Box::new(config), requests: market.requests };
                let wired = wiring::connect(target, dir, settle, &clock).await?;
                (wired.broker, wired.simulator)
            };
        let config = DeskConfig {
            home,
            strategy,
            limits: None,
            loosening: None,
            freshness: Policy::new(PolicyConfig::tradier()).map_err(|error| Failure::Usage(error.to_string()))?,
            poll,
            fill_timeout,
            settle,
            clock_tolerance: Duration::from_secs(1),
            reconcile: others.apply(wiring::reconciling(settle, poll)),
            copies: Some(dir.copies()),
        };
        let desk = Desk::open(config, Arc::clone(&broker), clock, lock, switch, Arc::new(journal), state).await?;
        Ok(Opened { desk, broker, simulator })
    }
}
