use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::super::*;
use crate::books::Overdrawn;
use crate::order::Evidence;

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

const WIDE: Caps = Caps { positions: 1_000, per_symbol: 1_000, per_order: Decimal::MAX, in_all: Decimal::MAX };

fn ledger(cash: &str, caps: Caps) -> Ledger<u32> {
    let ledger = Ledger::new(caps);
    ledger.deposit(dec(cash)).unwrap();
    ledger
}

fn hold(worst: &str) -> Hold {
    Hold { symbol: "SPY".to_owned(), quantity: Decimal::TEN, worst: dec(worst), margin: Decimal::ZERO }
}

fn part(quantity: &str, paid: &str, fee: &str) -> Part {
    Part { quantity: dec(quantity), paid: dec(paid), fee: dec(fee) }
}

fn evidence() -> Evidence {
    Evidence::new("order 17 is filled").unwrap()
}

fn free(ledger: &Ledger<u32>) -> Decimal {
    ledger.snapshot().balances().free
}

// proves: TXN-3
#[test]
fn cash_that_is_set_aside_cannot_be_set_aside_again() {
    let ledger = ledger("100", WIDE);
    let first = ledger.reserve(1, &hold("60")).unwrap();
    let refused = ledger.reserve(2, &hold("40.01")).unwrap_err();
    assert_eq!(refused, LedgerError::Cash { needed: dec("40.01"), free: dec("40") });
    let second = ledger.reserve(3, &hold("40")).unwrap();
    assert_eq!(free(&ledger), Decimal::ZERO);
    drop(first);
    assert_eq!(free(&ledger), dec("60"), "it never left");
    drop(second);
    assert_eq!(free(&ledger), dec("100"));
}

// proves: TXN-6
#[test]
fn nothing_is_free_again_while_the_order_may_live() {
    let ledger = ledger("100", WIDE);
    let in_flight = ledger.reserve(1, &hold("60")).unwrap().send();
    drop(in_flight);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _in_flight = ledger.reserve(2, &hold("30")).unwrap().send();
        panic!("while the broker is asked");
    }));
    assert!(panicked.is_err());
    assert_eq!(free(&ledger), dec("10"));
    let lost: Vec<u32> = ledger.snapshot().orders().map(|(key, _)| *key).collect();
    assert_eq!(lost.len(), 2);
    for key in lost {
        ledger.in_flight(&key).unwrap().end(&evidence()).unwrap();
    }
    assert_eq!(free(&ledger), dec("100"));
    assert!(Evidence::new(" ").is_err());
}

// proves: TXN-6
#[test]
fn only_the_first_who_ends_an_order_frees_anything() {
    let ledger = ledger("100", WIDE);
    let mut holder = ledger.reserve(1, &hold("60")).unwrap().send();
    let other = ledger.in_flight(&1).unwrap();
    other.end(&evidence()).unwrap();
    assert_eq!(holder.fill(part("1", "1", "0")), Err(LedgerError::Unknown));
    assert_eq!(holder.end(&evidence()), Err(LedgerError::Unknown));
    assert_eq!(free(&ledger), dec("100"));
    assert_eq!(ledger.suspect(), Some(LedgerError::Unknown), "a fill of an order that was at rest");
    ledger.correct(Decimal::ZERO).unwrap();
    let reservation = ledger.reserve(2, &hold("60")).unwrap();
    assert!(ledger.in_flight(&2).is_none(), "it has not left: whoever has the reservation sends it or drops it");
    drop(reservation);
}

// proves: TXN-3
#[test]
fn parts_settle_at_their_real_price_and_the_rest_is_free_when_the_order_ends() {
    let ledger = ledger("1000", WIDE);
    let mut order = ledger.reserve(1, &hold("100")).unwrap().send();
    order.fill(part("3", "27.50", "0.35")).unwrap();
    assert_eq!(free(&ledger), dec("900"), "the rest stays set aside: the fees may come last");
    order.fill(part("7", "66", "0.65")).unwrap();
    assert_eq!(free(&ledger), dec("905.50"));
    order.end(&evidence()).unwrap();
    let position = ledger.snapshot().position(&1).cloned().unwrap();
    assert_eq!((position.quantity, position.cost), (dec("10"), dec("93.50")));
    ledger.close(&1, part("4", "-40", "0.10")).unwrap();
    ledger.close(&1, part("6", "-60", "0.10")).unwrap();
    let balances = *ledger.snapshot().balances();
    assert_eq!((balances.free, balances.realized, balances.fees), (dec("1005.30"), dec("6.50"), dec("1.20")));
}

