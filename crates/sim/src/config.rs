//! What a simulation is made of.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backstop_broker::Decimal;
use backstop_clock::{Clock, SystemClock};
use serde::{Deserialize, Serialize};

use crate::calendar::Hours;
use crate::faults::FaultPlan;
use crate::market::Underlying;
use crate::replay::Replay;

/// The most cash of a new account, and the most debt: a sum of it and every trade fits a [`Decimal`].
const MOST_CASH: u64 = 1_000_000_000_000_000;

/// How the exchange behaves: the part that is kept with its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) faults: FaultPlan,
    pub(crate) underlyings: Vec<Underlying>,
    pub(crate) hours: Hours,
    pub(crate) start_cash: Decimal,
    pub(crate) fill_delay: (Duration, Duration),
    pub(crate) positions_lag: Duration,
}

impl Settings {
    /// Whether the exchange can reckon with all of it; if not, what is wrong. Asked once, at the door, so that no sum
    /// inside can overflow.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.start_cash.abs() > Decimal::from(MOST_CASH) {
            return Err(format!("an account cannot begin with {}; {MOST_CASH} is the most", self.start_cash));
        }
        self.underlyings.iter().try_for_each(Underlying::check)
    }
}

/// How many requests a minute each class allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Reads of the account, a minute.
    pub standard: u32,
    /// Quotes, clock, chains, a minute.
    pub market_data: u32,
    /// Placing, changing and canceling orders, a minute.
    pub trading: u32,
}

impl RateLimits {
    /// Far more than one bot needs.
    const GENEROUS: Self = Self { standard: 60_000, market_data: 60_000, trading: 60_000 };
}

/// A simulation: the exchange, its faults, and how it is reached.
///
/// ```
/// use backstop_sim::{FaultPlan, SimConfig};
/// let config = SimConfig::new(42).with_faults(FaultPlan::hostile()).with_start_cash(25_000.into());
/// ```
#[derive(Debug, Clone)]
pub struct SimConfig {
    pub(crate) settings: Settings,
    pub(crate) replay: Option<Replay>,
    pub(crate) rate_limits: RateLimits,
    pub(crate) persist: Option<PathBuf>,
    pub(crate) port: u16,
    pub(crate) token: String,
    pub(crate) account: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) call_timeout: Duration,
}

impl SimConfig {
    /// A simulation without faults, on the machine's clock: SPX and SPY, open at any hour, 100,000 of cash.
    pub fn new(seed: u64) -> Self {
        Self {
            settings: Settings {
                seed,
                faults: FaultPlan::none(),
                underlyings: Underlying::defaults(),
                hours: Hours::Always,
                start_cash: Decimal::from(100_000),
                fill_delay: (Duration::from_millis(50), Duration::from_millis(400)),
                positions_lag: Duration::from_millis(300),
            },
            replay: None,
            rate_limits: RateLimits::GENEROUS,
            persist: None,
            port: 0,
            token: "sim-token".to_owned(),
            account: "VA00000001".to_owned(),
            clock: Arc::new(SystemClock::new()),
            call_timeout: Duration::from_secs(5),
        }
    }

    /// What goes wrong. Default: nothing.
    #[must_use]
    pub fn with_faults(mut self, faults: FaultPlan) -> Self {
        self.settings.faults = faults;
        self
    }

    /// What is quoted. Default: [`Underlying::defaults`]. Numbers out of their range stop the start.
    #[must_use]
    pub fn with_underlyings(mut self, underlyings: Vec<Underlying>) -> Self {
        self.settings.underlyings = underlyings;
        self
    }

    /// When the market trades. Default: always.
    #[must_use]
    pub fn with_hours(mut self, hours: Hours) -> Self {
        self.settings.hours = hours;
        self
    }

    /// Recorded quotes to play from the start; their symbols go before underlyings of the same name.
    #[must_use]
    pub fn with_replay(mut self, replay: Replay) -> Self {
        self.replay = Some(replay);
        self
    }

    /// The cash of a new account. Default: 100,000. More than 10^15 stops the start.
    #[must_use]
    pub fn with_start_cash(mut self, cash: Decimal) -> Self {
        self.settings.start_cash = cash;
        self
    }

    /// How long a fill takes once the market is there. Default: 50 to 400 ms.
    #[must_use]
    pub fn with_fill_delay(mut self, min: Duration, max: Duration) -> Self {
        self.settings.fill_delay = (min, max);
        self
    }

    /// How long after a fill the list of positions shows it. Default: 300 ms.
    #[must_use]
    pub fn with_positions_lag(mut self, lag: Duration) -> Self {
        self.settings.positions_lag = lag;
        self
    }

    /// What the server allows a minute. Default: 60,000 of each class, far more than one bot needs.
    #[must_use]
    pub fn with_rate_limits(mut self, limits: RateLimits) -> Self {
        self.rate_limits = limits;
        self
    }

    /// Keeps the exchange in a file: loaded at the start if it is there, written after every change of an order or of
    /// the account, before the answer leaves. A killed simulator so comes back with the same account; prices go on
    /// from where they were, without the time between. The write is atomic (a temporary file and a rename) but not
    /// synced: after a crash of the machine the last changes may be missing.
    #[must_use]
    pub fn with_persistence(mut self, path: PathBuf) -> Self {
        self.persist = Some(path);
        self
    }

    /// The port on 127.0.0.1. Default: 0, any that is free.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The access token that the server takes. Default: `sim-token`.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    /// The account's number. Default: `VA00000001`.
    #[must_use]
    pub fn with_account(mut self, account: &str) -> Self {
        account.clone_into(&mut self.account);
        self
    }

    /// The clock that the exchange goes by. Default: the machine's.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// After how long [`SimBroker`](crate::SimBroker) gives up on a call. Default: 5 s.
    #[must_use]
    pub fn with_call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }
}
