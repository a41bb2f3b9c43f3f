//! JSON as Tradier writes it: numbers as strings, `"null"` for nothing, one object where a list was meant.
//!
//! Values are kept as text until a decoder says what they should be, so no number passes through a float, and nesting
//! costs no stack.

use std::collections::BTreeMap;
use std::fmt;

use backstop_broker::{Decimal, Field};
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::number;

/// What did not fit, without quoting the answer: it may hold an account number, or be a page of HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) String);

impl Malformed {
    pub(crate) fn within(self, what: &str) -> Self {
        Self(format!("{what}: {}", self.0))
    }
}

/// A JSON object. A repeated key makes it unreadable: which of the two was meant?
#[derive(Debug)]
pub(crate) struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    /// Reads a whole text.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Malformed> {
        serde_json::from_str(text).map_err(|error| {
            Malformed(if error.is_eof() {
                "the JSON is cut short".to_owned()
            } else if error.is_data() {
                "not a JSON object, or one with a key twice".to_owned()
            } else {
                "not JSON".to_owned()
            })
        })
    }

    /// The value of a key; `None` when it is missing, null, `"null"` or `""`.
    pub(crate) fn get(&self, key: &str) -> Option<Node<'a>> {
        self.raw(key).filter(|node| !node.is_nothing())
    }

    /// The value of a key, nothing or not; `None` only when the key is missing.
    pub(crate) fn raw(&self, key: &str) -> Option<Node<'a>> {
        self.0.get(key).map(|raw| Node(raw.get()))
    }

    fn need(&self, key: &str) -> Result<Node<'a>, Malformed> {
        self.get(key).ok_or_else(|| Malformed(format!("{key} is missing")))
    }

    /// An object inside this one that must be there.
    pub(crate) fn object(&self, key: &str) -> Result<Object<'a>, Malformed> {
        self.need(key)?.object().map_err(|error| error.within(key))
    }

    /// A text that must be there. A number will do.
    pub(crate) fn text(&self, key: &str) -> Result<String, Malformed> {
        self.need(key)?.text().ok_or_else(|| Malformed(format!("{key} is not a text")))
    }

    /// A text that may be missing; something else than a text counts as missing. For what nothing hangs on.
    pub(crate) fn remark(&self, key: &str) -> Option<String> {
        self.get(key)?.text()
    }

    /// A number that must be there.
    pub(crate) fn decimal(&self, key: &str) -> Result<Decimal, Malformed> {
        self.need(key)?.decimal().ok_or_else(|| Malformed(format!("{key} is not a number")))
    }

    /// A number that may be missing, but not unreadable.
    pub(crate) fn decimal_if_said(&self, key: &str) -> Result<Option<Decimal>, Malformed> {
        match self.get(key) {
            Some(node) => node.decimal().map(Some).ok_or_else(|| Malformed(format!("{key} is not a number"))),
            None => Ok(None),
        }
    }

    /// A number of a quote.
    pub(crate) fn field(&self, key: &str) -> Field<Decimal> {
        self.field_of(key, Node::decimal)
    }

    /// A moment of a quote, in epoch milliseconds. Zero is what Tradier writes for never: missing, and not 1970.
    pub(crate) fn field_millis(&self, key: &str) -> Field<Timestamp> {
        match self.field(key) {
            Field::Value(millis) if millis.is_zero() => Field::Missing,
            _ => self.field_of(key, |node| number::millis(node.decimal()?)),
        }
    }

    fn field_of<T>(&self, key: &str, read: impl FnOnce(Node<'a>) -> Option<T>) -> Field<T> {
        match self.get(key) {
            Some(node) => read(node).map_or(Field::Unreadable, Field::Value),
            None => Field::Missing,
        }
    }

    /// A moment in ISO 8601, where there is a readable one. Nothing safe hangs on its being there.
    pub(crate) fn moment(&self, key: &str) -> Option<Timestamp> {
        self.remark(key)?.parse().ok()
    }

    /// The first value that is an object, in the order of the keys.
    pub(crate) fn first_object(&self) -> Option<Object<'a>> {
        self.0.values().find_map(|raw| Node(raw.get()).object().ok())
    }

    /// One or many, where none is spelled by leaving the key out.
    pub(crate) fn rows(&self, key: &str) -> Result<Vec<Node<'a>>, Malformed> {
        self.get(key).map_or(Ok(Vec::new()), |node| node.rows().map_err(|error| error.within(key)))
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if members.insert(key, value).is_some() {
                        return Err(A::Error::custom("a key twice"));
                    }
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// A value, as text that is known to be well-formed JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a>(&'a str);

impl<'a> Node<'a> {
    /// null, `"null"` and `""`: Tradier's words for nothing.
    pub(crate) fn is_nothing(self) -> bool {
        match self.string() {
            Some(text) => matches!(text.trim(), "" | "null"),
            None => self.0 == "null",
        }
    }

    pub(crate) fn object(self) -> Result<Object<'a>, Malformed> {
        if self.0.starts_with('{') { Object::parse(self.0) } else { Err(Malformed("not an object".to_owned())) }
    }

    /// The elements of a list, or the one value that stands for a list of one.
    pub(crate) fn rows(self) -> Result<Vec<Node<'a>>, Malformed> {
        if !self.0.starts_with('[') {
            return Ok(vec![self]);
        }
        let rows: Vec<&'a RawValue> =
            serde_json::from_str(self.0).map_err(|_| Malformed("not a readable list".to_owned()))?;
        Ok(rows.into_iter().map(|raw| Node(raw.get())).collect())
    }

    /// A string, decoded.
    pub(crate) fn string(self) -> Option<String> {
        if self.0.starts_with('"') { serde_json::from_str(self.0).ok() } else { None }
    }

    /// A string, or a number as it was written.
    pub(crate) fn text(self) -> Option<String> {
        let is_number = self.0.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        self.string().or_else(|| is_number.then(|| self.0.to_owned())).map(|text| text.trim().to_owned())
    }

    /// A number, or a string that holds one.
    pub(crate) fn decimal(self) -> Option<Decimal> {
        number::decimal(&self.text()?)
    }

    pub(crate) fn bool(self) -> Option<bool> {
        match self.string().as_deref().unwrap_or(self.0) {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
