//! The simulated broker as a desk reaches it: behind a budget, and with answers that a test rewrites.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use backstop::broker::{
    Balances, Broker, BrokerOrderId, ClosedLot, Decimal, Doubt, DoubtCause, Grant, MarketClock, NotGranted, Order,
    OrderList, OrderRequest, Outcome, Position, Priority, Quotes, ReadError, Symbol,
};
use backstop_sim::SimBroker;
use jiff::civil::Date;
use parking_lot::Mutex;

use crate::budget::Counted;

/// The simulated broker behind a request budget that a test can shut, and that can take its time.
#[derive(Debug)]
pub(crate) struct Metered {
    pub(super) inner: SimBroker,
    pub(crate) budget: Mutex<Budget>,
    /// The list of positions alone cannot be read.
    pub(crate) positions_fail: AtomicBool,
    /// No single order can be read, though the list can.
    pub(crate) order_fails: AtomicBool,
    /// Every cancel is taken, and does nothing.
    pub(crate) cancel_does_nothing: AtomicBool,
    /// How many cancels were asked for.
    pub(crate) cancels: AtomicUsize,
    /// How often the list of orders was asked for.
    pub(crate) lists: AtomicUsize,
    /// The label of each order that was handed in, and what a test put in between.
    pub(crate) submitted: Mutex<Vec<String>>,
    /// The adapter panics once, after the request has left.
    pub(crate) panic_in_submit: AtomicBool,
    /// Whatever the broker makes of an order, nobody is told.
    pub(crate) lose_answers: AtomicBool,
    /// How long the list of orders and the balances are on their way.
    pub(crate) orders_delay: Mutex<Duration>,
    pub(crate) balances_delay: Mutex<Duration>,
    /// What the next readings of the account's cash say, whatever it is.
    pub(crate) balances_say: Mutex<VecDeque<Decimal>>,
    /// The nightly report; `None`: there is none.
    pub(crate) closed: Mutex<Option<Vec<ClosedLot>>>,
    /// What is done to every order that is read by its number.
    pub(crate) rewrite_order: Mutex<Option<fn(&mut Order)>>,
    /// What is done to every list of orders.
    pub(crate) rewrite_orders: Mutex<Option<Rewrite<Vec<Order>>>>,
    /// What is done to every answer about quotes and the clock.
    pub(crate) rewrite_quotes: Mutex<Option<fn(&mut Quotes)>>,
    pub(crate) rewrite_clock: Mutex<Option<fn(&mut MarketClock)>>,
}

/// What is done to an answer.
pub(crate) type Rewrite<T> = fn(&mut T);

/// What the next grants do.
#[derive(Debug, Clone)]
pub(crate) enum Budget {
    Open,
    Shut,
    After(Duration),
    /// What the limiter says, of quotes too.
    Counted(Arc<Counted>),
}

impl Metered {
    pub(super) fn new(inner: SimBroker) -> Self {
        Self {
            inner,
            budget: Mutex::new(Budget::Open),
            positions_fail: AtomicBool::new(false),
            order_fails: AtomicBool::new(false),
            cancel_does_nothing: AtomicBool::new(false),
            cancels: AtomicUsize::new(0),
            lists: AtomicUsize::new(0),
            submitted: Mutex::default(),
            panic_in_submit: AtomicBool::new(false),
            lose_answers: AtomicBool::new(false),
            orders_delay: Mutex::default(),
            balances_delay: Mutex::default(),
            balances_say: Mutex::default(),
            closed: Mutex::default(),
            rewrite_order: Mutex::default(),
            rewrite_orders: Mutex::default(),
            rewrite_quotes: Mutex::default(),
            rewrite_clock: Mutex::default(),
        }
    }
}

#[async_trait]
impl Broker for Metered {
    fn call_timeout(&self) -> Duration {
        self.inner.call_timeout()
    }

