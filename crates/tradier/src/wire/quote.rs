//! Quotes.

use backstop_broker::{Quote, QuoteSide, Quotes, Received, Symbol};

use super::each;
use crate::json::{Malformed, Node, Object};

/// A quote keeps what it could not read as unreadable. A row whose symbol cannot be read belongs to nobody: an error.
pub(crate) fn quotes(root: &Object<'_>, received: Received) -> Result<Quotes, Malformed> {
    let value = root.raw("quotes").ok_or_else(|| Malformed("quotes is missing".to_owned()))?;
    if value.is_nothing() {
        return Ok(Quotes::default());
    }
    let object = value.object().map_err(|error| error.within("quotes"))?;
    // When all symbols are unknown, `quote` is left out, but then these are named.
    if object.raw("quote").is_none() && object.raw("unmatched_symbols").is_none() {
        return Err(Malformed("quotes holds neither quote nor unmatched_symbols".to_owned()));
    }
    let unmatched = match object.get("unmatched_symbols") {
        Some(list) => list.object().map_err(|error| error.within("unmatched_symbols"))?.rows("symbol")?,
        None => Vec::new(),
    };
    Ok(Quotes {
        quotes: each(object.rows("quote")?, "quote", |row| quote(row, received))?,
        // What is no symbol was not among those asked for.
        unmatched: unmatched.into_iter().filter_map(Node::text).filter_map(|text| Symbol::new(&text).ok()).collect(),
    })
}

fn quote(row: &Object<'_>, received: Received) -> Result<Quote, Malformed> {
    Ok(Quote {
        symbol: Symbol::new(&row.text("symbol")?).map_err(|_| Malformed("symbol is not one".to_owned()))?,
        bid: QuoteSide { price: row.field("bid"), size: row.field("bidsize"), at: row.field_millis("bid_date") },
        ask: QuoteSide { price: row.field("ask"), size: row.field("asksize"), at: row.field_millis("ask_date") },
        last: row.field("last"),
        last_at: row.field_millis("trade_date"),
        received,
    })
}

#[cfg(test)]
mod tests;
