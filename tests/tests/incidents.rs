//! What happened to naive bots, re-enacted: the code that did it, and the same schedule with ours. The broker
//! is the simulator in memory, the time is virtual, and what is counted is the broker's own ledger.

mod banned_for_polling;
mod closed_at_broker;
mod crash_before_saved;
mod double_entry;
mod file_rewritten;
mod manual_during_automated;
mod overdraft;
mod queue_duplicate;
mod release_in_finally;
mod retry_after_timeout;
mod scheduler_double_trigger;
mod snapshot_restore;
mod stale_quote;
mod swallowed_error;
mod trader;

use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use backstop_broker::{
    Broker, BrokerOrderId, ClientOrderId, Grant, Leg, OrderKind, OrderRequest, Outcome, PositionEffect, Progress,
    Quantity, Side, Symbol, TimeInForce,
};
use backstop_clock::{Clock, ManualClock};
use backstop_sim::{FaultKind, SimBroker, SimConfig};
use backstop_trade_guard::{ClaimStore, Key, MemoryStore, Scope, Session, TradeGuard};
use tokio::time::sleep;

/// How long an order takes to fill.
const FILL: Duration = Duration::from_secs(15);

/// An account, and how many orders were sent from here.
struct Account {
    broker: SimBroker,
    clock: Arc<dyn Clock>,
    sent: AtomicU32,
}

impl Account {
    /// 09:46:30 in New York.
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::following_tokio("2030-01-02T14:46:30Z".parse().unwrap()));
        let config = SimConfig::new(1)
            .with_clock(Arc::clone(&clock))
            .with_call_timeout(Duration::from_secs(3))
            .with_fill_delay(FILL, FILL);
        Self { broker: SimBroker::new(&config).unwrap(), clock, sent: AtomicU32::new(0) }
    }

    /// Sends one order for ten SPY.
    async fn send(&self) -> Outcome<BrokerOrderId> {
        let number = self.sent.fetch_add(1, Ordering::SeqCst);
        let quantity = Quantity::new(10).unwrap();
        let leg = Leg { symbol: spy(), side: Side::Buy, effect: PositionEffect::Open, quantity };
        let name = ClientOrderId::new(&format!("order-{number}")).unwrap();
        let order = OrderRequest::new(name, spy(), vec![leg], OrderKind::Market, TimeInForce::Day).unwrap();
        self.broker.submit(&order, Grant::unmetered()).await
    }

    /// Sends one order and waits until it has filled.
    async fn trade(&self) {
        let Outcome::Accepted(id) = self.send().await else { panic!("the broker has no faults here") };
        self.wait_for_fill(&id).await;
    }

    async fn wait_for_fill(&self, id: &BrokerOrderId) {
        while !matches!(self.broker.order(id).await.unwrap().progress(), Progress::Final(_)) {
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// The next order is placed, and nobody is told.
    fn lose_an_answer(&self) {
        self.broker.handle().inject(FaultKind::AnswerLost, 1);
    }

    /// How many orders the broker took.
    fn orders(&self) -> usize {
        self.broker.handle().ledger().orders.len()
    }

    /// A guard of one entry a session.
    fn guard(&self) -> TradeGuard {
        self.guard_on(Arc::new(MemoryStore::default()))
    }

    fn guard_on(&self, store: Arc<dyn ClaimStore>) -> TradeGuard {
        TradeGuard::open(NonZeroU16::MIN, Arc::clone(&self.clock), store).unwrap()
    }
}

fn spy() -> Symbol {
    "SPY".parse().unwrap()
}

/// The morning's trade.
fn key() -> Key {
    Key::new(Scope::new("scalper:SPY").unwrap(), Session::of("2030-01-02".parse().unwrap()))
}

/// Runs both, the second one `later`.
async fn and_then<A, B>(first: impl Future<Output = A>, later: Duration, second: impl Future<Output = B>) -> (A, B) {
    tokio::join!(first, async {
        sleep(later).await;
        second.await
    })
}
