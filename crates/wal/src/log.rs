//! A log that is open for writing.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::chain;
use crate::commit::{Append, Appending, Committer, Content, Staged};
use crate::engine::Engine;
use crate::error::{AppendError, RemoveError};
use crate::format::{Kind, batch_records, read_lost};
use crate::segment;
use crate::storage::{Access, Storage};

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
        /// Its number; the first record of a log has number 1, and no number is left out but those of [`Entry::Lost`].
        seq: u64,
        /// As it was appended.
        bytes: &'a [u8],
    },
    /// Records that were lost: this is the copy of a damaged log, made by [`salvage`](crate::salvage).
    Lost {
        /// The number of the first.
        seq: u64,
        /// How many there were, if that is known. If not, one number is left out.
        count: Option<u64>,
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
            Kind::Lost => visit(Self::Lost { seq, count: read_lost(payload).filter(|count| *count > 0) }),
            Kind::Mark | Kind::Seal | Kind::Restart => {}
        }
    }
}

/// A log that is open for writing, by this process alone (WAL-5). Shared between threads behind an `Arc` or by reference.
///
/// Dropping it keeps what was acknowledged, like a crash, and waits for nothing, so that it may be dropped in a task. If a
/// thread of the log's own is in the middle of a sync at that moment, or of making the next segment, the lock is free as
/// soon as that is done; otherwise at once. [`close`](Log::close) waits for them, and also makes buffered records durable.
#[derive(Debug)]
pub struct Log {
    storage: Arc<dyn Storage>,
    committer: Arc<Committer<Engine>>,
    /// Whether the thread that leads for tasks could be started.
    helper: OnceLock<Result<(), Arc<io::Error>>>,
}

