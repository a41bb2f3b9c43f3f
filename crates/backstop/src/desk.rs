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
mod reconcile;
mod resolve;
mod schedule;
mod settle;
mod supervise;
mod watch;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use backstop_broker::{
    Broker, BrokerOrderId, ClientOrderId, Decimal, MarketClock, OrderList, OrderRequest, PositionEffect, Progress,
    Quotes, ReadError, Symbol,
};
use backstop_clock::{Clock, Mono, Timestamp};
use backstop_file_lock::{Lock, RaiseError};
use backstop_limits::{Config as LimitsConfig, ConfigError, Loosened};
use backstop_quote::{Feed, Fresh, Market, Need, Policy, Quote, Refusal as QuoteRefusal};
use backstop_reconcile::{Config as ReconcileConfig, ConfigError as ReconcileConfigError, Need as Wanted, Reconciler};
use backstop_rollback::Ledger;
use backstop_trade_guard::{self as trade_guard, ClaimStore, TradeGuard};
use jiff::civil::Date;
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

use crate::alert::Alerts;
use crate::gate::{self, MarketView, Marks, QuoteTally};
use crate::ids::StrategyName;
use crate::journal::Journal;
use crate::record::{Batch, Record};
use crate::state::{Session, State};
use crate::switch::Switch;
use crate::{SessionId, SlotId};

use claims::JournalClaims;
use listed::Rows;
use schedule::Schedule;
use watch::Ages;
use wire::Wire;

pub use cash::CashError;
pub use commit::RecordError;
pub use entry::{EntryEnd, EntryPlan};
pub use exit::{ExitAt, ExitEnd, ExitPlan};
pub use limits::{AllowError, Loosening, TightenError};
pub use reconcile::Comparison;
pub use resolve::{Claim, ClaimedFill, Differs, Operator, ResolveError};
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

/// The session that has begun in this process.
#[derive(Debug, Clone, Copy)]
struct OpenSession {
    id: SessionId,
    /// The most entries that this strategy may have in it; `None` for none.
    limit: Option<NonZeroU16>,
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

    /// Begins a session of `day`, or goes on with the newest one of that day while it has slots left (a slot is left
    /// when it had no intent) and while the records have all its names that the broker lists. A new one is numbered above
    /// all that the journal or the broker's list has seen.
    ///
    /// The session may have `entries` entries, a million at most, and with `per_day` no more than that leaves for the day over all
    /// sessions, possible entries included.
    ///
    /// # Errors
    /// [`SessionError`]; entries stay shut.
    ///
    /// # Cancel safety
    /// Dropped, the session may or may not have begun; calling again goes on with it.
    pub async fn begin_session(
        &self,
        day: Date,
        entries: u32,
        per_day: Option<u32>,
    ) -> Result<SessionId, SessionError> {
        let inner = &self.inner;
        // Above that the slots are those of adopted positions.
        let entries = entries.min(book::ADOPTED);
        if inner.config.limits.is_none() {
            return Err(SessionError::NoLimits);
        }
        // GUARD-6: one wrong answer must not shut the days until then. No exchange is more than a day away from UTC.
        let today = inner.clock.wall().to_zoned(jiff::tz::TimeZone::UTC).date();
        if (day - today).get_days().unsigned_abs() > 1 {
            return Err(SessionError::Implausible { day, today });
        }
        // GUARD-6: yesterday's slots do not open again because a clock was set back.
        let newest = inner.state.lock().session.as_ref().map(|session| session.id.day);
        if let Some(newest) = newest.filter(|newest| *newest > day) {
            return Err(SessionError::Older { day, newest });
        }
        // An earlier state directory may have traded on this account today: its names must not be used again.
        let (orders, _) = inner.list().await?;
        let ours = |slot: &SlotId| slot.strategy == inner.config.strategy && slot.session.day == day;
        let foreign = orders.orders().iter().filter_map(|order| SlotId::of_label(order.label.as_deref()?)).filter(ours);
        let (id, limit, behind) = {
            let state = inner.state.lock();
            let unknown = entries_unknown_to(&state, &orders, ours);
            let limit = |own: u32| {
                let others = state.entries_on(day).saturating_sub(own).saturating_add(unknown);
                entries.min(per_day.map_or(u32::MAX, |most| most.saturating_sub(others)))
            };
            let newest = state.session.as_ref().filter(|session| session.id.day == day).map(|session| session.id);
            let has_slots_left = |id: &SessionId| {
                (1..=entries).any(|slot| !state.slots.keys().any(|had| had.session == *id && had.slot.get() == slot))
            };
            // DESK-2: the records are of an earlier moment, so nobody knows which of its slots are taken.
            let behind =
                newest.filter(|id| has_unknown_names(&state, &orders, |slot| ours(slot) && slot.session == *id));
            if let Some(id) = newest.filter(|id| behind.is_none() && has_slots_left(id)) {
                (id, limit(state.entries_in(id)), behind)
            } else {
                let seen = foreign.map(|slot| slot.session.number).chain(newest.map(|id| id.number)).max();
                let number = seen.map_or(NonZeroU32::MIN, |seen| seen.saturating_add(1));
                (SessionId { day, number }, limit(0), behind)
            }
        };
        let is_new =
            inner.state.lock().session.as_ref().map(|session| (session.id, session.limit)) != Some((id, limit));
        if is_new {
            inner.commit(vec![Record::SessionBegun { session: id, limit }]).await?;
        }
        if let Some(behind) = behind {
            let text = format!(
                "the broker lists orders of session {behind} that are not in the records: the journal is an earlier copy, or \
                 another instance trades under this name. Session {id} begins instead; see what those orders hold"
            );
            inner.alert("session", text).await;
        }
        inner.refused.lock().clear();
        inner.open_session(id, limit)?;
        Ok(id)
    }

