use super::super::*;
use crate::books::Caps;

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn hold(worst: &str) -> Hold {
    Hold { symbol: "SPY".to_owned(), quantity: Decimal::TEN, worst: dec(worst), margin: Decimal::ZERO }
}

fn part(quantity: &str, paid: &str) -> Part {
    Part { quantity: dec(quantity), paid: dec(paid), fee: Decimal::ZERO }
}

fn books(cash: &str) -> Books<u32> {
    let mut books = Books::default();
    books.deposit(dec(cash)).unwrap();
    books
}

fn free(ledger: &Ledger<u32>) -> Decimal {
    ledger.snapshot().balances().free
}

// proves: TXN-3
#[test]
fn what_is_set_aside_stays_so_while_the_ledger_goes_on_from_its_log() {
    let mut log = books("100");
    let ledger = Ledger::following(log.clone());
    let first = ledger.reserve(1, &hold("60")).unwrap();
    log.deposit(dec("5")).unwrap();
    ledger.follow(log.clone());
    assert_eq!(free(&ledger), dec("45"), "it is not in the log yet");
    assert!(ledger.reserve(2, &hold("50")).is_err());
    drop(first);
    assert_eq!(free(&ledger), dec("105"));
}

// proves: TXN-6
#[test]
fn a_reservation_whose_order_is_in_the_log_gives_nothing_back_however_it_is_lost() {
    let mut log = books("100");
    let ledger = Ledger::following(log.clone());
    let [lost, sent] = [1, 2].map(|key| ledger.reserve(key, &hold("30")).unwrap());
    for key in [1, 2] {
        log.reserve(key, &hold("30")).unwrap();
        log.send(&key);
    }
    ledger.follow(log.clone());
    assert_eq!(free(&ledger), dec("40"), "set aside once");
    drop(lost);
    drop(sent.send());
    assert_eq!(free(&ledger), dec("40"));
    log.end(&1).unwrap();
    ledger.follow(log);
    assert_eq!(free(&ledger), dec("70"));
}

// proves: TXN-3
#[test]
fn what_the_log_has_no_cash_for_any_more_is_not_set_aside() {
    let mut log = books("100");
    let ledger = Ledger::following(log.clone());
    let reservation = ledger.reserve(1, &hold("60")).unwrap();
    log.correct(dec("-41")).unwrap();
    ledger.follow(log);
    assert_eq!(free(&ledger), dec("59"));
    assert!(ledger.reserve(2, &hold("60")).is_err());
    drop(reservation);
    assert_eq!(free(&ledger), dec("59"));
}

#[test]
fn caps_go_on_when_a_ledger_goes_on_from_its_log() {
    let caps = Caps { positions: 2, per_symbol: 2, per_order: dec("50"), in_all: dec("90") };
    let ledger = Ledger::new(caps);
    let mut log = books("1000");
    log.reserve(1, &hold("20")).unwrap();
    ledger.follow(log);
    let second = ledger.reserve(2, &hold("20")).unwrap();
    assert!(matches!(ledger.reserve(3, &hold("20")), Err(LedgerError::Positions { open: 2, cap: 2 })));
    drop(second);
    assert!(matches!(ledger.reserve(3, &hold("51")), Err(LedgerError::PerOrder { .. })));
}

#[test]
fn what_nothing_was_set_aside_for_is_taken_in_and_moves_only_its_own_cash() {
    let mut log = books("100");
    log.adopt(1, "SPY", dec("20"), &part("10", "30")).unwrap();
    log.adopt(1, "SPY", dec("10"), &part("5", "15")).unwrap();
    assert_eq!((log.balances().free, log.balances().margins), (dec("25"), dec("30")));
    assert_eq!(log.position(&1).map(|held| held.quantity), Some(dec("15")));
    log.adopt(1, "SPY", Decimal::ZERO, &part("0", "-5")).unwrap();
    let before = *log.balances();
    assert!(matches!(log.adopt(2, "SPY", dec("-1"), &part("1", "1")), Err(LedgerError::Amount { .. })));
    assert!(matches!(log.adopt(2, "SPY", dec("0"), &part("1", "31")), Err(LedgerError::Overdrawn(_))));
    assert_eq!((*log.balances(), log.position(&2)), (before, None));
    log.correct(Decimal::ZERO).unwrap();
    log.close(&1, &part("15", "-45")).unwrap();
    assert_eq!((log.balances().free, log.balances().realized), (dec("105"), dec("5")));
    assert!(log.balances().is_conserved());
}

#[test]
fn books_that_were_written_down_read_back_as_they_were() {
    let mut log = books("1000");
    for key in 1..40 {
        log.reserve(key, &hold("20")).unwrap();
        log.send(&key);
        log.fill(&key, &part("5", "10")).unwrap();
    }
    (1..20).for_each(|key| log.end(&key).unwrap());
    let text = serde_json::to_string(&log).unwrap();
    let read: Books<u32> = serde_json::from_str(&text).unwrap();
    assert_eq!(read, log);
    assert_eq!(serde_json::to_string(&read).unwrap(), text, "in one order");
    let later = text.replacen('{', r#"{"margin_call":null,"#, 1);
    assert!(serde_json::from_str::<Books<u32>>(&later).is_err(), "nothing is left out");
}
