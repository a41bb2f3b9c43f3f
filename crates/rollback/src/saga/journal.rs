//! Where the records of sagas are kept.

use std::error::Error;
use std::fmt;
use std::pin::Pin;

use super::record::{Impossible, SagaRecord};
use super::{Saga, Sagas};
use crate::sync::Mutex;

/// Where the records of sagas are kept.
///
/// Implementors guarantee that a record is durable, as they understand it, when its future ends in `Ok`, and that records
/// are read back in order.
pub trait SagaJournal: Send + Sync + fmt::Debug {
    /// Writes a record down.
    ///
    /// # Cancel safety
    /// Dropped, the record is there whole or not at all.
    fn append<'a>(&'a self, record: &'a SagaRecord) -> Appending<'a>;
}

/// A record on its way into a journal.
pub type Appending<'a> = Pin<Box<dyn Future<Output = Result<(), JournalError>> + Send + 'a>>;

/// A journal did not take a record. Nothing was done that is not on record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The record cannot be written. The journal is what it was.
    #[error(transparent)]
    Impossible(#[from] Impossible),
    /// What keeps the records failed.
    #[error("the journal of sagas failed; open it again, which takes back what is not at rest")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// A journal in memory: for tests, and for what may be forgotten when the process ends.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Sagas>);

impl MemoryJournal {
    /// Those that are not at rest, as if the process had ended. Asks for the journal alone, as nobody may run one.
    pub fn unfinished(&mut self) -> Vec<Saga> {
        self.0.lock().restored()
    }
}

impl SagaJournal for MemoryJournal {
    fn append<'a>(&'a self, record: &'a SagaRecord) -> Appending<'a> {
        let mut sagas = self.0.lock();
        let noted = sagas.check(record).and_then(|()| sagas.note(record));
        Box::pin(std::future::ready(noted.map_err(JournalError::Impossible)))
    }
}
