//! Which broker stands behind the desk, and how it is reached.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backstop::broker::{Decimal, Symbol};
use backstop::clock::Clock;
use backstop::file_lock::{Claim, Lock};
use backstop::{reconcile, told};
use backstop_sim::{
    FaultPlan, RateLimits, Replay, SimConfig, SimServer, StartError, StateError, Underlying, UnderlyingKind,
};
use backstop_tradier::{AccountId, BaseUrl, ConfigError, Credentials, Tradier, TradierConfig};

use crate::cli::{BrokerKind, MarketArgs, RunArgs};
use crate::failure::Failure;
use crate::requests;
use crate::state_dir::StateDir;

/// The cash of a new simulated account.
const START_CASH: u32 = 250_000;
/// What a share costs that nobody gave a price for.
const PLAIN_PRICE: u32 = 100;

/// A broker, and what is known about it.
pub(crate) struct Wired {
    pub(crate) broker: Arc<Tradier>,
    /// The embedded simulator.
    pub(crate) simulator: Option<Simulator>,
    /// The environment and account, without secrets: a state directory belongs to one (DESK-5).
    pub(crate) home: String,
    /// For the first line of the output.
    pub(crate) described: String,
}

/// What must be known before the state directory is touched: a wrong command line leaves no trace.
pub(crate) enum Target {
    Simulator { config: Box<SimConfig>, requests: NonZeroU32 },
    Tradier(Box<TradierConfig>),
}

/// Checks everything that the command line and the environment say about the broker.
pub(crate) fn target(args: &RunArgs, symbol: &Symbol, settle: Duration) -> Result<Target, Failure> {
    match args.broker {
        BrokerKind::Sim => {
            if args.live {
                return Err(Failure::Usage("--live trades with real money; it goes with --broker tradier".to_owned()));
            }
            let faults = faults(&args.market.faults)?;
            let faults = faults.with_client_timeout(call_timeout(settle));
            let config = simulation(&args.market, &[(symbol.clone(), None)])?.with_faults(faults);
            Ok(Target::Simulator { config: Box::new(config), requests: args.market.requests })
        }
        BrokerKind::Tradier => tradier(args, settle).map(|config| Target::Tradier(Box::new(config))),
    }
}

/// The simulator as the command line describes it. `symbols` get a price of their own where the simulator has none.
pub(crate) fn simulation(args: &MarketArgs, symbols: &[(Symbol, Option<Decimal>)]) -> Result<SimConfig, Failure> {
    let mut underlyings = Underlying::defaults();
    for (symbol, price) in symbols {
        let known = underlyings.iter().any(|underlying| underlying.symbol == *symbol) || symbol.as_str() == "SPXW";
        if let Some(price) = price.or((!known).then(|| Decimal::from(PLAIN_PRICE))) {
            underlyings.retain(|underlying| underlying.symbol != *symbol);
            underlyings.push(Underlying::new(symbol.clone(), UnderlyingKind::Stock, price));
        }
    }
    let requests = args.requests.get();
    let config = SimConfig::new(args.seed)
        .with_faults(faults(&args.faults)?)
        .with_underlyings(underlyings)
        .with_rate_limits(RateLimits { standard: requests, market_data: requests, trading: requests })
        .with_start_cash(Decimal::from(START_CASH));
    match &args.quotes {
        Some(path) => {
            let replay = replay(path)?;
            if replay.skipped() > 0 {
                tracing::warn!(rows = replay.skipped(), file = %path.display(), "rows left out: their symbol is none");
            }
            Ok(config.with_replay(replay))
        }
        None => Ok(config),
    }
}

/// Reads recorded quotes.
pub(crate) fn replay(path: &Path) -> Result<Replay, Failure> {
    Replay::read(path).map_err(|error| Failure::Usage(told(&error)))
}

