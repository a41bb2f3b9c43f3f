use super::*;

fn required(holdings: &[(&str, i64)]) -> Decimal {
    let holdings: Vec<(Symbol, Decimal)> =
        holdings.iter().map(|(name, count)| (name.parse().unwrap(), Decimal::from(*count))).collect();
    let price = |name: &str| Some(Decimal::from(if name == "SPY" { 560 } else { 5_900 }));
    requirement(holdings.iter().map(|(symbol, count)| (symbol, *count)), price)
}

#[test]
fn a_spread_requires_its_width_and_what_is_long_requires_nothing() {
    assert_eq!(required(&[("SPXW300102P05900000", -1), ("SPXW300102P05890000", 1)]), Decimal::from(1_000));
    assert_eq!(required(&[("SPXW300102P05900000", 1), ("SPXW300102P05890000", -1)]), Decimal::ZERO);
    assert_eq!(required(&[("SPXW300102P05900000", 3), ("SPY", 10)]), Decimal::ZERO);
}

#[test]
fn of_a_condor_only_one_side_can_lose() {
    let condor = [
        ("SPXW300102P05900000", -1),
        ("SPXW300102P05890000", 1),
        ("SPXW300102C05950000", -1),
        ("SPXW300102C05970000", 1),
    ];
    assert_eq!(required(&condor), Decimal::from(2_000));
}

#[test]
fn naked_options_and_short_shares_tie_up_much() {
    assert_eq!(required(&[("SPXW300102P05900000", -1)]), Decimal::from(590_000));
    assert_eq!(required(&[("SPXW300102C05900000", -1)]), Decimal::from(118_000));
    assert_eq!(required(&[("SPY", -10)]), Decimal::from(8_400));
}

#[test]
fn different_days_do_not_cover_each_other() {
    assert_eq!(required(&[("SPXW300102P05900000", -1), ("SPXW300103P05890000", 1)]), Decimal::from(590_000));
}

#[test]
fn a_row_merges_trades_and_goes_at_zero() {
    let spy: Symbol = "SPY".parse().unwrap();
    let at = Timestamp::UNIX_EPOCH;
    let mut holdings = Holdings::default();
    let mut trade = |quantity: i64, paid: i64| {
        holdings.apply(&spy, Decimal::from(quantity), Decimal::from(paid), at, 1);
        holdings.iter().next().map(|(_, held)| (held.quantity, held.cost))
    };
    assert_eq!(trade(10, 1_000), Some((Decimal::TEN, Decimal::from(1_000))));
    assert_eq!(trade(10, 2_000), Some((Decimal::from(20), Decimal::from(3_000))));
    assert_eq!(trade(-5, -900), Some((Decimal::from(15), Decimal::from(2_250))));
    assert_eq!(trade(-20, -4_000), Some((Decimal::from(-5), Decimal::from(-1_000))));
    assert_eq!(trade(5, 500), None);
}
