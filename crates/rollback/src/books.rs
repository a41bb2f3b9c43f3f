//! The amounts, and the few ways in which they change.

use std::collections::BTreeMap;
use std::hash::Hash;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::order::Part;
use crate::snapshot::{OrderView, PositionView, Table};

/// All amounts of a ledger, in the account's currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Balances {
    /// Can be set aside.
    pub free: Decimal,
    /// Set aside for orders that may live.
    pub reserved: Decimal,
    /// Held for open positions.
    pub margins: Decimal,
    /// What the open positions have cost; below zero if they were paid for.
    pub cost: Decimal,
    /// Fees so far.
    pub fees: Decimal,
    /// What was paid in, less what was taken out.
    pub deposits: Decimal,
    /// What closed positions have brought, without fees.
    pub realized: Decimal,
}

impl Balances {
    /// The account's cash as a broker counts it: with what is set aside and held, without what was spent.
    #[must_use]
    pub fn cash(&self) -> Decimal {
        self.free.saturating_add(self.reserved).saturating_add(self.margins)
    }

    /// TXN-3: nothing comes from nowhere and nothing is lost.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        let held = self.cash().checked_add(self.cost).and_then(|held| held.checked_add(self.fees));
        held.is_some() && held == self.deposits.checked_add(self.realized)
    }
}

/// How much may be open at once, looked at in one step with the free cash. There is no default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a cap that is left out would be none")]
pub struct Caps {
    /// Positions and orders that may become one.
    pub positions: usize,
    /// The same on one symbol.
    pub per_symbol: usize,
    /// What one order may set aside, margin included.
    pub per_order: Decimal,
    /// What all may set aside and have cost together.
    pub in_all: Decimal,
}

/// What an order that opens needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what is left out would not be set aside")]
pub struct Hold {
    /// What it is about.
    pub symbol: String,
    /// How much it asks for, above zero.
    pub quantity: Decimal,
    /// The most that it can take from the cash when all of it is filled: price, fees, and what becomes margin then.
    pub worst: Decimal,
    /// What is held as margin while the whole position is open; not more than `worst`.
    pub margin: Decimal,
}

/// Why a ledger did not change. It is what it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Not enough cash.
    #[error("{needed} is needed and {free} is free")]
    Cash {
        /// What the order needs.
        needed: Decimal,
        /// What there is.
        free: Decimal,
    },
    /// An amount that cannot be: zero or below where there must be something, or more than can be counted.
    #[error("{what} cannot be {amount}")]
    Amount {
        /// Of what.
        what: &'static str,
        /// How much.
        amount: Decimal,
    },
    /// A sum that is too large to be counted.
    #[error("more money than can be counted")]
    Uncountable,
    /// The name is taken.
    #[error("there is an order or a position of that name already")]
    Taken,
    /// Nobody of that name.
    #[error("there is no order or position of that name")]
    Unknown,
    /// Too many positions.
    #[error("{open} position(s) are open or may be, the cap is {cap}")]
    Positions {
        /// With what may become one.
        open: usize,
        /// The bound.
        cap: usize,
    },
    /// Too many positions on one symbol.
    #[error("{open} position(s) on {symbol} are open or may be, the cap is {cap}")]
    PerSymbol {
        /// The symbol.
        symbol: String,
        /// With what may become one.
        open: usize,
        /// The bound.
        cap: usize,
    },
    /// Too large an order.
    #[error("the order needs {needed}, the cap for one order is {cap}")]
    PerOrder {
        /// What it needs.
        needed: Decimal,
        /// The bound.
        cap: Decimal,
    },
    /// Too much in all.
    #[error("with this order {needed} would be set aside or spent, the cap is {cap}")]
    InAll {
        /// With this order.
        needed: Decimal,
        /// The bound.
        cap: Decimal,
    },
    /// More was filled than was asked for or is held.
    #[error("{filled} was filled and {left} is left")]
    Overfilled {
        /// How much was filled.
        filled: Decimal,
        /// How much there was.
        left: Decimal,
    },
    /// Something happened at the broker that the ledger has no cash for.
    #[error(transparent)]
    Overdrawn(#[from] Overdrawn),
    /// The ledger is not believed any more: see [`Ledger::correct`](crate::Ledger::correct).
    #[error("nothing is set aside since {0}; compare with the broker and correct the ledger")]
    Suspect(Overdrawn),
}

/// What happened took more cash than there is here: the worst case was not the worst, or the ledger differs from the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was filled took {short} more than there is")]
pub struct Overdrawn {
    /// How much is missing.
    pub short: Decimal,
}

