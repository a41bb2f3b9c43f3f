//! Books that are kept elsewhere: folded from a log, and handed to a ledger that follows it.

use std::hash::Hash;

use rust_decimal::Decimal;

use super::{Balances, Books, LedgerError, add, check, check_overdrawn, check_part, is_countable};
use crate::order::Part;
use crate::snapshot::{OrderView, PositionView};

impl<K: Ord + Hash + Clone> Default for Books<K> {
    fn default() -> Self {
        Self::new(None)
    }
}

impl<K: Ord + Hash + Clone> Books<K> {
    /// All amounts.
    #[must_use]
    pub fn balances(&self) -> &Balances {
        &self.balances
    }

    /// An order that cash is set aside for.
    #[must_use]
    pub fn order(&self, key: &K) -> Option<&OrderView> {
        self.orders.get(key)
    }

    /// Orders that cash is set aside for, in no order.
    pub fn orders(&self) -> impl Iterator<Item = (&K, &OrderView)> {
        self.orders.iter()
    }

    /// An open position.
    #[must_use]
    pub fn position(&self, key: &K) -> Option<&PositionView> {
        self.positions.get(key)
    }

    /// Open positions, in no order.
    pub fn positions(&self) -> impl Iterator<Item = (&K, &PositionView)> {
        self.positions.iter()
    }

    /// As [`Ledger::correct`](crate::Ledger::correct).
    ///
    /// # Errors
    /// [`LedgerError::Cash`] if more would be taken out than is free.
    pub fn correct(&mut self, amount: Decimal) -> Result<(), LedgerError> {
        self.deposit(amount)?;
        self.suspect = None;
        Ok(())
    }

    /// Takes in what was filled without anything having been set aside for it: an order that nobody knew of, or more than was
    /// asked for. It goes to the position of that name, which is made if there is none, and `margin` is held for it. A
    /// quantity of zero moves cash only.
    ///
    /// # Errors
    /// As [`InFlight::fill`](crate::InFlight::fill).
    pub fn adopt(&mut self, key: K, symbol: &str, margin: Decimal, part: &Part) -> Result<(), LedgerError> {
        let adopted = self.try_adopt(key, symbol, margin, part);
        self.believe(adopted)
    }

    fn try_adopt(&mut self, key: K, symbol: &str, margin: Decimal, part: &Part) -> Result<(), LedgerError> {
        let Part { quantity, paid, fee } = *part;
        if quantity.is_zero() {
            check_part(&Part { quantity: Decimal::ONE, ..*part })?;
        } else {
            check_part(part)?;
        }
        check("a margin", margin, margin >= Decimal::ZERO && is_countable(margin))?;
        let mut next = self.balances;
        next.margins = add(next.margins, margin)?;
        next.cost = add(next.cost, paid)?;
        next.fees = add(next.fees, fee)?;
        next.free = add(next.free, -add(add(paid, fee)?, margin)?)?;
        check_overdrawn(next)?;
        let nothing = Decimal::ZERO;
        let none = || PositionView { symbol: symbol.to_owned(), quantity: nothing, cost: nothing, margin: nothing };
        let position = self.positions.get(&key).cloned();
        let is_new = position.is_none() && self.orders.get(&key).is_none();
        let position = position.unwrap_or_else(none);
        let position = PositionView {
            quantity: add(position.quantity, quantity)?,
            cost: add(position.cost, paid)?,
            margin: add(position.margin, margin)?,
            symbol: position.symbol,
        };
        self.put(next)?;
        if is_new {
            self.count(&position.symbol);
        }
        self.positions.insert(key, position);
        Ok(())
    }

    /// Gives back what was set aside for an order that has not left; one that may live keeps it (TXN-6).
    pub(crate) fn take_back(&mut self, key: &K) {
        if self.orders.get(key).is_some_and(|order| !order.in_flight) {
            // It is there: that was the question.
            let _ended = self.end(key);
        }
    }

    /// Takes the place of `live`, under its caps. What was set aside there and has not left stays so, on top: unless an order
    /// of that name is in these books, then it has left. TXN-3: what there is no free cash for any more is given back.
    pub(crate) fn supersede(mut self, live: &Self) -> Self {
        for (key, order) in live.orders.iter().filter(|(_, order)| !order.in_flight) {
            if self.orders.get(key).is_some() || order.reserved > self.balances.free {
                continue;
            }
            self.balances.free -= order.reserved;
            self.balances.reserved += order.reserved;
            if self.positions.get(key).is_none() {
                self.count(&order.symbol);
            }
            self.orders.insert(key.clone(), order.clone());
        }
        self.caps = live.caps;
        self
    }

    /// A name is taken.
    pub(super) fn count(&mut self, symbol: &str) {
        *self.per_symbol.entry(symbol.to_owned()).or_default() += 1;
        self.open += 1;
    }

    /// Whether `worst` more on `symbol` stays within the caps, if there are any.
    pub(super) fn check_caps(&self, symbol: &str, worst: Decimal) -> Result<(), LedgerError> {
        let Some(caps) = self.caps else { return Ok(()) };
        if worst > caps.per_order {
            return Err(LedgerError::PerOrder { needed: worst, cap: caps.per_order });
        }
        if self.open >= caps.positions {
            return Err(LedgerError::Positions { open: self.open, cap: caps.positions });
        }
        let on_symbol = self.per_symbol.get(symbol).copied().unwrap_or(0);
        if on_symbol >= caps.per_symbol {
            let symbol = symbol.to_owned();
            return Err(LedgerError::PerSymbol { symbol, open: on_symbol, cap: caps.per_symbol });
        }
        let Balances { reserved, margins, cost, .. } = self.balances;
        let in_all = add(add(add(reserved, worst)?, margins)?, cost.max(Decimal::ZERO))?;
        if in_all > caps.in_all { Err(LedgerError::InAll { needed: in_all, cap: caps.in_all }) } else { Ok(()) }
    }
}
