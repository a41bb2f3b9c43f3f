//! Closed positions and account history: what the clearing firm says, the morning after.

use backstop_broker::{Decimal, Symbol};
use jiff::civil::Date;

use super::{collection, each};
use crate::json::{Malformed, Object};

/// What to ask the nightly lists for. The default asks for everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NightlyFilter {
    /// Only this symbol.
    pub symbol: Option<Symbol>,
    /// From this day on.
    pub from: Option<Date>,
    /// Up to this day.
    pub to: Option<Date>,
}

/// A position that was closed, by the nightly reconciliation with the clearing firm.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClosedPosition {
    /// What was held.
    pub symbol: Symbol,
    /// How much; closes of short positions may be negative.
    pub quantity: Decimal,
    /// What it cost.
    pub cost: Decimal,
    /// What it brought; zero for an option that expired worthless.
    pub proceeds: Decimal,
    /// The difference.
    pub gain_loss: Decimal,
    /// When it was opened. A day, no time.
    pub opened: Option<Date>,
    /// When it was closed. A day, no time.
    pub closed: Option<Date>,
}

/// One line of the account's history, by the clearing firm. No time of day, and officially no order number.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryEvent {
    /// What happened (`trade`, `option`, `dividend`, ...); the list grows.
    pub kind: String,
    /// On which day.
    pub date: Date,
    /// The signed change of cash.
    pub amount: Decimal,
    /// Of what. Expiries come without.
    pub symbol: Option<Symbol>,
    /// Signed: negative sold.
    pub quantity: Option<Decimal>,
    /// Per share.
    pub price: Option<Decimal>,
    /// The firm's words; for an expiry with `OPTEXP` or its like in front.
    pub description: Option<String>,
}

pub(crate) fn closed_positions(root: &Object<'_>) -> Result<Vec<ClosedPosition>, Malformed> {
    each(collection(root, "gainloss", "closed_position")?, "closed position", |row| {
        Ok(ClosedPosition {
            symbol: Symbol::new(&row.text("symbol")?).map_err(|_| Malformed("symbol is not one".to_owned()))?,
            quantity: row.decimal("quantity")?,
            cost: row.decimal("cost")?,
            proceeds: row.decimal("proceeds")?,
            gain_loss: row.decimal("gain_loss")?,
            opened: day(row, "open_date"),
            closed: day(row, "close_date"),
        })
    })
}

pub(crate) fn history(root: &Object<'_>) -> Result<Vec<HistoryEvent>, Malformed> {
    each(collection(root, "history", "event")?, "event", |row| {
        let kind = row.text("type")?;
        // The details usually stand under the kind, but a dividend has been seen under `adjustment`.
        let details = row.object(&kind).ok().or_else(|| row.first_object());
        let said = |field| details.as_ref().map_or(Ok(None), |details| details.decimal_if_said(field));
        let words = |field| details.as_ref().and_then(|details| details.remark(field));
        let description = [words("option_type"), words("description")].into_iter().flatten().collect::<Vec<_>>();
        Ok(HistoryEvent {
            date: day(row, "date").ok_or_else(|| Malformed("date is not one".to_owned()))?,
            amount: row.decimal("amount")?,
            symbol: words("symbol").and_then(|text| Symbol::new(&text).ok()),
            quantity: said("quantity")?,
            price: said("price")?,
            description: Some(description.join(": ")).filter(|text| !text.is_empty()),
            kind,
        })
    })
}

/// The day of a stamp whose time is always midnight.
fn day(row: &Object<'_>, key: &str) -> Option<Date> {
    row.remark(key)?.get(..10)?.parse().ok()
}

#[cfg(test)]
mod tests;
