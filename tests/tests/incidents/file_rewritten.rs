//! The tracking file is read, changed and written back whole. Two entries do it at the same time: the second one's copy is of
//! before the first, and the first position is gone from the file while it is open.

use std::fs;
use std::path::Path;
use std::time::Duration;

use backstop::EntryEnd;
use backstop::broker::Decimal;
use backstop::reconcile::Position;

use super::trader::{Trader, enter};
use super::{Account, and_then, spy};

const LATER: Duration = Duration::from_secs(2);

/// Reads the list, trades, and writes the list with the trade.
async fn naive(account: &Account, file: &Path, name: &str) {
    let before = fs::read_to_string(file).unwrap();
    account.trade().await;
    fs::write(file, format!("{before}{name}\n")).unwrap();
}

fn held(account: &Account) -> Decimal {
    account.broker.handle().ledger().position(&spy())
}

#[tokio::test(start_paused = true)]
async fn of_two_entries_at_the_same_time_both_are_in_the_book() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("positions");
    fs::write(&file, "").unwrap();
    let account = Account::new();
    and_then(naive(&account, &file, "first"), LATER, naive(&account, &file, "second")).await;
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1, "the naive code has lost one");
    assert_eq!(held(&account), Decimal::from(20));

    let (account, trader) = (Account::new(), Trader::new());
    let desk = trader.healthy(&account).await;
    let ends = and_then(enter(&desk, 1), LATER, enter(&desk, 2)).await;
    assert!(matches!(ends, (EntryEnd::Opened(_), EntryEnd::Opened(_))), "{ends:?}");
    assert_eq!(held(&account), Decimal::from(20));
    let state = desk.state();
    assert_eq!(state.book.positions().values().filter(|position| !Position::is_flat(position)).count(), 2);
    assert_eq!(state.net().get(&spy()), Some(&held(&account)));
}
