//! The two brokers of a demo, alike in everything, and how each bot is told of its own.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use backstop_sim::{FaultKind, FaultPlan, SimServer};

use super::bots::{Kind, Recipe, trouble};
use super::schedule::Schedule;
use crate::cli::{DemoArgs, MarketArgs, StrategyKind};
use crate::failure::Failure;
use crate::state_dir::StateDir;
use crate::wiring;

/// How both bots trade: fast, so that a minute shows what takes a naive bot weeks.
const SLOT: Duration = Duration::from_millis(2_500);
const HOLD: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(200);
const FILL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a request whose answer was lost may still land. What lasts in the simulator's faults lasts in proportion to it.
pub(crate) const SETTLE: Duration = Duration::from_secs(3);
/// The settling time that the durations of the faults are meant for.
const USUAL_SETTLE: Duration = Duration::from_secs(5);
const RECONCILE_EVERY: Duration = Duration::from_secs(2);

/// What is traded, on what, and what is done to the bots.
#[derive(Debug)]
pub(crate) struct Plan {
    market: MarketArgs,
    strategy: StrategyKind,
    pub(crate) seed: u64,
    pub(crate) entries: u32,
    faults: FaultPlan,
    pub(crate) schedule: Schedule,
}

impl Plan {
    /// # Errors
    /// Faults that are none.
    pub(crate) fn of(args: &DemoArgs) -> Result<Self, Failure> {
        let market = MarketArgs { seed: args.seed, faults: args.faults.clone(), quotes: None, requests: args.requests };
        let faults = scaled(wiring::faults(&market.faults)?);
        let schedule = Schedule::of(args.seed, SLOT * args.entries);
        Ok(Self { market, strategy: args.strategy, seed: args.seed, entries: args.entries, faults, schedule })
    }

    pub(crate) fn strategy(&self) -> &'static str {
        match self.strategy {
            StrategyKind::Spread => "spread",
            StrategyKind::Equity => "equity",
        }
    }

    /// What goes wrong, by its name.
    pub(crate) fn faults(&self) -> &str {
        &self.market.faults
    }

    /// How long it will take, about: the slots, the last position, and what recovery takes after each kill.
    pub(crate) fn expected(&self) -> Duration {
        SLOT * self.entries + HOLD + SETTLE * 5
    }

    /// Starts a broker. Two of one plan have the same prices, step by step, and the same dice: the n-th order, cancel, read or
    /// quote that one is asked for suffers what the n-th suffers that the other is asked for.
    pub(crate) async fn broker(&self) -> Result<SimServer, Failure> {
        let config = wiring::simulation(&self.market, &[])?.with_faults(self.faults.clone());
        SimServer::start(config).await.map_err(|error| Failure::Broker(backstop::told(&error)))
    }

    /// How a bot is started against `broker`, with its state in `dir`.
    pub(crate) fn recipe(&self, kind: Kind, broker: &SimServer, dir: &Path) -> Result<Recipe, Failure> {
        let state = dir.join(kind.name());
        StateDir::at(&state).create()?;
        let ms = |duration: Duration| format!("{}ms", duration.as_millis());
        let (strategy, entries) = (self.strategy().to_owned(), self.entries.to_string());
        let mut options = vec![("--strategy", strategy), ("--entries", entries.clone()), ("--slot", ms(SLOT))];
        options.extend([("--hold", ms(HOLD)), ("--poll", ms(POLL)), ("--fill-timeout", ms(FILL_TIMEOUT))]);
        let mut args: Vec<OsString> = vec!["--state-dir".into(), state.into()];
        match kind {
            Kind::Naive => args.push("naive".into()),
            Kind::Backstop => {
                args.extend(["run", "--broker", "tradier"].map(OsString::from));
                options.extend([("--entries-per-day", entries), ("--flatten-at-end", "true".to_owned())]);
                options.extend([("--settle", ms(SETTLE)), ("--reconcile-every", ms(RECONCILE_EVERY))]);
            }
        }
        args.extend(options.into_iter().flat_map(|(name, value)| [name.into(), value.into()]));
        let environment = vec![
            ("TRADIER_API_BASE", broker.base_url()),
            ("TRADIER_ACCESS_TOKEN", broker.token().to_owned()),
            ("TRADIER_ACCOUNT_ID", broker.account().to_owned()),
            ("TRADIER_REQUESTS_PER_MINUTE", self.market.requests.to_string()),
        ];
        let file = |of: &str| dir.join(format!("{}.{of}", kind.name()));
        Ok(Recipe { kind, args, environment, said: file("out"), complaints: file("err") })
    }
}

/// The faults for clients that give up as early as these bots do. Nobody trades by hand: every order is a bot's.
fn scaled(faults: FaultPlan) -> FaultPlan {
    let mut faults = faults.with_rate(FaultKind::ManualOrder, 0).with_client_timeout(wiring::call_timeout(SETTLE));
    for kind in [
        FaultKind::PositionsLag,
        FaultKind::OrdersLag,
        FaultKind::FilledBeforeQuantities,
        FaultKind::RejectedLater,
        FaultKind::Throttled,
        FaultKind::ReadThrottled,
        FaultKind::QuoteFrozen,
    ] {
        let share = faults.delay(kind).as_millis() * SETTLE.as_millis() / USUAL_SETTLE.as_millis();
        faults = faults.with_delay(kind, Duration::from_millis(u64::try_from(share).unwrap_or(u64::MAX)));
    }
    faults
}

/// Where the bots keep their state: a directory that somebody named, or one that is gone afterwards.
#[derive(Debug)]
pub(crate) enum Place {
    Kept(std::path::PathBuf),
    Passing(tempfile::TempDir),
}

impl Place {
    /// # Errors
    /// A directory in which bots have traded before: their records are of another broker.
    pub(crate) fn of(keep: Option<&Path>) -> Result<Self, Failure> {
        let Some(keep) = keep else {
            let dir = tempfile::Builder::new().prefix("paper-trader-demo-").tempdir();
            return dir.map(Self::Passing).map_err(|error| trouble("cannot make a directory for the bots", &error));
        };
        if Kind::BOTH.iter().any(|kind| keep.join(kind.name()).exists()) {
            let text = format!("--keep {}: bots have traded there before; name a new directory", keep.display());
            return Err(Failure::Usage(text));
        }
        let made = StateDir::at(keep).create();
        made.map_err(|_| Failure::Usage(format!("--keep {}: it cannot be made; name another one", keep.display())))?;
        Ok(Self::Kept(keep.to_owned()))
    }

    /// Where it is to be found afterwards; one that is not to be kept is removed.
    pub(crate) fn kept(self, is_to_be_kept: bool) -> Option<std::path::PathBuf> {
        match self {
            Self::Kept(path) => Some(path),
            Self::Passing(dir) => is_to_be_kept.then(|| dir.keep()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Passing(dir) => dir.path(),
        }
    }
}
