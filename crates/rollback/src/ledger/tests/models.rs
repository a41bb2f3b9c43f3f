//! Every interleaving of three who trade on one account.

use loom::thread;

use super::super::*;
use crate::order::Evidence;
use crate::sync::every_interleaving;

const WIDE: Caps = Caps { positions: 9, per_symbol: 9, per_order: Decimal::MAX, in_all: Decimal::MAX };

fn hold(worst: u32) -> Hold {
    Hold { symbol: "SPY".to_owned(), quantity: Decimal::TWO, worst: worst.into(), margin: Decimal::ZERO }
}

fn part(paid: u32) -> Part {
    Part { quantity: Decimal::ONE, paid: paid.into(), fee: Decimal::ZERO }
}

fn look(ledger: &Ledger<u32>) -> Decimal {
    let snapshot = ledger.snapshot();
    let balances = snapshot.balances();
    assert!(balances.is_conserved() && balances.free >= Decimal::ZERO, "{balances:?}");
    let reserved: Decimal = snapshot.orders().map(|(_, order)| order.reserved).sum();
    assert_eq!(reserved, balances.reserved, "a snapshot is of one moment");
    balances.free
}

/// One is filled in part, one rolls back, one loses its order, on cash that is enough for two.
// proves: TXN-3
// proves: TXN-6
#[test]
fn three_who_reserve_settle_release_and_lose_conserve_the_cash() {
    every_interleaving(|| {
        let ledger = Ledger::new(WIDE);
        ledger.deposit(100.into()).unwrap();
        let settles = {
            let ledger = ledger.clone();
            thread::spawn(move || {
                let Ok(reservation) = ledger.reserve(1, &hold(50)) else { return 0 };
                let mut order = reservation.send();
                order.fill(part(20)).unwrap();
                order.end(&Evidence::new("canceled, 1 of 2 filled").unwrap()).unwrap();
                20
            })
        };
        let rolls_back = {
            let ledger = ledger.clone();
            thread::spawn(move || drop(ledger.reserve(2, &hold(50))))
        };
        let lost = ledger.reserve(3, &hold(50)).map(|reservation| drop(reservation.send())).map_or(0, |()| 50);
        look(&ledger);
        let spent = settles.join().unwrap();
        rolls_back.join().unwrap();
        assert_eq!(look(&ledger), Decimal::from(100 - spent - lost));
        // Two of them can always be paid for.
        assert!(spent + lost > 0);
    });
}

/// Two end the same order: one of them does.
// proves: TXN-6
#[test]
fn an_order_that_two_end_is_freed_once() {
    every_interleaving(|| {
        let ledger = Ledger::new(WIDE);
        ledger.deposit(100.into()).unwrap();
        let own = ledger.reserve(1, &hold(60)).unwrap().send();
        let other = {
            let ledger = ledger.clone();
            thread::spawn(move || {
                let evidence = Evidence::new("not in a list that covers its submit").unwrap();
                ledger.in_flight(&1).is_some_and(|order| order.end(&evidence).is_ok())
            })
        };
        let mine = own.end(&Evidence::new("canceled").unwrap()).is_ok();
        assert!(other.join().unwrap() != mine);
        assert_eq!(look(&ledger), Decimal::from(100));
    });
}

/// One reserves, and its order goes into the log that the ledger follows; one reserves beside it; the log goes on otherwise.
// proves: TXN-3
// proves: TXN-6
#[test]
fn what_goes_from_a_reservation_into_the_log_is_set_aside_all_the_time_and_once() {
    loom::model(|| {
        let mut log = Books::default();
        log.deposit(100.into()).unwrap();
        let ledger = Ledger::following(log.clone());
        let recorded = ledger.reserve(1, &hold(60)).unwrap();
        let beside = {
            let ledger = ledger.clone();
            thread::spawn(move || ledger.reserve(2, &hold(60)).is_ok())
        };
        // One batch after the other, as a log has them.
        log.deposit(1.into()).unwrap();
        ledger.follow(log.clone());
        log.reserve(1, &hold(60)).unwrap();
        log.send(&1);
        ledger.follow(log);
        drop(recorded);
        assert!(!beside.join().unwrap(), "two have seen the same cash");
        assert_eq!(look(&ledger), Decimal::from(41));
    });
}
