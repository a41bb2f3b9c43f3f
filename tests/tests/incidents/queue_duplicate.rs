//! A queue delivers at least once: the message comes again when nobody has confirmed it in time, because the order is
//! still filling or because the consumer has died.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use backstop_trade_guard::{MemoryStore, Refusal, TradeGuard};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::{Account, FILL, and_then, key};

/// After so long without a confirmation the queue delivers again.
const REDELIVERED: Duration = Duration::from_secs(10);
/// The message: the first slot of the session.
const SLOT: u32 = 1;

/// Remembers what it has dealt with, when it has.
async fn naive(account: &Account, done: &Mutex<BTreeSet<u32>>) {
    if done.lock().contains(&SLOT) {
        return;
    }
    account.trade().await;
    done.lock().insert(SLOT);
}

async fn guarded(account: &Account, guard: &TradeGuard) -> Result<(), Refusal> {
    let permit = guard.try_enter_async(&key().with_slot(SLOT)).await?;
    account.trade().await;
    permit.executed_async().await.unwrap();
    Ok(())
}

// proves: GUARD-1, GUARD-2
#[tokio::test(start_paused = true)]
async fn a_message_that_is_delivered_again_while_its_order_fills_and_afterwards_trades_once() {
    let account = Account::new();
    let done = Mutex::default();
    and_then(naive(&account, &done), REDELIVERED, naive(&account, &done)).await;
    assert_eq!(account.orders(), 2, "the naive code trades twice");

    let account = Account::new();
    let guard = account.guard();
    let (first, second) = and_then(guarded(&account, &guard), REDELIVERED, guarded(&account, &guard)).await;
    first.unwrap();
    assert!(matches!(second, Err(Refusal::InProgress(_))), "{second:?}");
    let third = guarded(&account, &guard).await;
    assert!(matches!(third, Err(Refusal::Spent { .. })), "{third:?}");
    assert_eq!(account.orders(), 1);
}

// proves: GUARD-3, GUARD-5
#[tokio::test(start_paused = true)]
async fn a_message_whose_consumer_died_after_it_had_sent_the_order_is_not_traded_again_by_the_next() {
    let dies = FILL / 2;
    let account = Account::new();
    timeout(dies, naive(&account, &Mutex::default())).await.unwrap_err();
    sleep(REDELIVERED).await;
    // What the dead consumer remembered is gone.
    naive(&account, &Mutex::default()).await;
    assert_eq!(account.orders(), 2, "the naive code trades twice");

    let account = Account::new();
    let store = Arc::new(MemoryStore::default());
    let dead = account.guard_on(store.clone());
    timeout(dies, guarded(&account, &dead)).await.unwrap_err();
    sleep(REDELIVERED).await;
    // The store outlives the process: on disk it is the `WalStore`.
    let next = guarded(&account, &account.guard_on(store)).await;
    assert!(matches!(next, Err(Refusal::Unresolved(_))), "{next:?}");
    assert_eq!(account.orders(), 1);
}
