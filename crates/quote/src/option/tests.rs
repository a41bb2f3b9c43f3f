use jiff::civil::date;
use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, root: &str, expiration: Date, right: OptionRight, strike: &str) {
    let option: OptionSymbol = text.parse().unwrap();
    let expected = OptionSymbol::new(root, expiration, right, strike.parse().unwrap()).unwrap();
    assert_eq!(option, expected);
}

#[test]
fn reads_the_compact_form_from_the_right() {
    check("SPXW300102P05900000", "SPXW", date(2030, 1, 2), OptionRight::Put, "5900");
    check("AAPL1250221C00002500", "AAPL1", date(2025, 2, 21), OptionRight::Call, "2.5");
    check("F991231C99999999", "F", date(2099, 12, 31), OptionRight::Call, "99999.999");
}

#[test]
fn reads_the_padded_form() {
    check("AAPL  250221C00250000", "AAPL", date(2025, 2, 21), OptionRight::Call, "250");
    check("F     250221C00250000", "F", date(2025, 2, 21), OptionRight::Call, "250");
}

#[test]
fn refuses_what_is_not_an_option() {
    for text in [
        "",
        "AAPL",
        "250221C00250000",         // no root
        "AAPL 250221C00250000",    // half padded
        "AAPL250231C00250000",     // no such day
        "AAPL250221X00250000",     // neither call nor put
        "AAPL250221C00000000",     // no strike
        "AAPL250221C+0250000",     // a sign
        "aapl250221C00250000",     // lower case
        "TOOLONGS250221C00250000", // root of eight
        "AÄ250221C00250000",       // not ASCII
        "ÄÄÄÄÄÄÄ",                 // a split inside a character
    ] {
        assert!(text.parse::<OptionSymbol>().is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        root in "[A-Z]{1,6}[0-9]?",
        days in 0i32..36_524,
        call: bool,
        thousandths in 1i64..100_000_000,
    ) {
        let expiration = date(2000, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
        let right = if call { OptionRight::Call } else { OptionRight::Put };
        let option = OptionSymbol::new(&root, expiration, right, Decimal::new(thousandths, 3)).unwrap();
        prop_assert_eq!(option.to_string().parse::<OptionSymbol>().unwrap(), option.clone());
        prop_assert_eq!(option.symbol().option(), Some(option.clone()));
        if root.len() <= 6 {
            let compact = option.to_string();
            let padded = format!("{root:<6}{}", &compact[root.len()..]);
            prop_assert_eq!(padded.parse::<OptionSymbol>().unwrap(), option);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,24}") {
        let _read = text.parse::<OptionSymbol>();
        let _read = Symbol::new(&text);
    }
}
