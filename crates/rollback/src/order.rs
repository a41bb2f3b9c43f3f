//! What an order has of the ledger: first a reservation, then a part in what may live.

use std::fmt;
use std::hash::Hash;

use rust_decimal::Decimal;

use crate::books::LedgerError;
use crate::ledger::Ledger;

/// What was filled of an order. Amounts are in the account's currency, for all of the quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Part {
    /// How many shares or contracts, above zero.
    pub quantity: Decimal,
    /// What was paid for it, without fees; below zero if it came in.
    pub paid: Decimal,
    /// The fees, not below zero: a rebate belongs into `paid`.
    pub fee: Decimal,
}

/// Why an order is known to be at rest: nothing more will be filled of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence(String);

/// What was given as evidence says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("evidence has to say what was seen at the broker, or who decided and why")]
pub struct NoEvidence;

impl Evidence {
    /// What was seen at the broker, or who decided and why.
    ///
    /// # Errors
    /// [`NoEvidence`] if it is blank.
    pub fn new(text: impl Into<String>) -> Result<Self, NoEvidence> {
        let text = text.into();
        if text.trim().is_empty() { Err(NoEvidence) } else { Ok(Self(text)) }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Cash that is set aside for an order that has not left. Dropped, it is free again. It is sent once:
///
/// ```compile_fail,E0382
/// # use backstop_rollback::Reservation;
/// # fn again(reservation: Reservation<u32>) {
/// let order = reservation.send();
/// let once_more = reservation.send();
/// # }
/// ```
#[must_use = "dropped, what was set aside is free again"]
pub struct Reservation<K: Ord + Hash + Clone> {
    ledger: Ledger<K>,
    /// Until it is sent.
    key: Option<K>,
}

impl<K: Ord + Hash + Clone> Reservation<K> {
    pub(crate) fn new(ledger: Ledger<K>, key: K) -> Self {
        Self { ledger, key: Some(key) }
    }

    /// To be called before the first byte leaves: from here on the order may live, and nothing but evidence frees what is
    /// set aside for it (TXN-6).
    pub fn send(mut self) -> InFlight<K> {
        let ledger = self.ledger.clone();
        let key = self.key.take();
        if let Some(key) = &key {
            ledger.books().lock().send(key);
        }
        InFlight { ledger, key }
    }
}

impl<K: Ord + Hash + Clone> Drop for Reservation<K> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            // TXN-6: not if it is in the log that the ledger follows: then the order may live.
            self.ledger.books().lock().take_back(&key);
        }
    }
}

impl<K: Ord + Hash + Clone> fmt::Debug for Reservation<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reservation")
    }
}

/// Cash that is set aside for an order that may live. Dropped, it stays set aside: the order is still listed in
/// [`Snapshot::orders`](crate::Snapshot::orders), and [`Ledger::in_flight`] gives it back. Nothing is settled or given back
/// after its end:
///
/// ```compile_fail,E0382
/// # use backstop_rollback::{Evidence, InFlight};
/// # fn again(order: InFlight<u32>, evidence: &Evidence) {
/// let ended = order.end(evidence);
/// let once_more = order.end(evidence);
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use backstop_rollback::{Evidence, InFlight, Part};
/// # fn late(mut order: InFlight<u32>, evidence: &Evidence, part: Part) {
/// let ended = order.end(evidence);
/// let late = order.fill(part);
/// # }
/// ```
#[must_use = "dropped, what was set aside stays so until the order is looked up and ended"]
pub struct InFlight<K: Ord + Hash + Clone> {
    ledger: Ledger<K>,
    key: Option<K>,
}

impl<K: Ord + Hash + Clone> InFlight<K> {
    pub(crate) fn new(ledger: Ledger<K>, key: K) -> Self {
        Self { ledger, key: Some(key) }
    }

    /// Settles what was filled, at its real price: that part becomes a position of the same name. What it took comes out of
    /// what was set aside for the order; an order that takes no more than its worst case in all is always settled. What is
    /// left stays set aside until the last part, or the [`end`](InFlight::end): the fees may come last.
    ///
    /// Each part once: the ledger cannot tell a second report of one from another part at the same price.
    ///
    /// # Errors
    /// [`LedgerError::Overfilled`], [`LedgerError::Overdrawn`], [`LedgerError::Unknown`] if the order has ended, or an amount
    /// that cannot be. Then no amount has changed, and what happened at the broker is not in the ledger: nothing more is set
    /// aside until somebody has compared the two ([`Ledger::correct`]).
    pub fn fill(&mut self, part: Part) -> Result<(), LedgerError> {
        let key = self.key.as_ref().ok_or(LedgerError::Unknown)?;
        self.ledger.books().lock().fill(key, &part)
    }

    /// The order is at rest: what is still set aside for it is free. The evidence belongs on the record, which is the
    /// caller's.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`] if somebody else has ended it.
    pub fn end(mut self, _evidence: &Evidence) -> Result<(), LedgerError> {
        let key = self.key.take().ok_or(LedgerError::Unknown)?;
        self.ledger.books().lock().end(&key)
    }
}

impl<K: Ord + Hash + Clone> fmt::Debug for InFlight<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InFlight")
    }
}
