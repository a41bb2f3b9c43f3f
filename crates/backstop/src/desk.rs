//! The desk: the only way from a strategy to the broker.

mod alerts;
mod book;
mod cash;
mod claims;
mod commit;
mod copies;
mod entry;
mod exit;
mod halt;
mod limits;
mod listed;
mod market;
mod reconcile;
mod resolve;
mod schedule;
mod session;
mod settle;
mod supervise;
mod tasks;
mod watch;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

use backstop_broker::{Broker, BrokerOrderId, ClientOrderId, Decimal, OrderRequest, Symbol};
use backstop_clock::{Clock, Mono, Timestamp};
use backstop_file_lock::{Lock, RaiseError};
use backstop_limits::{Config as LimitsConfig, ConfigError, Loosened};
use backstop_quote::{Feed, Market, Policy};
use backstop_reconcile::{Config as ReconcileConfig, ConfigError as ReconcileConfigError, Need as Wanted, Reconciler};
use backstop_rollback::Ledger;
use backstop_trade_guard::{self as trade_guard, ClaimStore, TradeGuard};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

use crate::SlotId;
use crate::alert::Alerts;
use crate::gate::{Marks, QuoteTally};
use crate::ids::StrategyName;
use crate::journal::Journal;
use crate::record::{Batch, Record};
use crate::state::State;
use crate::switch::Switch;

use claims::JournalClaims;
use listed::Rows;
use schedule::Schedule;
use session::OpenSession;
use watch::Ages;
use wire::Wire;

pub use cash::CashError;
pub use commit::RecordError;
pub use entry::{EntryEnd, EntryPlan};
pub use exit::{ExitAt, ExitEnd, ExitPlan};
pub use limits::{AllowError, Loosening, TightenError};
pub use reconcile::Comparison;
pub use resolve::{Claim, ClaimedFill, Differs, Operator, ResolveError};
pub use session::SessionError;
pub use watch::{Fallback, WatchPolicy, WatchTally};

/// How many batches a slow listener may fall behind before it misses some.
const EVENTS_KEPT: usize = 1024;

/// What a desk needs to know. None of it has a default: each value is somebody's decision. What is not asked for here is
/// fixed: an exit waits up to 10 s for request budget, an entry as long as a quote may be old.
#[derive(Debug, Clone)]
pub struct DeskConfig {
    /// The environment and account that the state directory belongs to, in any stable text without secrets.
    pub home: String,
    /// Whose orders these are.
    pub strategy: StrategyName,
    /// What may be done at most (LIMIT-1). `None` is not "no limits" but no entries: for a desk that only settles what is
    /// left behind.
    pub limits: Option<LimitsConfig>,
    /// Who answers for limits that are looser than those on record; `None`: they may not be. Not asked where they are not.
    pub loosening: Option<Loosening>,
    /// What a quote must be to be traded on.
    pub freshness: Policy,
    /// Between two looks at an order.
    pub poll: Duration,
    /// How long an order may work before it is canceled.
    pub fill_timeout: Duration,
    /// How long a request may be on its way and still land. Longer than the broker's call time-out.
    pub settle: Duration,
    /// How far the broker's clock and ours may differ when an order is taken to be later than a submit, or older than an
    /// intent. Where they differ by more, an order whose answer was lost is halted for and stays open.
    pub clock_tolerance: Duration,
    /// How book and broker are held against each other, and what is done where they differ. What its `names` say, the desk
    /// says itself.
    pub reconcile: ReconcileConfig,
    /// Where the book is kept as readable JSON from before and after each removal, the newest few of them: for people, and for
    /// nothing else. `None`: nowhere.
    pub copies: Option<PathBuf>,
}