#[derive(Debug)]
pub(crate) struct Books<K> {
    pub(crate) caps: Caps,
    pub(crate) balances: Balances,
    pub(crate) orders: Table<K, OrderView>,
    pub(crate) positions: Table<K, PositionView>,
    /// Names on each symbol: of an order, of a position, or of both while a part is filled.
    per_symbol: BTreeMap<String, usize>,
    open: usize,
    pub(crate) suspect: Option<Overdrawn>,
}

impl<K: Ord + Hash + Clone> Books<K> {
    pub(crate) fn new(caps: Caps) -> Self {
        Self {
            caps,
            balances: Balances::default(),
            orders: Table::new(),
            positions: Table::new(),
            per_symbol: BTreeMap::new(),
            open: 0,
            suspect: None,
        }
    }

    /// Takes new balances into use: the one place where they change.
    fn put(&mut self, next: Balances) {
        debug_assert!(next.is_conserved(), "TXN-3: {next:?}");
        debug_assert!(next.free >= Decimal::ZERO && next.reserved >= Decimal::ZERO, "TXN-3: {next:?}");
        self.balances = next;
    }

    pub(crate) fn deposit(&mut self, amount: Decimal) -> Result<(), LedgerError> {
        let mut next = self.balances;
        next.deposits = add(next.deposits, amount)?;
        next.free = add(next.free, amount)?;
        if next.free < Decimal::ZERO {
            return Err(LedgerError::Cash { needed: -amount, free: self.balances.free });
        }
        self.put(next);
        Ok(())
    }

    /// Looks at what is free and sets aside, in one step (TXN-3).
    pub(crate) fn reserve(&mut self, key: K, hold: &Hold) -> Result<(), LedgerError> {
        if let Some(overdrawn) = self.suspect {
            return Err(LedgerError::Suspect(overdrawn));
        }
        let Hold { symbol, quantity, worst, margin } = hold;
        for (what, amount, is_sound) in [
            ("a quantity", *quantity, *quantity > Decimal::ZERO),
            ("the worst case", *worst, *worst > Decimal::ZERO),
            ("a margin", *margin, (Decimal::ZERO..=*worst).contains(margin)),
        ] {
            if !is_sound {
                return Err(LedgerError::Amount { what, amount });
            }
        }
        if self.orders.get(&key).is_some() || self.positions.get(&key).is_some() {
            return Err(LedgerError::Taken);
        }
        if *worst > self.caps.per_order {
            return Err(LedgerError::PerOrder { needed: *worst, cap: self.caps.per_order });
        }
        if self.open >= self.caps.positions {
            return Err(LedgerError::Positions { open: self.open, cap: self.caps.positions });
        }
        let on_symbol = self.per_symbol.get(symbol).copied().unwrap_or(0);
        if on_symbol >= self.caps.per_symbol {
            let symbol = symbol.clone();
            return Err(LedgerError::PerSymbol { symbol, open: on_symbol, cap: self.caps.per_symbol });
        }
        let mut next = self.balances;
        next.reserved = add(next.reserved, *worst)?;
        let in_all = add(add(next.reserved, next.margins)?, next.cost.max(Decimal::ZERO))?;
        if in_all > self.caps.in_all {
            return Err(LedgerError::InAll { needed: in_all, cap: self.caps.in_all });
        }
        if *worst > next.free {
            return Err(LedgerError::Cash { needed: *worst, free: next.free });
        }
        next.free -= worst;
        self.put(next);
        *self.per_symbol.entry(symbol.clone()).or_default() += 1;
        self.open += 1;
        let symbol = symbol.clone();
        self.orders
            .insert(key, OrderView { symbol, in_flight: false, reserved: *worst, left: *quantity, margin: *margin });
        Ok(())
    }

    /// From here on the order may live (TXN-6).
    pub(crate) fn send(&mut self, key: &K) {
        if let Some(order) = self.orders.get(key) {
            let order = OrderView { in_flight: true, ..order.clone() };
            self.orders.insert(key.clone(), order);
        }
    }