/// Another order has all that is free, and what is filled is dear, or has its fees, in one part more than in the others.
// proves: TXN-3
#[test]
fn an_order_that_stays_within_its_worst_case_in_all_is_always_settled() {
    for parts in [
        [part("1", "10", "1"), part("9", "90", "0")],
        [part("9", "90", "0"), part("1", "10", "1")],
        [part("5", "1", "0"), part("5", "100", "0")],
        [part("5", "-20", "0"), part("5", "121", "0")],
    ] {
        let ledger = ledger("101", WIDE);
        let mut order = ledger.reserve(1, &hold("101")).unwrap().send();
        for part in parts {
            order.fill(part).unwrap();
            // Whatever is free is somebody else's at once.
            let rest = free(&ledger);
            if rest > Decimal::ZERO {
                let _others = ledger.reserve(rest.mantissa().try_into().unwrap(), &hold("1")).unwrap().send();
                ledger.deposit(Decimal::ONE - rest).unwrap();
            }
        }
        order.end(&evidence()).unwrap();
        assert_eq!(ledger.suspect(), None);
    }
}

/// Reports to the ledger what it cannot take in.
type Report = fn(&Ledger<u32>, InFlight<u32>) -> Result<(), LedgerError>;

// proves: TXN-3
#[test]
fn what_was_filled_and_cannot_be_taken_in_shuts_the_ledger() {
    let overfilled = LedgerError::Overfilled { filled: dec("11"), left: dec("10") };
    let reports: [(Report, LedgerError); 4] = [
        (|_, mut order| order.fill(part("11", "11", "0")), overfilled.clone()),
        (
            |ledger, mut order| {
                order.fill(part("10", "10", "0"))?;
                ledger.close(&1, part("11", "-11", "0"))
            },
            overfilled,
        ),
        // It was judged to be at rest, and a fill of it turns up.
        (
            |ledger, mut order| {
                ledger.in_flight(&1).unwrap().end(&evidence())?;
                order.fill(part("1", "1", "0"))
            },
            LedgerError::Unknown,
        ),
        (|_, mut order| order.fill(part("1", "1", "-1")), LedgerError::Amount { what: "a fee", amount: dec("-1") }),
    ];
    for (report, expected) in reports {
        let ledger = ledger("100", WIDE);
        let order = ledger.reserve(1, &hold("50")).unwrap().send();
        assert_eq!(report(&ledger, order), Err(expected.clone()));
        assert_eq!(ledger.suspect(), Some(expected.clone()));
        assert_eq!(ledger.reserve(2, &hold("1")).unwrap_err(), LedgerError::Suspect(Box::new(expected)));
        // A person has looked: what was filled too much is a position of its own.
        ledger.correct(Decimal::ZERO).unwrap();
        let mut extra = ledger.reserve(3, &Hold { quantity: Decimal::ONE, ..hold("1") }).unwrap().send();
        extra.fill(part("1", "1", "0")).unwrap();
        assert!(ledger.snapshot().balances().is_conserved());
    }
}

