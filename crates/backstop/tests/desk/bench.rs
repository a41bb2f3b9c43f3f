//! A desk on a simulated broker whose faults, clock, lock and journal are in the test's hands.

mod journals;
mod metered;

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backstop::broker::{Broker, Decimal, Leg, OrderKind, PositionEffect, Quantity, Side, Symbol};
use backstop::clock::{Clock, ManualClock, Timestamp};
use backstop::file_lock::{Claim, Lock};
use backstop::limits::{Collar, Config as LimitsConfig, Rate};
use backstop::quote::{Policy, PolicyConfig};
use backstop::reconcile::{Config as ReconcileConfig, Repeat};
use backstop::{
    Batch, Desk, DeskConfig, EntryEnd, EntryPlan, ExitAt, ExitEnd, ExitPlan, Journal, MarketView, MemoryJournal,
    OpenError, SlotId, State, StrategyName, Switch,
};
use backstop_sim::{FaultKind, FaultPlan, Hours, SimBroker, SimConfig, SimHandle};

pub(crate) use self::journals::*;
pub(crate) use self::metered::*;

pub(crate) const SETTLE: Duration = Duration::from_secs(6);
pub(crate) const ENTRIES: u32 = 4;

/// A simulated account, and what desks on it share.
pub(crate) struct Bench {
    pub(crate) broker: Arc<Metered>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The same clock, to be set.
    pub(crate) manual: Arc<ManualClock>,
    directory: tempfile::TempDir,
    locks: AtomicUsize,
}

impl Bench {
    /// An account with SPY at about 560, and these faults.
    pub(crate) fn new(seed: u64, faults: FaultPlan) -> Self {
        Self::with(seed, faults, |config| config)
    }

    /// The same, with the market open in the regular session only: the broker's day ends, and its lists with it.
    pub(crate) fn with_days(seed: u64) -> Self {
        Self::with(seed, FaultPlan::none(), |config| config.with_hours(Hours::Regular))
    }

    fn with(seed: u64, faults: FaultPlan, change: impl FnOnce(SimConfig) -> SimConfig) -> Self {
        let start: Timestamp = "2030-01-02T15:00:00Z".parse().unwrap();
        let manual = Arc::new(ManualClock::following_tokio(start));
        let clock: Arc<dyn Clock> = Arc::clone(&manual) as Arc<dyn Clock>;
        let call_timeout = Duration::from_secs(3);
        let config = SimConfig::new(seed)
            .with_clock(Arc::clone(&clock))
            .with_call_timeout(call_timeout)
            .with_start_cash(Decimal::from(1_000_000))
            .with_faults(faults.with_client_timeout(call_timeout));
        let broker = Arc::new(Metered::new(SimBroker::new(&change(config)).unwrap()));
        Self::on(broker, clock, manual)
    }

    fn on(broker: Arc<Metered>, clock: Arc<dyn Clock>, manual: Arc<ManualClock>) -> Self {
        Self { broker, clock, manual, directory: tempfile::tempdir().unwrap(), locks: AtomicUsize::new(0) }
    }

    /// The same account, traded from another state directory.
    pub(crate) fn elsewhere(&self) -> Self {
        Self::on(Arc::clone(&self.broker), Arc::clone(&self.clock), Arc::clone(&self.manual))
    }

    pub(crate) fn sim(&self) -> SimHandle {
        self.broker.inner.handle()
    }

    pub(crate) fn inject(&self, kind: FaultKind) {
        self.sim().inject(kind, 1);
    }

