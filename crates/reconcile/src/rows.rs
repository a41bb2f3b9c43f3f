//! The broker's positions, one row for each symbol, in the order of the symbols.

use backstop_broker::{Decimal, Position, Symbol};
use serde::{Deserialize, Serialize};

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
    /// The first of its rows.
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
        let sorted = positions.is_sorted_by(|a, b| a.symbol < b.symbol);
        if sorted {
            return Self(positions.iter().map(row).collect());
        }
        // Comparing symbols follows a pointer each time; a copy of their text beside each other does not.
        let mut keyed: Vec<(Key, &Position)> = positions.iter().map(|row| (Key::of(&row.symbol), row)).collect();
        keyed.sort_unstable_by_key(|(key, _)| *key);
        let mut rows: Vec<Row<'_>> = Vec::with_capacity(keyed.len());
        let mut last = None;
        for (key, position) in keyed {
            match rows.last_mut().filter(|_| last == Some(key)) {
                Some(before) => merge(before, position),
                None => rows.push(row(position)),
            }
            last = Some(key);
        }
        Self(rows)
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Row<'a>> {
        self.0.iter()
    }

    pub(crate) fn get(&self, symbol: &Symbol) -> Option<&Row<'a>> {
        let at = self.0.binary_search_by(|row| row.symbol().cmp(symbol)).ok()?;
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
    Row { position, quantity: *quantity, fault }
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

/// The text of a symbol in place, in the order of symbols. A symbol has no zero byte, so that padding sorts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key([u64; Symbol::MAX_LEN / 8]);

impl Key {
    fn of(symbol: &Symbol) -> Self {
        let mut bytes = [0; Symbol::MAX_LEN];
        for (to, from) in bytes.iter_mut().zip(symbol.as_str().as_bytes()) {
            *to = *from;
        }
        let mut words = [0; Symbol::MAX_LEN / 8];
        for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*chunk);
        }
        Self(words)
    }
}

#[cfg(test)]
mod tests;
