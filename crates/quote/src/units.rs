//! Prices and times as integers: every comparison is exact and takes a few nanoseconds.

use std::time::Duration;

use backstop_clock::{Mono, Timestamp};
use rust_decimal::Decimal;

/// Decimals of a price that can be judged. No source is known to send more that are not zero.
pub(crate) const DECIMALS: u32 = 12;

/// Ten to the power of its index.
const POWERS: [i128; 17] = {
    let mut powers = [1; 17];
    let mut at = 1;
    while at < powers.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
        {
            powers[at] = powers[at - 1] * 10;
        }
        at += 1;
    }
    powers
};

/// A number in units of 10⁻¹², or why it is none.
pub(crate) fn units(number: Decimal) -> Result<i128, NoUnits> {
    let (mantissa, scale) = (number.mantissa(), number.scale());
    let power = |exponent: u32| usize::try_from(exponent).ok().and_then(|at| POWERS.get(at)).copied();
    match DECIMALS.checked_sub(scale) {
        Some(up) => power(up).and_then(|power| mantissa.checked_mul(power)).ok_or(NoUnits::TooLarge),
        // Padding with zeros is common: `17500.250000000000000000000000`.
        None => match power(scale - DECIMALS) {
            Some(power) if mantissa % power == 0 => Ok(mantissa / power),
            _ => Err(NoUnits::TooFine),
        },
    }
}

/// Why a number has no units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoUnits {
    /// Beyond anything that is a price.
    TooLarge,
    /// More decimals than are judged.
    TooFine,
}

/// A moment in nanoseconds, or the nearest one that can be expressed.
pub(crate) fn of_wall(at: Timestamp) -> i64 {
    at.as_second().saturating_mul(1_000_000_000).saturating_add(i64::from(at.subsec_nanosecond()))
}

/// A reading in nanoseconds since the clock's origin.
pub(crate) fn of_mono(at: Mono) -> i64 {
    nanos(at.since(Mono::ORIGIN))
}

/// Saturates after 292 years.
pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Zero for what is negative.
pub(crate) fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

#[cfg(test)]
mod tests;
