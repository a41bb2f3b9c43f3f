//! A request for each leg, as fast as the loop comes by; refused for too many, it sleeps a little and tries again. The account was
//! banned for it.

use std::sync::Arc;
use std::time::Duration;

use backstop_broker::{Broker, ReadError};
use backstop_clock::ManualClock;
use backstop_sim::{RateLimits, SimConfig, SimServer};
use backstop_tradier::{AccountId, BaseUrl, Credentials, Start, Tradier, TradierConfig};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::spy;

/// As documented for Tradier's sandbox.
const A_MINUTE: u32 = 60;
/// Each wait for a socket takes as long in virtual time: server and client share a thread.
const TICK: Duration = Duration::from_millis(5);
const LEGS: usize = 6;

/// Polls for three minutes. How many requests the server refused, and how many quotes came.
async fn poll(change: fn(TradierConfig) -> TradierConfig) -> (u64, usize) {
    let clock = Arc::new(ManualClock::following_tokio("2030-01-02T14:46:30Z".parse().unwrap()));
    let limits = RateLimits { standard: A_MINUTE, market_data: A_MINUTE, trading: A_MINUTE };
    let config = SimConfig::new(1).with_clock(clock.clone()).with_rate_limits(limits);
    let server = SimServer::start(config).await.unwrap();
    let account = AccountId::new(server.account()).unwrap();
    let credentials = Credentials::new(account, server.token().to_owned().into()).unwrap();
    let config = TradierConfig::new(BaseUrl::new(&server.base_url()).unwrap(), credentials);
    let broker = Arc::new(Tradier::new(change(config), clock).unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async {
        loop {
            sleep(TICK).await;
        }
    });
    for _ in 0..LEGS {
        let broker = broker.clone();
        tasks.spawn(async move {
            let mut came = 0;
            let _over = timeout(Duration::from_mins(3), async {
                loop {
                    match broker.quotes(&[spy()]).await {
                        Ok(_) => came += 1,
                        Err(ReadError::Throttled { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                    sleep(Duration::from_millis(200)).await;
                }
            })
            .await;
            came
        });
    }
    let mut came = 0;
    for _ in 0..LEGS {
        came += tasks.join_next().await.unwrap().unwrap();
    }
    (server.refused_requests(), came)
}

// proves: RATE-1
#[tokio::test(start_paused = true)]
async fn polls_as_fast_as_they_come_are_refused_by_the_thousand_and_with_a_budget_none_is() {
    let (refused, came) = poll(|config| config).await;
    assert!(refused > 1_000, "{refused} of the naive bot's requests were refused");

    let (of_ours, ours_came) = poll(|config| config.with_documented_limits(Start::Unused).unwrap()).await;
    assert_eq!(of_ours, 0);
    assert!(ours_came * 3 > came * 2, "{ours_came} quotes came, and {came} of the naive bot's");
}
