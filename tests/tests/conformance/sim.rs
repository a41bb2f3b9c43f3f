//! The broker in memory, disturbed by its own faults, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backstop_broker::conformance::{Calls, Disturbance, Rig, run};
use backstop_broker::{Broker, BrokerOrderId, ClientOrderId, OrderRequest};
use backstop_clock::ManualClock;
use backstop_sim::{FaultKind, FaultPlan, SimBroker, SimConfig, SimHandle};
use parking_lot::Mutex;
use tokio::time::sleep;

struct SimRig {
    broker: Arc<SimBroker>,
    handle: SimHandle,
    patience: Duration,
    /// How many cancels had met a fault when the present disturbance began.
    cancels_before: Mutex<u64>,
}

impl SimRig {
    fn new() -> Self {
        let clock = ManualClock::following_tokio("2030-01-02T15:00:00Z".parse().unwrap());
        let broker = SimBroker::new(&SimConfig::new(7).with_clock(Arc::new(clock))).unwrap();
        let (handle, patience) = (broker.handle(), broker.call_timeout());
        Self { broker: Arc::new(broker), handle, patience, cancels_before: Mutex::new(0) }
    }

    fn disturbed_cancels(&self) -> u64 {
        let counts = self.handle.fault_counts();
        let count = |kind| counts.get(&kind).copied().unwrap_or(0);
        count(FaultKind::CancelLost) + count(FaultKind::CancelAnswerLost)
    }
}

/// Which fault is which disturbance. The broker in memory has no connection, no bytes and no pages to disturb.
fn fault(calls: Calls, disturbance: Disturbance) -> Option<FaultKind> {
    Some(match (calls, disturbance) {
        (Calls::Submits, Disturbance::LoseRequest) => FaultKind::RequestLost,
        (Calls::Submits, Disturbance::LandLate) => FaultKind::LateProcessing,
        (Calls::Submits, Disturbance::LoseAnswer) => FaultKind::AnswerLost,
        (Calls::Submits, Disturbance::HoldAnswer) => FaultKind::AnswerDelayed,
        (Calls::Submits, Disturbance::FailBefore) => FaultKind::ServerErrorBefore,
        (Calls::Submits, Disturbance::FailAfter) => FaultKind::ServerErrorAfter,
        (Calls::Submits, Disturbance::Throttle) => FaultKind::Throttled,
        (Calls::Submits, Disturbance::Garbage) => FaultKind::HtmlBody,
        (Calls::Submits, Disturbance::Truncate) => FaultKind::CutJson,
        (Calls::Cancels, Disturbance::LoseRequest) => FaultKind::CancelLost,
        (Calls::Cancels, Disturbance::LoseAnswer) => FaultKind::CancelAnswerLost,
        (Calls::Reads, Disturbance::LoseAnswer) => FaultKind::ReadLost,
        (Calls::Reads, Disturbance::HoldAnswer) => FaultKind::ReadDelayed,
        (Calls::Reads, Disturbance::FailBefore) => FaultKind::ReadServerError,
        (Calls::Reads, Disturbance::Throttle) => FaultKind::ReadThrottled,
        (Calls::Reads, Disturbance::Garbage) => FaultKind::ReadHtml,
        (Calls::Reads, Disturbance::Truncate) => FaultKind::ReadTruncated,
        _ => return None,
    })
}

#[async_trait]
impl Rig for SimRig {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.broker) as Arc<dyn Broker>
    }

    async fn disturb(&self, calls: Calls, disturbance: Disturbance) -> bool {
        *self.cancels_before.lock() = self.disturbed_cancels();
        let Some(kind) = fault(calls, disturbance) else { return false };
        self.handle.set_faults(FaultPlan::none().with_client_timeout(self.patience).with_rate(kind, 1000));
        true
    }

    async fn calm(&self) {
        self.handle.set_faults(FaultPlan::none());
    }

    async fn settle(&self) {
        sleep(self.patience * 2).await;
    }

    async fn arrivals(&self, id: &ClientOrderId) -> usize {
        self.handle.ledger().requests.iter().filter(|request| request.tag.as_deref() == Some(id.as_str())).count()
    }

    async fn placed(&self, id: &ClientOrderId) -> usize {
        self.handle.ledger().by_tag(id.as_str()).count()
    }

    /// Each cancel that arrives while a fault strikes always is counted as struck.
    async fn cancel_arrivals(&self, _: &BrokerOrderId) -> usize {
        usize::try_from(self.disturbed_cancels() - *self.cancels_before.lock()).unwrap()
    }

    fn resting_order(&self, id: ClientOrderId) -> OrderRequest {
        super::resting(id)
    }

    fn marketable_order(&self, id: ClientOrderId) -> Option<OrderRequest> {
        Some(super::marketable(id))
    }

    fn unacceptable_order(&self, id: ClientOrderId) -> Option<OrderRequest> {
        Some(super::unacceptable(id))
    }

    fn slack(&self) -> Duration {
        Duration::from_millis(10)
    }
}

// proves: BRK-1
// proves: BRK-2
#[tokio::test(start_paused = true)]
async fn the_simulated_broker_conforms_as_far_as_it_can_be_disturbed() {
    let report = run(&SimRig::new()).await;
    assert!(report.conforms(), "{report}");
    // The rest needs bytes, pages or a connection, and is checked over real sockets for the other broker.
    let made = report.checks().len() - report.skipped().count();
    assert!(made >= 27, "{report}");
}
