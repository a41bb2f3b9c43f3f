//! An order whose task ends before the order does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use super::super::*;
use crate::order::Evidence;

const CAPS: Caps = Caps { positions: 9, per_symbol: 9, per_order: Decimal::ONE_HUNDRED, in_all: Decimal::ONE_HUNDRED };

fn hold() -> Hold {
    Hold { symbol: "SPY".to_owned(), quantity: Decimal::TWO, worst: 60.into(), margin: Decimal::ZERO }
}

fn half(paid: u32) -> Part {
    Part { quantity: Decimal::ONE, paid: paid.into(), fee: Decimal::ONE }
}

/// From reservation to end, with a wait after each step; with a panic instead of wait number `panics`.
async fn order(ledger: Ledger<u32>, panics: Option<usize>) {
    let wait = async |number: usize| {
        if panics == Some(number) {
            std::panic::resume_unwind(Box::new("while it waits"));
        }
        tokio::task::yield_now().await;
    };
    let reservation = ledger.reserve(1, &hold()).unwrap();
    wait(0).await;
    let mut order = reservation.send();
    wait(1).await;
    order.fill(half(20)).unwrap();
    wait(2).await;
    order.fill(half(25)).unwrap();
    wait(3).await;
    order.end(&Evidence::new("order 17 is filled").unwrap()).unwrap();
}

/// The reference: what is free and what is set aside when the task ended at a wait; the fourth is its end.
const AFTER: [(u32, u32); 5] = [(100, 0), (40, 60), (40, 39), (53, 0), (53, 0)];

// proves: TXN-1
// proves: TXN-3
// proves: TXN-6
#[test]
fn an_order_whose_task_is_canceled_or_panics_at_any_wait_keeps_what_it_may_need_and_nothing_else() {
    for (at, (free, reserved)) in AFTER.into_iter().enumerate() {
        for panics in [false, true] {
            let ledger = Ledger::new(CAPS);
            ledger.deposit(Decimal::ONE_HUNDRED).unwrap();
            let mut task = Box::pin(order(ledger.clone(), panics.then_some(at)));
            let mut context = Context::from_waker(Waker::noop());
            for poll in 0.. {
                let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut context)));
                if poll == at || !matches!(polled, Ok(Poll::Pending)) {
                    break;
                }
            }
            drop(task);
            let context = format!("wait {at}, panics: {panics}");
            let snapshot = ledger.snapshot();
            let balances = snapshot.balances();
            assert_eq!((balances.free, balances.reserved), (free.into(), reserved.into()), "{context}");
            assert!(balances.is_conserved(), "{context}");
            // Whoever looks it up goes on where it stopped.
            let lost = ledger.in_flight(&1);
            assert_eq!(lost.is_some(), (1..4).contains(&at), "{context}");
            if let Some(lost) = lost {
                lost.end(&Evidence::new("canceled").unwrap()).unwrap();
            }
            let balances = *ledger.snapshot().balances();
            assert_eq!(
                (balances.reserved, balances.cash() + balances.cost + balances.fees),
                (Decimal::ZERO, Decimal::ONE_HUNDRED)
            );
        }
    }
}