/// Reads which faults are meant.
pub(crate) fn faults(mix: &str) -> Result<FaultPlan, Failure> {
    if let Some(plan) = FaultPlan::preset(mix) {
        return Ok(plan);
    }
    let text = fs::read_to_string(mix)
        .map_err(|error| Failure::Usage(format!("--faults {mix}: {error}; write none, mild, hostile or a file")))?;
    FaultPlan::from_json(&text).map_err(|error| Failure::Usage(format!("--faults {mix}: {error}")))
}

fn tradier(args: &RunArgs, settle: Duration) -> Result<TradierConfig, Failure> {
    let usage = |error: ConfigError| Failure::Usage(error.to_string());
    let base_url = BaseUrl::from_env().map_err(usage)?;
    check_switch(&base_url, args.live)?;
    let credentials = Credentials::from_env().map_err(usage)?;
    let config = timeouts(TradierConfig::new(base_url, credentials), settle);
    let is_local = is_local(config.base_url());
    requests::limited(config, is_local)
}

/// Whether the environment names the production host if and only if somebody says so (DESK-5).
pub(crate) fn check_live(live: bool) -> Result<(), Failure> {
    check_switch(&BaseUrl::from_env().map_err(|error| Failure::Usage(error.to_string()))?, live)
}

fn check_switch(base_url: &BaseUrl, live: bool) -> Result<(), Failure> {
    if base_url.is_production() != live {
        return Err(Failure::Usage(if live {
            "--live is given, and TRADIER_API_BASE does not name Tradier's production host; drop one of the two"
                .to_owned()
        } else {
            "TRADIER_API_BASE names Tradier's production host, where orders move real money: add --live if that is meant"
                .to_owned()
        }));
    }
    Ok(())
}

/// What `home` names when it is the embedded simulator.
pub(crate) const SIMULATOR: &str = "simulator";

