use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<i128, NoUnits> {
    units(text.parse().unwrap())
}

#[test]
fn a_price_is_a_whole_number_of_units_or_none() {
    assert_eq!(read("1"), Ok(1_000_000_000_000));
    assert_eq!(read("-0.01"), Ok(-10_000_000_000));
    assert_eq!(read("0.000000000001"), Ok(1));
    assert_eq!(read("0.0000000000001"), Err(NoUnits::TooFine));
    assert_eq!(read("0.1000000000000000000000000001"), Err(NoUnits::TooFine));
    // As Tradier pads its numbers.
    assert_eq!(read("17500.250000000000000000000000"), Ok(17_500_250_000_000_000));
    assert_eq!(units(Decimal::MAX), Err(NoUnits::TooLarge));
    assert_eq!(units(Decimal::MIN), Err(NoUnits::TooLarge));
}

#[test]
fn times_that_cannot_be_expressed_are_the_nearest_ones() {
    assert_eq!(of_wall(Timestamp::MAX), i64::MAX);
    assert_eq!(of_wall(Timestamp::MIN), i64::MIN);
    assert_eq!(of_wall(Timestamp::from_nanosecond(-1).unwrap()), -1);
    assert_eq!(of_mono(Mono::from_origin(Duration::MAX)), i64::MAX);
    assert_eq!((duration(-1), duration(7)), (Duration::ZERO, Duration::from_nanos(7)));
}

proptest! {
    #[test]
    fn units_compare_as_prices_do(a in any::<i64>(), b in any::<i64>(), a_scale in 0u32..=12, b_scale in 0u32..=12) {
        let (a, b) = (Decimal::new(a, a_scale), Decimal::new(b, b_scale));
        prop_assert_eq!(units(a).unwrap().cmp(&units(b).unwrap()), a.cmp(&b));
    }
}
