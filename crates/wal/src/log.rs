//! A log that is open for writing.

use crate::commit::{Append, Committer, Content};
use crate::engine::Engine;
use crate::error::AppendError;
use crate::format::{Kind, batch_records};

/// What is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: whoever reads must know all there is")]
pub enum Entry<'a> {
    /// What all records before `seq` amount to.
    Checkpoint {
        /// The number of the first record behind it.
        seq: u64,
        /// As it was given.
        state: &'a [u8],
    },
    /// A record.
    Record {
        /// Its number; the first record of a log has number 1, and no number is left out.
        seq: u64,
        /// As it was appended.
        bytes: &'a [u8],
    },
}

impl<'a> Entry<'a> {
    /// The entries of one frame.
    pub(crate) fn each(kind: Kind, seq: u64, payload: &'a [u8], visit: &mut dyn FnMut(Self)) {
        match kind {
            Kind::Record => visit(Self::Record { seq, bytes: payload }),
            Kind::Checkpoint => visit(Self::Checkpoint { seq, state: payload }),
            Kind::Batch => {
                for (seq, bytes) in (seq..).zip(batch_records(payload).flatten()) {
                    visit(Self::Record { seq, bytes });
                }
            }
            Kind::Mark | Kind::Seal | Kind::Restart => {}
        }
    }
}

/// A log that is open for writing, by this process alone (WAL-5). Shared between threads behind an `Arc` or by reference.
///
/// Dropping it keeps what was acknowledged, like a crash; [`close`](Log::close) also makes buffered records durable.
#[derive(Debug)]
pub struct Log {
    committer: Committer<Engine>,
}

impl Log {
    pub(crate) fn new(committer: Committer<Engine>) -> Self {
        Self { committer }
    }

    /// Appends a record and returns its number once it is as safe as `how` asks.
    ///
    /// Threads that append at the same time share one write and one sync.
    ///
    /// # Errors
    /// [`AppendError::Failed`] leaves open whether the record is there; every other error means that it is not.
    ///
    /// # Durability
    /// With [`Append::DURABLE`] it and all records before it are on disk when this returns (WAL-1).
    pub fn append(&self, record: &[u8], how: Append) -> Result<u64, AppendError> {
        self.committer.append(Content::Record(record), how)
    }

    /// Appends records that are read back together or not at all (WAL-2); returns the number of the first, or the next
    /// number if there are none.
    ///
    /// # Errors
    /// As [`append`](Log::append), for all of them.
    ///
    /// # Durability
    /// As [`append`](Log::append).
    pub fn append_batch(&self, records: &[&[u8]], how: Append) -> Result<u64, AppendError> {
        if records.is_empty() {
            return self.committer.next_seq();
        }
        self.committer.append(Content::Batch(records), how)
    }

    /// Makes everything that was appended so far durable.
    ///
    /// # Errors
    /// [`AppendError::Failed`]: what was not durable before may be lost.
    pub fn sync(&self) -> Result<(), AppendError> {
        self.committer.sync()
    }

    /// Makes everything durable and leaves a mark that says so, so that damage of the last records can be told from a
    /// torn tail. Then lets the lock go.
    ///
    /// # Errors
    /// [`AppendError::Failed`]: what was not durable before may be lost.
    pub fn close(self) -> Result<(), AppendError> {
        self.committer.close()
    }
}