/// A [`Decimal`] rounds what has more than 28 digits: a sum would lose cents, and nobody would be told.
// proves: TXN-3
#[test]
fn no_sum_is_rounded_and_what_is_set_aside_can_always_be_given_back() {
    let (largest, finest) = ("1000000000000000", "0.000000000001");
    let ledger = ledger("999999999999999.999999999998", WIDE);
    let tight = ledger.reserve(1, &hold(finest)).unwrap();
    ledger.deposit(dec(finest)).unwrap();
    ledger.deposit(dec(finest)).unwrap();
    assert_eq!(ledger.deposit(dec(finest)), Err(LedgerError::Uncountable), "no more fits");
    let mut order = tight.send();
    order.fill(part("10", finest, "0")).unwrap();
    order.end(&evidence()).unwrap();
    assert_eq!(free(&ledger), dec("999999999999999.999999999999"));
    assert!(ledger.snapshot().balances().is_conserved());

    for bad in ["1000000000000000.01", "0.0000000000001", "79228162514264337593543950335"] {
        let bad = dec(bad);
        assert!(matches!(ledger.deposit(bad), Err(LedgerError::Amount { .. })), "{bad}");
        let hold = Hold { worst: bad, ..hold("1") };
        assert!(matches!(ledger.reserve(2, &hold), Err(LedgerError::Amount { .. })), "{bad}");
        assert!(matches!(ledger.balance_read(Ok::<_, &str>(bad)), BalanceRead::Stale { .. }), "{bad}");
    }
    assert!(matches!(ledger.balance_read(Ok::<_, &str>(dec(largest))), BalanceRead::Read { .. }));
    // Zeros behind the last digit make nothing finer.
    ledger.deposit(dec("-1.00000000000000000000")).unwrap();
    let many = Hold { quantity: dec("1000000000001"), ..hold("1") };
    assert!(matches!(ledger.reserve(2, &many), Err(LedgerError::Amount { what: "a quantity", .. })));
}

// proves: TXN-3
#[test]
fn the_margin_of_a_credit_spread_is_held_while_it_is_open() {
    // Width 10, credit 1.10, one contract: 890 can still be lost, and that is what it takes at most beyond the credit.
    let ledger = ledger("1000", WIDE);
    let hold = Hold { symbol: "SPX".to_owned(), quantity: Decimal::ONE, worst: dec("1001.30"), margin: dec("1000") };
    assert!(matches!(ledger.reserve(1, &hold), Err(LedgerError::Cash { .. })));
    ledger.deposit(dec("10")).unwrap();
    let mut order = ledger.reserve(1, &hold).unwrap().send();
    order.fill(part("1", "-110", "1.30")).unwrap();
    order.end(&evidence()).unwrap();
    assert_eq!(free(&ledger), dec("118.70"));
    ledger.close(&1, part("1", "35", "1.30")).unwrap();
    assert_eq!(free(&ledger), dec("1082.40"));
    assert_eq!(ledger.snapshot().balances().realized, dec("75"));
}

// proves: TXN-3
#[test]
fn what_took_more_than_there_is_leaves_the_ledger_as_it_was_and_shut() {
    let ledger = ledger("100", WIDE);
    let mut order = ledger.reserve(1, &hold("90")).unwrap().send();
    let before = *ledger.snapshot().balances();
    let overdrawn = Overdrawn { short: dec("20") };
    assert_eq!(order.fill(part("10", "120", "0")), Err(overdrawn.into()));
    assert_eq!(*ledger.snapshot().balances(), before);
    assert_eq!(ledger.reserve(2, &hold("1")).unwrap_err(), LedgerError::Suspect(Box::new(overdrawn.into())));
    assert_eq!(ledger.correct(dec("20")).unwrap().free, dec("30"));
    order.fill(part("10", "120", "0")).unwrap();
    assert_eq!(free(&ledger), Decimal::ZERO);
    order.end(&evidence()).unwrap();
}

#[test]
fn amounts_that_cannot_be_are_refused_and_change_nothing() {
    let ledger = ledger("100", WIDE);
    let refused = |hold: Hold| matches!(ledger.reserve(1, &hold), Err(LedgerError::Amount { .. }));
    assert!(refused(hold("0")) && refused(hold("-1")));
    assert!(refused(Hold { quantity: Decimal::ZERO, ..hold("1") }));
    assert!(refused(Hold { margin: dec("1.01"), ..hold("1") }) && refused(Hold { margin: dec("-1"), ..hold("1") }));
    assert_eq!(ledger.deposit(Decimal::MAX), Err(LedgerError::Amount { what: "a deposit", amount: Decimal::MAX }));
    assert_eq!(ledger.deposit(dec("-100.01")), Err(LedgerError::Cash { needed: dec("100.01"), free: dec("100") }));
    let mut order = ledger.reserve(1, &hold("50")).unwrap().send();
    assert_eq!(ledger.reserve(1, &hold("1")).unwrap_err(), LedgerError::Taken);
    for bad in [part("0", "1", "0"), part("-1", "1", "0"), part("1", "1", "-0.01")] {
        assert!(matches!(order.fill(bad), Err(LedgerError::Amount { .. })));
    }
    let endless = order.fill(Part { paid: Decimal::MIN, ..part("1", "1", "0") });
    assert_eq!(endless, Err(LedgerError::Amount { what: "a price paid", amount: Decimal::MIN }));
    assert_eq!(free(&ledger), dec("50"));
}

