//! Cash, holdings, and the money that must stay.

use std::collections::BTreeMap;

use backstop_broker::{Decimal, OptionRight, OptionSymbol, Symbol};
use backstop_clock::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::market::{intrinsic, underlying_of};

/// What one row of positions says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holding {
    pub(crate) id: u64,
    /// Positive long, negative short.
    pub(crate) quantity: Decimal,
    /// What was paid for it in total, contract multiplier included; negative for what was sold short.
    pub(crate) cost: Decimal,
    pub(crate) changed_at: Timestamp,
}

/// Net holdings by symbol. A row of zero does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holdings(BTreeMap<Symbol, Holding>);

impl Holdings {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Symbol, &Holding)> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn quantity(&self, symbol: &Symbol) -> Decimal {
        self.0.get(symbol).map_or(Decimal::ZERO, |holding| holding.quantity)
    }

    /// Merges a trade of signed `quantity` for which `paid` was paid (negative: received).
    pub(crate) fn apply(&mut self, symbol: &Symbol, quantity: Decimal, paid: Decimal, at: Timestamp, id: u64) {
        let fresh = Holding { id, quantity: Decimal::ZERO, cost: Decimal::ZERO, changed_at: at };
        let mut holding = self.0.remove(symbol).unwrap_or(fresh);
        let before = holding.quantity;
        let after = before + quantity;
        holding.cost = if before.is_zero() || (before.is_sign_negative() == quantity.is_sign_negative()) {
            holding.cost + paid
        } else if after.is_sign_negative() == before.is_sign_negative() {
            // Divided first: the product of a large cost and a large quantity would be none.
            holding.cost / before * after
        } else {
            // Through zero: what is left was bought or sold at this trade's price.
            paid / quantity * after
        };
        holding.quantity = after;
        holding.changed_at = at;
        if !after.is_zero() {
            self.0.insert(symbol.clone(), holding);
        }
    }

    /// Takes a row away.
    pub(crate) fn remove(&mut self, symbol: &Symbol) {
        self.0.remove(symbol);
    }
}

/// Why cash changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CashMovement {
    /// When.
    pub at: Timestamp,
    /// Positive into the account.
    pub amount: Decimal,
    /// What was traded or settled.
    pub symbol: Symbol,
    /// The order whose fill it was; `None` for the settlement of an expired option and for a trade by hand.
    pub order_id: Option<u64>,
}

/// Money and holdings, as they truly are and as the list of positions shows them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) start_cash: Decimal,
    pub(crate) cash: Decimal,
    pub(crate) held: Holdings,
    pub(crate) shown: Holdings,
    pub(crate) movements: Vec<CashMovement>,
}

impl Account {
    pub(crate) fn new(cash: Decimal) -> Self {
        Self { start_cash: cash, cash, held: Holdings::default(), shown: Holdings::default(), movements: Vec::new() }
    }

    pub(crate) fn move_cash(&mut self, movement: CashMovement) {
        self.cash += movement.amount;
        self.movements.push(movement);
    }
}

/// The money that must stay for `holdings` (symbol and signed quantity, in any order, repeats allowed).
///
/// Options of one underlying and day stand for each other: the most that they can lose together at their end, which is
/// the lowest point of a payoff that bends only at strikes. Calls that nothing covers lose without end: they take the
/// strikes' worst case and a fifth of the underlying's price each, as shares that are short take one and a half times
/// their price.
pub(crate) fn requirement<'s>(
    holdings: impl Iterator<Item = (&'s Symbol, Decimal)>,
    price: impl Fn(&str) -> Option<Decimal>,
) -> Decimal {
    let mut groups: BTreeMap<(String, Date), Vec<(OptionSymbol, Decimal)>> = BTreeMap::new();
    let mut required = Decimal::ZERO;
    for (symbol, quantity) in holdings {
        match symbol.option() {
            Some(option) => {
                let group = (underlying_of(option.root()).to_owned(), option.expiration());
                groups.entry(group).or_default().push((option, quantity));
            }
            None if quantity < Decimal::ZERO => {
                let value = price(symbol.as_str()).unwrap_or(Decimal::ZERO) * -quantity;
                required += value * Decimal::new(15, 1);
            }
            None => {}
        }
    }
    for ((underlying, _), options) in groups {
        let payoff =
            |at: Decimal| options.iter().map(|(option, quantity)| intrinsic(option, at) * quantity).sum::<Decimal>();
        let strikes = options.iter().map(|(option, _)| option.strike());
        let worst = std::iter::once(Decimal::ZERO).chain(strikes).map(payoff).min().unwrap_or(Decimal::ZERO);
        let calls = options.iter().filter(|(option, _)| option.right() == OptionRight::Call);
        let slope: Decimal = calls.map(|(_, quantity)| *quantity).sum();
        let naked = (-slope).max(Decimal::ZERO) * price(&underlying).unwrap_or(Decimal::ZERO) / Decimal::from(5);
        required += ((-worst).max(Decimal::ZERO) + naked) * Decimal::ONE_HUNDRED;
    }
    required
}

#[cfg(test)]
mod tests;
