//! The effects: a leg is one order, and taking it back is another. Each is sent once, under a client order id of its own that
//! is made of the step's key, and what became of it is looked up by that name.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use backstop_broker::{
    Broker, BrokerOrderId, ClientOrderId, Decimal, Fill, Grant, Leg, Order, OrderKind, OrderRequest, Outcome as Sent,
    PositionEffect, Progress, Quantity, Symbol, TimeInForce,
};
use backstop_clock::{Clock, Timestamp};
use backstop_rollback::{Doing, Effects, Outcome, StepPlan};

/// How long what takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// Between two looks at the list of orders.
    pub(crate) poll: Duration,
    /// A leg that has not filled by then is taken back.
    pub(crate) fill: Duration,
    /// An order that is nowhere to be seen so long after it was sent, in a list that reaches beyond it, is none. Longer than
    /// a call of the broker, and than a request may lie in a queue.
    pub(crate) settle: Duration,
}

/// A step for one leg. Its key is the client order id.
pub(crate) fn step(key: &str, leg: &Leg) -> StepPlan {
    let way = if leg.side.signed(Decimal::ONE) > Decimal::ZERO { "sell" } else { "buy back" };
    let by_hand = format!(
        "look up the orders {key} and {key}-back-*, cancel what works, and {way} what they hold of {} {}",
        leg.quantity, leg.symbol
    );
    StepPlan { key: key.to_owned(), by_hand }
}

/// Where the legs are traded, and by whom.
#[derive(Debug, Clone)]
pub(crate) struct Venue {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timing: Timing,
    pub(crate) underlying: Symbol,
    /// No two processes have the same, so that no name is used twice: the fence of a lock file.
    pub(crate) process: u64,
}

/// Legs of one spread.
#[derive(Debug)]
pub(crate) struct Legs {
    venue: Venue,
    plan: BTreeMap<String, Leg>,
    count: u32,
    /// Orders of which nobody knows whether they were placed, and until when they may have been sent.
    doubted: BTreeMap<ClientOrderId, Timestamp>,
    /// Orders that the broker took, whether its list shows them already or not.
    taken: BTreeMap<ClientOrderId, BrokerOrderId>,
    /// When an earlier process sent something at the latest: when this one began.
    inherited: Option<Timestamp>,
}

impl Legs {
    /// The legs of a new saga, by key.
    pub(crate) fn new(venue: Venue, plan: BTreeMap<String, Leg>) -> Self {
        Self { venue, plan, count: 0, doubted: BTreeMap::new(), taken: BTreeMap::new(), inherited: None }
    }

    /// For what an earlier process left, which may have sent orders until a moment ago.
    pub(crate) fn inherit(venue: Venue) -> Self {
        let now = venue.clock.wall();
        Self { inherited: Some(now), ..Self::new(venue, BTreeMap::new()) }
    }

    async fn open(&mut self, key: &str) -> Outcome {
        let Some(leg) = self.plan.get(key).cloned() else { return not_done("this process has no leg of that name") };
        let name = match ClientOrderId::new(key) {
            Ok(name) => name,
            Err(invalid) => return not_done(invalid.to_string()),
        };
        if let Err(refused) = self.send(name, leg.clone()).await {
            return not_done(refused);
        }
        let wanted = leg.side.signed(leg.quantity.into());
        match self.at_rest(key, self.venue.timing.fill, false).await {
            Ok(held) if held.quantity == wanted => Outcome::Done,
            Ok(held) if held.quantity.is_zero() => not_done(held.why.unwrap_or_else(|| "it filled nothing".to_owned())),
            Ok(held) => unknown(format!("only {} of {wanted} filled", held.quantity)),
            Err(why) => unknown(why),
        }
    }

    async fn close(&mut self, key: &str) -> Outcome {
        // As long as it takes a request that was queued to land.
        let held = match self.at_rest(key, self.venue.timing.settle * 2, true).await {
            Ok(held) => held,
            Err(why) => return unknown(why),
        };
        let (Some(symbol), false) = (held.symbol, held.quantity.is_zero()) else { return Outcome::Done };
        let quantity = held.quantity.abs().try_into().ok().and_then(|count: u32| Quantity::new(count).ok());
        let Some(quantity) = quantity else { return unknown(format!("{} cannot be one order", held.quantity)) };
        // Closing turns it round.
        let side = if held.quantity > Decimal::ZERO { backstop_broker::Side::Sell } else { backstop_broker::Side::Buy };
        self.count += 1;
        let name = match ClientOrderId::new(&format!("{key}-back-{}-{}", self.venue.process, self.count)) {
            Ok(name) => name,
            Err(invalid) => return not_done(invalid.to_string()),
        };
        if let Err(refused) = self.send(name, Leg { symbol, side, effect: PositionEffect::Close, quantity }).await {
            return not_done(refused);
        }
        match self.at_rest(key, self.venue.timing.fill, false).await {
            Ok(held) if held.quantity.is_zero() => Outcome::Done,
            Ok(held) => not_done(format!("{} left: {}", held.quantity, held.why.unwrap_or_default())),
            Err(why) => unknown(why),
        }
    }