// proves: TXN-3
#[test]
fn caps_count_what_may_be_open_and_what_is_half_filled_once() {
    let caps = Caps { positions: 3, per_symbol: 2, per_order: dec("50"), in_all: dec("90") };
    let ledger = ledger("1000", caps);
    assert_eq!(
        ledger.reserve(1, &hold("50.01")).unwrap_err(),
        LedgerError::PerOrder { needed: dec("50.01"), cap: dec("50") }
    );
    let mut first = ledger.reserve(1, &hold("20")).unwrap().send();
    first.fill(part("5", "10", "0")).unwrap();
    let second = ledger.reserve(2, &hold("20")).unwrap();
    let refused = LedgerError::PerSymbol { symbol: "SPY".to_owned(), open: 2, cap: 2 };
    assert_eq!(ledger.reserve(3, &hold("20")).unwrap_err(), refused);
    drop(second);
    first.end(&evidence()).unwrap();
    ledger.close(&1, part("5", "-10", "0")).unwrap();
    let all: Vec<_> = (10..13).map(|key| ledger.reserve(key, &Hold { symbol: key.to_string(), ..hold("1") })).collect();
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(ledger.reserve(13, &hold("1")).unwrap_err(), LedgerError::Positions { open: 3, cap: 3 });
    drop(all);
    let whole = [ledger.reserve(14, &hold("50")), ledger.reserve(15, &hold("40"))];
    let refused = LedgerError::InAll { needed: dec("90.01"), cap: dec("90") };
    assert_eq!(ledger.reserve(16, &Hold { symbol: "QQQ".to_owned(), ..hold("0.01") }).unwrap_err(), refused);
    drop(whole);
}

