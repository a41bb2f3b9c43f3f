//! The documented answers, decoded whole or not at all (BRK-2).

pub(crate) mod account;
pub(crate) mod evidence;
pub(crate) mod order;
pub(crate) mod placed;
pub(crate) mod quote;

use crate::json::{Malformed, Node, Object};

/// The rows of a collection `{outer: {inner: ...}}`.
///
/// Empty is what says so: the value of `outer`, or of `inner`, is null, `"null"` or `""`, or that of `inner` is `[]`.
/// Without the key `outer`, or with an object that lacks `inner`, the answer is about something else.
fn collection<'a>(root: &Object<'a>, outer: &str, inner: &str) -> Result<Vec<Node<'a>>, Malformed> {
    let value = root.raw(outer).ok_or_else(|| Malformed(format!("{outer} is missing")))?;
    if value.is_nothing() {
        return Ok(Vec::new());
    }
    let object = value.object().map_err(|error| error.within(outer))?;
    if object.raw(inner).is_none() {
        return Err(Malformed(format!("{outer} holds no {inner}")));
    }
    object.rows(inner)
}

/// Decodes every row, or names the one that cannot be: leaving it out would hide it.
fn each<T>(
    rows: Vec<Node<'_>>,
    what: &str,
    decode: impl Fn(&Object<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    rows.into_iter()
        .map(|row| {
            let row = row.object().map_err(|error| error.within(what))?;
            decode(&row).map_err(|error| error.within(&format!("{what} {}", row.remark("id").unwrap_or_default())))
        })
        .collect()
}

#[cfg(test)]
mod tests;