    /// The slot of the open session with this number, from 1; `None` without a session.
    pub fn slot(&self, number: u32) -> Option<SlotId> {
        let session = self.inner.state.lock().session.as_ref().map(|session: &Session| session.id)?;
        Some(SlotId { strategy: self.inner.config.strategy.clone(), session, slot: NonZeroU32::new(number)? })
    }

    /// The broker's word on day and hour.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn market_clock(&self) -> Result<MarketClock, ReadError> {
        self.inner.market_clock().await
    }

    /// Looks at the market: the broker's clock and quotes for `symbols`.
    ///
    /// # Errors
    /// [`ReadError`] of either.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn look(&self, symbols: &[Symbol]) -> Result<MarketView, ReadError> {
        let asked = self.inner.clock.mono();
        let clock = self.market_clock().await?;
        let quotes = self.inner.broker.quotes(symbols).await?;
        let refused = self.inner.receive(symbols, &quotes);
        self.inner.halt_for_loss().await;
        Ok(MarketView::new(asked, clock, quotes, refused))
    }

    /// The newest quote of `symbol`, if it came with `view` and may be traded on now: what a strategy plans by.
    ///
    /// # Errors
    /// [`QuoteRefusal`] with the first reason. Where no entry is tried for it, tell [`no_entry`](Desk::no_entry).
    pub fn fresh(&self, view: &MarketView, symbol: &Symbol, need: Need) -> Result<Fresh<Quote>, QuoteRefusal> {
        gate::judge_one(&self.inner.feed.lock(), view, symbol, need, &*self.inner.clock)
    }

    /// What became of the quotes so far.
    pub fn quote_tally(&self) -> QuoteTally {
        self.inner.tally.lock().clone()
    }

    /// How far the source of the quotes is behind, where it looks like delayed data: what trades on paper may declare it
    /// ([`PolicyConfig::with_delay`](backstop_quote::PolicyConfig::with_delay)); undeclared, its quotes are refused as old.
    pub fn delayed_quotes(&self) -> Option<Duration> {
        self.inner.feed.lock().delayed()
    }

    /// Quotes for `symbols`, without a judgement.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn quotes(&self, symbols: &[Symbol]) -> Result<Quotes, ReadError> {
        let quotes = self.inner.broker.quotes(symbols).await?;
        // They show that the feed is alive, and are what an entry is held against.
        let _told = self.inner.receive(symbols, &quotes);
        self.inner.halt_for_loss().await;
        Ok(quotes)
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

    /// Shuts entries and asks everything that is working to come to rest: an entry is canceled at its task's next look.
    /// Exits go on.
    pub fn stop_entries(&self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
    }

    /// Shuts entries, waits until every entry and exit that was asked for has ended, and records that the process left
    /// so, halted or not.
    ///
    /// # Errors
    /// [`RecordError`] when that could not be recorded.
    ///
    /// # Cancel safety
    /// Cancel safe: entries stay shut, and it can be called again.
    pub async fn stop(&self) -> Result<(), RecordError> {
        self.stop_entries();
        loop {
            let mut rested = std::pin::pin!(self.inner.at_rest.notified());
            // Registered before looking, so that the last task to finish is not missed.
            rested.as_mut().enable();
            if *self.inner.running.lock() == 0 {
                break;
            }
            rested.await;
        }
        let halted = self.inner.note_switch().await.strongest().map(ToString::to_string);
        self.inner.commit(vec![Record::Stopped { halted }]).await
    }
}

