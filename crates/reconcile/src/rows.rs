//! The broker's positions, one row for each symbol, in the order of the symbols.

use backstop_broker::{Decimal, Position, Symbol};
use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::units::is_countable;

/// What is odd about a symbol's rows. Nothing is concluded from such a row but that somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RowFault {
    /// Several rows, where brokers keep one.
    #[error("it has several rows")]
    Several,
    /// A part of a contract.
    #[error("it is a part of a contract")]
    Fraction,
    /// More, or finer, than can be counted exactly.
    #[error("it cannot be counted exactly")]
    Uncountable,
}

/// What the broker has of one symbol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) key: Key,
    /// One of its rows.
    pub(crate) position: &'a Position,
    /// The sum of its rows, signed.
    pub(crate) quantity: Decimal,
    pub(crate) fault: Option<RowFault>,
}

impl<'a> Row<'a> {
    pub(crate) fn symbol(&self) -> &'a Symbol {
        &self.position.symbol
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Rows<'a>(Vec<Row<'a>>);

impl<'a> Rows<'a> {
    /// Sorts and merges what the broker sent. Costs one pass where it came sorted.
    pub(crate) fn new(positions: &'a [Position]) -> Self {
        let mut rows: Vec<Row<'a>> = positions.iter().map(row).collect();
        if !rows.is_sorted_by(|a, b| a.key < b.key) {
            rows.sort_unstable_by_key(|row| row.key);
            rows.dedup_by(|more, before| {
                let same = more.key == before.key;
                if same {
                    merge(before, more.position);
                }
                same
            });
        }
        Self(rows)
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Row<'a>> {
        self.0.iter()
    }

    pub(crate) fn get(&self, symbol: &Symbol) -> Option<&Row<'a>> {
        let key = Key::of(symbol);
        let at = self.0.binary_search_by(|row| row.key.cmp(&key)).ok()?;
        self.0.get(at)
    }

    /// The signed quantity of a symbol; none without a row.
    pub(crate) fn quantity(&self, symbol: &Symbol) -> Decimal {
        self.get(symbol).map_or(Decimal::ZERO, |row| row.quantity)
    }

    /// Whether the broker says that nothing at all is held.
    pub(crate) fn hold_nothing(&self) -> bool {
        self.0.iter().all(|row| row.quantity.is_zero() && row.fault.is_none())
    }
}

fn row(position: &Position) -> Row<'_> {
    let Position { symbol, quantity, .. } = position;
    let fault = if !is_countable(*quantity) {
        Some(RowFault::Uncountable)
    } else if quantity.scale() != 0 && !quantity.fract().is_zero() && symbol.option().is_some() {
        Some(RowFault::Fraction)
    } else {
        None
    };
    Row { key: Key::of(symbol), position, quantity: *quantity, fault }
}

fn merge(before: &mut Row<'_>, more: &Position) {
    if before.fault == Some(RowFault::Uncountable) || !is_countable(more.quantity) {
        before.fault = Some(RowFault::Uncountable);
        return;
    }
    let sum = before.quantity + more.quantity;
    before.fault = Some(if is_countable(sum) { RowFault::Several } else { RowFault::Uncountable });
    before.quantity = sum;
}

#[cfg(test)]
mod tests;
