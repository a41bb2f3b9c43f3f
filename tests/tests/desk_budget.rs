//! A desk over Tradier's adapter while quotes are polled far beyond the budget, judged by the count that the simulator keeps by
//! itself.
//!
//! Requests go over sockets, and time is virtual all the same: server and client share a thread, so what one of them has
//! written is there for the other at once, and each wait for a socket takes one [`TICK`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backstop::broker::{Broker, Decimal, Leg, OrderKind, PositionEffect, Quantity, Side, Symbol};
use backstop::clock::{Clock, ManualClock};
use backstop::file_lock::{Claim, Lock};
use backstop::limits::{Collar, Config as LimitsConfig, Rate};
use backstop::quote::{Policy, PolicyConfig};
use backstop::reconcile::{self, Position};
use backstop::{
    Desk, DeskConfig, EntryEnd, EntryPlan, ExitAt, ExitEnd, ExitPlan, MarketView, MemoryJournal, State, StrategyName,
    Switch,
};
use backstop_sim::{FaultKind, FaultPlan, RateLimits, SimConfig, SimServer};
use backstop_tradier::{AccountId, BaseUrl, BudgetUse, Credentials, Start, Tradier, TradierConfig};
use tokio::task::JoinSet;
use tokio::time::sleep;

const TICK: Duration = Duration::from_millis(5);
const TOKEN: &str = "sim-token";
const ACCOUNT: &str = "VA00000001";
const A_MINUTE: u32 = 60;
/// Between two of [`A_MINUTE`] requests.
const INTERVAL: Duration = Duration::from_secs(1);
const CALL: Duration = Duration::from_secs(3);
const LASTS: Duration = Duration::from_mins(20);
/// Ask for quotes four times a second each.
const POLLERS: u64 = 6;

fn spy() -> Symbol {
    "SPY".parse().unwrap()
}

/// A desk of one strategy in SPY, with limits that are not in the way.
pub(crate) fn config() -> DeskConfig {
    let often = Rate { count: 1_000, seconds: 60 };
    let limits = LimitsConfig {
        order_quantity: 100,
        order_notional: Decimal::from(1_000_000),
        gross_notional: Decimal::from(10_000_000),
        collar: Collar { bps: 5_000, least: Decimal::from(1_000) },
        positions: 100,
        positions_per_underlying: 100,
        entries: 1_000,
        loss: Decimal::from(100_000_000),
        repeats: 1_000,
        look_alikes: often,
        messages: often,
        underlyings: [spy()].into(),
    };
    let mut freshness = PolicyConfig::tradier();
    (freshness.share.max_age, freshness.share.max_quiet) = (Duration::from_secs(5), Duration::from_secs(30));
    DeskConfig {
        home: "test".to_owned(),
        strategy: StrategyName::new("test").unwrap(),
        limits: Some(limits),
        loosening: None,
        freshness: Policy::new(freshness).unwrap(),
        poll: Duration::from_secs(1),
        fill_timeout: Duration::from_secs(5),
        settle: Duration::from_secs(6),
        clock_tolerance: Duration::from_secs(1),
        reconcile: reconciling(),
        copies: None,
    }
}

/// A close is confirmed by looks a second apart, and the lists are believed after the settling time.
fn reconciling() -> reconcile::Config {
    let mut config = reconcile::Config::new("bs-test-");
    config.lag = Duration::from_secs(6);
    config
}

/// What came of it.
#[derive(Debug)]
struct Run {
    /// By the server's count: answers of 429 that no fault made up.
    over: u64,
    /// Polls for quotes that the bot wanted, and those that the server answered.
    wanted: u64,
    closed: u32,
    budget: BudgetUse,
}

