//! Where records go: a durable, ordered list of batches.

mod log;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::record::Batch;

pub use log::{Contents, LogJournal, OpenJournalError, Past, Upkeep};

/// A durable, ordered list of batches.
#[async_trait]
pub trait Journal: Send + Sync + fmt::Debug {
    /// Writes one batch: whole or not at all.
    ///
    /// # Errors
    /// [`JournalError`]. After [`JournalError::Failed`] nothing is acknowledged any more until the journal is opened anew
    /// (WAL-4): what is on disk is then unknown.
    ///
    /// # Durability
    /// The batch is durable when this returns `Ok`.
    ///
    /// # Cancel safety
    /// The batch may be written although the future was dropped. The desk does not drop it: it writes in a task of its
    /// own.
    async fn append(&self, batch: Arc<Batch>) -> Result<(), JournalError>;

    /// What somebody should see to although nothing is lost by it, for as long as it lasts; the desk raises an alert.
    fn complaint(&self) -> Option<String> {
        None
    }
}

/// Why a batch was not written, or may not have been.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It was not written. Others may be: a full disk keeps room for what closes (WAL-8).
    #[error("the record was not written")]
    Refused {
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It may be written or not, and the journal takes nothing more.
    #[error("the journal failed: start again to read what is on disk")]
    Failed {
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A journal that ends with the process: for tests, and for those who want none on disk.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    batches: Mutex<Vec<Arc<Batch>>>,
}

impl MemoryJournal {
    /// What was written so far.
    pub fn batches(&self) -> Vec<Batch> {
        self.batches.lock().iter().map(|batch| Batch::clone(batch)).collect()
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, batch: Arc<Batch>) -> Result<(), JournalError> {
        self.batches.lock().push(batch);
        Ok(())
    }
}
