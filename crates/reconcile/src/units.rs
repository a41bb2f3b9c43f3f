//! Which quantities can be counted without rounding.

use backstop_broker::Decimal;

/// The most of anything that is counted.
const MOST: u128 = 1_000_000_000_000;
/// The finest part of a share that is counted. Tradier writes eight places.
const PLACES: u32 = 10;

/// Whether sums of this and its like are exact: a [`Decimal`] has 28 digits, and rounds beyond them without a word.
pub(crate) fn is_countable(quantity: Decimal) -> bool {
    // Whole contracts and shares, without a division.
    if quantity.scale() == 0 {
        return quantity.mantissa().unsigned_abs() <= MOST;
    }
    let plain = |quantity: Decimal| {
        let scale = quantity.scale();
        scale <= PLACES && quantity.mantissa().unsigned_abs() <= MOST.saturating_mul(10_u128.pow(scale))
    };
    plain(quantity) || plain(quantity.normalize())
}

/// Whether `quantity` comes closer to zero when `by` is added, or to it, and not past it.
pub(crate) fn shrinks(quantity: Decimal, by: Decimal) -> bool {
    by.is_sign_negative() != quantity.is_sign_negative() && by.abs() <= quantity.abs()
}
