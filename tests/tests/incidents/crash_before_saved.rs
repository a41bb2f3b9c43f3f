//! The order was sent, the process died, and what it was about to save was not saved. The next start finds nothing and sends it
//! again.

use std::sync::Arc;

use backstop::broker::Decimal;
use backstop::{EntryEnd, MemoryJournal};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::trader::{Mortal, Trader, enter};
use super::{Account, FILL};

/// Saves what it has done, when it has done it.
async fn naive(account: &Account, saved: &Mutex<Vec<&'static str>>) {
    if saved.lock().contains(&"slot 1") {
        return;
    }
    account.trade().await;
    saved.lock().push("slot 1");
}

// proves: DESK-3
#[tokio::test(start_paused = true)]
async fn an_order_that_was_sent_by_a_process_that_died_is_found_by_the_next_and_not_sent_again() {
    let dies = FILL / 2;
    let account = Account::new();
    let saved = Mutex::default();
    timeout(dies, naive(&account, &saved)).await.unwrap_err();
    sleep(FILL).await;
    naive(&account, &saved).await;
    assert_eq!((account.orders(), saved.lock().len()), (2, 1), "the naive code trades twice and knows of one");

    let (account, trader) = (Account::new(), Trader::new());
    let journal = Arc::new(Mortal::default());
    let first = trader.desk(&account, 1, journal.clone(), &[]).await;
    timeout(dies, enter(&first, 1)).await.unwrap_err();
    journal.die();
    sleep(FILL).await;
    let next = trader.desk(&account, 2, Arc::new(MemoryJournal::default()), &journal.batches()).await;
    let again = enter(&next, 1).await;
    assert!(matches!(again, EntryEnd::Refused(_)), "{again:?}");
    assert_eq!(account.orders(), 1);
    assert_eq!(next.state().net().values().copied().collect::<Vec<_>>(), [Decimal::TEN]);
}
