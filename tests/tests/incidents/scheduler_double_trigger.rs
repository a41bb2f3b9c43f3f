//! The scheduler fires the job twice: two workers after a reload, or one run that was missed and made up for.

use std::time::Duration;

use backstop_clock::Timestamp;
use backstop_trade_guard::{Refusal, TradeGuard};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::{Account, and_then, key};

/// How long a look at the market takes before the order is sent.
const LOOK: Duration = Duration::from_millis(200);

/// Notes that it ran today when it is done: both workers have asked by then.
async fn naive(account: &Account, last_run: &Mutex<Option<Timestamp>>) {
    if last_run.lock().is_some() {
        return;
    }
    sleep(LOOK).await;
    account.trade().await;
    *last_run.lock() = Some(account.clock.wall());
}

async fn guarded(account: &Account, guard: &TradeGuard) -> Result<(), Refusal> {
    let permit = guard.try_enter_async(&key()).await?;
    sleep(LOOK).await;
    account.trade().await;
    permit.executed_async().await.unwrap();
    Ok(())
}

// proves: GUARD-1, GUARD-2
#[tokio::test(start_paused = true)]
async fn a_job_that_is_started_twice_at_the_same_moment_and_once_more_trades_once() {
    let account = Account::new();
    let last_run = Mutex::default();
    and_then(naive(&account, &last_run), Duration::ZERO, naive(&account, &last_run)).await;
    naive(&account, &last_run).await;
    assert_eq!(account.orders(), 2, "the naive code trades twice");

    let account = Account::new();
    let guard = account.guard();
    let (first, second) = and_then(guarded(&account, &guard), Duration::ZERO, guarded(&account, &guard)).await;
    first.unwrap();
    assert!(matches!(second, Err(Refusal::InProgress(_))), "{second:?}");
    let again = guarded(&account, &guard).await;
    assert!(matches!(again, Err(Refusal::Limit { taken: 1, limit: 1, .. })), "{again:?}");
    assert_eq!(account.orders(), 1);
}
