//! The desk's money: the books of the crate `rollback`, moved by the records.
//!
//! A record says what happened, so it is taken in also where the books have no cash for it: what is missing is then *owed*.

use backstop_broker::{Decimal, Fill, OrderRequest};
use backstop_rollback::{BalanceRead, Books, Hold, LedgerError, Part};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SlotId;

/// Prices are averages, which a broker or we have rounded somewhere: money is not finer than this.
const DECIMALS: u32 = 6;

/// Cash, what is set aside for orders that may live, and what open positions hold of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// An entry that may live, and the position that comes of it, go by their slot.
    books: Books<SlotId>,
    /// What has been spent or set aside without being there. TXN-3: while something is owed, nothing is free.
    owed: Decimal,
    /// What fills took that was not there, until a balance shows that the account has it.
    overdrawn: Option<Decimal>,
    /// What the account was read as when that was below zero, until it is read as something again.
    #[serde(default)]
    in_debt: Option<Decimal>,
    balance: BalanceRead,
    read_at: Option<Timestamp>,
}

impl Account {
    /// The account's cash as a broker counts it; `None` when its balance was never read.
    pub fn cash(&self) -> Option<Decimal> {
        self.balance.newest().map(|_| self.counted())
    }

    /// Cash set aside: for orders that may live, and for open positions.
    pub fn reserved(&self) -> Decimal {
        let balances = self.books.balances();
        balances.reserved.saturating_add(balances.margins)
    }

    /// Cash that may be set aside, never below zero; `None` when the balance was never read.
    pub fn free(&self) -> Option<Decimal> {
        self.balance.newest().map(|_| self.books.balances().free)
    }

    /// How much more fills took than there was. Nothing is entered until a balance shows that the account has it.
    pub fn overdrawn(&self) -> Option<Decimal> {
        self.overdrawn
    }

    /// What the account was read as, if that was below zero. The books stay as they are, and nothing is entered until it has
    /// something again.
    pub fn in_debt(&self) -> Option<Decimal> {
        self.in_debt
    }

    /// The newest reading of the account's balance, and how it compared (TXN-7).
    pub fn balance(&self) -> &BalanceRead {
        &self.balance
    }

    /// When that was written down.
    pub fn read_at(&self) -> Option<Timestamp> {
        self.read_at
    }

    /// The amounts in full.
    pub fn books(&self) -> &Books<SlotId> {
        &self.books
    }

    fn counted(&self) -> Decimal {
        self.books.balances().cash().saturating_sub(self.owed)
    }

    /// Goes by the account's balance, which was read while nothing was in flight.
    pub(super) fn read(&mut self, total: Decimal, at: Timestamp) -> Result<(), LedgerError> {
        // The first one finds nothing to compare with.
        let known = self.cash().unwrap_or(total);
        self.balance = self.balance.then(Ok::<_, String>(total), known);
        self.read_at = Some(at);
        if matches!(self.balance, BalanceRead::Stale { .. }) {
            return Ok(());
        }
        self.in_debt = None;
        let (cash, free) = (self.books.balances().cash(), self.books.balances().free);
        let more = total.saturating_sub(cash).max(-free);
        self.books.correct(more)?;
        self.owed = self.books.balances().cash().saturating_sub(total);
        if self.owed.is_zero() {
            self.overdrawn = None;
        }
        Ok(())
    }

    /// The balance could not be read, or not be believed (TXN-7): `debt` is what it was below zero, if that was read.
    pub(super) fn unread(&mut self, reason: &str, debt: Option<Decimal>, at: Timestamp) {
        self.in_debt = debt.or(self.in_debt);
        self.balance = self.balance.then(Err(reason), self.counted());
        self.read_at = Some(at);
    }

    /// Sets aside what an entry may cost that is about to be sent.
    pub(super) fn reserve(&mut self, slot: &SlotId, hold: &Hold) -> Result<(), LedgerError> {
        // Of an earlier version, which let an entry set nothing aside.
        if hold.worst.is_zero() {
            return Ok(());
        }
        match self.books.reserve(slot.clone(), hold) {
            Err(LedgerError::Cash { needed, free }) => {
                self.owe(needed.saturating_sub(free))?;
                self.books.reserve(slot.clone(), hold)?;
            }
            reserved => reserved?,
        }
        // TXN-6: from here on only its end frees it.
        self.books.send(slot);
        self.repay()
    }

