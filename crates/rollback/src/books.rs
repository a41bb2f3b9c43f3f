//! The amounts, and the few ways in which they change.

use std::collections::BTreeMap;
use std::hash::Hash;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::order::Part;
use crate::snapshot::{OrderView, PositionView, Table};

mod kept;

/// No amount and no sum is larger, and none has more decimals: so every sum is exact, where a [`Decimal`] would round.
const LARGEST: Decimal = Decimal::from_parts(0xa4c6_8000, 0x0003_8d7e, 0, false, 0);
const DECIMALS: u32 = 12;

/// No quantity is larger, so that its product with an amount can be counted.
const MOST: Decimal = Decimal::from_parts(0xd4a5_1000, 0x0000_00e8, 0, false, 0);

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

/// How much may be open at once, looked at in one step with the free cash; amounts in the account's currency. There is no
/// default.
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

/// What an order that opens needs. Amounts are of the whole order, in the account's currency.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what is left out would not be set aside")]
pub struct Hold {
    /// What it is about.
    pub symbol: String,
    /// How many shares or contracts it asks for, above zero.
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
    /// An amount that cannot be: zero or below where there must be something, or larger or finer than can be counted.
    #[error("{what} cannot be {amount}; amounts reach to 10^15, quantities to 10^12, both with 12 decimals")]
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
    /// The ledger is not believed any more, because of this: see [`Ledger::correct`](crate::Ledger::correct).
    #[error("nothing is set aside since a fill was not taken in ({0}); compare with the broker and correct the ledger")]
    Suspect(Box<LedgerError>),
}

/// What happened took more cash than there is here: the worst case was not the worst, or the ledger differs from the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was filled took {short} more than there is")]
pub struct Overdrawn {
    /// How much is missing.
    pub short: Decimal,
}

/// What a [`Ledger`](crate::Ledger) says, as a value: to be folded from a log, kept in its checkpoints, and handed to a ledger
/// that follows it ([`Ledger::follow`](crate::Ledger::follow)).
///
/// It has no caps: whether something may happen was asked before it was written down. What one cannot do, it refuses as a
/// ledger does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "K: Ord + Hash + Clone + Deserialize<'de>"))]
#[serde(bound(serialize = "K: Ord + Hash + Clone + Serialize"))]
pub struct Books<K> {
    #[serde(skip)]
    pub(crate) caps: Option<Caps>,
    pub(crate) balances: Balances,
    pub(crate) orders: Table<K, OrderView>,
    pub(crate) positions: Table<K, PositionView>,
    /// Names on each symbol: of an order, of a position, or of both while a part is filled.
    per_symbol: BTreeMap<String, usize>,
    open: usize,
    #[serde(skip)]
    pub(crate) suspect: Option<LedgerError>,
}

