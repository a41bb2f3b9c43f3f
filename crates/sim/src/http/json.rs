//! JSON as the broker writes it: numbers with the digits that it means, without a detour over floats.

use std::fmt;

use backstop_broker::Decimal;
use backstop_clock::Timestamp;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    /// Written as it is: numbers, `true`, `false`.
    Bare(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    pub(super) fn text(text: impl fmt::Display) -> Self {
        Self::Text(text.to_string())
    }

    pub(super) fn number(number: impl fmt::Display) -> Self {
        Self::Bare(number.to_string())
    }

    /// A price or an amount, with the digits that it has.
    pub(super) fn decimal(number: Decimal) -> Self {
        Self::number(number.normalize())
    }

    /// A quantity, padded as the broker pads it.
    pub(super) fn padded(number: Decimal) -> Self {
        Self::Bare(format!("{:.8}", number.round_dp(8)))
    }

    pub(super) fn bool(value: bool) -> Self {
        Self::number(value)
    }

    /// ISO-8601 in UTC with milliseconds.
    pub(super) fn date(at: Timestamp) -> Self {
        Self::text(at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }

    pub(super) fn millis(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Null, |at| Self::number(at.as_millisecond()))
    }

    /// The broker's way with collections: the string `"null"` for none, an object for one, an array for several.
    pub(super) fn collection(name: &'static str, item: &'static str, items: Vec<Self>) -> Self {
        let inner = match Self::one_or_many(items) {
            None => Self::text("null"),
            Some(items) => Self::Object(vec![(item, items)]),
        };
        Self::Object(vec![(name, inner)])
    }

    pub(super) fn one_or_many(mut items: Vec<Self>) -> Option<Self> {
        match items.len() {
            0 => None,
            1 => items.pop(),
            _ => Some(Self::List(items)),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bare(text) => f.write_str(text),
            Self::Text(text) => escaped(f, text),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}\"{name}\":{value}", if index == 0 { "" } else { "," })?;
                }
                f.write_str("}")
            }
        }
    }
}

fn escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests;