    /// The path that the newest desk's lock has.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.directory.path().join(format!("lock-{}", self.locks.load(Ordering::SeqCst)))
    }

    /// Where the kill switch of this state directory is.
    pub(crate) fn switch_path(&self) -> PathBuf {
        self.directory.path().join("switch")
    }

    /// The kill switch, as another process has it.
    pub(crate) fn switch(&self) -> Switch {
        Switch::open(&self.switch_path()).unwrap()
    }

    /// A desk on `journal`, not yet recovered. Each has a lock file of its own, because the one before it may still be
    /// held by tasks of a desk that is supposed to be dead.
    pub(crate) async fn open(&self, journal: Arc<dyn Journal>, history: &[Batch]) -> Result<Desk, OpenError> {
        self.open_as(config(), journal, history).await
    }

    /// The same with other settings.
    pub(crate) async fn open_as(
        &self,
        config: DeskConfig,
        journal: Arc<dyn Journal>,
        history: &[Batch],
    ) -> Result<Desk, OpenError> {
        self.open_on(config, journal, State::replay(history).unwrap()).await
    }

    /// The same after a checkpoint.
    pub(crate) async fn open_on(
        &self,
        config: DeskConfig,
        journal: Arc<dyn Journal>,
        state: State,
    ) -> Result<Desk, OpenError> {
        self.locks.fetch_add(1, Ordering::SeqCst);
        let claim = Claim { label: "test".to_owned(), since: self.clock.wall() };
        let lock = Lock::acquire(self.lock_path(), &claim).unwrap();
        let broker: Arc<dyn Broker> = self.broker.clone();
        Desk::open(config, broker, Arc::clone(&self.clock), lock, self.switch(), journal, state).await
    }

    /// A desk that is ready for entries of today's session.
    pub(crate) async fn ready(&self, journal: Arc<dyn Journal>, history: &[Batch]) -> Desk {
        let desk = self.open(journal, history).await.unwrap();
        self.begin(&desk).await;
        desk
    }

    /// The same where the account says that it owes, as often as it is asked.
    pub(crate) async fn ready_in_debt(&self, journal: Arc<dyn Journal>, history: &[Batch]) -> Desk {
        let desk = self.open(journal, history).await.unwrap();
        desk.recover().await.unwrap();
        desk.begin_session(desk.market_clock().await.unwrap().date, ENTRIES, None).await.unwrap();
        desk
    }

    pub(crate) async fn begin(&self, desk: &Desk) {
        while desk.recover().await.is_err() {}
        while desk.read_cash().await.is_err() {}
        let day = loop {
            if let Ok(clock) = desk.market_clock().await {
                break clock.date;
            }
        };
        while desk.begin_session(day, ENTRIES, None).await.is_err() {}
    }

    /// A ready desk with a journal in memory.
    pub(crate) async fn desk(&self) -> Desk {
        self.ready(Arc::new(MemoryJournal::default()), &[]).await
    }

    /// The same for an account on which others trade SPY as they like: whatever there is of it, entries go on.
    pub(crate) async fn shared_desk(&self) -> Desk {
        let mut config = config();
        config.reconcile.others.symbols.insert(spy());
        let desk = self.open_as(config, Arc::new(MemoryJournal::default()), &[]).await.unwrap();
        self.begin(&desk).await;
        desk
    }

    /// How many requests to place an order reached the broker.
    pub(crate) fn requests(&self) -> usize {
        self.sim().ledger().requests.len()
    }

    /// The true net quantity of SPY.
    pub(crate) fn held(&self) -> Decimal {
        self.sim().ledger().position(&spy())
    }
}

/// Five seconds for everything but the stamps of a quiet option.
fn freshness() -> PolicyConfig {
    let mut config = PolicyConfig::tradier();
    config.max_market_age = Duration::from_secs(5);
    (config.share.max_age, config.option.max_age) = (Duration::from_secs(5), Duration::from_secs(5));
    config.share.max_quiet = Duration::from_secs(6);
    config
}

/// A bench whose broker does nothing wrong.
pub(crate) fn calm() -> Bench {
    Bench::new(1, FaultPlan::none())
}

pub(crate) fn config() -> DeskConfig {
    DeskConfig {
        home: "test".to_owned(),
        strategy: StrategyName::new("test").unwrap(),
        limits: Some(limits()),
        loosening: None,
        freshness: Policy::new(freshness()).unwrap(),
        poll: Duration::from_millis(250),
        fill_timeout: Duration::from_secs(3),
        settle: SETTLE,
        clock_tolerance: Duration::from_secs(1),
        reconcile: reconcile(),
        copies: None,
    }
}

