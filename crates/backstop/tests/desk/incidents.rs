//! Incidents that happened, played again: the naive bot and the desk under the same schedule at the same broker.
//!
//! Each test shows the naive code placing a second order for one trade, and the desk placing one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use backstop::broker::{
    Broker, ClientOrderId, Decimal, Grant, Leg, OrderKind, OrderRequest, Outcome, PositionEffect, Quantity, Side,
    TimeInForce,
};
use backstop::{Desk, DeskConfig, EntryEnd, ExitEnd, MemoryJournal};
use backstop_sim::{FaultKind, FaultPlan};
use parking_lot::Mutex;

use crate::bench::{Bench, Enter, config, leave, look, plan, spy};

const TRADE: &str = "the 09:46 trade";

/// A bot as people write it first. Its database is told of a trade once its order is filled.
struct Naive {
    broker: Arc<dyn Broker>,
    database: Mutex<BTreeSet<&'static str>>,
    inside: Mutex<BTreeSet<&'static str>>,
    sent: Mutex<u32>,
}

impl Naive {
    fn new(bench: &Bench) -> Self {
        let broker: Arc<dyn Broker> = bench.broker.clone();
        Self { broker, database: Mutex::default(), inside: Mutex::default(), sent: Mutex::default() }
    }

    async fn submit(&self, limit: Decimal) -> Result<(), &'static str> {
        let id = {
            let mut sent = self.sent.lock();
            *sent += 1;
            ClientOrderId::new(&format!("naive-{sent}")).unwrap()
        };
        let quantity = Quantity::new(10).unwrap();
        let leg = Leg { symbol: spy(), side: Side::Buy, effect: PositionEffect::Open, quantity };
        let kind = OrderKind::Limit { price: limit };
        let order = OrderRequest::new(id.clone(), spy(), vec![leg], kind, TimeInForce::Day).unwrap();
        match self.broker.submit(&order, Grant::unmetered()).await {
            Outcome::Accepted(number) => {
                while !self.broker.order(&number).await.is_ok_and(|order| order.status.is_terminal()) {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                self.database.lock().insert(TRADE);
                Ok(())
            }
            _ => Err("time-out"),
        }
    }

    /// `if not in database: enter`.
    async fn check_then_act(&self, limit: Decimal) {
        if !self.database.lock().contains(TRADE) {
            let _ignored = self.submit(limit).await;
        }
    }

    /// `for attempt in 1..=3: try: submit, break; except TimeOut: continue`.
    async fn retry(&self, limit: Decimal) {
        for _ in 0..3 {
            if self.submit(limit).await.is_ok() {
                return;
            }
        }
    }

    /// `if inside: return; inside = True; try: submit; finally: inside = False`.
    async fn release_in_finally(&self, limit: Decimal) {
        if self.database.lock().contains(TRADE) || !self.inside.lock().insert(TRADE) {
            return;
        }
        let _raised = self.submit(limit).await;
        self.inside.lock().remove(TRADE);
    }
}

