//! Two trades look at the cash, both find enough of it, and both spend it.

use std::time::Duration;

use backstop_broker::{Broker, Decimal, Fill, Outcome, Progress};
use backstop_rollback::{Caps, Evidence, Hold, Ledger, LedgerError, Part};
use parking_lot::Mutex;

use super::{Account, and_then};

const LATER: Duration = Duration::from_secs(2);

/// Enough for one of them: ten SPY at some 560.
fn allotted() -> Decimal {
    6_000.into()
}

fn worst() -> Decimal {
    5_800.into()
}

/// Sends the order, and returns what it cost.
async fn buy(account: &Account) -> Decimal {
    let Outcome::Accepted(id) = account.send().await else { panic!("the broker has no faults here") };
    account.wait_for_fill(&id).await;
    let Progress::Final(fills) = account.broker.order(&id).await.unwrap().progress() else { panic!("it is at rest") };
    -fills.iter().filter_map(Fill::cash).sum::<Decimal>()
}

/// Takes out what it cost when that is known.
async fn naive(account: &Account, cash: &Mutex<Decimal>) {
    if *cash.lock() < worst() {
        return;
    }
    let cost = buy(account).await;
    *cash.lock() -= cost;
}

async fn with_reservation(account: &Account, ledger: &Ledger<u32>, key: u32) -> Result<(), LedgerError> {
    let hold = Hold { symbol: "SPY".to_owned(), quantity: 10.into(), worst: worst(), margin: Decimal::ZERO };
    let mut order = ledger.reserve(key, &hold)?.send();
    let paid = buy(account).await;
    order.fill(Part { quantity: 10.into(), paid, fee: Decimal::ZERO })?;
    order.end(&Evidence::new("the broker shows it filled").unwrap())
}

fn spent(account: &Account) -> Decimal {
    let ledger = account.broker.handle().ledger();
    ledger.start_cash - ledger.cash
}

// proves: TXN-3
#[tokio::test(start_paused = true)]
async fn the_second_of_two_trades_finds_the_cash_set_aside() {
    let account = Account::new();
    let cash = Mutex::new(allotted());
    and_then(naive(&account, &cash), LATER, naive(&account, &cash)).await;
    assert!(*cash.lock() < Decimal::ZERO && spent(&account) > allotted(), "the naive code spends it twice");

    let account = Account::new();
    let ledger = Ledger::new(Caps { positions: 9, per_symbol: 9, per_order: allotted(), in_all: 100_000.into() });
    ledger.deposit(allotted()).unwrap();
    let (first, second) =
        and_then(with_reservation(&account, &ledger, 1), LATER, with_reservation(&account, &ledger, 2)).await;
    first.unwrap();
    assert_eq!(second, Err(LedgerError::Cash { needed: worst(), free: allotted() - worst() }));
    let free = ledger.snapshot().balances().free;
    assert!(free >= Decimal::ZERO);
    assert_eq!((free, account.orders()), (allotted() - spent(&account), 1));
}