impl<K: Ord + Hash + Clone> Books<K> {
    pub(crate) fn new(caps: Option<Caps>) -> Self {
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
    fn put(&mut self, next: Balances) -> Result<(), LedgerError> {
        // All that is set aside can be free again: giving back never fails.
        if next.cash() > LARGEST {
            return Err(LedgerError::Uncountable);
        }
        debug_assert!(next.is_conserved(), "TXN-3: {next:?}");
        debug_assert!(next.free.min(next.reserved).min(next.margins) >= Decimal::ZERO, "TXN-3: {next:?}");
        self.balances = next;
        Ok(())
    }

    /// Puts cash in; below zero, takes it out.
    ///
    /// # Errors
    /// [`LedgerError::Cash`] if more would be taken out than is free.
    pub fn deposit(&mut self, amount: Decimal) -> Result<(), LedgerError> {
        check("a deposit", amount, is_countable(amount))?;
        let mut next = self.balances;
        next.deposits = add(next.deposits, amount)?;
        next.free = add(next.free, amount)?;
        if next.free < Decimal::ZERO {
            return Err(LedgerError::Cash { needed: -amount, free: self.balances.free });
        }
        self.put(next)
    }

    /// Looks at what is free and sets aside, in one step (TXN-3).
    ///
    /// # Errors
    /// [`LedgerError`] says what is missing.
    pub fn reserve(&mut self, key: K, hold: &Hold) -> Result<(), LedgerError> {
        if let Some(because) = &self.suspect {
            return Err(LedgerError::Suspect(Box::new(because.clone())));
        }
        let Hold { symbol, quantity, worst, margin } = hold;
        check("a quantity", *quantity, is_quantity(*quantity))?;
        check("the worst case", *worst, *worst > Decimal::ZERO && is_countable(*worst))?;
        check("a margin", *margin, (Decimal::ZERO..=*worst).contains(margin) && is_countable(*margin))?;
        if self.orders.get(&key).is_some() || self.positions.get(&key).is_some() {
            return Err(LedgerError::Taken);
        }
        self.check_caps(symbol, *worst)?;
        let mut next = self.balances;
        next.reserved = add(next.reserved, *worst)?;
        if *worst > next.free {
            return Err(LedgerError::Cash { needed: *worst, free: next.free });
        }
        next.free -= worst;
        self.put(next)?;
        *self.per_symbol.entry(symbol.clone()).or_default() += 1;
        self.open += 1;
        let symbol = symbol.clone();
        self.orders
            .insert(key, OrderView { symbol, in_flight: false, reserved: *worst, left: *quantity, margin: *margin });
        Ok(())
    }

    /// From here on the order may live (TXN-6).
    pub fn send(&mut self, key: &K) {
        if let Some(order) = self.orders.get(key) {
            let order = OrderView { in_flight: true, ..order.clone() };
            self.orders.insert(key.clone(), order);
        }
    }

    /// Settles a part of an order: what it took is taken out of what was set aside. The rest stays set aside for the parts
    /// that are to come, the last of which may be the one with the fees.
    ///
    /// # Errors
    /// As [`InFlight::fill`](crate::InFlight::fill).
    pub fn fill(&mut self, key: &K, part: &Part) -> Result<(), LedgerError> {
        let filled = self.try_fill(key, part);
        self.believe(filled)
    }

    fn try_fill(&mut self, key: &K, part: &Part) -> Result<(), LedgerError> {
        let Some(mut order) = self.orders.get(key).cloned() else { return Err(LedgerError::Unknown) };
        let Part { quantity, paid, fee } = *part;
        check_part(part)?;
        if quantity > order.left {
            return Err(LedgerError::Overfilled { filled: quantity, left: order.left });
        }
        let is_last = quantity == order.left;
        let margin = if is_last { order.margin } else { share(order.margin, quantity, order.left)? };
        let taken = add(add(paid, fee)?, margin)?;
        // TXN-3: what stays within its worst case in all needs no cash that another order may have by now. What came in
        // stays with it, too.
        let released = if is_last { order.reserved } else { taken.min(order.reserved) };
        let mut next = self.balances;
        next.reserved -= released;
        next.margins = add(next.margins, margin)?;
        next.cost = add(next.cost, paid)?;
        next.fees = add(next.fees, fee)?;
        next.free = add(next.free, add(released, -taken)?)?;
        check_overdrawn(next)?;
        let nothing = Decimal::ZERO;
        let none = || PositionView { symbol: order.symbol.clone(), quantity: nothing, cost: nothing, margin: nothing };
        let position = self.positions.get(key).cloned().unwrap_or_else(none);
        let position = PositionView {
            quantity: add(position.quantity, quantity)?,
            cost: add(position.cost, paid)?,
            margin: add(position.margin, margin)?,
            symbol: position.symbol,
        };
        order.left -= quantity;
        order.reserved -= released;
        order.margin -= margin;
        self.put(next)?;
        self.positions.insert(key.clone(), position);
        self.orders.insert(key.clone(), order);
        Ok(())
    }

    /// The order is at rest, or never left: what is still set aside is free.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`] if there is no such order.
    pub fn end(&mut self, key: &K) -> Result<(), LedgerError> {
        let Some(order) = self.orders.get(key).cloned() else { return Err(LedgerError::Unknown) };
        let mut next = self.balances;
        next.reserved -= order.reserved;
        next.free = add(next.free, order.reserved)?;
        self.put(next)?;
        self.orders.remove(key);
        if self.positions.get(key).is_none() {
            self.forget(&order.symbol);
        }
        Ok(())
    }

    /// A part of a position, or all of it, was closed. `paid` is below zero for what came in.
    ///
    /// # Errors
    /// As [`InFlight::fill`](crate::InFlight::fill).
    pub fn close(&mut self, key: &K, part: &Part) -> Result<(), LedgerError> {
        let closed = self.try_close(key, part);
        self.believe(closed)
    }

    fn try_close(&mut self, key: &K, part: &Part) -> Result<(), LedgerError> {
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
        check_overdrawn(next)?;
        self.put(next)?;
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

    /// TXN-3: what happened at the broker has happened, also if it cannot be taken in. Then the ledger keeps everything as it
    /// was, and is not believed any more.
    fn believe(&mut self, taken_in: Result<(), LedgerError>) -> Result<(), LedgerError> {
        if let Err(error) = &taken_in {
            self.suspect.get_or_insert_with(|| error.clone());
        }
        taken_in
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

pub(crate) fn is_countable(amount: Decimal) -> bool {
    amount.abs() <= LARGEST && (amount.scale() <= DECIMALS || amount.normalize().scale() <= DECIMALS)
}

fn is_quantity(quantity: Decimal) -> bool {
    quantity > Decimal::ZERO && quantity <= MOST && is_countable(quantity)
}

fn check(what: &'static str, amount: Decimal, is_sound: bool) -> Result<(), LedgerError> {
    if is_sound { Ok(()) } else { Err(LedgerError::Amount { what, amount }) }
}

fn check_part(part: &Part) -> Result<(), LedgerError> {
    check("a filled quantity", part.quantity, is_quantity(part.quantity))?;
    check("a price paid", part.paid, is_countable(part.paid))?;
    check("a fee", part.fee, part.fee >= Decimal::ZERO && is_countable(part.fee))
}

fn check_overdrawn(next: Balances) -> Result<(), Overdrawn> {
    if next.free < Decimal::ZERO { Err(Overdrawn { short: -next.free }) } else { Ok(()) }
}

/// Exact: neither number, nor the sum, has more digits than can be counted.
fn add(a: Decimal, b: Decimal) -> Result<Decimal, LedgerError> {
    a.checked_add(b).filter(|sum| sum.abs() <= LARGEST).ok_or(LedgerError::Uncountable)
}

/// The share of `amount` that goes with `part` of `whole`, to the cent towards zero: what is left over goes with the last.
fn share(amount: Decimal, part: Decimal, whole: Decimal) -> Result<Decimal, LedgerError> {
    let share = amount.checked_mul(part).and_then(|product| product.checked_div(whole));
    Ok(share.ok_or(LedgerError::Uncountable)?.trunc_with_scale(2))
}