    async fn grant(&self, priority: Priority, within: Duration) -> Result<Grant, NotGranted> {
        let budget = self.budget.lock().clone();
        match budget {
            Budget::Open => {}
            Budget::Shut => return Err(NotGranted { after: Duration::from_mins(1) }),
            Budget::After(wait) => tokio::time::sleep(wait).await,
            Budget::Counted(counted) => counted.leave(priority, within).await?,
        }
        Ok(Grant::unmetered())
    }

    async fn submit(&self, order: &OrderRequest, grant: Grant) -> Outcome<BrokerOrderId> {
        self.submitted.lock().push(order.client_order_id().to_string());
        if self.panic_in_submit.swap(false, Ordering::SeqCst) {
            let (inner, order) = (self.inner.clone(), order.clone());
            tokio::spawn(async move { drop(inner.submit(&order, grant).await) });
            tokio::task::yield_now().await;
            panic!("a bug in the adapter, after the request has left");
        }
        let outcome = self.inner.submit(order, grant).await;
        if self.lose_answers.load(Ordering::SeqCst) {
            return Outcome::Unknown(Doubt { cause: DoubtCause::ConnectionLost, detail: String::new() });
        }
        outcome
    }

    async fn cancel(&self, id: &BrokerOrderId) -> Outcome<()> {
        self.cancels.fetch_add(1, Ordering::SeqCst);
        if self.cancel_does_nothing.load(Ordering::SeqCst) {
            return Outcome::Accepted(());
        }
        self.inner.cancel(id).await
    }

    async fn order(&self, id: &BrokerOrderId) -> Result<Order, ReadError> {
        if self.order_fails.load(Ordering::SeqCst) {
            return Err(ReadError::Server { status: 500, detail: "test".to_owned() });
        }
        self.inner.order(id).await.map(|order| rewritten(order, *self.rewrite_order.lock()))
    }

    async fn orders(&self) -> Result<OrderList, ReadError> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        let orders = self.inner.orders().await;
        let delay = *self.orders_delay.lock();
        tokio::time::sleep(delay).await;
        let rewrite = *self.rewrite_orders.lock();
        orders.map(|list| OrderList::complete(rewritten(list.orders().to_vec(), rewrite)))
    }

    async fn positions(&self) -> Result<Vec<Position>, ReadError> {
        if self.positions_fail.load(Ordering::SeqCst) {
            return Err(ReadError::Server { status: 500, detail: "test".to_owned() });
        }
        self.inner.positions().await
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<Quotes, ReadError> {
        let budget = self.budget.lock().clone();
        if let Budget::Counted(counted) = budget {
            let leave = counted.leave(Priority::Polling, Duration::from_mins(5)).await;
            leave.map_err(|_| ReadError::Throttled { until: None, detail: String::new() })?;
        }
        self.inner.quotes(symbols).await.map(|quotes| rewritten(quotes, *self.rewrite_quotes.lock()))
    }

    async fn balances(&self) -> Result<Balances, ReadError> {
        let balances = self.inner.balances().await;
        let delay = *self.balances_delay.lock();
        tokio::time::sleep(delay).await;
        let said = self.balances_say.lock().pop_front();
        balances.map(|balances| Balances { total_cash: said.unwrap_or(balances.total_cash), ..balances })
    }

    async fn closed_lots(&self, since: Date) -> Result<Option<Vec<ClosedLot>>, ReadError> {
        let lots = self.closed.lock().clone();
        Ok(lots.map(|lots| lots.into_iter().filter(|lot| lot.closed_on >= since).collect()))
    }

    async fn market_clock(&self) -> Result<MarketClock, ReadError> {
        self.inner.market_clock().await.map(|clock| rewritten(clock, *self.rewrite_clock.lock()))
    }
}

fn rewritten<T>(mut answer: T, rewrite: Option<fn(&mut T)>) -> T {
    if let Some(rewrite) = rewrite {
        rewrite(&mut answer);
    }
    answer
}
