use super::*;

fn object(text: &str) -> Object<'_> {
    Object::parse(text).unwrap()
}

fn ours(root: &Object<'_>) -> Result<Balances, Malformed> {
    balances(root, &"VA00000001".parse().unwrap())
}

fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn positions_are_signed_and_exact() {
    let rows = positions(&object(
        r#"{"positions":{"position":[
        {"cost_basis":1904.50,"date_acquired":"2030-01-02T14:31:05.120Z","id":501122,"quantity":10.00000000,"symbol":"AAPL"},
        {"cost_basis":-215.00,"date_acquired":null,"id":501130,"quantity":-1.00000000,"symbol":"SPXW300102P05900000"}]}}"#,
    ))
    .unwrap();
    assert_eq!((rows[0].quantity, rows[1].quantity), (number("10"), number("-1")));
    assert_eq!((rows[1].cost_basis, rows[1].acquired_at), (Some(number("-215")), None));
}

// proves: BRK-2
#[test]
fn a_position_that_cannot_be_read_is_not_left_out() {
    for row in [
        r#"{"id":7,"symbol":"AAPL"}"#,
        r#"{"id":7,"symbol":"AAPL","quantity":null}"#,
        r#"{"id":7,"symbol":"AAPL","quantity":"ten"}"#,
        r#"{"id":7,"symbol":null,"quantity":1}"#,
        r#"{"id":7,"symbol":"aa pl","quantity":1}"#,
        r#"{"id":7,"symbol":"AAPL","quantity":1,"cost_basis":"a lot"}"#,
        "[]",
        "7",
    ] {
        let text = format!(r#"{{"positions":{{"position":[{{"symbol":"SPY","quantity":1}},{row}]}}}}"#);
        let error = positions(&object(&text)).unwrap_err();
        assert!(error.0.contains("position"), "{error:?}");
    }
}

const MARGIN: &str = r#"{"balances":{"account_number":"VA00000001","account_type":"margin","total_equity":25410.55,
    "total_cash":18000.00,"equity":0,"margin":{"fed_call":0,"option_buying_power":14500.00,"stock_buying_power":29000.00}}}"#;

#[test]
fn buying_power_is_found_by_the_kind_of_account() {
    let margin = ours(&object(MARGIN)).unwrap();
    assert_eq!((margin.total_cash, margin.total_equity), (number("18000"), number("25410.55")));
    assert_eq!(margin.option_buying_power, Some(number("14500")));
    assert_eq!(margin.stock_buying_power, Some(number("29000")));
    let cash = r#"{"balances":{"total_equity":1,"total_cash":"17500.250000000000000000000000","cash":{"cash_available":0.5}}}"#;
    let cash = ours(&object(cash)).unwrap();
    assert_eq!((cash.total_cash, cash.option_buying_power), (number("17500.25"), Some(number("0.5"))));
    let none = ours(&object(r#"{"balances":{"total_equity":1,"total_cash":1,"margin":null}}"#)).unwrap();
    assert_eq!((none.option_buying_power, none.stock_buying_power), (None, None));
    let both = r#"{"balances":{"total_equity":1,"total_cash":1,"margin":{"option_buying_power":9},"pdt":{"option_buying_power":4}}}"#;
    assert_eq!(ours(&object(both)).unwrap().option_buying_power, Some(number("4")));
}

// proves: BRK-2
#[test]
fn an_amount_that_is_missing_or_unreadable_is_no_zero() {
    for (field, odd) in [
        (r#""total_cash":18000.00,"#, ""),
        (r#""total_cash":18000.00,"#, r#""total_cash":null,"#),
        (r#""total_cash":18000.00,"#, r#""total_cash":"NaN","#),
        (r#""total_equity":25410.55,"#, ""),
        (r#""option_buying_power":14500.00"#, r#""option_buying_power":"?""#),
        (r#""margin":{"#, r#""margin":[{"x":1}],"pdt":{"#),
        ("balances", "balance"),
    ] {
        assert!(MARGIN.contains(field));
        assert!(ours(&object(&MARGIN.replace(field, odd))).is_err(), "{field} -> {odd}");
    }
}

// proves: BRK-2
#[test]
fn the_balances_of_another_account_are_not_ours() {
    for (number, is_ours) in [
        ("\"VA00000001\"", true),
        ("\"va00000001\"", true),
        ("null", true),
        ("\"VA00000002\"", false),
        ("\"VA0000000\"", false),
        ("12345678", false),
        ("{}", false),
    ] {
        let answer = ours(&object(&MARGIN.replace("\"VA00000001\"", number)));
        assert_eq!(answer.is_ok(), is_ours, "{number}");
        assert!(answer.is_ok() || !format!("{answer:?}").contains("VA0000000"), "{answer:?}");
    }
    // As a number, as old answers have it.
    let text = MARGIN.replace("\"VA00000001\"", "12345678");
    assert!(balances(&object(&text), &"12345678".parse().unwrap()).is_ok());
}

#[test]
fn the_market_clock_keeps_words_that_it_does_not_know() {
    let clock = r#"{"clock":{"date":"2030-01-02","state":"open","timestamp":1893594600,"next_change":"16:00"}}"#;
    let read = market_clock(&object(clock)).unwrap();
    assert_eq!((read.state, read.date.to_string()), (MarketState::Open, "2030-01-02".to_owned()));
    assert_eq!(read.at, Some("2030-01-02T14:30:00Z".parse().unwrap()));
    let odd = clock.replace("\"open\"", "\"halted\"").replace("1893594600", "null");
    let odd = market_clock(&object(&odd)).unwrap();
    assert_eq!((odd.state, odd.at), (MarketState::Unrecognized("halted".to_owned()), None));
    for (field, odd) in [("\"open\"", "null"), ("2030-01-02", "2030-13-02"), ("date", "day")] {
        assert!(market_clock(&object(&clock.replace(field, odd))).is_err());
    }
}

#[test]
fn a_profile_holds_one_account_or_many() {
    let account = r#"{"account_number":"VA00000001","classification":"individual","day_trader":false,"option_level":3,
        "status":"active","type":"margin"}"#;
    let one = profile(&object(&format!(r#"{{"profile":{{"id":"id-demo","account":{account}}}}}"#))).unwrap();
    assert_eq!((one.id.as_str(), one.accounts[0].account.as_str()), ("id-demo", "VA00000001"));
    assert_eq!((one.accounts[0].day_trader, one.accounts[0].option_level), (Some(false), Some(number("3"))));
    let number = account.replace("\"VA00000001\"", "12345678");
    let many = profile(&object(&format!(r#"{{"profile":{{"id":"x","account":[{account},{number}]}}}}"#))).unwrap();
    assert_eq!(many.accounts[1].account.as_str(), "12345678");
}
