//! The lock is released in a `finally`. The order was sent, then the code raised, and the retry found the door open.

use std::sync::atomic::{AtomicBool, Ordering};

use backstop_broker::Outcome;
use backstop_trade_guard::{Refusal, TradeGuard};

use super::{Account, key};

/// The answer has a field that the code does not expect.
#[derive(Debug)]
struct Raised;

async fn send_and_raise(account: &Account) -> Result<(), Raised> {
    match account.send().await {
        Outcome::Accepted(_) => Err(Raised),
        outcome => panic!("{outcome:?}"),
    }
}

/// `finally: release()`, as a destructor: whatever happened, the lock is free.
struct Finally<'a>(&'a AtomicBool);

impl Drop for Finally<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

async fn naive(account: &Account, is_locked: &AtomicBool) -> Result<(), Raised> {
    if is_locked.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let _finally = Finally(is_locked);
    send_and_raise(account).await
}

/// The same early return drops the permit without a verdict.
async fn guarded(account: &Account, guard: &TradeGuard) -> Result<Result<(), Raised>, Refusal> {
    let permit = guard.try_enter_async(&key()).await?;
    if let Err(raised) = send_and_raise(account).await {
        return Ok(Err(raised));
    }
    permit.executed_async().await.unwrap();
    Ok(Ok(()))
}

// proves: GUARD-3
#[tokio::test(start_paused = true)]
async fn code_that_raises_after_the_order_was_sent_leaves_the_door_shut() {
    let account = Account::new();
    let is_locked = AtomicBool::default();
    for _ in 0..2 {
        naive(&account, &is_locked).await.unwrap_err();
    }
    assert_eq!(account.orders(), 2, "the naive code trades twice");

    let account = Account::new();
    let guard = account.guard();
    guarded(&account, &guard).await.unwrap().unwrap_err();
    let again = guarded(&account, &guard).await;
    assert!(matches!(again, Err(Refusal::Unresolved(_))), "{again:?}");
    assert_eq!(account.orders(), 1);
}