/// Why a desk cannot open. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The settling time is not longer than a call may take (BRK-1).
    #[error("the settling time of {settle:?} must be longer than the broker's call time-out of {call_timeout:?}")]
    SettleTooShort {
        /// The settling time.
        settle: Duration,
        /// The longest call.
        call_timeout: Duration,
    },
    /// Without a pause between two looks the broker would be stormed.
    #[error("the pause between two looks at an order must not be zero")]
    NoPause,
    /// The state directory belongs to another account or environment (DESK-5).
    #[error("the records belong to {found}, not to {wanted}; use another state directory")]
    OtherHome {
        /// Whose it is.
        found: String,
        /// Whose it was taken for.
        wanted: String,
    },
    /// A limit that cannot be meant (LIMIT-1).
    #[error(transparent)]
    Limits(ConfigError),
    /// Limits are looser than those on record, and nobody answers for it by name and reason.
    #[error(
        "limits would be looser than those on record, and nobody answers for it by name and reason: {}",
        loosened.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    Loosens {
        /// Which.
        loosened: Vec<Loosened>,
    },
    /// A comparison of book and broker that cannot be meant.
    #[error("what the reconciliation is to go by cannot be meant")]
    Reconcile(#[from] ReconcileConfigError),
    /// The lock file was deleted or replaced some time ago, and its fence number could not be raised above those of the
    /// journal.
    #[error(transparent)]
    Fence(#[from] RaiseError),
    /// The journal takes no records.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What an earlier process was about to enter could not be settled with what else it left in the journal.
    #[error("the claims of an earlier run's entries could not be settled")]
    Claims(#[source] Box<dyn Error + Send + Sync>),
}

/// The only way from a strategy to the broker. Cheap to clone; all clones are one desk.
///
/// Each entry and exit runs as a task of its own: dropping the future that waits for it neither stops nor loses it.
#[derive(Debug, Clone)]
pub struct Desk {
    inner: Arc<Inner>,
    /// The guard, under the name of who enters through this clone.
    guard: TradeGuard,
}

#[derive(Debug)]
pub(crate) struct Inner {
    config: DeskConfig,
    broker: Arc<dyn Broker>,
    /// The same, with its count.
    wire: Arc<Wire>,
    clock: Arc<dyn Clock>,
    journal: Arc<dyn Journal>,
    lock: Lock,
    switch: Switch,
    guard: TradeGuard,
    /// The session that entries may be of.
    session: Mutex<Option<OpenSession>>,
    state: Mutex<State>,
    /// When each submit of this process ended, at the latest; what is not here was sent by an earlier process.
    sent: Mutex<BTreeMap<ClientOrderId, Moment>>,
    /// Since when the broker's orders are known.
    rows: Mutex<Rows>,
    /// When the broker last took a cancel of an order.
    canceled: Mutex<BTreeMap<(ClientOrderId, BrokerOrderId), Mono>>,
    /// When a fill last changed what is held of a symbol; what is not here was changed by an earlier process.
    changed: Mutex<BTreeMap<Symbol, Mono>>,
    /// What is known of the quotes, over all looks.
    feed: Mutex<Feed>,
    /// The newest word on whether there is trading, over all looks.
    market: Mutex<Option<Market>>,
    /// What became of them.
    tally: Mutex<QuoteTally>,
    /// At what prices what is held could be left.
    marks: Mutex<Marks>,
    /// When what is held was last checked.
    ages: Mutex<Ages>,
    /// What is to be told.
    alerts: Alerts,
    /// Which refusals were written down, and when.
    refused: Mutex<BTreeMap<(SlotId, &'static str), Mono>>,
    /// The cash: the account of the state, and on top of it what entries have set aside whose intent is not on disk yet.
    ledger: Ledger<SlotId>,
    /// These entries.
    opening: Mutex<BTreeMap<SlotId, Entering>>,
    /// The first failure of the journal.
    failed: Mutex<Option<String>>,
    /// Operations that a task of this process looks after; the reconciler leaves them alone.
    attended: Mutex<BTreeSet<ClientOrderId>>,
    /// When this process took the lock: no earlier process can have sent anything since.
    opened: Moment,
    /// Held while a batch goes to the journal and into the state, so that both have the same order.
    turn: tokio::sync::Mutex<()>,
    ready: AtomicBool,
    stopping: AtomicBool,
    /// For what this process has halted because it cannot go on.
    halted_for: Mutex<BTreeSet<&'static str>>,
    /// How many submits in a row have ended in doubt.
    doubts: AtomicU32,
    /// Whether the book's cash has to be read once nothing is in flight.
    recount: AtomicBool,
    /// Whether this process has compared the book's cash with the account's.
    compared: AtomicBool,
    /// Entries and exits whose tasks have not ended.
    running: Mutex<usize>,
    at_rest: Notify,
    /// One comparison with the broker at a time.
    reconciling: tokio::sync::Mutex<()>,
    reconciler: Mutex<Reconciler>,
    /// What the last comparison asked for, for the next one.
    needs: Mutex<BTreeSet<Wanted>>,
    schedule: Mutex<Schedule>,
    rescheduled: Arc<Notify>,
    events: broadcast::Sender<Arc<Batch>>,
}

/// An entry that is within the limits and about to be written down.
#[derive(Debug)]
struct Entering {
    order: OrderRequest,
    /// What it is worth to the limits.
    notional: Decimal,
}

/// One moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    mono: Mono,
    wall: Timestamp,
}

impl Moment {
    fn now(clock: &dyn Clock) -> Self {
        Self { mono: clock.mono(), wall: clock.wall() }
    }
}

impl Desk {
    /// Opens a desk on `lock`, `switch` and `journal`, whose batches so far amount to `state`.
    ///
    /// Exits are possible at once; entries only after [`recover`](Desk::recover) and
    /// [`begin_session`](Desk::begin_session).
    ///
    /// # Errors
    /// [`OpenError`]; the broker was not asked anything.
    ///
    /// # Cancel safety
    /// Dropped, it leaves at most the record of its own opening.
    pub async fn open(
        config: DeskConfig,
        broker: Arc<dyn Broker>,
        clock: Arc<dyn Clock>,
        mut lock: Lock,
        switch: Switch,
        journal: Arc<dyn Journal>,
        state: State,
    ) -> Result<Self, OpenError> {
        let (settle, call_timeout) = (config.settle, broker.call_timeout());
        if settle <= call_timeout {
            return Err(OpenError::SettleTooShort { settle, call_timeout });
        }
        if config.poll.is_zero() {
            return Err(OpenError::NoPause);
        }
        if let Some(found) = state.home.clone().filter(|home| *home != config.home) {
            return Err(OpenError::OtherHome { found, wanted: config.home });
        }
        let limits = limits::start(config.limits.as_ref(), config.loosening.as_ref(), &state)?;
        // LOCK-5: a file that was deleted counts from one again; the journal remembers.
        lock.raise_fence_above(state.fence)?;
        // HALT-1: what stood when the last process looked, stands, also if its records were deleted since.
        switch.remember(&state.halts, state.switch_newest);
        let opened = Record::Opened { home: config.home.clone(), fence: lock.fence() };
        let claims = Arc::new(JournalClaims::new(state.claims.clone()));
        // How many a session may have is said when it begins; until then nobody enters.
        let guard = TradeGuard::open(NonZeroU16::MAX, Arc::clone(&clock), Arc::clone(&claims) as Arc<dyn ClaimStore>);
        let guard = guard.map_err(|error| OpenError::Claims(error.into()))?;
        let feed = Mutex::new(Feed::new(config.freshness.clone()));
        let wire = Arc::new(Wire::new(broker));
        let reconciler = book::reconciler(&config, &state, &*clock)?;
        let inner = Inner {
            opened: Moment::now(&*clock),
            alerts: Alerts::after(&state.untold, &*clock),
            config,
            broker: Arc::clone(&wire) as Arc<dyn Broker>,
            wire,
            clock,
            journal,
            lock,
            switch,
            guard,
            session: Mutex::default(),
            // What an earlier process set aside for orders that may live is set aside still (TXN-6).
            ledger: Ledger::following(state.account.books().clone()),
            state: Mutex::new(state),
            sent: Mutex::default(),
            rows: Mutex::default(),
            canceled: Mutex::default(),
            changed: Mutex::default(),
            feed,
            market: Mutex::default(),
            tally: Mutex::default(),
            marks: Mutex::default(),
            refused: Mutex::default(),
            ages: Mutex::default(),
            opening: Mutex::default(),
            failed: Mutex::default(),
            attended: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            ready: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            halted_for: Mutex::default(),
            doubts: AtomicU32::default(),
            recount: AtomicBool::new(true),
            compared: AtomicBool::new(false),
            running: Mutex::default(),
            at_rest: Notify::new(),
            reconciling: tokio::sync::Mutex::default(),
            reconciler: Mutex::new(reconciler),
            needs: Mutex::default(),
            schedule: Mutex::default(),
            rescheduled: Arc::default(),
            events: broadcast::channel(EVENTS_KEPT).0,
        };
        let inner = Arc::new(inner);
        claims.write_to(&inner);
        inner.wire.halts(&inner);
        inner.commit(std::iter::once(opened).chain(limits).collect()).await?;
        inner.settle_claims().await.map_err(OpenError::Claims)?;
        inner.note_switch().await;
        let guard = inner.guard.named("the strategy").unwrap_or_else(|_| inner.guard.clone());
        Ok(Self { inner, guard })
    }

    /// The same desk for a caller with this name: `scheduler`, `button`. Whoever is turned away meanwhile is told it.
    ///
    /// # Errors
    /// [`TooManyCallers`](trade_guard::TooManyCallers): names are for the few kinds of callers that a program has.
    pub fn named(&self, caller: &'static str) -> Result<Self, trade_guard::TooManyCallers> {
        Ok(Self { inner: Arc::clone(&self.inner), guard: self.guard.named(caller)? })
    }

    /// The state as it is now.
    pub fn state(&self) -> State {
        self.inner.state.lock().clone()
    }

    /// The fence number of the lock that this desk holds.
    pub fn fence(&self) -> u64 {
        self.inner.lock.fence()
    }

    /// Whether the lock is still ours. Once it is not, nothing is sent any more, exits included: stop, and start anew.
    pub fn holds_lock(&self) -> bool {
        self.inner.lock.still_held()
    }

    /// Why this desk cannot go on, if it cannot: the lock is lost, or the journal failed. Nothing is sent any more, exits
    /// included: stop, and start anew.
    pub fn failure(&self) -> Option<String> {
        let lost = || (!self.holds_lock()).then(|| RecordError::LockLost.to_string());
        self.inner.failed.lock().clone().or_else(lost)
    }

    /// Every batch that is written from now on. A listener that falls far behind misses some, and is told so.
    pub fn events(&self) -> broadcast::Receiver<Arc<Batch>> {
        self.inner.events.subscribe()
    }
}
