//! Numbers from their text, without a float in between.

use backstop_broker::Decimal;
use jiff::Timestamp;

/// More digits than these on either side of the point are no price, no quantity and no amount.
const MAX_SHIFT: i32 = 64;

/// A decimal number as JSON or a string may write it: padded (`1.00000000`, thirty zeros), with an exponent (`0E-8`),
/// with a sign. `None`: not a number, or beyond what a [`Decimal`] can hold. Digits after the 28th are rounded.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, shift(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if digits.bytes().all(|b| b == b'0') {
        return Some(Decimal::ZERO);
    }
    // The point moves by the exponent; then the text is plain, and padding falls off either end.
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let plain = match usize::try_from(point) {
        Err(_) if point < -MAX_SHIFT => return None,
        Err(_) => format!("0.{}{digits}", "0".repeat(usize::try_from(-point).ok()?)),
        Ok(point) if point >= digits.len() => {
            let zeros = point - digits.len();
            if zeros > 64 {
                return None;
            }
            format!("{digits}{}", "0".repeat(zeros))
        }
        Ok(point) => format!("{}.{}", digits.get(..point)?, digits.get(point..)?),
    };
    let plain = if plain.contains('.') { plain.trim_end_matches('0').trim_end_matches('.') } else { &plain };
    let plain = plain.trim_start_matches('0');
    let plain = if plain.starts_with('.') { format!("0{plain}") } else { plain.to_owned() };
    let number: Decimal = plain.parse().ok()?;
    Some(if negative { -number } else { number })
}

fn shift(exponent: &str) -> Option<i32> {
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // So large a number is out of range anyway; zero with any exponent is zero.
    let size: i32 = digits.parse().unwrap_or(i32::MAX / 4);
    let size = size.min(i32::MAX / 4);
    Some(if exponent.starts_with('-') { -size } else { size })
}

/// A moment from epoch milliseconds.
pub(crate) fn millis(number: Decimal) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(number.trunc()).ok()?).ok()
}

/// A moment from epoch seconds.
pub(crate) fn seconds(number: Decimal) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(number.trunc()).ok()?).ok()
}

#[cfg(test)]
mod tests;
