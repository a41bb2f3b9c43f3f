//! The conformance suite for adapters, over the broker in memory.

use std::sync::Arc;

use async_trait::async_trait;
use backstop_broker::conformance::{Calls, Disturbance, Rig, run};
use backstop_broker::{Decimal, OrderKind};

use super::*;

struct SimRig(SimBroker);

#[async_trait]
impl Rig for SimRig {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(self.0.clone())
    }

    async fn disturb(&self, calls: Calls, disturbance: Disturbance) -> bool {
        let kind = match (calls, disturbance) {
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
            _ => return false,
        };
        self.0.handle().set_faults(FaultPlan::none().with_rate(kind, 1000));
        true
    }

    async fn calm(&self) {
        self.0.handle().set_faults(FaultPlan::none());
    }

    async fn settle(&self) {
        sleep(Duration::from_secs(10)).await;
    }

    async fn arrivals(&self, id: &ClientOrderId) -> usize {
        let ledger = self.0.handle().ledger();
        ledger.requests.iter().filter(|request| request.tag.as_deref() == Some(id.as_str())).count()
    }

    async fn placed(&self, id: &ClientOrderId) -> usize {
        self.0.handle().ledger().by_tag(id.as_str()).count()
    }

    async fn cancel_arrivals(&self, id: &BrokerOrderId) -> usize {
        let ledger = self.0.handle().ledger();
        ledger.cancels.iter().filter(|cancel| cancel.order_id.to_string() == id.as_str()).count()
    }

    fn resting_order(&self, id: ClientOrderId) -> OrderRequest {
        shares(id, PositionEffect::Open, Side::Buy, OrderKind::Limit { price: Decimal::from(100) })
    }

    fn marketable_order(&self, id: ClientOrderId) -> Option<OrderRequest> {
        Some(shares(id, PositionEffect::Open, Side::Buy, OrderKind::Market))
    }

    fn unacceptable_order(&self, id: ClientOrderId) -> Option<OrderRequest> {
        Some(shares(id, PositionEffect::Close, Side::Buy, OrderKind::Market))
    }

    fn slack(&self) -> Duration {
        Duration::from_millis(10)
    }
}

fn shares(id: ClientOrderId, effect: PositionEffect, side: Side, kind: OrderKind) -> OrderRequest {
    let spy: Symbol = "SPY".parse().unwrap();
    let leg = Leg { symbol: spy.clone(), side, effect, quantity: Quantity::new(1).unwrap() };
    OrderRequest::new(id, spy, vec![leg], kind, TimeInForce::Day).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_broker_in_memory_conforms() {
    let report = run(&SimRig(broker(FaultPlan::none()))).await;
    assert!(report.conforms(), "{report}");
    // There is no wire here whose bytes could be counted; all else is checked.
    let passed = report.checks().len() - report.skipped().count();
    assert!(passed >= 20, "{report}");
}
