use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, expected: Option<&str>) {
    assert_eq!(decimal(text), expected.map(|number| number.parse().unwrap()), "{text}");
}

#[test]
fn numbers_are_read_exactly_however_they_are_padded() {
    check("0", Some("0"));
    check("-0", Some("0"));
    check("0E-8", Some("0"));
    check("0e+99999999999999999999", Some("0"));
    check("1.00000000", Some("1"));
    check("17500.250000000000000000000000", Some("17500.25"));
    check("17500.25000000000000000000000000000000000000000", Some("17500.25"));
    check("-1.20", Some("-1.2"));
    check("+5", Some("5"));
    check("1E2", Some("100"));
    check("1.5e-3", Some("0.0015"));
    check("123.456E2", Some("12345.6"));
    check("0.1", Some("0.1"));
    check("000.10", Some("0.1"));
    check("00012", Some("12"));
    check("100", Some("100"));
    check("9007199254740993", Some("9007199254740993"));
    check("79228162514264337593543950335", Some("79228162514264337593543950335"));
}

#[test]
fn an_average_with_more_digits_than_fit_is_rounded_in_the_last_of_them() {
    check("1.33333333333333333333333333333333333333", Some("1.3333333333333333333333333333"));
}

#[test]
fn what_is_no_number_is_none() {
    for text in [
        "",
        " ",
        "-",
        ".",
        "e",
        "1e",
        "1e+",
        "e5",
        "NaN",
        "inf",
        "1_000",
        "1,000",
        "0x10",
        "1 2",
        "--1",
        "1.2.3",
        "$5",
        "79228162514264337593543950336",
        "1e30",
        "1e99999999999",
        "1e-99999999999",
        "1.5e2147483648",
    ] {
        check(text, None);
    }
}

#[test]
fn moments_out_of_range_are_none() {
    assert_eq!(millis("1893500000123".parse().unwrap()).unwrap().as_millisecond(), 1_893_500_000_123);
    assert_eq!(millis("1e27".parse::<Decimal>().unwrap_or(Decimal::MAX)), None);
    assert_eq!(seconds(Decimal::MAX), None);
}

proptest! {
    #[test]
    fn any_text_is_a_number_or_none(text in "[-+0-9eE._ ]{0,40}") {
        prop_assert!(decimal(&text).is_none() || text.contains(|c: char| c.is_ascii_digit()));
    }

    #[test]
    fn what_a_decimal_prints_is_read_back(mantissa in any::<i64>(), scale in 0u32..28, zeros in 0usize..40) {
        let number = Decimal::new(mantissa, scale);
        prop_assert_eq!(decimal(&number.to_string()), Some(number));
        let dot = if number.to_string().contains('.') { "" } else { "." };
        prop_assert_eq!(decimal(&format!("{number}{dot}{}", "0".repeat(zeros))), Some(number));
        prop_assert_eq!(decimal(&format!("{mantissa}e-{scale}")), Some(number));
    }
}