// proves: TXN-7
#[test]
fn a_reading_that_failed_or_cannot_be_changes_nothing_and_is_stale() {
    let ledger = ledger("100", WIDE);
    let before = *ledger.snapshot().balances();
    assert_eq!(ledger.balance(), BalanceRead::Never);
    let failed = ledger.balance_read(Err::<Decimal, _>("the broker did not answer"));
    assert_eq!(failed, BalanceRead::Stale { before: None, reason: "the broker did not answer".to_owned() });
    let read = ledger.balance_read(Ok::<_, &str>(dec("90")));
    let BalanceRead::Read { compared } = read else { panic!("{read:?}") };
    assert_eq!(compared.difference(), dec("-10"));
    let absurd = ledger.balance_read(Ok::<_, &str>(dec("-0.01")));
    assert_eq!(ledger.balance(), absurd);
    assert_eq!(
        absurd,
        BalanceRead::Stale { before: Some(compared), reason: "an account does not have -0.01".to_owned() }
    );
    assert_eq!(*ledger.snapshot().balances(), before);
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let ledger = ledger("1000000", WIDE);
    let open = |key: u32| {
        let mut order = ledger.reserve(key, &hold("10")).unwrap().send();
        order.fill(part("10", "10", "0")).unwrap();
        order.end(&evidence()).unwrap();
    };
    (0..500).for_each(open);
    let snapshot = ledger.snapshot();
    (500..600).for_each(open);
    (0..300).for_each(|key| ledger.close(&key, part("10", "-11", "0")).unwrap());
    assert_eq!(snapshot.positions().count(), 500);
    assert!((0..500).all(|key| snapshot.position(&key).is_some()));
    assert!(snapshot.balances().is_conserved());
    assert_eq!(ledger.snapshot().positions().count(), 300);
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Reserve {
        key: u32,
        worst: i64,
        margin: i64,
        quantity: i64,
    },
    /// Loses the reservation: an error, a panic, a canceled task.
    Lose {
        key: u32,
    },
    Send {
        key: u32,
    },
    Fill {
        key: u32,
        quantity: i64,
        paid: i64,
        fee: i64,
    },
    End {
        key: u32,
    },
    Close {
        key: u32,
        quantity: i64,
        paid: i64,
        fee: i64,
    },
    Deposit {
        amount: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0_u32..5;
    prop_oneof![
        4 => (key.clone(), -5_i64..400, -2_i64..300, 0_i64..9)
            .prop_map(|(key, worst, margin, quantity)| Step::Reserve { key, worst, margin, quantity }),
        1 => key.clone().prop_map(|key| Step::Lose { key }),
        4 => key.clone().prop_map(|key| Step::Send { key }),
        5 => (key.clone(), 0_i64..7, -200_i64..300, -1_i64..9)
            .prop_map(|(key, quantity, paid, fee)| Step::Fill { key, quantity, paid, fee }),
        2 => key.clone().prop_map(|key| Step::End { key }),
        4 => (key, 0_i64..7, -300_i64..200, -1_i64..9)
            .prop_map(|(key, quantity, paid, fee)| Step::Close { key, quantity, paid, fee }),
        1 => (-200_i64..300).prop_map(|amount| Step::Deposit { amount }),
    ]
}

proptest! {
    /// The reference counts what came in and went out of the account, which is all that money can do.
    // proves: TXN-3
    // proves: TXN-6
    #[test]
    fn money_is_conserved_and_free_cash_stays_above_zero(steps in prop::collection::vec(step(), 1..120)) {
        let ledger = ledger("500", WIDE);
        let mut account = Decimal::from(500);
        let mut reservations = BTreeMap::new();
        let mut in_flight = BTreeMap::new();
        for step in steps {
            let before = *ledger.snapshot().balances();
            let is_done = match step {
                Step::Reserve { key, worst, margin, quantity } => {
                    let hold = Hold {
                        symbol: "SPY".to_owned(),
                        quantity: quantity.into(),
                        worst: worst.into(),
                        margin: margin.into(),
                    };
                    ledger.reserve(key, &hold).map(|reservation| reservations.insert(key, reservation)).is_ok()
                }
                Step::Lose { key } => {
                    // What may live keeps what it has.
                    let kept = in_flight.remove(&key).is_some();
                    if kept {
                        prop_assert_eq!(*ledger.snapshot().balances(), before);
                    }
                    reservations.remove(&key).is_some() || kept
                }
                Step::Send { key } => match reservations.remove(&key) {
                    Some(reservation) => in_flight.insert(key, reservation.send()).is_none(),
                    None => false,
                },
                Step::Fill { key, quantity, paid, fee } => match in_flight.get_mut(&key) {
                    Some(order) => {
                        let part = Part { quantity: quantity.into(), paid: paid.into(), fee: fee.into() };
                        let filled = order.fill(part).is_ok();
                        if filled {
                            account -= Decimal::from(paid + fee);
                        } else if ledger.suspect().is_some() {
                            ledger.correct(Decimal::ZERO).unwrap();
                        }
                        filled
                    }
                    None => false,
                },
                Step::End { key } => in_flight.remove(&key).is_some_and(|order| order.end(&evidence()).is_ok()),
                Step::Close { key, quantity, paid, fee } => {
                    let part = Part { quantity: quantity.into(), paid: paid.into(), fee: fee.into() };
                    let closed = ledger.close(&key, part).is_ok();
                    if closed {
                        account -= Decimal::from(paid + fee);
                    } else if ledger.suspect().is_some() {
                        ledger.correct(Decimal::ZERO).unwrap();
                    }
                    closed
                }
                Step::Deposit { amount } => {
                    let done = ledger.deposit(amount.into()).is_ok();
                    if done {
                        account += Decimal::from(amount);
                    }
                    done
                }
            };
            let snapshot = ledger.snapshot();
            let now = snapshot.balances();
            if !is_done {
                prop_assert_eq!(*now, before);
            }
            prop_assert!(now.is_conserved() && now.free >= Decimal::ZERO, "{now:?}");
            prop_assert_eq!(now.cash(), account);
            let total = |amounts: Vec<Decimal>| amounts.into_iter().sum::<Decimal>();
            prop_assert_eq!(now.reserved, total(snapshot.orders().map(|(_, order)| order.reserved).collect()));
            prop_assert_eq!(now.margins, total(snapshot.positions().map(|(_, position)| position.margin).collect()));
            prop_assert_eq!(now.cost, total(snapshot.positions().map(|(_, position)| position.cost).collect()));
        }
    }
}