    /// Sends an order, once. An error means that there is none.
    async fn send(&mut self, name: ClientOrderId, leg: Leg) -> Result<(), String> {
        let (legs, kind) = (vec![leg], OrderKind::Market);
        let order = OrderRequest::new(name.clone(), self.venue.underlying.clone(), legs, kind, TimeInForce::Day);
        let order = order.map_err(|invalid| invalid.to_string())?;
        // Before the first byte leaves: whoever is dropped in the middle does not know either.
        self.doubted.insert(name.clone(), self.venue.clock.wall());
        match self.venue.broker.submit(&order, Grant::unmetered()).await {
            Sent::Accepted(id) => {
                self.doubted.remove(&name);
                self.taken.insert(name, id);
                Ok(())
            }
            Sent::Rejected(rejection) => {
                self.doubted.remove(&name);
                Err(rejection.to_string())
            }
            Sent::NotSent(reason) => {
                self.doubted.remove(&name);
                Err(reason.to_string())
            }
            Sent::Unknown(_) => {
                self.doubted.insert(name, self.venue.clock.wall());
                Ok(())
            }
        }
    }

    /// What the orders of a key hold once all of them are at rest and no other can turn up; else why that is not known.
    async fn at_rest(&self, key: &str, patience: Duration, cancels: bool) -> Result<Held, String> {
        let since = self.venue.clock.mono();
        loop {
            match self.look(key, cancels).await {
                Err(why) if self.venue.clock.mono().since(since) >= patience => return Err(why),
                Err(_) => tokio::time::sleep(self.venue.timing.poll).await,
                held => return held,
            }
        }
    }

    async fn look(&self, key: &str, cancels: bool) -> Result<Held, String> {
        let now = self.venue.clock.wall();
        let list = self.venue.broker.orders().await.map_err(|error| error.to_string())?;
        let is_of_key =
            |name: &str| name == key || name.strip_prefix(key).is_some_and(|rest| rest.starts_with("-back-"));
        let orders: Vec<&Order> =
            list.orders().iter().filter(|order| order.label.as_deref().is_some_and(is_of_key)).collect();
        let is_listed = |name: &ClientOrderId| orders.iter().any(|order| order.label.as_deref() == Some(name.as_str()));
        if let Some(name) = self.taken.keys().find(|name| is_of_key(name.as_str()) && !is_listed(name)) {
            return Err(format!("order {name} was taken and is not in the list yet"));
        }
        // Law 3: "not in the list" is "not placed" only by a list that reaches beyond the moment, read late enough.
        let first = ClientOrderId::new(key).map_err(|invalid| invalid.to_string())?;
        let inherited = self.inherited.iter().map(|since| (&first, since));
        for (name, since) in self.doubted.iter().filter(|(name, _)| is_of_key(name.as_str())).chain(inherited) {
            let reaches = list.orders().iter().any(|order| order.created_at.is_some_and(|at| at >= *since));
            let settled =
                Duration::try_from(now.duration_since(*since)).is_ok_and(|age| age >= self.venue.timing.settle);
            let is_known = is_listed(name) && Some(since) != self.inherited.as_ref();
            if !(is_known || settled && reaches) {
                return Err(format!("order {name} or one that takes it back may be on its way since {since}"));
            }
        }
        let mut held = Held::default();
        for order in orders {
            match order.progress() {
                Progress::Working => {
                    if cancels {
                        // A request: what the order says later is what counts.
                        let _its_own_status_decides = self.venue.broker.cancel(&order.id).await;
                    }
                    return Err(format!("order {} is {}", order.id, order.status));
                }
                Progress::Unmeasured => return Err(format!("order {} does not say yet what it filled", order.id)),
                Progress::Final(fills) => held.take(order, &fills),
            }
        }
        Ok(held)
    }
}

/// What the orders of one key add up to.
#[derive(Debug, Default)]
struct Held {
    symbol: Option<Symbol>,
    quantity: Decimal,
    /// The broker's word on an order that was refused.
    why: Option<String>,
}

impl Held {
    fn take(&mut self, order: &Order, fills: &[Fill]) {
        self.quantity += fills.iter().map(Fill::signed_quantity).sum::<Decimal>();
        self.symbol = self.symbol.take().or_else(|| fills.first().map(|fill| fill.symbol.clone()));
        self.why = order.reason.clone().or_else(|| self.why.take());
    }
}

fn not_done(reason: impl Into<String>) -> Outcome {
    Outcome::NotDone { reason: reason.into() }
}

fn unknown(reason: impl Into<String>) -> Outcome {
    Outcome::Unknown { reason: reason.into() }
}

impl Effects for Legs {
    fn act<'a>(&'a mut self, step: &'a StepPlan) -> Doing<'a> {
        Box::pin(self.open(&step.key))
    }

    fn compensate<'a>(&'a mut self, step: &'a StepPlan) -> Doing<'a> {
        Box::pin(self.close(&step.key))
    }

    fn pause(&mut self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(length))
    }
}
