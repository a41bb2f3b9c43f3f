//! How much of each symbol the book itself has brought nearer to zero, day by day: so much of what a report has as closed says
//! nothing of a position that is still in the book (REC-5).

use std::collections::BTreeMap;

use backstop_broker::{Decimal, Symbol};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// By symbol and by day in London, which has begun when one of New York is over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Closings(BTreeMap<Symbol, BTreeMap<Date, Decimal>>);

/// The day to which a moment counts.
pub(crate) fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

impl Closings {
    /// Notes that the net quantity of a symbol went from `before` to `after`: a broker closes lots when its one row shrinks.
    pub(super) fn note(&mut self, symbol: &Symbol, before: Decimal, after: Decimal, at: Timestamp) {
        let crossed = before.is_sign_negative() != after.is_sign_negative();
        let closed = if crossed { before.abs() } else { before.abs() - after.abs() };
        if closed > Decimal::ZERO {
            *self.0.entry(symbol.clone()).or_default().entry(day(at)).or_default() += closed;
        }
    }

    /// How much was closed on `first` and since. It counts by when the book had it, which is never before it was traded.
    pub(crate) fn since(&self, symbol: &Symbol, first: Date) -> Decimal {
        self.0.get(symbol).into_iter().flat_map(|days| days.range(first..)).map(|(_, closed)| *closed).sum()
    }

    /// Forgets what was before `first`.
    pub(super) fn forget(&mut self, first: Date) {
        self.0.retain(|_, days| {
            days.retain(|day, _| *day >= first);
            !days.is_empty()
        });
    }
}

#[cfg(test)]
mod tests;
