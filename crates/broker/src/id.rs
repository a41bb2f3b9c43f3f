//! The two names of an order: ours, made before the call, and the broker's, known after it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Our name for an order, made before it is sent, by which it is found again when the answer was lost.
///
/// One to 255 ASCII letters, digits and hyphens: the alphabet and length of Tradier's `tag`, the narrowest we know. A
/// broker refuses the whole order for one character more, so the check is made here, once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientOrderId(Arc<str>);

impl ClientOrderId {
    /// The longest client order id.
    pub const MAX_LEN: usize = 255;
    const ALLOWED: &str = "ASCII letters, digits and '-'";

    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// [`InvalidId`] when it is empty, too long, or holds anything but ASCII letters, digits and `-`.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() {
            return Err(InvalidId::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(InvalidId::TooLong { length: text.len(), max: Self::MAX_LEN });
        }
        match text.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
            Some(character) => Err(InvalidId::Character { text: text.to_owned(), character, allowed: Self::ALLOWED }),
            None => Ok(Self(text.into())),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The broker's name for an order.
///
/// One to 64 ASCII letters, digits and `-_.:`; what they mean is the broker's business.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BrokerOrderId(Arc<str>);

impl BrokerOrderId {
    /// The longest broker order id that is taken.
    pub const MAX_LEN: usize = 64;
    const ALLOWED: &str = "ASCII letters, digits and '-', '_', '.' or ':'";

    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// [`InvalidId`] when it is empty, too long, or holds anything but ASCII letters, digits and `-_.:`.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() {
            return Err(InvalidId::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(InvalidId::TooLong { length: text.len(), max: Self::MAX_LEN });
        }
        match text.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.' | ':')) {
            Some(character) => Err(InvalidId::Character { text: text.to_owned(), character, allowed: Self::ALLOWED }),
            None => Ok(Self(text.into())),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! id_text {
    ($($id:ident),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl FromStr for $id {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
        impl TryFrom<String> for $id {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(&text)
            }
        }
        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.as_str().to_owned()
            }
        }
    )*};
}

id_text!(ClientOrderId, BrokerOrderId);

/// Why a text is not an order id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// There is no text.
    #[error("an order id cannot be empty")]
    Empty,
    /// There is too much of it.
    #[error("an order id of this kind has at most {max} characters, not {length}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// A character that ids of this kind do not have.
    #[error("order id {text:?} holds {character:?}; an id of this kind has only {allowed}")]
    Character {
        /// The whole text.
        text: String,
        /// The first character that is out of place.
        character: char,
        /// What may stand there, in words.
        allowed: &'static str,
    },
}

#[cfg(test)]
mod tests;
