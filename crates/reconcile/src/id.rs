//! The name of a position.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a position is called, by whoever opened it. It stands in alerts and in records, so it has a form.
///
/// One to 255 printable ASCII characters without spaces, quotes and backslashes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PositionId(Arc<str>);

impl PositionId {
    /// The longest name.
    pub const MAX_LEN: usize = 255;

    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// [`InvalidPositionId`] when it is empty, too long, or holds a character that has no place in it.
    pub fn new(text: &str) -> Result<Self, InvalidPositionId> {
        let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\');
        if text.is_empty() || text.len() > Self::MAX_LEN || !text.chars().all(fits) {
            return Err(InvalidPositionId { text: text.chars().take(64).collect() });
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PositionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for PositionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PositionId {
    type Err = InvalidPositionId;

    fn from_str(text: &str) -> Result<Self, InvalidPositionId> {
        Self::new(text)
    }
}

impl TryFrom<String> for PositionId {
    type Error = InvalidPositionId;

    fn try_from(text: String) -> Result<Self, InvalidPositionId> {
        Self::new(&text)
    }
}

impl From<PositionId> for String {
    fn from(id: PositionId) -> Self {
        id.as_str().to_owned()
    }
}

/// Why a text is not the name of a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no name of a position: 1 to {max} printable ASCII characters without spaces and quotes",
    max = PositionId::MAX_LEN
)]
pub struct InvalidPositionId {
    /// The text, shortened.
    pub text: String,
}

#[cfg(test)]
mod tests;
