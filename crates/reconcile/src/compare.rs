//! The walk over both sides: signed net quantities per symbol, ours and the broker's (REC-4).

use std::cmp::Ordering;

use backstop_broker::{Decimal, Symbol};

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

impl Difference<'_> {
    /// What the broker has that nobody else was declared to hold.
    pub(crate) fn ours(&self) -> Decimal {
        ours(self.tracked, self.broker, self.others)
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

/// What of the broker's quantity is ours. Where it has none nobody holds anything: but for what is long here and short there,
/// of which it shows no row either.
pub(crate) fn ours(tracked: Decimal, broker: Decimal, others: Decimal) -> Decimal {
    if broker.is_zero() && !(tracked + others).is_zero() { Decimal::ZERO } else { broker - others }
}

/// Compares in one pass over both sides. What differs, in the order of the symbols.
pub(crate) fn compare<'a>(rows: &Rows<'a>, index: &'a Index, others: &Others) -> Vec<Difference<'a>> {
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
    walk.differences
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
            others: self.others.quantity(symbol),
            row: row.copied(),
            net,
        };
        if !difference.delta().is_zero() || row.is_some_and(|row| row.fault.is_some()) {
            self.differences.push(difference);
        }
    }
}
