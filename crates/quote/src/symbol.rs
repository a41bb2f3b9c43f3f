//! The name of what is traded.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::OptionSymbol;

/// A symbol as brokers write it: `AAPL`, `BRK/B`, `SPX`, `SPXW300102P05900000`, `BTC-USD`.
///
/// One to [`MAX_LEN`](Symbol::MAX_LEN) printable ASCII characters without spaces, commas, quotes and lower-case
/// letters, so that it can stand in a list and a log line as it is. In a URL it must be encoded (`BRK/B`). An option in
/// OCC's padded form (`AAPL  250221C00250000`) is taken and kept in the compact form. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Symbol(Arc<str>);

impl Symbol {
    /// The longest symbol that is taken, in characters.
    pub const MAX_LEN: usize = 32;

    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// [`InvalidSymbol`] when `text` is empty, too long or holds a character that no symbol has.
    pub fn new(text: &str) -> Result<Self, InvalidSymbol> {
        if text.contains(' ')
            && let Ok(option) = text.parse::<OptionSymbol>()
        {
            return Ok(option.symbol());
        }
        if text.is_empty() {
            return Err(InvalidSymbol::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(InvalidSymbol::TooLong { length: text.len() });
        }
        match text.chars().find(|&c| !Self::is_allowed(c)) {
            Some(character) => Err(InvalidSymbol::Character { text: text.to_owned(), character }),
            None => Ok(Self(text.into())),
        }
    }

    fn is_allowed(c: char) -> bool {
        c.is_ascii_graphic() && !c.is_ascii_lowercase() && !matches!(c, ',' | '"' | '\'' | '\\' | '<' | '>' | '`')
    }

    /// For [`OptionSymbol`], whose printed form is always valid.
    pub(crate) fn from_valid(text: &str) -> Self {
        Self(text.into())
    }

    /// The symbol as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many shares one of it stands for: 100 for an option, 1 for anything else.
    ///
    /// A contract that was adjusted after a split or merger may stand for another number, which its symbol does not
    /// say.
    pub fn multiplier(&self) -> Decimal {
        if self.option().is_some() { Decimal::ONE_HUNDRED } else { Decimal::ONE }
    }

    /// What the symbol says as an option, or `None` when it does not name one.
    pub fn option(&self) -> Option<OptionSymbol> {
        self.0.parse().ok()
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Symbol {
    type Err = InvalidSymbol;

    fn from_str(text: &str) -> Result<Self, InvalidSymbol> {
        Self::new(text)
    }
}

impl TryFrom<String> for Symbol {
    type Error = InvalidSymbol;

    fn try_from(text: String) -> Result<Self, InvalidSymbol> {
        Self::new(&text)
    }
}

impl From<Symbol> for String {
    fn from(symbol: Symbol) -> Self {
        symbol.as_str().to_owned()
    }
}

/// Why a text is not a symbol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSymbol {
    /// There is no text.
    #[error("a symbol cannot be empty")]
    Empty,
    /// There is too much of it.
    #[error("a symbol has at most {max} characters, not {length}", max = Symbol::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A character that no symbol has.
    #[error(
        "symbol {text:?} holds {character:?}; write it in capitals, as the broker does (AAPL, BRK/B, SPXW300102P05900000)"
    )]
    Character {
        /// The whole text.
        text: String,
        /// The first character that is out of place.
        character: char,
    },
}

#[cfg(test)]
mod tests;
