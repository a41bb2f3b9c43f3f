//! Transactions over any state: each change brings its inverse, and undoing takes back one's own changes and no others.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::sync::Mutex;

/// A state that several transactions change at the same time.
///
/// A change is made under a lock that is held for as long as the change takes, and seen by everybody from then on. What must
/// be seen together is one change. No lock is held between two changes: whoever has a transaction open may ask a broker.
/// A change, an inverse or a look that uses its own store waits for itself for ever.
#[derive(Debug)]
pub struct Store<S> {
    inner: Mutex<Inner<S>>,
}

#[derive(Debug)]
struct Inner<S> {
    state: S,
    faults: Vec<Fault>,
}

/// Something that could not be done or taken back whole: the state may be wrong, and no transaction begins until somebody
/// has looked at it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A change panicked before it was done.
    #[error("a change panicked halfway")]
    ChangePanicked,
    /// An inverse panicked.
    #[error("an inverse panicked")]
    InversePanicked,
    /// An inverse said that it could not be done.
    #[error("an inverse failed: {reason}")]
    InverseFailed {
        /// What it said.
        reason: String,
    },
}

/// The state may be wrong: see [`Store::mend`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the state may be wrong since {} ({} in all); compare it with what is true, then mend it", first(faults), faults.len())]
pub struct Unsound {
    faults: Vec<Fault>,
}

fn first(faults: &[Fault]) -> &dyn fmt::Display {
    faults.first().map_or(&"a fault", |fault| fault)
}

impl Unsound {
    /// What happened, oldest first.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// Why an inverse could not take its change back, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CannotUndo(String);

impl CannotUndo {
    /// For this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

type Inverse<S> = Box<dyn FnOnce(&mut S) -> Result<(), CannotUndo> + Send>;

/// A change of the transaction was not made, so none of it can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a change was not made, so the transaction is taken back; begin anew, or try in a savepoint what may be refused"
)]
pub struct Aborted;

/// Why a change was not made. It has left nothing behind, and the transaction, or the savepoint it was to be in, can only be
/// taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum ApplyError<E> {
    /// The change refused.
    #[error(transparent)]
    Refused(E),
    /// The state may be wrong.
    #[error(transparent)]
    Unsound(Unsound),
    /// A change before it was not made.
    #[error(transparent)]
    Aborted(Aborted),
}

impl<S> Store<S> {
    /// A store of `state`.
    pub fn new(state: S) -> Self {
        Self { inner: Mutex::new(Inner { state, faults: Vec::new() }) }
    }

    /// Begins a transaction. Takes no lock.
    pub fn begin(&self) -> Transaction<'_, S> {
        Transaction { changes: Changes { store: self, inverses: Vec::new(), aborted: false } }
    }

    /// Looks at the state, while nobody changes it. It is the present one: also what others have changed and not committed.
    ///
    /// # Errors
    /// [`Unsound`]
    pub fn read<T>(&self, look: impl FnOnce(&S) -> T) -> Result<T, Unsound> {
        let inner = self.inner.lock();
        inner.sound()?;
        Ok(look(&inner.state))
    }

    /// For a person who has compared the state with what is true: makes it so, and ends what was wrong. Returns what that
    /// was, for the record.
    pub fn mend(&self, make_true: impl FnOnce(&mut S)) -> Vec<Fault> {
        let mut inner = self.inner.lock();
        inner.faults.push(Fault::ChangePanicked);
        make_true(&mut inner.state);
        inner.faults.pop();
        std::mem::take(&mut inner.faults)
    }
}

impl<S> Inner<S> {
    fn sound(&self) -> Result<(), Unsound> {
        if self.faults.is_empty() { Ok(()) } else { Err(Unsound { faults: self.faults.clone() }) }
    }
}

/// What was changed and by what it is taken back. Undone in reverse when it is dropped.
struct Changes<'a, S> {
    store: &'a Store<S>,
    inverses: Vec<Inverse<S>>,
    /// A change was not made.
    aborted: bool,
}

impl<S> Changes<'_, S> {
    fn apply<T, E, I>(&mut self, change: impl FnOnce(&mut S) -> Result<(T, I), E>) -> Result<T, ApplyError<E>>
    where
        I: FnOnce(&mut S) -> Result<(), CannotUndo> + Send + 'static,
    {
        if self.aborted {
            return Err(ApplyError::Aborted(Aborted));
        }
        // TXN-1: it stays if the change is not made. Who swallows the error, or the panic, does not keep half.
        self.aborted = true;
        let mut inner = self.store.inner.lock();
        inner.sound().map_err(ApplyError::Unsound)?;
        // It stays if the change panics: the state is half changed, and nobody knows which half.
        inner.faults.push(Fault::ChangePanicked);
        let changed = change(&mut inner.state);
        inner.faults.pop();
        drop(inner);
        let (value, inverse) = changed.map_err(ApplyError::Refused)?;
        self.inverses.push(Box::new(inverse));
        self.aborted = false;
        Ok(value)
    }

    /// Takes back what was changed after the first `keep` changes.
    fn undo(&mut self, keep: usize) {
        if self.inverses.len() <= keep {
            return;
        }
        // Under one lock: nobody sees half of it undone.
        let mut inner = self.store.inner.lock();
        for inverse in self.inverses.drain(keep..).rev() {
            // It may run while a panic unwinds, where a second one would end the process.
            let undone = catch_unwind(AssertUnwindSafe(|| inverse(&mut inner.state)));
            // TXN-2: the others are undone all the same, and the fault is kept.
            match undone {
                Ok(Ok(())) => {}
                Ok(Err(CannotUndo(reason))) => inner.faults.push(Fault::InverseFailed { reason }),
                Err(panic) => {
                    inner.faults.push(Fault::InversePanicked);
                    // Dropping it can panic in turn.
                    std::mem::forget(panic);
                }
            }
        }
    }
}