/// Enters and leaves for [`LASTS`], while quotes are polled by others.
async fn run(faults: FaultPlan) -> Run {
    let clock = Arc::new(ManualClock::following_tokio("2030-01-02T15:00:00Z".parse().unwrap()));
    let config = SimConfig::new(11).with_clock(clock.clone()).with_token(TOKEN).with_account(ACCOUNT);
    let counts = RateLimits { standard: A_MINUTE, market_data: A_MINUTE, trading: A_MINUTE };
    let config = config.with_call_timeout(CALL).with_start_cash(Decimal::from(1_000_000));
    let server = SimServer::start(config.with_rate_limits(counts).with_faults(faults)).await.unwrap();
    let mut others = JoinSet::new();
    others.spawn(async {
        loop {
            sleep(TICK).await;
        }
    });
    let credentials = Credentials::new(AccountId::new(ACCOUNT).unwrap(), TOKEN.into()).unwrap();
    let config = TradierConfig::new(BaseUrl::new(&server.base_url()).unwrap(), credentials)
        .with_connect_timeout(CALL / 4)
        .with_request_timeout(CALL / 2)
        .with_call_timeout(CALL)
        .with_documented_limits(Start::Unused)
        .unwrap();
    let adapter = Arc::new(Tradier::new(config, clock.clone()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let desk = desk(&adapter, &clock, folder.path()).await;
    let wanted = Arc::new(AtomicU64::new(0));
    for _ in 0..POLLERS {
        let (desk, wanted) = (desk.clone(), wanted.clone());
        others.spawn(async move {
            loop {
                // While there is something to watch. In a storm that never ends, nobody would get a look at the market.
                if !desk.state().book.positions().values().all(Position::is_flat) {
                    wanted.fetch_add(1, Ordering::Relaxed);
                    drop(desk.quotes(&[spy()]).await);
                }
                sleep(INTERVAL / 4).await;
            }
        });
    }
    let (began, mut closed, mut number) = (clock.mono(), 0, 0);
    while clock.mono().since(began) < LASTS {
        number += 1;
        closed += u32::from(round_trip(&desk, number).await);
        drop(desk.reconcile().await);
    }
    others.shutdown().await;
    Run {
        over: server.refused_requests(),
        wanted: wanted.load(Ordering::Relaxed),
        closed,
        budget: adapter.budget_use(),
    }
}

async fn desk(adapter: &Arc<Tradier>, clock: &Arc<ManualClock>, folder: &std::path::Path) -> Desk {
    let claim = Claim { label: "test".to_owned(), since: clock.wall() };
    let lock = Lock::acquire(folder.join("lock"), &claim).unwrap();
    let switch = Switch::open(&folder.join("switch")).unwrap();
    let (broker, journal): (Arc<dyn Broker>, _) = (adapter.clone(), Arc::new(MemoryJournal::default()));
    let state = State::replay(&[]).unwrap();
    let desk = Desk::open(config(), broker, clock.clone(), lock, switch, journal, state).await.unwrap();
    while desk.recover().await.is_err() {
        sleep(INTERVAL).await;
    }
    while desk.read_cash().await.is_err() {
        sleep(INTERVAL).await;
    }
    let day = loop {
        if let Ok(clock) = desk.market_clock().await {
            break clock.date;
        }
        sleep(INTERVAL).await;
    };
    desk.begin_session(day, 1_000, None).await.unwrap();
    desk
}

/// Whether a position was opened and closed again.
async fn round_trip(desk: &Desk, number: u32) -> bool {
    let slot = desk.slot(number).unwrap();
    let Some((view, ask)) = look(desk).await else { return false };
    let leg =
        Leg { symbol: spy(), side: Side::Buy, effect: PositionEffect::Open, quantity: Quantity::new(10).unwrap() };
    let price = ask + Decimal::TWO;
    let plan = EntryPlan {
        underlying: spy(),
        legs: vec![leg],
        kind: OrderKind::Limit { price },
        reserve: price * Decimal::TEN,
        margin: Decimal::ZERO,
    };
    if !matches!(desk.enter(slot.clone(), plan, view).await, EntryEnd::Opened(_)) {
        return false;
    }
    sleep(INTERVAL * 10).await;
    for _ in 0..20 {
        let plan = ExitPlan { at: ExitAt::Order(OrderKind::Market), reason: "stop-loss".to_owned() };
        if matches!(desk.exit(slot.clone(), plan).await, ExitEnd::Closed) {
            return true;
        }
        // Closed by an attempt that was in doubt, or found to be by comparison.
        drop(desk.reconcile().await);
        if desk.state().held(&slot).is_none_or(Position::is_flat) {
            return true;
        }
        sleep(INTERVAL).await;
    }
    false
}

async fn look(desk: &Desk) -> Option<(MarketView, Decimal)> {
    for _ in 0..2_000 {
        if let Ok(view) = desk.look(&[spy()]).await
            && let Some(ask) = view.quotes().get(&spy()).and_then(|quote| quote.ask.price.value())
        {
            return Some((view, ask));
        }
        sleep(INTERVAL / 50).await;
    }
    None
}

// proves: RATE-1, RATE-3
#[tokio::test(start_paused = true)]
async fn a_desk_in_a_storm_of_polls_is_never_refused_and_its_exits_do_not_wait() {
    // Nobody is told to wait by a fault, so that all waiting is the budget's.
    let hostile = FaultPlan::hostile().with_client_timeout(CALL);
    let run = run(hostile.with_rate(FaultKind::Throttled, 0)).await;
    assert_eq!(run.over, 0, "{run:?}");
    let exits = run.budget.trading.exits;
    assert!(exits.refused == 0 && exits.longest <= INTERVAL, "{run:?}");
    // It was a storm, which was held back, and trading went on.
    assert!(run.wanted > 5 * u64::from(A_MINUTE) * 20, "{run:?}");
    assert!(run.budget.market_data.polls.refused > run.wanted / 2, "{run:?}");
    assert!(run.closed >= 30, "{run:?}");
}