/// Runs `attempt` once at each of these moments, whether the one before has ended or not.
async fn at(moments: &[u64], attempt: impl AsyncFn()) {
    let attempt = &attempt;
    let all = moments.iter().map(|moment| async move {
        tokio::time::sleep(Duration::from_millis(*moment)).await;
        attempt().await;
    });
    let mut all: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// What an incident is made of.
struct Incident {
    /// When the trade is triggered, in milliseconds.
    triggers: &'static [u64],
    /// What goes wrong with the first request.
    fault: Option<FaultKind>,
    /// Whether the order takes a quarter of a minute to fill.
    slow: bool,
}

impl Incident {
    async fn bench(&self) -> (Bench, Desk, Decimal) {
        let bench = Bench::new(1, FaultPlan::none());
        let patient = DeskConfig { fill_timeout: Duration::from_mins(1), ..config() };
        let desk = bench.open_as(patient, Arc::new(MemoryJournal::default()), &[]).await.unwrap();
        bench.begin(&desk).await;
        let ask = look(&desk).await.quotes().get(&spy()).unwrap().ask.price.value().unwrap();
        if let Some(fault) = self.fault {
            bench.inject(fault);
        }
        let limit = if self.slow { ask - Decimal::TEN } else { ask + Decimal::TWO };
        (bench, desk, limit)
    }

    /// After fifteen seconds the market comes to a slow order.
    async fn market(&self, bench: &Bench, limit: Decimal) {
        if self.slow {
            tokio::time::sleep(Duration::from_secs(15)).await;
            assert!(bench.sim().set_price(&spy(), limit - Decimal::ONE));
        }
    }

    /// How many orders the naive code places, and how much it then holds.
    async fn naive(&self, code: impl AsyncFn(&Naive, Decimal)) -> (usize, Decimal) {
        let (bench, _desk, limit) = self.bench().await;
        let naive = Naive::new(&bench);
        tokio::join!(at(self.triggers, async || code(&naive, limit).await), self.market(&bench, limit));
        (bench.sim().ledger().orders.len(), bench.held())
    }

    /// The same for the desk.
    async fn ours(&self) -> (usize, Decimal) {
        let (bench, desk, limit) = self.bench().await;
        let ends: Mutex<Vec<EntryEnd>> = Mutex::default();
        let attempt = async || {
            let mut planned = plan(&desk).await;
            planned.kind = OrderKind::Limit { price: limit };
            let end = desk.try_to(desk.slot(1).unwrap(), planned).await;
            ends.lock().push(end);
        };
        tokio::join!(at(self.triggers, attempt), self.market(&bench, limit));
        assert_eq!(ends.lock().len(), self.triggers.len());
        assert_eq!(desk.state().net().get(&spy()).copied().unwrap_or_default(), bench.held(), "{:?}", ends.lock());
        (bench.sim().ledger().orders.len(), bench.held())
    }
}

const TWICE: (usize, Decimal) = (2, Decimal::from_parts(20, 0, 0, false, 0));
const ONCE: (usize, Decimal) = (1, Decimal::TEN);

// proves: GUARD-1
#[tokio::test(start_paused = true)]
async fn a_second_trigger_two_seconds_later_while_the_first_order_takes_fifteen_to_fill() {
    let incident = Incident { triggers: &[0, 2_000], fault: None, slow: true };
    assert_eq!(incident.naive(Naive::check_then_act).await, TWICE);
    assert_eq!(incident.ours().await, ONCE);
}

// proves: GUARD-1
#[tokio::test(start_paused = true)]
async fn a_scheduler_that_fires_twice_at_the_same_moment() {
    let incident = Incident { triggers: &[0, 0], fault: None, slow: false };
    assert_eq!(incident.naive(Naive::check_then_act).await, TWICE);
    assert_eq!(incident.ours().await, ONCE);
}

// proves: DESK-2
#[tokio::test(start_paused = true)]
async fn a_button_that_is_pressed_while_the_automatic_entry_is_under_way() {
    let incident = Incident { triggers: &[0, 100], fault: Some(FaultKind::AnswerDelayed), slow: false };
    assert_eq!(incident.naive(Naive::check_then_act).await.0, 2);
    assert_eq!(incident.ours().await, ONCE);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_queue_delivers_again_after_its_position_was_closed() {
    // The naive bot forgets a trade with its position.
    let incident = Incident { triggers: &[0], fault: None, slow: false };
    let (bench, _desk, limit) = incident.bench().await;
    let naive = Naive::new(&bench);
    naive.check_then_act(limit).await;
    assert!(bench.sim().trade_by_hand(&spy(), -10));
    naive.database.lock().clear();
    tokio::time::sleep(Duration::from_mins(10)).await;
    naive.check_then_act(limit).await;
    let entries = bench.sim().ledger().orders.iter().filter(|order| order.tag.is_some()).count();
    assert_eq!((entries, bench.held()), (2, Decimal::TEN));

    let (bench, desk, _) = incident.bench().await;
    let slot = desk.slot(1).unwrap();
    let end = desk.try_to(slot.clone(), plan(&desk).await).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
    tokio::time::sleep(Duration::from_mins(10)).await;
    let end = desk.try_to(slot, plan(&desk).await).await;
    assert!(matches!(end, EntryEnd::Refused(_)), "{end:?}");
    assert_eq!(bench.requests(), 2, "one in, one out");
}

// proves: DESK-2
#[tokio::test(start_paused = true)]
async fn a_retry_after_a_time_out_of_an_order_that_was_taken() {
    let incident = Incident { triggers: &[0], fault: Some(FaultKind::AnswerLost), slow: false };
    assert_eq!(incident.naive(Naive::retry).await, TWICE);
    assert_eq!(incident.ours().await, ONCE);
}

// proves: DESK-2
#[tokio::test(start_paused = true)]
async fn a_guard_that_is_released_in_finally_although_the_order_had_left() {
    let incident = Incident { triggers: &[0, 5_000], fault: Some(FaultKind::AnswerLost), slow: false };
    assert_eq!(incident.naive(Naive::release_in_finally).await, TWICE);
    assert_eq!(incident.ours().await, ONCE);
}
