//! Where claims are kept so that they outlive the process.

mod claims;
#[cfg(any(feature = "wal", all(test, loom)))]
mod gate;
mod memory;
mod record;
#[cfg(feature = "wal")]
mod wal;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use backstop_clock::Clock;

pub use self::claims::Claims;
pub(crate) use self::claims::{Claim, Open};
pub use self::memory::MemoryStore;
pub(crate) use self::record::cut;
pub use self::record::{Event, Grounds, InvalidGrounds, Record, Verdict};
#[cfg(feature = "wal")]
pub use self::wal::{WalOpenError, WalStore};

/// A place for claims. One guard at a time writes to it: of two, each would let somebody in. A store that can tell refuses
/// to [`load`](ClaimStore::load) for the second.
///
/// Implementors guarantee that a record is durable, as they understand it, before `append` returns `Ok`, that it is whole
/// or not there, and that a guard opened later is given what all records so far amount to. A guard asks for nothing else:
/// each claim says of itself all that must be known of its key.
pub trait ClaimStore: Send + Sync + fmt::Debug {
    /// What the records so far amount to. Asked once, by the guard that opens on it, before anything is appended.
    ///
    /// # Errors
    /// [`StoreError`].
    fn load(&self) -> Result<Claims, StoreError>;

    /// Writes a record down; it is durable when this returns. May wait for the disk.
    ///
    /// # Errors
    /// [`StoreError`] says whether it may be there all the same.
    fn append(&self, record: &Record) -> Result<(), StoreError>;

    /// The same for tasks: does not hold up a runtime's worker.
    ///
    /// # Errors
    /// [`StoreError`] says whether it may be there all the same.
    ///
    /// # Cancel safety
    /// Dropped, the record is there whole or not at all.
    fn append_async<'a>(&'a self, record: &'a Record) -> Appending<'a>;
}

/// A record on its way into a store.
pub type Appending<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// Why a store did not acknowledge a record, or cannot say what it holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It was not done and will not be found later.
    #[error("the claim store refused; nothing was written")]
    Refused {
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It failed on the way: the record may be found when the store is opened again, or not.
    #[error("the claim store failed; whether the record is there shows when it is opened again")]
    Failed {
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A store, and the clock for its records.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) store: Arc<dyn ClaimStore>,
    pub(crate) clock: Arc<dyn Clock>,
}
