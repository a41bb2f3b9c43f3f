use super::*;
use crate::fixture::{config, dec, symbol};

fn expired(text: &str, now: &str) -> Option<Date> {
    Expired::at(&symbol(text), now.parse().unwrap(), &config()).unwrap().map(|expired| expired.on)
}

#[test]
fn an_option_has_expired_an_hour_after_its_last_close_and_not_a_second_sooner() {
    let monday = jiff::civil::date(2026, 1, 5);
    assert_eq!(expired("SPXW260105P05900000", "2026-01-05T21:59:59Z"), None);
    assert_eq!(expired("SPXW260105P05900000", "2026-01-05T22:00:00Z"), Some(monday));
    // In summer New York is an hour nearer; on the day after Thanksgiving it closes at one.
    assert_eq!(expired("SPXW260706P05900000", "2026-07-06T20:59:59Z"), None);
    assert_eq!(expired("SPXW260706P05900000", "2026-07-06T21:00:00Z"), Some(jiff::civil::date(2026, 7, 6)));
    assert_eq!(expired("SPXW261127P05900000", "2026-11-27T18:59:59Z"), None);
    assert_eq!(expired("SPXW261127P05900000", "2026-11-27T19:00:00Z"), Some(jiff::civil::date(2026, 11, 27)));
}

#[test]
fn an_expiration_on_a_day_without_trading_counts_from_the_last_day_with_it() {
    // Good Friday of 2026, an expiration that nobody moved; and a Saturday, as monthly ones were written before 2015.
    let thursday = jiff::civil::date(2026, 4, 2);
    for text in ["SPY260403P00500000", "SPY260404P00500000", "SPY260405P00500000"] {
        assert_eq!(expired(text, "2026-04-02T20:59:59Z"), None);
        assert_eq!(expired(text, "2026-04-02T21:00:00Z"), Some(thursday));
    }
}

#[test]
fn what_is_no_option_or_in_no_calendar_has_not_expired() {
    assert_eq!(expired("SPY", "2028-01-05T21:59:59Z"), None);
    for text in ["SPY390105P00500000", "SPY200106P00500000"] {
        assert!(Expired::at(&symbol(text), "2026-01-05T22:00:00Z".parse().unwrap(), &config()).is_err());
    }
}

#[test]
fn an_option_was_worthless_only_strictly_and_by_a_value_of_its_own_last_day() {
    let now = "2026-04-06T22:00:00Z".parse().unwrap();
    let at = |text: &str| Expired::at(&symbol(text), now, &config()).unwrap().unwrap();
    let spy = |price: &str, day: i8| Settlement {
        underlying: symbol("SPY"),
        on: jiff::civil::date(2026, 4, day),
        price: dec(price),
    };
    let nothing = |price: &str| Worth::Nothing { price: dec(price) };
    let (put, call) = (at("SPY260403P00500000"), at("SPY260403C00500000"));
    for (price, of_put, of_call) in [
        ("500.01", nothing("500.01"), Worth::Something),
        ("500", Worth::Something, Worth::Something),
        ("499.99", Worth::Something, nothing("499.99")),
        ("0", Worth::Something, Worth::Something),
        ("-1", Worth::Something, Worth::Something),
    ] {
        for day in [2, 3] {
            assert_eq!(put.worth(&symbol("SPY"), &[spy(price, day)]), of_put, "{price}");
            assert_eq!(call.worth(&symbol("SPY"), &[spy(price, day)]), of_call, "{price}");
        }
    }
    assert_eq!(put.worth(&symbol("SPY"), &[spy("600", 1), spy("600", 6)]), Worth::NotKnown);
    assert_eq!(put.worth(&symbol("QQQ"), &[spy("600", 2)]), Worth::NotKnown);
    assert!(at("SPXW260403P05000000").settles_in_cash && !put.settles_in_cash);
}

#[test]
fn exercise_and_assignment_move_a_hundred_shares_a_contract_each_way() {
    let shares = |text: &str, contracts: &str| shares_of(&symbol(text).option().unwrap(), dec(contracts));
    assert_eq!(shares("SPY260403P00500000", "-2"), dec("200"));
    assert_eq!(shares("SPY260403P00500000", "1"), dec("-100"));
    assert_eq!(shares("SPY260403C00500000", "-1"), dec("-100"));
    assert_eq!(shares("SPY260403C00500000", "3"), dec("300"));
}