    /// Settles a part of an order: what was set aside for it is spent, becomes margin, or is free again.
    pub(crate) fn fill(&mut self, key: &K, part: &Part) -> Result<(), LedgerError> {
        let Some(order) = self.orders.get(key).cloned() else { return Err(LedgerError::Unknown) };
        let Part { quantity, paid, fee } = *part;
        check_part(part)?;
        if quantity > order.left {
            return Err(LedgerError::Overfilled { filled: quantity, left: order.left });
        }
        let (released, margin) = if quantity == order.left {
            (order.reserved, order.margin)
        } else {
            (share(order.reserved, quantity, order.left)?, share(order.margin, quantity, order.left)?)
        };
        let mut next = self.balances;
        next.reserved -= released;
        next.margins = add(next.margins, margin)?;
        next.cost = add(next.cost, paid)?;
        next.fees = add(next.fees, fee)?;
        let taken = add(add(paid, fee)?, margin)?;
        next.free = add(next.free, add(released, -taken)?)?;
        self.check_overdrawn(next)?;
        let nothing = Decimal::ZERO;
        let none = || PositionView { symbol: order.symbol.clone(), quantity: nothing, cost: nothing, margin: nothing };
        let position = self.positions.get(key).cloned().unwrap_or_else(none);
        let position = PositionView {
            quantity: add(position.quantity, quantity)?,
            cost: add(position.cost, paid)?,
            margin: add(position.margin, margin)?,
            symbol: position.symbol,
        };
        let mut order = order;
        order.left -= quantity;
        order.reserved -= released;
        order.margin -= margin;
        self.put(next);
        self.positions.insert(key.clone(), position);
        self.orders.insert(key.clone(), order);
        Ok(())
    }

    /// The order is at rest, or never left: what is still set aside is free.
    pub(crate) fn end(&mut self, key: &K) -> Result<(), LedgerError> {
        let Some(order) = self.orders.get(key).cloned() else { return Err(LedgerError::Unknown) };
        let mut next = self.balances;
        next.reserved -= order.reserved;
        next.free = add(next.free, order.reserved)?;
        self.put(next);
        self.orders.remove(key);
        if self.positions.get(key).is_none() {
            self.forget(&order.symbol);
        }
        Ok(())
    }

    /// A part of a position, or all of it, was closed. `paid` is below zero for what came in.
    pub(crate) fn close(&mut self, key: &K, part: &Part) -> Result<(), LedgerError> {
        let Some(position) = self.positions.get(key).cloned() else { return Err(LedgerError::Unknown) };
        let Part { quantity, paid, fee } = *part;
        check_part(part)?;
        if quantity > position.quantity {
            return Err(LedgerError::Overfilled { filled: quantity, left: position.quantity });
        }
        let is_all = quantity == position.quantity;
        let (cost, margin) = if is_all {
            (position.cost, position.margin)
        } else {
            (share(position.cost, quantity, position.quantity)?, share(position.margin, quantity, position.quantity)?)
        };
        let mut next = self.balances;
        next.margins -= margin;
        next.cost = add(next.cost, -cost)?;
        next.fees = add(next.fees, fee)?;
        next.realized = add(next.realized, add(-paid, -cost)?)?;
        next.free = add(next.free, add(margin, -add(paid, fee)?)?)?;
        self.check_overdrawn(next)?;
        self.put(next);
        if is_all {
            self.positions.remove(key);
            if self.orders.get(key).is_none() {
                self.forget(&position.symbol);
            }
        } else {
            let mut position = position;
            position.quantity -= quantity;
            position.cost -= cost;
            position.margin -= margin;
            self.positions.insert(key.clone(), position);
        }
        Ok(())
    }

    /// TXN-3: what happened at the broker has happened, but the ledger does not go below zero for it. It keeps everything as
    /// it was and is not believed any more.
    fn check_overdrawn(&mut self, next: Balances) -> Result<(), LedgerError> {
        if next.free >= Decimal::ZERO {
            return Ok(());
        }
        let overdrawn = Overdrawn { short: -next.free };
        self.suspect.get_or_insert(overdrawn);
        Err(overdrawn.into())
    }

    /// A name is free again.
    fn forget(&mut self, symbol: &str) {
        self.open -= 1;
        if let Some(count) = self.per_symbol.get_mut(symbol) {
            *count -= 1;
            if *count == 0 {
                self.per_symbol.remove(symbol);
            }
        }
    }
}

fn check_part(part: &Part) -> Result<(), LedgerError> {
    if part.quantity <= Decimal::ZERO {
        return Err(LedgerError::Amount { what: "a filled quantity", amount: part.quantity });
    }
    if part.fee < Decimal::ZERO {
        return Err(LedgerError::Amount { what: "a fee", amount: part.fee });
    }
    Ok(())
}

fn add(a: Decimal, b: Decimal) -> Result<Decimal, LedgerError> {
    a.checked_add(b).ok_or(LedgerError::Uncountable)
}

/// The share of `amount` that goes with `part` of `whole`, to the cent towards zero: what is left over goes with the last.
fn share(amount: Decimal, part: Decimal, whole: Decimal) -> Result<Decimal, LedgerError> {
    let share = amount.checked_mul(part).and_then(|product| product.checked_div(whole));
    Ok(share.ok_or(LedgerError::Uncountable)?.trunc_with_scale(2))
}
