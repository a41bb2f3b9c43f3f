//! Where records go. The wall behind which the write-ahead log will stand.

mod file;
mod frame;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::record::Batch;

pub use file::{Contents, FileJournal};

/// A durable, ordered list of batches.
#[async_trait]
pub trait Journal: Send + Sync + fmt::Debug {
    /// Writes one batch: whole or not at all.
    ///
    /// # Errors
    /// After the first error nothing is acknowledged any more until the journal is opened anew (WAL-4): what is on disk
    /// is then unknown.
    ///
    /// # Durability
    /// The batch is durable when this returns `Ok`.
    ///
    /// # Cancel safety
    /// The batch may be written although the future was dropped. The desk does not drop it: it writes in a task of its
    /// own.
    async fn append(&self, batch: Arc<Batch>) -> Result<(), JournalError>;
}

/// Why a journal did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An earlier write failed.
    #[error("an earlier write to {} failed; restart the bot to read what is on disk", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
    },
    /// The file is not at its path any more. Nothing was written.
    #[error("{} was moved, deleted or replaced while the bot ran; stop, put it back, and start again", path.display())]
    Moved {
        /// The file.
        path: PathBuf,
    },
    /// Damage before the tail. Nothing was changed.
    #[error(
        "{} is damaged in line {line} (byte {offset}): {what}. The {} line(s) before it are intact. Nothing was changed; \
         restore the file from a copy, or move it aside and settle the account by hand",
        path.display(),
        line - 1
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The byte at which it begins.
        offset: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Written by a newer version.
    #[error("{} was written in format {found}, this version reads up to {known}; use the newer version", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that this version reads.
        known: u32,
    },
    /// A record that is intact, and that this version does not know. Nothing was changed.
    #[error(
        "line {line} of {} is intact, but not a record that this version knows ({what}); use the version that wrote it",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the decoder said.
        what: String,
    },
    /// A batch that cannot be written down.
    #[error("a record cannot be encoded ({what}); this is a bug in Backstop")]
    Encode {
        /// What the encoder said.
        what: String,
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

#[cfg(test)]
mod tests;
