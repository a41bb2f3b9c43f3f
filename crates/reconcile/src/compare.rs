//! The walk over both sides: signed net quantities per symbol, ours and the broker's (REC-4).

use std::cmp::Ordering;

use backstop_broker::{Decimal, Symbol};
use jiff::Timestamp;

use crate::book::{Index, Net};
use crate::config::Others;
use crate::key::Key;
use crate::rows::{Row, Rows};

/// A symbol whose quantities differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Difference<'a> {
    pub(crate) symbol: &'a Symbol,
    /// What the book has.
    pub(crate) tracked: Decimal,
    /// What the broker has, of everybody.
    pub(crate) broker: Decimal,
    /// What was declared to be others'.
    pub(crate) others: Decimal,
    pub(crate) row: Option<Row<'a>>,
    pub(crate) net: Option<&'a Net>,
}

/// What the walk found.
#[derive(Debug, Default)]
pub(crate) struct Compared<'a> {
    /// In the order of the symbols.
    pub(crate) differences: Vec<Difference<'a>>,
    /// Of the symbols that are held and agree, the one that the broker touched last.
    pub(crate) latest: Option<(&'a Symbol, Timestamp)>,
}

impl Difference<'_> {
    /// What the broker has that nobody else was declared to hold. Where there is nothing, nobody holds anything.
    pub(crate) fn ours(&self) -> Decimal {
        if self.broker.is_zero() { Decimal::ZERO } else { self.broker - self.others }
    }

    /// What is more than tracked, signed.
    pub(crate) fn delta(&self) -> Decimal {
        self.ours() - self.tracked
    }

    /// The number of the change that last touched it; none of ours did where the book does not have it.
    pub(crate) fn revision(&self) -> u64 {
        self.net.map_or(0, |net| net.revision)
    }

    /// Whether the book has it and the broker has none of it at all.
    pub(crate) fn is_gone(&self) -> bool {
        !self.tracked.is_zero() && self.broker.is_zero() && self.row.is_none_or(|row| row.fault.is_none())
    }
}

/// Compares in one pass over both sides.
pub(crate) fn compare<'a>(rows: &Rows<'a>, index: &'a Index, others: &Others) -> Compared<'a> {
    let mut walk = Walk { index, others, differences: Vec::new() };
    let mut tracked = index.sums().iter().peekable();
    let mut held = rows.iter().peekable();
    loop {
        let order = match (tracked.peek(), held.peek()) {
            (Some((key, _)), Some(row)) => key.cmp(&row.key),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        let ours = if order == Ordering::Greater { None } else { tracked.next() };
        let row = if order == Ordering::Less { None } else { held.next() };
        walk.take(ours, row);
    }
    let differences = walk.differences;
    let latest = if differences.is_empty() { None } else { latest(rows, index, &differences) };
    Compared { differences, latest }
}

struct Walk<'a, 'o> {
    index: &'a Index,
    others: &'o Others,
    differences: Vec<Difference<'a>>,
}

impl<'a> Walk<'a, '_> {
    fn take(&mut self, ours: Option<&(Key, Decimal)>, row: Option<&Row<'a>>) {
        let nobody_else = self.others.symbols.is_empty() && self.others.quantities.is_empty();
        if let (true, Some((_, tracked)), Some(row)) = (nobody_else, ours, row)
            && row.fault.is_none()
            && *tracked == row.quantity
        {
            return;
        }
        let net = ours.and_then(|(key, _)| self.index.at(key));
        let Some(symbol) = net.map(|net| &net.symbol).or(row.map(Row::symbol)) else { return };
        // Nothing can be concluded from the row of a symbol that others trade as they like.
        if self.others.symbols.contains(symbol) {
            return;
        }
        let difference = Difference {
            symbol,
            tracked: net.map_or(Decimal::ZERO, |net| net.quantity),
            broker: row.map_or(Decimal::ZERO, |row| row.quantity),
            others: self.others.quantities.get(symbol).copied().unwrap_or_default(),
            row: row.copied(),
            net,
        };
        if !difference.delta().is_zero() || row.is_some_and(|row| row.fault.is_some()) {
            self.differences.push(difference);
        }
    }
}

fn latest<'a>(rows: &Rows<'a>, index: &Index, differences: &[Difference<'a>]) -> Option<(&'a Symbol, Timestamp)> {
    let mut latest = None;
    for row in rows.iter() {
        let Some(changed) = row.position.acquired_at else { continue };
        let is_later = latest.is_none_or(|(_, latest)| latest < changed);
        let is_held = || index.at(&row.key).is_some_and(|net| !net.quantity.is_zero());
        let agrees = || differences.binary_search_by(|difference| difference.symbol.cmp(row.symbol())).is_err();
        if is_later && is_held() && agrees() {
            latest = Some((row.symbol(), changed));
        }
    }
    latest
}
