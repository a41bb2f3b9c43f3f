//! A context manager commits when its block is left, also when the block raised: the error is swallowed, and half of the
//! trade stays.

use std::collections::BTreeMap;

use backstop_broker::Decimal;
use backstop_rollback::{Aborted, ApplyError, CannotUndo, Store, Transaction};
use parking_lot::Mutex;

use super::Account;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Portfolio {
    cash: Decimal,
    positions: BTreeMap<&'static str, u32>,
}

#[derive(Debug, PartialEq, Eq)]
struct Raised;

const MOST: u32 = 5;

fn cost() -> Decimal {
    5_600.into()
}

/// `__exit__` as it was written: keeps what was done, and says that the error is dealt with.
fn with_transaction(portfolio: &Mutex<Portfolio>, block: impl FnOnce(&mut Portfolio) -> Result<(), Raised>) {
    let mut inside = portfolio.lock().clone();
    let _swallowed = block(&mut inside);
    *portfolio.lock() = inside;
}

/// Pays, and then is refused: more than may be held.
fn naive(portfolio: &Mutex<Portfolio>) {
    with_transaction(portfolio, |inside| {
        inside.cash -= cost();
        if 10 > MOST {
            return Err(Raised);
        }
        inside.positions.insert("SPY", 10);
        Ok(())
    });
}

/// The same mistake: both errors are swallowed.
fn swallowing(mut trade: Transaction<'_, Portfolio>) -> Result<(), Aborted> {
    let pay = |portfolio: &mut Portfolio| {
        portfolio.cash -= cost();
        let back = |portfolio: &mut Portfolio| {
            portfolio.cash += cost();
            Ok(())
        };
        Ok::<_, CannotUndo>(((), back))
    };
    let hold = |portfolio: &mut Portfolio| {
        if 10 > MOST {
            return Err(Raised);
        }
        portfolio.positions.insert("SPY", 10);
        let drop_it = |portfolio: &mut Portfolio| {
            portfolio.positions.remove("SPY");
            Ok(())
        };
        Ok(((), drop_it))
    };
    let _swallowed = trade.apply(pay);
    let swallowed = trade.apply(hold);
    assert_eq!(swallowed, Err(ApplyError::Refused(Raised)));
    trade.commit()
}

// proves: TXN-1
#[tokio::test(start_paused = true)]
async fn a_trade_whose_error_was_swallowed_is_not_committed() {
    // Nothing was sent: the account is as it was.
    let truth = Account::new().broker.handle().ledger();
    let portfolio = Portfolio { cash: truth.start_cash, positions: BTreeMap::new() };

    let kept = Mutex::new(portfolio.clone());
    naive(&kept);
    assert_eq!(kept.lock().cash, truth.cash - cost(), "the naive code has paid for nothing");

    let store = Store::new(portfolio.clone());
    assert_eq!(swallowing(store.begin()), Err(Aborted));
    assert_eq!(store.read(Clone::clone), Ok(portfolio));
    assert_eq!(store.read(|portfolio| portfolio.cash), Ok(truth.cash));
}
