use super::*;

#[test]
fn takes_what_brokers_write() {
    for text in
        ["A", "AAPL", "BRK/B", "BRK.B", "SPX", "SPXW300102P05900000", "BTC-USD", "XNAS:NVDA", "PHB_USDT", "^VIX"]
    {
        assert_eq!(Symbol::new(text).unwrap().as_str(), text);
    }
}

#[test]
fn refuses_what_would_break_a_list_or_a_log_line() {
    for text in ["", "aapl", "A B", "A,B", "A\nB", "\"A\"", "A\\", "<A>", "ÄPL", &"A".repeat(33)] {
        assert!(Symbol::new(text).is_err(), "{text:?}");
    }
}

#[test]
fn keeps_a_padded_option_in_the_compact_form() {
    let symbol = Symbol::new("AAPL  250221C00250000").unwrap();
    assert_eq!(symbol.as_str(), "AAPL250221C00250000");
}

#[test]
fn cannot_be_read_from_json_unchecked() {
    assert!(serde_json::from_str::<Symbol>("\"a b\"").is_err());
    assert_eq!(serde_json::from_str::<Symbol>("\"SPY\"").unwrap(), Symbol::new("SPY").unwrap());
}

#[test]
fn an_equity_is_not_an_option() {
    assert_eq!(Symbol::new("GOOGL").unwrap().option(), None);
}

#[test]
fn a_contract_stands_for_a_hundred_shares() {
    assert_eq!(Symbol::new("SPXW300102P05900000").unwrap().multiplier(), Decimal::ONE_HUNDRED);
    assert_eq!(Symbol::new("SPY").unwrap().multiplier(), Decimal::ONE);
}
