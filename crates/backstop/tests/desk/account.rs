//! What the account says of its cash, beside the book: less than nothing, too late, or what a hand has done.

use std::sync::Arc;
use std::time::Duration;

use backstop::broker::Decimal;
use backstop::{CASH, CashError, Desk, EntryEnd, MemoryJournal, Operator, Refusal};

use crate::bench::{Budget, Enter, SETTLE, calm, enter, leave, plan, spy};

fn free(desk: &Desk) -> Decimal {
    desk.state().account.free().unwrap()
}

// proves: TXN-3, TXN-7
#[tokio::test(start_paused = true)]
async fn while_the_account_owes_nothing_is_entered_and_exits_pass_until_it_has_something_again() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let (slot, _) = enter(&desk, 1).await;
    let books = desk.state().account.books().clone();
    // One answer may be wrong.
    *bench.broker.balances_say.lock() = [Decimal::from(-36_000)].into();
    assert!(matches!(desk.read_cash().await, Err(CashError::Absurd { .. })));
    assert_eq!(desk.state().account.in_debt(), None);
    *bench.broker.balances_say.lock() = vec![Decimal::from(-36_000); 400].into();
    assert!(matches!(desk.read_cash().await, Err(CashError::InDebt { .. })));
    // Also after a restart, which asks again, and is told the same.
    let again = bench.ready_in_debt(Arc::new(MemoryJournal::default()), &journal.batches()).await;
    for desk in [&desk, &again] {
        assert_eq!(desk.state().account.books(), &books, "what was known counts on");
        assert!(desk.state().alerts[CASH].text.contains("-36000"), "{:?}", desk.state().alerts);
        let (_, end) = enter(desk, 2).await;
        assert!(
            matches!(&end, EntryEnd::Refused(Refusal::InDebt { account }) if account.is_sign_negative()),
            "{end:?}"
        );
    }
    assert!(matches!(leave(&again, &slot).await, backstop::ExitEnd::Closed), "an exit asks for no cash");
    bench.broker.balances_say.lock().clear();
    again.reconcile().await.unwrap();
    assert_eq!((again.state().account.in_debt(), again.state().alerts.contains_key(CASH)), (None, false));
    let (_, end) = enter(&again, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
}

// proves: TXN-3
#[tokio::test(start_paused = true)]
async fn an_entry_that_waits_while_the_account_is_found_to_owe_is_not_sent() {
    let bench = calm();
    let desk = bench.desk().await;
    let plan = plan(&desk).await;
    *bench.broker.budget.lock() = Budget::After(Duration::from_secs(3));
    let (end, ()) = tokio::join!(desk.try_to(desk.slot(1).unwrap(), plan), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        *bench.broker.balances_say.lock() = vec![Decimal::NEGATIVE_ONE; 2].into();
        let _in_debt = desk.read_cash().await;
    });
    assert!(matches!(end, EntryEnd::Refused(Refusal::Cash { .. })), "{end:?}");
    assert_eq!(bench.requests(), 0);
}

// proves: TXN-3
#[tokio::test(start_paused = true)]
async fn what_a_position_brought_that_somebody_closed_by_hand_comes_in_with_the_next_comparison() {
    let bench = calm();
    let desk = bench.desk().await;
    let (slot, _) = enter(&desk, 1).await;
    tokio::time::sleep(SETTLE * 2).await;
    // The balance is gone by, and nothing asks for it any more.
    desk.reconcile().await.unwrap();
    assert!(bench.sim().trade_by_hand(&spy(), -10));
    tokio::time::sleep(SETTLE * 2).await;
    let ann = Operator { by: "ann".to_owned(), reason: "sold by hand".to_owned(), despite_positions: false };
    desk.resolve_position(&slot, &ann).await.unwrap();
    assert_ne!(free(&desk), bench.sim().ledger().cash);
    desk.reconcile().await.unwrap();
    assert_eq!(free(&desk), bench.sim().ledger().cash);
}

// proves: TXN-3, TXN-7
#[tokio::test(start_paused = true)]
async fn a_balance_that_lags_behind_a_fill_gives_back_nothing_that_was_spent() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let before = bench.sim().ledger().cash;
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    let cash = bench.sim().ledger().cash;
    let lags = |reads: usize| *bench.broker.balances_say.lock() = vec![before; reads].into();
    lags(2);
    assert_eq!(desk.read_cash().await.unwrap(), None);
    assert_eq!((free(&desk), desk.state().account.cash()), (cash, Some(cash)));
    // The next process has no fill of its own. It goes by what it is told, and asks again while that may lag.
    lags(3);
    let heir = Arc::new(MemoryJournal::default());
    let again = bench.ready(heir.clone(), &journal.batches()).await;
    let told = |batch: &backstop::Batch| batch.records.contains(&backstop::Record::CashRead { total: before });
    assert!(heir.batches().iter().any(told), "it went by it");
    assert_eq!(free(&again), cash);
    // What differs for good is gone by.
    assert!(bench.sim().trade_by_hand(&spy(), 1));
    tokio::time::sleep(SETTLE).await;
    assert_eq!(desk.read_cash().await.unwrap(), Some(bench.sim().ledger().cash));
}