impl Inner {
    async fn market_clock(&self) -> Result<MarketClock, ReadError> {
        let asked = self.clock.mono();
        let clock = self.broker.market_clock().await?;
        let mut newest = self.market.lock();
        if newest.as_ref().is_none_or(|newest| newest.asked <= asked) {
            *newest = Some(Market { state: clock.state.clone(), asked });
        }
        drop(newest);
        Ok(clock)
    }

    /// Takes in what came for `symbols`, and says what of it may not be traded on.
    fn receive(&self, symbols: &[Symbol], quotes: &Quotes) -> Vec<QuoteRefusal> {
        let refused = gate::receive(&mut self.feed.lock(), symbols, quotes, &*self.clock);
        self.tally.lock().came(symbols, quotes, &refused);
        self.marks.lock().take(quotes, &refused, self.clock.mono());
        refused
    }

    /// Does something that nobody waits for but [`Desk::stop`].
    fn in_a_task<T: Future<Output = ()> + Send + 'static>(self: &Arc<Self>, work: impl FnOnce(Arc<Self>) -> T) {
        let running = Running::new(self);
        let work = work(Arc::clone(self));
        tokio::spawn(async move {
            let _running = running;
            work.await;
        });
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Takes an operation under this task's care until the result is dropped.
    fn attend(self: &Arc<Self>, id: &ClientOrderId) -> Attended {
        self.attended.lock().insert(id.clone());
        Attended { inner: Arc::clone(self), id: id.clone() }
    }
}

/// Entries that the broker lists, of which something was or may be filled, and of which there is no record: an earlier
/// state directory's. They count for the day all the same.
fn entries_unknown_to(state: &State, orders: &OrderList, ours: impl Fn(&SlotId) -> bool) -> u32 {
    let unknown = orders.orders().iter().filter(|order| {
        let id = order.label.as_deref().and_then(|label| ClientOrderId::new(label).ok());
        let opens = order.legs.iter().all(|leg| leg.effect == PositionEffect::Open);
        let holds_nothing = matches!(order.progress(), Progress::Final(fills) if fills.is_empty());
        let is_ours = id.as_ref().and_then(|id| SlotId::of_label(id.as_str())).is_some_and(|slot| ours(&slot));
        is_ours && opens && !holds_nothing && id.is_none_or(|id| !state.issued.contains_key(&id))
    });
    u32::try_from(unknown.count()).unwrap_or(u32::MAX)
}

/// Whether the broker lists names of these slots that are not in the records.
fn has_unknown_names(state: &State, orders: &OrderList, of: impl Fn(&SlotId) -> bool) -> bool {
    let mut labels = orders.orders().iter().filter_map(|order| order.label.as_deref());
    labels.any(|label| {
        let is_known = || ClientOrderId::new(label).is_ok_and(|id| state.issued.contains_key(&id));
        SlotId::of_label(label).is_some_and(|slot| of(&slot)) && !is_known()
    })
}

/// An operation that a task looks after.
#[must_use = "an operation that nobody attends is the reconciler's"]
struct Attended {
    inner: Arc<Inner>,
    id: ClientOrderId,
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.inner.attended.lock().remove(&self.id);
    }
}

/// The task of an entry or exit, from its first to its last step.
struct Running(Arc<Inner>);

impl Running {
    fn new(inner: &Arc<Inner>) -> Self {
        let mut running = inner.running.lock();
        *running = running.saturating_add(1);
        Self(Arc::clone(inner))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        {
            let mut running = self.0.running.lock();
            *running = running.saturating_sub(1);
        }
        self.0.at_rest.notify_waiters();
    }
}

/// Why a session did not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The desk was opened without limits, so it opens nothing (LIMIT-1).
    #[error("the desk was opened without limits, and opens nothing without them")]
    NoLimits,
    /// The day's orders could not be read, so names might be used twice.
    #[error("the day's orders could not be read")]
    Broker(#[from] ReadError),
    /// The day lies before one that had a session.
    #[error("the broker says that today is {day}, but there was a session on {newest}; check the clocks")]
    Older {
        /// The day that was asked for.
        day: Date,
        /// The newest day that had a session.
        newest: Date,
    },
    /// The day is not today.
    #[error("the broker says that today is {day}, and our clock says {today}; check the clocks")]
    Implausible {
        /// The day that was asked for.
        day: Date,
        /// Our own clock's day, in UTC.
        today: Date,
    },
    /// The session could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The guard has seen a newer one.
    #[error(transparent)]
    Guard(#[from] trade_guard::Refusal),
}
