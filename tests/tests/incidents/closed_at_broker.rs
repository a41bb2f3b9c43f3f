//! A check compares the bot's positions with the broker's list. One that has just been filled is not in the list yet, or the list
//! comes back empty for once: "closed at broker", and nobody watches it any more.

use std::collections::BTreeSet;
use std::time::Duration;

use backstop::EntryEnd;
use backstop_broker::{Broker, Decimal, Symbol};
use backstop_sim::FaultKind;
use tokio::time::sleep;

use super::trader::{Trader, enter};
use super::{Account, spy};

/// Between two comparisons.
const EVERY: Duration = Duration::from_secs(2);

/// One look at one list, symbols only.
async fn naive(account: &Account, tracked: &mut BTreeSet<Symbol>) {
    let listed = account.broker.positions().await.unwrap();
    tracked.retain(|symbol| listed.iter().any(|position| position.symbol == *symbol));
}

fn held(account: &Account) -> Decimal {
    account.broker.handle().ledger().position(&spy())
}

// proves: REC-3
#[tokio::test(start_paused = true)]
async fn a_fill_that_the_list_of_positions_lags_behind_stays_in_the_book() {
    let account = Account::new();
    account.broker.handle().inject(FaultKind::PositionsLag, 1);
    account.trade().await;
    let mut tracked = BTreeSet::from([spy()]);
    naive(&account, &mut tracked).await;
    assert!(tracked.is_empty() && held(&account) == Decimal::TEN, "the naive code forgets what it has just bought");

    let (account, trader) = (Account::new(), Trader::new());
    let desk = trader.healthy(&account).await;
    account.broker.handle().inject(FaultKind::PositionsLag, 1);
    let end = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    for _ in 0..10 {
        let compared = desk.reconcile().await.unwrap();
        assert!(compared.drift.is_empty(), "{compared:?}");
        assert_eq!(desk.state().net().get(&spy()), Some(&held(&account)));
        sleep(EVERY).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_positions_that_is_empty_for_once_closes_nothing() {
    let account = Account::new();
    account.trade().await;
    sleep(EVERY).await;
    account.broker.handle().inject(FaultKind::PositionsEmpty, 1);
    let mut tracked = BTreeSet::from([spy()]);
    naive(&account, &mut tracked).await;
    assert!(tracked.is_empty() && held(&account) == Decimal::TEN, "the naive code believes the one list");

    let (account, trader) = (Account::new(), Trader::new());
    let desk = trader.healthy(&account).await;
    let end = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    // Old enough to be judged.
    sleep(EVERY * 5).await;
    account.broker.handle().inject(FaultKind::PositionsEmpty, 3);
    for _ in 0..10 {
        drop(desk.reconcile().await.unwrap());
        assert_eq!(desk.state().net().get(&spy()), Some(&held(&account)));
        sleep(EVERY).await;
    }
    assert!(desk.reconcile().await.unwrap().drift.is_empty());
}