/// The broker of a bot in another process, by what its records call home; where they cannot be read, the one that the
/// environment names. `None`: it is in the bot's own process.
pub(crate) fn reach(
    home: Option<&str>,
    settle: Duration,
    dir: &StateDir,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Tradier>, Failure> {
    if home == Some(SIMULATOR) {
        return Ok(None);
    }
    let usage = |error: ConfigError| Failure::Usage(error.to_string());
    let config = TradierConfig::new(BaseUrl::from_env().map_err(usage)?, Credentials::from_env().map_err(usage)?);
    let found = home_of(&config);
    // DESK-5: another account's orders are none of ours, whoever runs this.
    if let Some(home) = home.filter(|home| *home != found) {
        return Err(Failure::Usage(format!("the environment names {found}, and the records belong to {home}")));
    }
    let is_local = is_local(config.base_url());
    let config = requests::limited(timeouts(config, settle), is_local)?;
    // RATE-6: the bot's budget. Where it cannot be used, whoever halts must get through all the same.
    let tradier = match Tradier::new(config.clone().with_shared_window(dir.requests()), Arc::clone(clock)) {
        Err(error @ ConfigError::Budget { .. }) => {
            tracing::error!(%error, "requests are counted apart from the bot's");
            Tradier::new(config, Arc::clone(clock))
        }
        reached => reached,
    };
    Ok(Some(tradier.map_err(usage)?))
}

fn home_of(config: &TradierConfig) -> String {
    format!("{}, account {}", place(config.base_url()), fingerprint(config.account()))
}

/// Time-outs that fit the settling time: a call ends well before it (BRK-1).
fn timeouts(config: TradierConfig, settle: Duration) -> TradierConfig {
    let call = call_timeout(settle);
    let request = (call * 3 / 4).min(Duration::from_secs(10));
    config
        .with_call_timeout(call)
        .with_request_timeout(request)
        .with_connect_timeout((request / 2).min(Duration::from_secs(3)))
}

/// How long a call may take.
pub(crate) fn call_timeout(settle: Duration) -> Duration {
    (settle * 2 / 5).min(Duration::from_secs(20))
}

/// Starts or reaches the broker.
pub(crate) async fn connect(
    target: Target,
    dir: &StateDir,
    settle: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<Wired, Failure> {
    match target {
        Target::Simulator { config, requests } => {
            let simulator = start(*config, dir, clock).await?;
            let server = &simulator.server;
            let wrong = |error: ConfigError| Failure::Broker(error.to_string());
            let account = AccountId::new(server.account()).map_err(wrong)?;
            let credentials = Credentials::new(account, server.token().to_owned().into()).map_err(wrong)?;
            let base_url = BaseUrl::new(&server.base_url()).map_err(wrong)?;
            // RATE-5: its server began to count just now.
            let config = timeouts(TradierConfig::new(base_url, credentials), settle);
            let config = requests::simulator(config, requests).map_err(wrong)?;
            let described =
                format!("the embedded simulator at {} ({requests} requests a minute of each kind)", server.base_url());
            let broker = Tradier::new(config, Arc::clone(clock)).map_err(wrong)?;
            let home = SIMULATOR.to_owned();
            Ok(Wired { broker: Arc::new(broker), simulator: Some(simulator), home, described })
        }
        Target::Tradier(config) => {
            let home = home_of(&config);
            let described = format!("Tradier at {}, account {}", config.base_url(), config.account());
            let config = config.with_shared_window(dir.requests());
            let broker = Tradier::new(config, Arc::clone(clock)).map_err(|error| Failure::Usage(error.to_string()))?;
            Ok(Wired { broker: Arc::new(broker), simulator: None, home, described })
        }
    }
}

/// How book and broker are held against each other: by the figures for Tradier, with lags that fit the settling time. The desk
/// says whose orders are whose.
pub(crate) fn reconciling(settle: Duration, poll: Duration) -> reconcile::Config {
    let mut config = reconcile::Config::new("bs-");
    // A close is confirmed by looks as far apart as those at orders.
    let spacing = config.confirm.spacing.min(poll);
    config.confirm = reconcile::Repeat { reads: 2, spacing, over: spacing };
    config.lag = config.lag.min(settle);
    config.pauses.alert_after = config.pauses.alert_after.min(settle * 2);
    config
}

/// A server on this machine is one environment whatever its port: it may get another at each start.
fn place(base_url: &BaseUrl) -> String {
    if is_local(base_url) { "a server on this machine".to_owned() } else { base_url.to_string() }
}

fn is_local(base_url: &BaseUrl) -> bool {
    let text = base_url.to_string();
    let host = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    matches!(host.split(['/', ':']).next(), Some("127.0.0.1" | "localhost" | "["))
}

/// An account, told from others without being written out: its last characters and a checksum of the whole.
///
/// It keeps the number out of casual sight and no more. Account numbers are short, so whoever has the state directory
/// can find this one by trying them all; the directory is as private as the account.
fn fingerprint(account: &AccountId) -> String {
    format!("{account}/{:08x}", crc32c::crc32c(account.as_str().as_bytes()))
}

/// A running simulator, and the right to keep its account in the state directory.
pub(crate) struct Simulator {
    pub(crate) server: SimServer,
    _account: Lock,
}

/// Starts the simulator on the account in `dir`.
pub(crate) async fn start(config: SimConfig, dir: &StateDir, clock: &Arc<dyn Clock>) -> Result<Simulator, Failure> {
    let claim = Claim { label: "simulator".to_owned(), since: clock.wall() };
    let account = Lock::acquire(dir.simulator_lock(), &claim)?;
    let server = SimServer::start(config.with_persistence(dir.simulator())).await.map_err(|error| match error {
        StartError::State(error @ StateError::Settings { .. }) => Failure::Usage(told(&error)),
        // A disk that is full or refuses is not damage.
        StartError::State(error @ StateError::Io { .. }) => Failure::Broker(told(&error)),
        StartError::State(error) => Failure::SimulatorState(told(&error)),
        error => Failure::Broker(told(&error)),
    })?;
    Ok(Simulator { server, _account: account })
}