/// Two looks half a second apart confirm a close; absence takes three over a minute.
fn reconcile() -> ReconcileConfig {
    let mut config = ReconcileConfig::new("bs-test-");
    config.lag = SETTLE;
    config.confirm = Repeat { reads: 2, spacing: Duration::from_millis(500), over: Duration::from_millis(500) };
    config.absence = Repeat { reads: 3, spacing: Duration::from_secs(10), over: Duration::from_mins(1) };
    config.pauses.alert_after = SETTLE;
    config
}

/// Three positions, and everything else wider than any test needs that is not about it.
pub(crate) fn limits() -> LimitsConfig {
    let often = Rate { count: 1_000, seconds: 60 };
    LimitsConfig {
        order_quantity: 100,
        order_notional: Decimal::from(1_000_000),
        gross_notional: Decimal::from(10_000_000),
        collar: Collar { bps: 5_000, least: Decimal::from(1_000) },
        positions: 3,
        positions_per_underlying: 3,
        entries: 1_000,
        loss: Decimal::from(100_000_000),
        repeats: 1_000,
        look_alikes: often,
        messages: often,
        underlyings: [spy(), "SPX".parse().unwrap()].into(),
    }
}

pub(crate) fn spy() -> Symbol {
    "SPY".parse().unwrap()
}

/// A look at SPY that is free of faults only if the plan is; repeated until it is readable.
pub(crate) async fn look(desk: &Desk) -> MarketView {
    loop {
        if let Ok(view) = desk.look(&[spy()]).await
            && view.quotes().get(&spy()).is_some_and(|quote| quote.ask.price.value().is_some_and(|p| p > Decimal::ZERO))
        {
            return view;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Ten SPY, with room for the price to move.
pub(crate) async fn plan(desk: &Desk) -> Planned {
    let view = look(desk).await;
    let ask = view.quotes().get(&spy()).unwrap().ask.price.value().unwrap();
    let plan = EntryPlan {
        underlying: spy(),
        legs: vec![Leg {
            symbol: spy(),
            side: Side::Buy,
            effect: PositionEffect::Open,
            quantity: Quantity::new(10).unwrap(),
        }],
        kind: OrderKind::Limit { price: ask + Decimal::TWO },
        reserve: (ask + Decimal::TWO) * Decimal::TEN,
        margin: Decimal::ZERO,
    };
    Planned { plan, view }
}

/// A plan and the look that it was made from.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) plan: EntryPlan,
    pub(crate) view: MarketView,
}

impl Deref for Planned {
    type Target = EntryPlan;

    fn deref(&self) -> &EntryPlan {
        &self.plan
    }
}

impl DerefMut for Planned {
    fn deref_mut(&mut self) -> &mut EntryPlan {
        &mut self.plan
    }
}

pub(crate) trait Enter {
    fn try_to(&self, slot: SlotId, planned: Planned) -> impl Future<Output = EntryEnd> + Send;
}

impl Enter for Desk {
    fn try_to(&self, slot: SlotId, Planned { plan, view }: Planned) -> impl Future<Output = EntryEnd> + Send {
        self.enter(slot, plan, view)
    }
}

pub(crate) async fn enter(desk: &Desk, number: u32) -> (SlotId, EntryEnd) {
    let slot = desk.slot(number).unwrap();
    (slot.clone(), desk.try_to(slot, plan(desk).await).await)
}

pub(crate) async fn leave(desk: &Desk, slot: &SlotId) -> ExitEnd {
    desk.exit(slot.clone(), ExitPlan { at: ExitAt::Order(OrderKind::Market), reason: "test".to_owned() }).await
}

/// Looks at the broker as often as it takes to confirm a close.
pub(crate) async fn confirm(desk: &Desk) {
    for _ in 0..2 {
        desk.reconcile().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Everything out, with as many attempts as it takes, and compared with the broker until nothing is open.
pub(crate) async fn flatten(desk: &Desk) {
    for _ in 0..400 {
        let state = desk.state();
        if state.book.positions().is_empty() && state.operations.is_empty() {
            return;
        }
        for (slot, position) in state.positions() {
            if !position.is_flat() && state.closing(&slot).is_none() {
                let _end = leave(desk, &slot).await;
            }
        }
        let _comparison = desk.reconcile().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("not flat: {:#?}", desk.state());
}
