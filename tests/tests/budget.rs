//! The request budget of Tradier's adapter against the count that the simulator keeps by itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use backstop_broker::{
    Broker, ClientOrderId, Grant, Leg, NotGranted, OrderKind, OrderRequest, PositionEffect, Priority, Quantity, Side,
    TimeInForce,
};
use backstop_clock::{Clock, Mono, SystemClock, Timestamp};
use backstop_sim::{FaultPlan, RateLimits, SimConfig, SimServer};
use backstop_tradier::{AccountId, BaseUrl, Credentials, Limits, Start, Timer, Tradier, TradierConfig, Window};
use tokio::task::JoinSet;

/// So much faster than the machine's time goes the time of exchange and bots.
const FASTER: u32 = 20;
const TOKEN: &str = "sim-token";
const ACCOUNT: &str = "VA00000001";
const MINUTE: Duration = Duration::from_mins(1);

#[derive(Debug)]
struct Fast(SystemClock, Timestamp);

impl Clock for Fast {
    fn mono(&self) -> Mono {
        Mono::from_origin(self.0.mono().since(Mono::ORIGIN) * FASTER)
    }

    fn wall(&self) -> Timestamp {
        self.1 + self.mono().since(Mono::ORIGIN)
    }
}

#[derive(Debug)]
struct FastTimer;

impl Timer for FastTimer {
    fn sleep(&self, time: Duration) -> backstop_tradier::Sleep {
        Box::pin(tokio::time::sleep(time / FASTER))
    }
}

/// As documented for the sandbox. On a busy machine a request may be a third of a second late, which is much here.
fn limits() -> Limits {
    let window = Window::new(60, MINUTE).unwrap().with_margin(Duration::from_secs(8)).unwrap();
    let window = window.with_reserve(10, 10).unwrap();
    Limits::with_classes(&[], &[&[window], &[window], &[window]]).unwrap()
}

fn bot(server: &SimServer, clock: &Arc<Fast>, shared: &Path) -> Arc<Tradier> {
    let credentials = Credentials::new(AccountId::new(ACCOUNT).unwrap(), TOKEN.into()).unwrap();
    let config = TradierConfig::new(BaseUrl::new(&server.base_url()).unwrap(), credentials)
        .with_connect_timeout(Duration::from_millis(500))
        .with_request_timeout(Duration::from_secs(1))
        .with_call_timeout(Duration::from_secs(5))
        .with_limits(limits(), Start::Unused)
        .with_shared_window(shared.to_owned())
        .with_timer(Arc::new(FastTimer));
    Arc::new(Tradier::new(config, clock.clone()).unwrap())
}

fn order(number: u32) -> OrderRequest {
    let leg = Leg {
        symbol: "SPY".parse().unwrap(),
        side: Side::Buy,
        quantity: Quantity::new(1).unwrap(),
        effect: PositionEffect::Open,
    };
    let id = ClientOrderId::new(&format!("budget-{number}")).unwrap();
    OrderRequest::new(id, "SPY".parse().unwrap(), vec![leg], OrderKind::Market, TimeInForce::Day).unwrap()
}

/// Asks without a pause, as fast as answers and refusals come.
fn storm(tasks: &mut JoinSet<()>, bot: &Arc<Tradier>, sent: &Arc<AtomicU32>) {
    for task in 0..6 {
        let (bot, sent) = (bot.clone(), sent.clone());
        tasks.spawn(async move {
            loop {
                match task {
                    0 => drop(bot.orders().await),
                    1 => drop(bot.balances().await),
                    2 | 3 => drop(bot.quotes(&["SPY".parse().unwrap()]).await),
                    4 => drop(bot.positions().await),
                    _ => {
                        if let Ok(grant) = bot.grant(Priority::Entry, MINUTE).await {
                            drop(bot.submit(&order(sent.fetch_add(1, Ordering::Relaxed)), grant).await);
                        }
                    }
                }
                tokio::task::yield_now().await;
            }
        });
    }
}

// proves: RATE-1, RATE-3, RATE-6
#[tokio::test(flavor = "multi_thread")]
async fn two_bots_with_one_token_are_never_refused_and_an_exit_leaves_at_once() {
    let clock = Arc::new(Fast(SystemClock::new(), "2030-01-02T15:00:00Z".parse().unwrap()));
    let limits = RateLimits { standard: 60, market_data: 60, trading: 60 };
    let config = SimConfig::new(5).with_clock(clock.clone()).with_token(TOKEN).with_account(ACCOUNT);
    let server = SimServer::start(config.with_rate_limits(limits).with_faults(FaultPlan::hostile())).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("window");
    let sent = Arc::new(AtomicU32::new(0));
    let mut tasks = JoinSet::new();
    let bots = [bot(&server, &clock, &shared), bot(&server, &clock, &shared)];
    for bot in &bots {
        storm(&mut tasks, bot, &sent);
    }
    let began = clock.mono();
    let (mut exits, mut restarted) = (0, false);
    while clock.mono().since(began) < MINUTE * 5 {
        tokio::time::sleep(Duration::from_secs(15) / FASTER).await;
        // The stop-loss: the interval between two requests of sixty a minute is a second. Three more, because a fault may have
        // refused somebody for two, and nobody is to ask before that is over.
        exits += 1;
        let grant: Result<Grant, NotGranted> = bots[0].grant(Priority::Exit, Duration::from_secs(4)).await;
        let grant = grant.unwrap_or_else(|refused| panic!("exit {exits}: {refused}"));
        drop(bots[0].submit(&order(1_000_000 + exits), grant).await);
        if !restarted && clock.mono().since(began) > MINUTE * 2 {
            // One more process, in the middle of everything.
            restarted = true;
            storm(&mut tasks, &bot(&server, &clock, &shared), &sent);
        }
    }
    tasks.shutdown().await;
    assert_eq!(server.refused_requests(), 0);
    // And not by sending nothing: in five minutes, what was left to entries.
    assert!(sent.load(Ordering::Relaxed) > 20, "{sent:?} entries");
    assert!(exits > 10, "{exits} exits");
}
