//! Cash, shared by all who trade.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::books::{Balances, Books, Caps, Hold, LedgerError, is_countable};
use crate::order::{InFlight, Part, Reservation};
use crate::snapshot::Snapshot;
use crate::sync::Mutex;

/// What there is, what is set aside, what was spent. Clones are the same ledger. `K` is what orders are called, and the
/// positions that come of them.
///
/// Every method is one step for everybody else, and none waits for anything but that step of another.
pub struct Ledger<K>(Arc<Shared<K>>);

struct Shared<K> {
    books: Mutex<Books<K>>,
    balance: Mutex<BalanceRead>,
}

impl<K> Clone for Ledger<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The newest reading of the account's balance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum BalanceRead {
    /// There was none.
    #[default]
    Never,
    /// It was read, and compared with the ledger.
    Read {
        /// How the two compare.
        compared: Compared,
    },
    /// It could not be read, or what was read cannot be: what is known is older.
    Stale {
        /// What was known before.
        before: Option<Compared>,
        /// Why.
        reason: String,
    },
}

/// The account's cash beside the ledger's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Compared {
    /// What the broker says.
    pub account: Decimal,
    /// What the ledger says ([`Balances::cash`]).
    pub ledger: Decimal,
}

impl Compared {
    /// What the account has more; below zero, less.
    #[must_use]
    pub fn difference(&self) -> Decimal {
        self.account.saturating_sub(self.ledger)
    }
}

impl BalanceRead {
    /// What is known once this was read beside a ledger that says `ledger`. A reading that failed, or that no account can
    /// have, is none: what was known before stays, and is stale (TXN-7).
    #[must_use]
    pub fn then<E: fmt::Display>(&self, account: Result<Decimal, E>, ledger: Decimal) -> Self {
        let reason = match account {
            Ok(account) if account >= Decimal::ZERO && is_countable(account) => {
                return Self::Read { compared: Compared { account, ledger } };
            }
            Ok(account) => format!("an account does not have {account}"),
            Err(error) => error.to_string(),
        };
        Self::Stale { before: self.newest(), reason }
    }

    /// The newest reading that could be believed.
    #[must_use]
    pub fn newest(&self) -> Option<Compared> {
        match self {
            Self::Never => None,
            Self::Read { compared } => Some(*compared),
            Self::Stale { before, .. } => *before,
        }
    }
}

impl<K: Ord + Hash + Clone> Ledger<K> {
    /// A ledger without cash.
    pub fn new(caps: Caps) -> Self {
        Self::with(Books::new(Some(caps)))
    }

    /// A ledger that follows books which are kept elsewhere, and has no caps of its own: for those whose pre-trade limits
    /// stand before it.
    pub fn following(books: Books<K>) -> Self {
        Self::with(books)
    }

    fn with(books: Books<K>) -> Self {
        Self(Arc::new(Shared { books: Mutex::new(books), balance: Mutex::new(BalanceRead::Never) }))
    }

    /// Goes on from `books`, as they are after the newest record of the log that they are folded from: in one step for
    /// everybody else. A [`Reservation`] whose order is in them counts as sent. The others stay set aside on top of them,
    /// but for those that there is no free cash for any more: whoever writes their orders into the log has to ask the books
    /// whether they have it.
    pub fn follow(&self, books: Books<K>) {
        let mut live = self.books().lock();
        *live = books.supersede(&live);
    }

    pub(crate) fn books(&self) -> &Mutex<Books<K>> {
        &self.0.books
    }

    /// Puts cash in; below zero, takes it out.
    ///
    /// # Errors
    /// [`LedgerError::Cash`] if more would be taken out than is free.
    pub fn deposit(&self, amount: Decimal) -> Result<(), LedgerError> {
        self.books().lock().deposit(amount)
    }

