//! OCC option symbols.
//!
//! Source of the form: the Options Symbology Initiative of the OCC (2010): root padded to six characters, expiration
//! `YYMMDD`, `C` or `P`, strike times 1000 in eight digits. Brokers mostly drop the padding, hence "parse from the
//! right": the last fifteen characters are fixed.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::Symbol;

/// Strikes are written in thousandths.
const STRIKE_SCALE: u32 = 3;
/// Date, right and strike.
const FIXED_LEN: usize = 15;

/// An option contract, read from or written as an OCC symbol.
///
/// ```
/// use backstop_quote::{OptionRight, OptionSymbol};
/// let option: OptionSymbol = "SPXW300102P05900000".parse()?;
/// assert_eq!((option.root(), option.right()), ("SPXW", OptionRight::Put));
/// assert_eq!(option.strike().to_string(), "5900");
/// assert_eq!(option.expiration().to_string(), "2030-01-02");
/// assert_eq!(option.to_string(), "SPXW300102P05900000");
/// # Ok::<(), backstop_quote::InvalidOption>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptionSymbol {
    root: String,
    expiration: Date,
    right: OptionRight,
    strike: Decimal,
}

/// Whether the holder may buy or sell the underlying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OptionRight {
    /// The right to buy.
    Call,
    /// The right to sell.
    Put,
}

impl OptionSymbol {
    /// A contract from its parts.
    ///
    /// `root` is one to six capital letters and at most one digit at its end (adjusted contracts); `expiration` lies
    /// in 2000 to 2099, because the symbol has two digits for it; `strike` is positive, below 100,000 and a whole
    /// number of thousandths.
    ///
    /// # Errors
    /// [`InvalidOption`] names the part that does not fit.
    pub fn new(root: &str, expiration: Date, right: OptionRight, strike: Decimal) -> Result<Self, InvalidOption> {
        let letters = root.strip_suffix(|c: char| c.is_ascii_digit()).unwrap_or(root);
        if letters.is_empty() || letters.len() > 6 || !letters.chars().all(|c| c.is_ascii_uppercase()) {
            return Err(InvalidOption::Root { root: root.to_owned() });
        }
        if !(2000..=2099).contains(&expiration.year()) {
            return Err(InvalidOption::Expiration { text: expiration.to_string() });
        }
        let strike = strike.normalize();
        if strike <= Decimal::ZERO || strike >= Decimal::from(100_000) || strike.scale() > STRIKE_SCALE {
            return Err(InvalidOption::Strike { text: strike.to_string() });
        }
        Ok(Self { root: root.to_owned(), expiration, right, strike })
    }

    /// The root, which names the underlying and the class (`SPXW` is not `SPX`).
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The last day of the contract.
    pub fn expiration(&self) -> Date {
        self.expiration
    }

    /// Call or put.
    pub fn right(&self) -> OptionRight {
        self.right
    }

    /// The strike, in the underlying's currency.
    pub fn strike(&self) -> Decimal {
        self.strike
    }

    /// The compact form, as brokers take it.
    pub fn symbol(&self) -> Symbol {
        Symbol::from_valid(&self.to_string())
    }
}

impl fmt::Display for OptionSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.expiration.year() % 100, self.expiration.month(), self.expiration.day());
        let right = match self.right {
            OptionRight::Call => 'C',
            OptionRight::Put => 'P',
        };
        let mut strike = self.strike;
        strike.rescale(STRIKE_SCALE);
        write!(f, "{}{year:02}{month:02}{day:02}{right}{:08}", self.root, strike.mantissa())
    }
}

impl FromStr for OptionSymbol {
    type Err = InvalidOption;

    /// Takes the compact and the padded form.
    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let shape = || InvalidOption::Shape { text: text.to_owned() };
        let split = text.len().checked_sub(FIXED_LEN).ok_or_else(shape)?;
        let (root, fixed) = text.split_at_checked(split).ok_or_else(shape)?;
        // Padding belongs to the six-character root of the padded form and nowhere else.
        let root = if root.len() == 6 { root.trim_end_matches(' ') } else { root };
        let (date, rest) = fixed.split_at_checked(6).ok_or_else(shape)?;
        let (right, strike) = rest.split_at_checked(1).ok_or_else(shape)?;
        let right = match right {
            "C" => OptionRight::Call,
            "P" => OptionRight::Put,
            _ => return Err(shape()),
        };
        let expiration = expiration(date).ok_or_else(|| InvalidOption::Expiration { text: date.to_owned() })?;
        let thousandths = digits(strike).ok_or_else(|| InvalidOption::Strike { text: strike.to_owned() })?;
        Self::new(root, expiration, right, Decimal::new(thousandths, STRIKE_SCALE))
    }
}

fn expiration(yymmdd: &str) -> Option<Date> {
    let number = digits(yymmdd)?;
    let year = i16::try_from(2000 + number / 10_000).ok()?;
    let month = i8::try_from(number / 100 % 100).ok()?;
    let day = i8::try_from(number % 100).ok()?;
    Date::new(year, month, day).ok()
}

/// `str::parse` would take a sign.
fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Why a text or its parts do not name an option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOption {
    /// Not a root followed by date, right and strike.
    #[error("{text:?} is not ROOT, YYMMDD, C or P, and eight digits of strike times 1000")]
    Shape {
        /// The whole text.
        text: String,
    },
    /// A root that no contract has.
    #[error("option root {root:?} is not one to six capital letters with at most one digit after them")]
    Root {
        /// The root.
        root: String,
    },
    /// A day that does not exist or cannot be written.
    #[error("option expiration {text:?} is not a day between 2000 and 2099")]
    Expiration {
        /// The date as it came.
        text: String,
    },
    /// A strike that cannot be written.
    #[error("option strike {text:?} is not a positive number of thousandths below 100000")]
    Strike {
        /// The strike as it came.
        text: String,
    },
}

#[cfg(test)]
mod tests;
