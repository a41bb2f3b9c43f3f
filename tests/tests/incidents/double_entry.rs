//! The same trade at 09:46:30 and at 09:46:32: the first was still filling, and not in the database yet.

use std::time::Duration;

use backstop_trade_guard::{Refusal, TradeGuard};
use parking_lot::Mutex;

use super::{Account, and_then, key};

const LATER: Duration = Duration::from_secs(2);

/// Check, then act: what is being done is nowhere to be seen.
async fn naive(account: &Account, database: &Mutex<Vec<&'static str>>) {
    if database.lock().contains(&"scalper:SPY") {
        return;
    }
    account.trade().await;
    database.lock().push("scalper:SPY");
}

async fn guarded(account: &Account, guard: &TradeGuard) -> Result<(), Refusal> {
    let permit = guard.try_enter_async(&key()).await?;
    account.trade().await;
    permit.executed_async().await.unwrap();
    Ok(())
}

// proves: GUARD-1
#[tokio::test(start_paused = true)]
async fn the_second_of_two_entries_finds_the_first_still_filling() {
    let account = Account::new();
    let database = Mutex::default();
    and_then(naive(&account, &database), LATER, naive(&account, &database)).await;
    assert_eq!(account.orders(), 2, "the naive code trades twice");

    let account = Account::new();
    let guard = account.guard();
    let (first, second) = and_then(guarded(&account, &guard), LATER, guarded(&account, &guard)).await;
    first.unwrap();
    let Err(Refusal::InProgress(inside)) = second else { panic!("{second:?}") };
    assert_eq!(inside.held_for(), LATER);
    assert_eq!(account.orders(), 1);
}
