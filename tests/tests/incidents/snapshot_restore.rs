//! A copy of the whole portfolio is taken before each trade and put back when it fails. Meanwhile another trade was filled: it
//! is gone from the book, and nobody watches it.

use std::time::Duration;

use backstop_broker::{Broker, Decimal, Fill, Outcome, Progress};
use backstop_rollback::{CannotUndo, Store};
use backstop_sim::FaultKind;
use parking_lot::Mutex;
use tokio::time::sleep;

use super::{Account, FILL, and_then};

const LATER: Duration = Duration::from_secs(2);
const SHARES: i64 = 10;

/// Sends the order, and looks once whether it was filled.
async fn is_filled(account: &Account) -> bool {
    let Outcome::Accepted(id) = account.send().await else { panic!("the broker takes every order here") };
    sleep(FILL * 2).await;
    let Progress::Final(fills) = account.broker.order(&id).await.unwrap().progress() else { panic!("it is at rest") };
    fills.iter().map(Fill::signed_quantity).sum::<Decimal>() == SHARES.into()
}

async fn naive(account: &Account, book: &Mutex<i64>) {
    let before = *book.lock();
    *book.lock() += SHARES;
    if !is_filled(account).await {
        *book.lock() = before;
    }
}

async fn with_inverse(account: &Account, book: &Store<i64>) {
    let mut trade = book.begin();
    let open = |shares: &mut i64| {
        *shares += SHARES;
        let close = |shares: &mut i64| {
            *shares -= SHARES;
            Ok(())
        };
        Ok::<_, CannotUndo>(((), close))
    };
    trade.apply(open).unwrap();
    if is_filled(account).await {
        trade.commit().unwrap();
    }
}

/// The first order is rejected a moment after it was taken, which its trade notices when the second has filled.
fn account() -> Account {
    let account = Account::new();
    account.broker.handle().inject(FaultKind::RejectedLater, 1);
    account
}

fn held(account: &Account) -> Decimal {
    account.broker.handle().ledger().position(&"SPY".parse().unwrap())
}

// proves: TXN-2
#[tokio::test(start_paused = true)]
async fn a_trade_that_fails_leaves_the_fill_of_another_in_the_book() {
    let account_of_naive = account();
    let book = Mutex::default();
    and_then(naive(&account_of_naive, &book), LATER, naive(&account_of_naive, &book)).await;
    assert_eq!((*book.lock(), held(&account_of_naive)), (0, SHARES.into()), "the naive code forgets what it holds");

    let account = account();
    let book = Store::new(0);
    and_then(with_inverse(&account, &book), LATER, with_inverse(&account, &book)).await;
    assert_eq!((book.read(|shares| *shares), held(&account)), (Ok(SHARES), SHARES.into()));
}
