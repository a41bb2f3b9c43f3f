//! Undo your own changes and only yours; cash that cannot be spent twice.
//!
//! A bot took a copy of its portfolio before each trade and put the copy back when the trade failed. Meanwhile another trade
//! had been filled: it was gone from the book, and from then on nobody watched it. Two trades that looked at the same free
//! cash spent it twice. Here a change brings its inverse, and taking back is done by inverses, in reverse; and cash is set
//! aside before an order leaves, in one step with the look at what is free.
//!
//! * [`Store`] and [`Transaction`]: changes of any state that stay together or go together.
//! * [`Saga`] and [`run`]: steps with outside effects that are all done or all taken back, also after a crash.
//! * [`Ledger`]: cash, what is set aside for orders, what positions have cost; [`Reservation`] and [`InFlight`] are what an
//!   order has of it.
//!
//! # What holds
//!
//! * **TXN-1** What a transaction changed stays when it is committed, and is taken back when it is dropped in any other way:
//!   by an error, a panic, a canceled task. One of whose changes was refused cannot be committed, whoever swallowed the
//!   error. Each change is one step for everybody else, and so is taking back all of them.
//! * **TXN-2** It takes back its own changes, whatever others have changed in between.
//! * **TXN-3** Free cash never goes below zero, and money is conserved: what is free, set aside, held as margin, spent on
//!   positions and paid in fees is what was paid in and earned. Checked after every change in debug builds.
//! * **TXN-4** [`Savepoint`]s nest; rolling back to one keeps what came before it.
//! * **TXN-5** What a [`Saga`] did outside is on record before it is done, and is taken back in reverse, each step at least
//!   once, also after a crash. A compensation that fails is tried again with growing pauses; one that cannot be done ends
//!   [`Finished::Unresolved`], with both errors and with what a person has to do.
//! * **TXN-6** What an order was given stays set aside for as long as the order may live: an [`InFlight`] that is dropped
//!   gives nothing back, and only [`Evidence`] that the order is at rest does.
//! * **TXN-7** A balance that could not be read, or that cannot be, changes nothing, and is known to be stale
//!   ([`Ledger::balance_read`]).
//!
//! # Features
//!
//! * `wal`: [`SagaLog`](https://docs.rs/backstop-rollback/latest/backstop_rollback/struct.SagaLog.html), sagas in a
//!   write-ahead log.
//!
//! # When to take something else
//!
//! To keep what is in memory over a crash, write what happened to a log (`backstop-wal`) and fold [`Books`] from it; a ledger
//! that follows them ([`Ledger::follow`]) sets aside on top what is not in the log yet. To do one thing at a broker exactly once, write its intent to a log and look it up by client order id.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod books;
mod ledger;
mod order;
mod saga;
mod snapshot;
mod store;
mod sync;

pub use books::{Balances, Books, Caps, Hold, LedgerError, Overdrawn};
pub use ledger::{BalanceRead, Compared, Ledger};
pub use order::{Evidence, InFlight, NoEvidence, Part, Reservation};
pub use saga::{
    Appending, Doing, Effects, End, Finished, Impossible, Interrupted, JournalError, MemoryJournal, Outcome, Retry,
    Saga, SagaJournal, SagaRecord, StepPlan, StepState, run,
};
#[cfg(feature = "wal")]
pub use saga::{SagaLog, SagaOpenError};
pub use snapshot::{OrderView, PositionView, Snapshot};
pub use store::{Aborted, ApplyError, CannotUndo, Fault, Savepoint, Store, Transaction, Unsound};

/// The number of all amounts. Re-exported so that users agree on it.
pub use rust_decimal::Decimal;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