impl Log {
    pub(crate) fn new(storage: Arc<dyn Storage>, committer: Committer<Engine>) -> Self {
        Self { storage, committer: Arc::new(committer), helper: OnceLock::new() }
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

    /// Appends records that are read back together or not at all (WAL-2); returns the number of the first. With none,
    /// nothing is written or synced, and the next number is returned.
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

    /// Writes down what all records so far amount to, so that opening begins there (WAL-6). The records stay until
    /// [`remove_history`](Log::remove_history). Returns the number of the first record behind it.
    ///
    /// Like an ordinary record it leaves the reserve alone: what it stands for may have to be closed yet (WAL-8).
    ///
    /// The caller sees to it that `state` has what those records say and nothing else: nobody appends meanwhile.
    ///
    /// # Errors
    /// [`AppendError::Failed`] leaves open whether the checkpoint is there; in any case no record is lost.
    ///
    /// # Durability
    /// It and all records before it are on disk when this returns. It begins a segment of its own.
    pub fn checkpoint(&self, state: &[u8]) -> Result<u64, AppendError> {
        self.checkpoint_staged(state, || {})
    }

    /// As [`checkpoint`](Log::checkpoint); `staged` is called once its place in the log is settled: who appends from then
    /// on is behind it.
    pub(crate) fn checkpoint_staged(&self, state: &[u8], staged: impl FnOnce()) -> Result<u64, AppendError> {
        let (content, how) = (Content::Checkpoint(state), Append::DURABLE);
        let ticket = loop {
            match self.committer.try_stage(content, how)? {
                Staged::Yes(ticket) => break ticket,
                Staged::NeedsSegment => self.committer.make_room(content, true)?,
                Staged::NeedsCommit => self.committer.make_room(content, false)?,
            }
        };
        staged();
        self.committer.wait(ticket, how)
    }

    /// Removes the segments that the newest checkpoint stands for, except for the newest `keep` of them; returns how many
    /// were removed.
    ///
    /// # Errors
    /// [`RemoveError`]. If the disk refused, the log takes nothing more until it is opened again (WAL-4); no record is lost.
    ///
    /// # Durability
    /// What was removed stays so when this returns. A crash before may leave the newest of it, which no opening reads.
    pub fn remove_history(&self, keep: u64) -> Result<u64, RemoveError> {
        let Some(checkpoint) = self.committer.checkpoint()? else { return Ok(0) };
        self.remove_before(checkpoint.saturating_sub(keep))
    }

    /// Removes history from the oldest on, as long as there are more than `most` bytes of it, or what is before a checkpoint
    /// that `is_past`.
    pub(crate) fn remove_past(&self, most: u64, is_past: &dyn Fn(&[u8]) -> bool) -> Result<u64, RemoveError> {
        let Some(newest) = self.committer.checkpoint()? else { return Ok(0) };
        let storage = self.storage.as_ref();
        let listing = segment::list(storage)?;
        let old = listing.segments.iter().copied().filter(|index| *index < newest);
        let mut by_size = 0;
        let mut kept = 0_u64;
        for index in old.rev() {
            // What cannot be opened counts for nothing: somebody may want to look at it.
            let length = segment::open(storage, index, Access::Read).ok().flatten().map(|found| found.header.capacity);
            kept = kept.saturating_add(length.unwrap_or(0));
            if kept > most {
                by_size = index + 1;
                break;
            }
        }
        let mut by_age = 0;
        for index in listing.segments.into_iter().filter(|index| *index <= newest) {
            match chain::checkpoint_at(&self.storage, index) {
                None => {}
                Some(state) if is_past(&state) => by_age = index,
                // Later ones are younger.
                Some(_) => break,
            }
        }
        self.remove_before(by_size.max(by_age))
    }

    /// Removes the segments before `bound`, none of which may be the newest checkpoint's or behind it.
    fn remove_before(&self, bound: u64) -> Result<u64, RemoveError> {
        let listing = segment::list(self.storage.as_ref())?;
        let old: Vec<u64> = listing.segments.into_iter().filter(|index| *index < bound).collect();
        // WAL-3: from the oldest on, each for good before the next: so whatever a crash leaves has no gap, and a gap is a
        // segment that somebody else took away. One at a time, so that appends come between.
        for index in &old {
            self.committer.exclusively(|| {
                match self.storage.remove(&segment::name(*index)) {
                    // Another caller was here first.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    removed => removed?,
                }
                self.storage.sync_directory()
            })?;
        }
        Ok(old.len() as u64)
    }

    /// Makes everything durable and leaves a mark that says so, so that damage of the last records can be told from a
    /// torn tail. Then lets the lock go: it is free when this returns, also with an error. Waits for the disk.
    ///
    /// # Errors
    /// [`AppendError::Failed`]: what was not durable before may be lost.
    pub fn close(self) -> Result<(), AppendError> {
        self.committer.close()
    }

    /// As [`append`](Log::append), for tasks: needs no runtime and holds up none, since a thread of the log's own writes
    /// and syncs. It is started by the first call.
    ///
    /// # Errors
    /// As [`append`](Log::append).
    ///
    /// # Cancel safety
    /// Dropped before it was first polled, nothing happens. After that the record may be appended all the same, whole, and
    /// nobody is told.
    pub async fn append_async(&self, record: &[u8], how: Append) -> Result<u64, AppendError> {
        self.append_later(Content::Record(record), how).await
    }

    /// As [`append_batch`](Log::append_batch), for tasks.
    ///
    /// # Errors
    /// As [`append`](Log::append).
    ///
    /// # Cancel safety
    /// As [`append_async`](Log::append_async): all of it or nothing.
    pub async fn append_batch_async(&self, records: &[&[u8]], how: Append) -> Result<u64, AppendError> {
        if records.is_empty() {
            return self.committer.next_seq();
        }
        self.append_later(Content::Batch(records), how).await
    }

    /// The queue, for who has a say in what is staged.
    pub(crate) fn committer(&self) -> &Arc<Committer<Engine>> {
        &self.committer
    }

    async fn append_later(&self, content: Content<'_>, how: Append) -> Result<u64, AppendError> {
        self.start_helper()?;
        Appending::new(&self.committer, content, how).await
    }

    /// Starts the thread that writes for tasks, unless it runs.
    pub(crate) fn start_helper(&self) -> Result<(), AppendError> {
        let start = || {
            let committer = Arc::clone(&self.committer);
            let spawned = thread::Builder::new().name("backstop-wal".to_owned()).spawn(move || committer.serve());
            // Never joined: it ends by itself once the log is dropped.
            spawned.map(drop).map_err(Arc::new)
        };
        match self.helper.get_or_init(start) {
            Ok(()) => Ok(()),
            Err(source) => Err(AppendError::NoHelper { source: Arc::clone(source) }),
        }
    }
}

impl Drop for Log {
    /// Never waits. What holds the lock is dropped here, or by the thread that is writing with it.
    fn drop(&mut self) {
        self.committer.abandon();
    }
}