/// Changes that stay together or go together (TXN-1). Dropped in any way but by [`commit`](Transaction::commit) (an error, a
/// panic, a canceled task), it takes back what it changed (TXN-2).
#[must_use = "dropped, it takes back what it changed"]
pub struct Transaction<'a, S> {
    changes: Changes<'a, S>,
}

impl<'a, S> Transaction<'a, S> {
    /// Makes a change, which returns what takes it back, or refuses. It must be whole or leave the state as it was; the
    /// inverse must be right whatever others have changed in between: "take ten away", not "set it to what it was".
    ///
    /// ```
    /// use backstop_rollback::{CannotUndo, Store};
    ///
    /// let take = |amount: u32| {
    ///     move |cash: &mut u32| {
    ///         *cash = cash.checked_sub(amount).ok_or(CannotUndo::new("not enough"))?;
    ///         Ok::<_, CannotUndo>(((), move |cash: &mut u32| Ok(*cash += amount)))
    ///     }
    /// };
    /// let cash = Store::new(100);
    /// let mut trade = cash.begin();
    /// trade.apply(take(30))?;
    /// let mut other = cash.begin();
    /// other.apply(take(5))?;
    /// other.commit()?;
    /// drop(trade); // an error, a panic, a canceled task
    /// assert_eq!(cash.read(|cash| *cash)?, 95);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ApplyError`]; then nothing was changed, and the transaction can only be taken back. What may be refused without
    /// that belongs into a [savepoint](Transaction::savepoint).
    ///
    /// # Panics
    /// Only if the change does. The store is unsound then.
    pub fn apply<T, E, I>(&mut self, change: impl FnOnce(&mut S) -> Result<(T, I), E>) -> Result<T, ApplyError<E>>
    where
        I: FnOnce(&mut S) -> Result<(), CannotUndo> + Send + 'static,
    {
        self.changes.apply(change)
    }

    /// Begins a part that can be taken back without the rest (TXN-4).
    pub fn savepoint(&mut self) -> Savepoint<'_, 'a, S> {
        Savepoint::new(&mut self.changes)
    }

    /// Keeps what was changed, for good. It is done once:
    ///
    /// ```compile_fail,E0382
    /// # use backstop_rollback::Transaction;
    /// # fn again(trade: Transaction<'_, u32>) {
    /// let kept = trade.commit();
    /// let again = trade.commit();
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Aborted`] if a change was not made, whoever swallowed its error: then all is taken back.
    pub fn commit(mut self) -> Result<(), Aborted> {
        if self.changes.aborted {
            return Err(Aborted);
        }
        self.changes.inverses.clear();
        Ok(())
    }
}

impl<S> Drop for Transaction<'_, S> {
    fn drop(&mut self) {
        self.changes.undo(0);
    }
}

impl<S> fmt::Debug for Transaction<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("changes", &self.changes.inverses.len()).finish_non_exhaustive()
    }
}

/// A part of a transaction. Dropped, it takes back what was changed in it and keeps what came before: the transaction goes
/// on, also if a change in here was refused.
#[must_use = "dropped, it takes back what was changed since"]
pub struct Savepoint<'t, 'a, S> {
    changes: &'t mut Changes<'a, S>,
    keep: usize,
    aborted_before: bool,
    kept: bool,
}

impl<'t, 'a, S> Savepoint<'t, 'a, S> {
    fn new(changes: &'t mut Changes<'a, S>) -> Self {
        let (keep, aborted_before) = (changes.inverses.len(), changes.aborted);
        Self { changes, keep, aborted_before, kept: false }
    }

    /// Makes a change: as [`Transaction::apply`].
    ///
    /// # Errors
    /// [`ApplyError`]
    ///
    /// # Panics
    /// Only if the change does.
    pub fn apply<T, E, I>(&mut self, change: impl FnOnce(&mut S) -> Result<(T, I), E>) -> Result<T, ApplyError<E>>
    where
        I: FnOnce(&mut S) -> Result<(), CannotUndo> + Send + 'static,
    {
        self.changes.apply(change)
    }

    /// Begins a part of this part.
    pub fn savepoint(&mut self) -> Savepoint<'_, 'a, S> {
        Savepoint::new(self.changes)
    }

    /// Leaves what was changed to what is around it, which may still take it back; and must, if a change was refused.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl<S> Drop for Savepoint<'_, '_, S> {
    fn drop(&mut self) {
        if !self.kept {
            self.changes.undo(self.keep);
            self.changes.aborted = self.aborted_before;
        }
    }
}

impl<S> fmt::Debug for Savepoint<'_, '_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Savepoint").field("changes", &(self.changes.inverses.len() - self.keep)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