    /// Settles an entry that is at rest, at the prices of its fills, and gives back what they left over. `margin` is held for
    /// fills that nothing was set aside for.
    pub(super) fn settle(
        &mut self,
        slot: &SlotId,
        symbol: &str,
        (fills, margin): (&[Fill], Decimal),
    ) -> Result<(), LedgerError> {
        let size = size_of(fills.iter().map(|fill| fill.quantity));
        let paid = paid(fills)?;
        match self.books.order(slot).map(|order| order.left) {
            Some(left) if !size.is_zero() => {
                let part = Part { quantity: size.min(left), paid, fee: Decimal::ZERO };
                self.take_in(|books| books.fill(slot, &part))?;
                self.moved(slot, symbol, (size, Decimal::ZERO), Decimal::ZERO)?;
            }
            Some(_) => {}
            None => self.moved(slot, symbol, (size, margin), paid)?,
        }
        if self.books.order(slot).is_some() {
            self.books.end(slot)?;
        }
        self.repay()
    }

    /// Takes in what fills did to a position, beside what was set aside: it is of this `size` now, by its largest leg.
    pub(super) fn take_fills(
        &mut self,
        slot: &SlotId,
        symbol: &str,
        (size, margin): (Decimal, Decimal),
        fills: &[Fill],
    ) -> Result<(), LedgerError> {
        self.moved(slot, symbol, (size, margin), paid(fills)?)?;
        self.repay()
    }

    /// A position left the book. What it still held is free, what it had cost is lost or earned.
    pub(super) fn forget(&mut self, slot: &SlotId) -> Result<(), LedgerError> {
        if let Some(quantity) = self.books.position(slot).map(|position| position.quantity) {
            self.books.close(slot, &Part { quantity, paid: Decimal::ZERO, fee: Decimal::ZERO })?;
        }
        self.repay()
    }

    fn moved(
        &mut self,
        slot: &SlotId,
        symbol: &str,
        (size, margin): (Decimal, Decimal),
        paid: Decimal,
    ) -> Result<(), LedgerError> {
        let (before, fee) = (self.books.position(slot).map(|position| position.quantity), Decimal::ZERO);
        let more = size.saturating_sub(before.unwrap_or_default());
        if more < Decimal::ZERO {
            return self.take_in(|books| books.close(slot, &Part { quantity: -more, paid, fee }));
        }
        if more.is_zero() && paid.is_zero() {
            return Ok(());
        }
        let quantity = if before.is_none() && more.is_zero() { Decimal::ONE } else { more };
        self.take_in(|books| books.adopt(slot.clone(), symbol, margin, &Part { quantity, paid, fee }))?;
        // Bought and sold again: nothing is held of it.
        if quantity == more { Ok(()) } else { self.books.close(slot, &Part { quantity, paid: Decimal::ZERO, fee }) }
    }

    /// TXN-3: what happened at the broker has happened, also when there is no cash for it here.
    fn take_in(&mut self, happened: impl Fn(&mut Books<SlotId>) -> Result<(), LedgerError>) -> Result<(), LedgerError> {
        match happened(&mut self.books) {
            Err(LedgerError::Overdrawn(overdrawn)) => {
                self.overdrawn = Some(self.overdrawn.unwrap_or_default().saturating_add(overdrawn.short));
                self.owe(overdrawn.short)?;
                happened(&mut self.books)
            }
            taken_in => taken_in,
        }
    }

    fn owe(&mut self, short: Decimal) -> Result<(), LedgerError> {
        self.owed = self.owed.saturating_add(short);
        self.books.correct(short)
    }

    /// What is free goes to what is owed.
    fn repay(&mut self) -> Result<(), LedgerError> {
        let amount = self.owed.min(self.books.balances().free);
        self.owed = self.owed.saturating_sub(amount);
        self.books.correct(-amount)
    }
}

/// What an entry asks to be set aside.
pub(crate) fn hold_of(order: &OrderRequest, reserve: Decimal, margin: Decimal) -> Hold {
    let quantity = size_of(order.legs().iter().map(|leg| Decimal::from(leg.quantity)));
    Hold { symbol: order.underlying().to_string(), quantity, worst: reserve, margin }
}

/// How large a position or an order is: as its largest leg. A spread of which one leg is closed needs all its margin still.
fn size_of(quantities: impl Iterator<Item = Decimal>) -> Decimal {
    quantities.map(|quantity| quantity.abs()).max().unwrap_or_default()
}

/// What fills took out of the cash; below zero, what they brought. TXN-3: counted exactly or not at all.
fn paid(fills: &[Fill]) -> Result<Decimal, LedgerError> {
    let sum = fills.iter().try_fold(Decimal::ZERO, |sum, fill| sum.checked_sub(fill.cash()?));
    sum.map(|sum| sum.round_dp(DECIMALS).normalize()).ok_or(LedgerError::Uncountable)
}
