//! Somebody presses the button while the scheduler's entry is filling. Each of the two keeps itself from running twice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backstop_trade_guard::{Refusal, TradeGuard};

use super::{Account, and_then, key};

const LATER: Duration = Duration::from_secs(5);

/// Knows whether it is running itself, and not what the other path does.
async fn naive(account: &Account, is_running: &AtomicBool) {
    if is_running.swap(true, Ordering::SeqCst) {
        return;
    }
    account.trade().await;
    is_running.store(false, Ordering::SeqCst);
}

async fn guarded(account: &Account, guard: &TradeGuard) -> Result<(), Refusal> {
    let permit = guard.try_enter_async(&key()).await?;
    account.trade().await;
    permit.executed_async().await.unwrap();
    Ok(())
}

// proves: GUARD-1, GUARD-4
#[tokio::test(start_paused = true)]
async fn the_button_is_told_that_the_scheduler_is_inside() {
    let account = Account::new();
    let (scheduler, button) = (AtomicBool::default(), AtomicBool::default());
    and_then(naive(&account, &scheduler), LATER, naive(&account, &button)).await;
    assert_eq!(account.orders(), 2, "the naive code trades twice");

    let account = Account::new();
    let guard = account.guard();
    let (scheduler, button) = (guard.named("scheduler").unwrap(), guard.named("button").unwrap());
    let since = account.clock.wall();
    let (first, second) = and_then(guarded(&account, &scheduler), LATER, guarded(&account, &button)).await;
    first.unwrap();
    let Err(Refusal::InProgress(inside)) = second else { panic!("{second:?}") };
    assert_eq!((inside.by(), inside.since(), inside.held_for()), ("scheduler", since, LATER));
    assert_eq!(account.orders(), 1);
}