    /// Sets the worst case of an order aside, if it is free and within the caps: in one step, so that two orders cannot
    /// both see the same cash (TXN-3).
    ///
    /// ```
    /// use backstop_rollback::{Caps, Decimal, Evidence, Hold, Ledger, LedgerError, Part};
    ///
    /// let hundred = Decimal::ONE_HUNDRED;
    /// let caps = Caps { positions: 10, per_symbol: 2, per_order: hundred, in_all: hundred };
    /// let ledger = Ledger::new(caps);
    /// ledger.deposit(hundred)?;
    ///
    /// let hold = |worst: u32| Hold {
    ///     symbol: "SPY".to_owned(),
    ///     quantity: Decimal::TWO,
    ///     worst: worst.into(),
    ///     margin: Decimal::ZERO,
    /// };
    /// let first = ledger.reserve("bs-1", &hold(70))?;
    /// assert!(matches!(ledger.reserve("bs-2", &hold(40)), Err(LedgerError::InAll { .. } | LedgerError::Cash { .. })));
    ///
    /// let mut first = first.send(); // the next line sends the order
    /// first.fill(Part { quantity: Decimal::ONE, paid: 33.into(), fee: Decimal::ONE })?;
    /// first.end(&Evidence::new("order 17 canceled, 1 of 2 filled")?)?;
    /// assert_eq!(ledger.snapshot().balances().free, Decimal::from(66));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`LedgerError`] says what is missing; then nothing has changed.
    pub fn reserve(&self, key: K, hold: &Hold) -> Result<Reservation<K>, LedgerError> {
        self.books().lock().reserve(key.clone(), hold)?;
        Ok(Reservation::new(self.clone(), key))
    }

    /// An order that may live, and whose holder was lost.
    pub fn in_flight(&self, key: &K) -> Option<InFlight<K>> {
        let is_there = self.books().lock().orders.get(key).is_some_and(|order| order.in_flight);
        is_there.then(|| InFlight::new(self.clone(), key.clone()))
    }

    /// A part of a position was closed, or all of it.
    ///
    /// # Errors
    /// As [`InFlight::fill`].
    pub fn close(&self, key: &K, part: Part) -> Result<(), LedgerError> {
        self.books().lock().close(key, &part)
    }

    /// Everything at one moment. It is a few pointers, however many positions there are; whoever changes something after it copies
    /// the small part that it shared.
    pub fn snapshot(&self) -> Snapshot<K> {
        let books = self.books().lock();
        Snapshot { balances: books.balances, orders: books.orders.clone(), positions: books.positions.clone() }
    }

    /// Takes in a reading of the account's cash. It is compared and changes nothing: what differs is for somebody to look
    /// at. One that failed, or that no account can have, is no reading (TXN-7).
    pub fn balance_read<E: fmt::Display>(&self, account: Result<Decimal, E>) -> BalanceRead {
        let ledger = self.books().lock().balances.cash();
        let mut known = self.0.balance.lock();
        *known = known.then(account, ledger);
        known.clone()
    }

    /// The newest reading of the account's cash.
    pub fn balance(&self) -> BalanceRead {
        self.0.balance.lock().clone()
    }

    /// Why nothing is set aside any more, if that is so: the first fill that could not be taken in.
    pub fn suspect(&self) -> Option<LedgerError> {
        self.books().lock().suspect.clone()
    }

    /// For a person who has compared the ledger with the account: puts in what is missing (below zero, takes out what there
    /// is too much), and believes it again. Who and why belongs on the record, which is the caller's. A fill that was not
    /// taken in can be reported again then; what was filled beyond an order's quantity goes in under a name of its own.
    ///
    /// # Errors
    /// [`LedgerError::Cash`] if more would be taken out than is free; then it stays as it is.
    pub fn correct(&self, amount: Decimal) -> Result<Balances, LedgerError> {
        let mut books = self.books().lock();
        books.correct(amount)?;
        Ok(books.balances)
    }
}

impl<K> fmt::Debug for Ledger<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ledger")
    }
}

#[cfg(test)]
mod tests;
