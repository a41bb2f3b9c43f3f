use backstop_broker::{PositionEffect, Quantity};

use super::*;

/// `-2 P5870` is two puts sold at a strike of 5,870; a `>` before the right means that they expire a day later.
fn leg(text: &str) -> Leg {
    let (quantity, option) = text.split_once(' ').unwrap();
    let quantity: i32 = quantity.parse().unwrap();
    let (day, option) = option.strip_prefix('>').map_or(("02", option), |option| ("03", option));
    let (right, strike) = option.split_at(1);
    let symbol = format!("SPXW3001{day}{right}{:0>8}", format!("{strike}000")).parse().unwrap();
    let side = if quantity < 0 { Side::Sell } else { Side::Buy };
    Leg { symbol, side, effect: PositionEffect::Open, quantity: Quantity::new(quantity.unsigned_abs()).unwrap() }
}

#[track_caller]
fn check(legs: &[&str], least: impl Into<Option<i64>>) {
    let legs: Vec<Leg> = legs.iter().map(|text| leg(text)).collect();
    assert_eq!(least_margin(&legs), least.into().map(Decimal::from));
}

// proves: TXN-3
#[test]
fn the_margin_of_a_spread_is_the_most_that_its_legs_can_cost_at_any_price() {
    check(&["-2 P5870", "2 P5860"], 2_000);
    check(&["-1 C5870", "1 C5895"], 2_500);
    // Only one side of an iron condor can lose.
    check(&["-1 P5800", "1 P5790", "-1 C5900", "1 C5920"], 2_000);
    // A butterfly with one wing missing.
    check(&["1 P5890", "-2 P5880", "1 P5860"], 1_000);
    check(&["-1 P5870"], 587_000);
    check(&["2 P5870", "1 C5870"], 0);
    check(&["1 P5870", "-1 P5860"], 0);
}

// proves: TXN-3
#[test]
fn what_expires_before_a_short_leg_does_not_cover_it_and_a_short_call_has_no_bound() {
    check(&["-1 P5870", "1 >P5860"], 1_000);
    check(&["-1 >P5870", "1 P5860"], 587_000);
    check(&["-1 C5870"], None);
    check(&["-2 C5870", "1 C5880", "1 >C5880"], 2_000);
    check(&["-1 >C5870", "1 C5880"], None);
    let shares = Leg { symbol: "SPY".parse().unwrap(), ..leg("-1 P500") };
    assert_eq!(least_margin(&[shares]), None);
}
