//! What all checks share: fresh ids, calls that are timed, and a tidy account afterwards.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::rig::Effect;
use super::{Calls, Check, Disturbance, Report, Rig, Verdict};
use crate::{
    Broker, BrokerOrderId, ClientOrderId, Lookup, Order, OrderList, OrderRequest, Outcome, Priority, Progress,
};

/// More bytes than any request or answer has.
pub(super) const MOST_BYTES: usize = 50_000;

/// Why a check ended early.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    Failed(String),
    Skipped(String),
}

/// How a check ends.
pub(super) type Checked = Result<(), Stop>;

/// Ends the check as failed unless `holds`.
pub(super) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Stop::Failed(otherwise())) }
}

pub(super) fn fail<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(why.into()))
}

/// The rig, its broker and the report as far as it goes.
pub(super) struct Bench<'a> {
    rig: &'a dyn Rig,
    broker: Arc<dyn Broker>,
    ids_made: u32,
    report: Report,
}

impl<'a> Bench<'a> {
    pub(super) fn new(rig: &'a dyn Rig) -> Self {
        Self { rig, broker: rig.broker(), ids_made: 0, report: Report::default() }
    }

    pub(super) fn into_report(self) -> Report {
        self.report
    }

    /// Notes how a check ended, ends its disturbance and cancels what it left working.
    pub(super) async fn note(&mut self, name: impl Into<String>, proves: &'static str, ended: Checked) {
        let verdict = match ended {
            Ok(()) => Verdict::Passed,
            Err(Stop::Failed(why)) => Verdict::Failed(why),
            Err(Stop::Skipped(why)) => Verdict::Skipped(why),
        };
        self.report.push(Check { name: name.into(), proves, verdict });
        self.rig.calm().await;
        self.rig.settle().await;
        self.tidy().await;
    }

    /// Best effort: a broker that cannot cancel has its own check for it.
    async fn tidy(&self) {
        let Ok(Ok(list)) = self.timed("reading the orders", self.broker.orders()).await else { return };
        let prefix = format!("{}-", self.rig.id_prefix());
        let ours = |order: &&Order| order.label.as_deref().is_some_and(|label| label.starts_with(&prefix));
        for order in list.orders().iter().filter(ours).filter(|order| !order.status.is_terminal()) {
            drop(self.timed("canceling", self.broker.cancel(&order.id)).await);
        }
        self.rig.settle().await;
    }

    pub(super) fn rig(&self) -> &'a dyn Rig {
        self.rig
    }

    pub(super) fn broker(&self) -> &dyn Broker {
        &*self.broker
    }

    /// A client order id that this run has not used.
    pub(super) fn fresh_id(&mut self) -> Result<ClientOrderId, Stop> {
        self.ids_made = self.ids_made.saturating_add(1);
        ClientOrderId::new(&format!("{}-{}", self.rig.id_prefix(), self.ids_made))
            .or_else(|invalid| fail(format!("the rig's id_prefix makes no client order id: {invalid}")))
    }

    pub(super) fn resting(&mut self) -> Result<OrderRequest, Stop> {
        Ok(self.rig.resting_order(self.fresh_id()?))
    }

    /// Disturbs these calls until [`calm`](Rig::calm).
    pub(super) async fn disturb(&self, calls: Calls, disturbance: Disturbance) -> Checked {
        if self.rig.disturb(calls, disturbance).await {
            return Ok(());
        }
        Err(Stop::Skipped(format!("the rig has no {disturbance} for {calls}")))
    }

    pub(super) async fn calm_and_settle(&self) {
        self.rig.calm().await;
        self.rig.settle().await;
    }

    /// BRK-1: every call ends in time. Fails when this one does not.
    pub(super) async fn timed<T>(&self, what: &str, call: impl Future<Output = T>) -> Result<T, Stop> {
        let limit = self.broker.call_timeout().saturating_add(self.rig.slack());
        let began = Instant::now();
        // Twice the limit tells a call that is late from one that never ends.
        let Ok(result) = timeout(limit.saturating_mul(2), call).await else {
            return fail(format!("{what} had not ended after {:?}; call_timeout promises {limit:?}", began.elapsed()));
        };
        let took = began.elapsed();
        ensure(took <= limit, || format!("{what} took {took:?}; call_timeout promises {limit:?} (slack included)"))?;
        Ok(result)
    }

    pub(super) async fn submit(&self, order: &OrderRequest) -> Result<Outcome<BrokerOrderId>, Stop> {
        let grant = match self.broker.grant(Priority::Entry, Duration::from_mins(1)).await {
            Ok(grant) => grant,
            Err(refused) => return fail(format!("no grant for a submit: {refused}; give the rig an ample budget")),
        };
        self.timed("a submit", self.broker.submit(order, grant)).await
    }

    /// Submits undisturbed, for checks of what comes after.
    pub(super) async fn place(&self, order: &OrderRequest) -> Result<BrokerOrderId, Stop> {
        match self.submit(order).await? {
            Outcome::Accepted(id) => Ok(id),
            other => fail(format!("an acceptable order, undisturbed, ended as {other:?}")),
        }
    }

    pub(super) async fn cancel(&self, id: &BrokerOrderId) -> Result<Outcome<()>, Stop> {
        self.timed("a cancel", self.broker.cancel(id)).await
    }

    pub(super) async fn order(&self, id: &BrokerOrderId) -> Result<Order, Stop> {
        readable("the order", self.timed("reading an order", self.broker.order(id)).await?)
    }

    pub(super) async fn orders(&self) -> Result<OrderList, Stop> {
        readable("the orders", self.timed("reading the orders", self.broker.orders()).await?)
    }

    pub(super) async fn look_up(&self, id: &ClientOrderId) -> Result<Lookup, Stop> {
        let lookup = self.timed("looking an order up", self.broker.order_by_client_id(id)).await?;
        readable("the orders", lookup)
    }

    /// Reads the order until it is final, or for as long as a patient caller would.
    pub(super) async fn final_report(&self, id: &BrokerOrderId) -> Result<Order, Stop> {
        let mut last = self.order(id).await?;
        for _ in 0..50 {
            if matches!(last.progress(), Progress::Final(_)) {
                return Ok(last);
            }
            self.rig.settle().await;
            last = self.order(id).await?;
        }
        fail(format!("order {id} is {:?} ({}) after 50 reads", last.progress(), last.status))
    }

    /// After a submit whose outcome is not known: it arrived at most once, the rig did what it promised, and the
    /// broker, asked again in quiet, tells the truth.
    pub(super) async fn reconcile_submit(&self, id: &ClientOrderId, effect: Effect) -> Checked {
        let (arrivals, placed) = (self.rig.arrivals(id).await, self.rig.placed(id).await);
        ensure(arrivals <= 1 && placed <= 1, || {
            format!("one submit arrived {arrivals} times and placed {placed} orders; something below repeats it")
        })?;
        let promised = usize::from(effect == Effect::Done);
        ensure(placed == promised, || format!("the rig promised {effect:?}, yet {placed} order(s) exist"))?;
        match self.look_up(id).await? {
            Lookup::One(_) if placed == 1 => Ok(()),
            Lookup::NotListed if placed == 0 => Ok(()),
            lookup => fail(format!("{placed} order(s) exist, and the lookup says {lookup:?}")),
        }
    }
}

fn readable<T>(what: &str, read: Result<T, crate::ReadError>) -> Result<T, Stop> {
    read.or_else(|error| fail(format!("{what}, undisturbed, could not be read: {error}")))
}
