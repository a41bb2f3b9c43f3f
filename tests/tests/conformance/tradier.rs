//! Tradier's adapter against the simulator's server, over a wire that is disturbed at each byte.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backstop_broker::conformance::{Calls, Disturbance, Rig, run};
use backstop_broker::{Broker, BrokerOrderId, ClientOrderId, OrderRequest};
use backstop_clock::{ManualClock, SystemClock};
use backstop_sim::{SimConfig, SimServer};
use backstop_tests::Wire;
use backstop_tradier::{AccountId, BaseUrl, Credentials, Tradier, TradierConfig};

/// For one exchange: no longer than two busy cores need.
const PATIENCE: Duration = Duration::from_millis(400);
const ACCOUNT: &str = "VA00000001";
const TOKEN: &str = "sim-token";

struct TradierRig {
    server: SimServer,
    /// The exchange's clock: settling takes no real time.
    clock: Arc<ManualClock>,
    wire: Wire,
    broker: Arc<Tradier>,
}

impl TradierRig {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap()));
        let config = SimConfig::new(7).with_clock(clock.clone()).with_token(TOKEN).with_account(ACCOUNT);
        let server = SimServer::start(config).await.unwrap();
        let wire = Wire::to(server.address(), PATIENCE, 25).await.unwrap();
        let base = BaseUrl::new(&format!("http://{}/v1", wire.address())).unwrap();
        let credentials = Credentials::new(AccountId::new(ACCOUNT).unwrap(), TOKEN.into()).unwrap();
        let config = TradierConfig::new(base, credentials)
            .with_connect_timeout(PATIENCE / 2)
            .with_request_timeout(PATIENCE)
            .with_call_timeout(PATIENCE * 4);
        let broker = Arc::new(Tradier::new(config, Arc::new(SystemClock::new())).unwrap());
        Self { server, clock, wire, broker }
    }
}

#[async_trait]
impl Rig for TradierRig {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.broker) as Arc<dyn Broker>
    }

    async fn disturb(&self, _: Calls, disturbance: Disturbance) -> bool {
        self.wire.disturb(Some(disturbance)).await.unwrap();
        true
    }

    async fn calm(&self) {
        self.wire.disturb(None).await.unwrap();
    }

    async fn settle(&self) {
        self.wire.settle().await;
        self.clock.advance(Duration::from_secs(2));
    }

    async fn arrivals(&self, id: &ClientOrderId) -> usize {
        self.wire.submits(id)
    }

    async fn placed(&self, id: &ClientOrderId) -> usize {
        self.server.handle().ledger().by_tag(id.as_str()).count()
    }

    async fn cancel_arrivals(&self, id: &BrokerOrderId) -> usize {
        self.wire.cancels(id)
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
}

// proves: BRK-1
// proves: BRK-2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tradier_conforms_over_a_wire_that_fails_at_each_byte() {
    let report = run(&TradierRig::new().await).await;
    assert!(report.conforms(), "{report}");
    assert_eq!(report.skipped().count(), 0, "{report}");
}
