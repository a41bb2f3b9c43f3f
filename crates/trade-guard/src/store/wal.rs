//! Claims in a write-ahead log.

use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use backstop_wal::{Append, AppendError, Entry, Log, OpenError, Opened, Options, Storage};
use serde::{Deserialize, Serialize};

use super::gate::Gate;
use super::record::{Event, Record};
use super::{Appending, ClaimStore, Claims, StoreError};
use crate::sync::{AtomicU64, Mutex, Ordering};

/// The version of the records, in each of them. Raise it with every change that an older reader would get wrong.
const VERSION: u32 = 1;

/// After so many records a checkpoint takes their place.
const CHECKPOINT_EVERY: u64 = 1000;

/// How many segments of what a checkpoint stands for are kept, for who wants to read what happened.
const KEEP_SEGMENTS: u64 = 2;

/// Claims in a write-ahead log of their own: durable against any crash of the process or the machine.
///
/// Records are JSON, one a record of the log. After a thousand of them a checkpoint takes their place, written by a thread
/// of the store's own; what it no longer needs is removed, so that the log does not grow with the years.
///
/// For one guard: a second one would not see what is in progress in the first, and is refused. Clone the guard instead; in
/// place of one that is gone, open the store again.
pub struct WalStore {
    inner: Arc<Inner>,
    /// How many guards asked for it.
    guards: AtomicU64,
    /// The last checkpoint's.
    helper: Mutex<Option<JoinHandle<()>>>,
}

struct Inner {
    log: Log,
    gate: Gate,
    claims: Mutex<Claims>,
    /// Records since the last checkpoint.
    uncovered: AtomicU64,
}

impl fmt::Debug for WalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WalStore").field("log", &self.inner.log).finish_non_exhaustive()
    }
}

/// Why claims could not be opened. Nothing was dropped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalOpenError {
    /// The log beneath was not opened.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// A later version of Backstop wrote this.
    #[error("record {seq} has version {version}, this program reads {VERSION}; open it with the version that wrote it")]
    Newer {
        /// The number of the record.
        seq: u64,
        /// Its version.
        version: u32,
    },
    /// A record is whole and cannot be understood: another program wrote it.
    #[error("record {seq} is intact and is no claim; check the path")]
    Unreadable {
        /// The number of the record.
        seq: u64,
        /// What was wrong with it.
        source: serde_json::Error,
    },
    /// The log was salvaged from a damaged one, and lacks claims.
    #[error("the log was salvaged and lacks claims from record {seq} on; settle with the broker what they were for")]
    Lost {
        /// The number of the first record that is missing.
        seq: u64,
    },
    /// The history was long, and a checkpoint in its place could not be written.
    #[error("the claims are intact, and their log does not take anything more")]
    Checkpoint(#[source] StoreError),
}

#[derive(Serialize, Deserialize)]
struct Line<T> {
    version: u32,
    record: T,
}

#[derive(Serialize, Deserialize)]
struct Snapshot<T> {
    version: u32,
    claims: T,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl WalStore {
    /// Opens the claims in `storage`, or begins them.
    ///
    /// # Errors
    /// [`WalOpenError`]; no record was changed or dropped.
    pub fn open(storage: Arc<dyn Storage>, options: &Options) -> Result<(Self, Opened), WalOpenError> {
        let (mut claims, mut refused, mut uncovered) = (Claims::default(), None, 0);
        let (log, opened) = options.open(storage, |entry| {
            if refused.is_none() {
                refused = read(&mut claims, entry).err();
                uncovered += 1;
            }
        })?;
        if let Some(refused) = refused {
            return Err(refused);
        }
        let (claims, uncovered) = (Mutex::new(claims), AtomicU64::new(uncovered));
        let inner = Inner { log, gate: Gate::default(), claims, uncovered };
        if inner.is_due() {
            inner.checkpoint().map_err(WalOpenError::Checkpoint)?;
        }
        Ok((Self { inner: Arc::new(inner), guards: AtomicU64::new(0), helper: Mutex::new(None) }, opened))
    }

    /// Writes down what all records so far amount to and removes what that makes superfluous. Done by itself from time to
    /// time; before a backup, say, it may be asked for. Returns whether it was: not while somebody appends.
    ///
    /// # Errors
    /// [`StoreError`]; no claim is lost by it.
    pub fn checkpoint(&self) -> Result<bool, StoreError> {
        self.inner.checkpoint()
    }

    fn checkpoint_if_due(&self) {
        if !self.inner.is_due() {
            return;
        }
        let mut helper = self.helper.lock();
        if helper.as_ref().is_none_or(JoinHandle::is_finished) {
            let inner = Arc::clone(&self.inner);
            // Not here: whoever enters or ends should not wait for it, least of all a task. What fails shows at the next
            // append, and a thread that cannot be had is asked for again then.
            let begun = thread::Builder::new().name("backstop-claims".to_owned()).spawn(move || {
                let _shown_by_the_next_append = inner.checkpoint();
            });
            *helper = begun.ok();
        }
    }
}

impl Drop for WalStore {
    /// Waits for a checkpoint that is being written, so that the log is free afterwards.
    fn drop(&mut self) {
        if let Some(helper) = self.helper.lock().take() {
            // A helper that panicked has said so.
            let _panicked = helper.join();
        }
    }
}

impl ClaimStore for WalStore {
    fn load(&self) -> Result<Claims, StoreError> {
        // GUARD-1: two guards on one store would each let somebody in. Relaxed: one of them is first.
        if self.guards.fetch_add(1, Ordering::Relaxed) > 0 {
            return Err(StoreError::Refused {
                source: "a guard was opened on it; clone that guard, or open the store again when it is gone".into(),
            });
        }
        Ok(self.inner.claims.lock().clone())
    }

    fn append(&self, record: &Record) -> Result<(), StoreError> {
        let (line, how) = encoded(record)?;
        {
            let _pass = self.inner.gate.pass();
            self.inner.log.append(&line, how).map_err(refused)?;
            self.inner.note(record);
        }
        self.checkpoint_if_due();
        Ok(())
    }

    fn append_async<'a>(&'a self, record: &'a Record) -> Appending<'a> {
        Box::pin(async move {
            let (line, how) = encoded(record)?;
            {
                let _pass = self.inner.gate.pass_async().await;
                self.inner.log.append_async(&line, how).await.map_err(refused)?;
                self.inner.note(record);
            }
            self.checkpoint_if_due();
            Ok(())
        })
    }
}

impl Inner {
    fn is_due(&self) -> bool {
        self.uncovered.load(Ordering::Relaxed) >= CHECKPOINT_EVERY
    }

    /// Takes what is on disk into account, while a checkpoint is kept out. A record that was given up on its way is left
    /// out, as if its append had failed: the next claim of its key makes up for it, and until then it counts as open.
    fn note(&self, record: &Record) {
        self.claims.lock().apply(record);
        self.uncovered.fetch_add(1, Ordering::Relaxed);
    }

    fn checkpoint(&self) -> Result<bool, StoreError> {
        let Some(_shut) = self.gate.try_shut() else { return Ok(false) };
        let snapshot = Snapshot { version: VERSION, claims: self.claims.lock().clone() };
        let line = serde_json::to_vec(&snapshot).map_err(|source| StoreError::Refused { source: source.into() })?;
        self.log.checkpoint(&line).map_err(refused)?;
        self.uncovered.store(0, Ordering::Relaxed);
        self.log.remove_history(KEEP_SEGMENTS).map_err(|source| StoreError::Refused { source: source.into() })?;
        Ok(true)
    }
}

/// What ends an attempt may use the room that the log keeps for that (WAL-8).
fn encoded(record: &Record) -> Result<(Vec<u8>, Append), StoreError> {
    let line = serde_json::to_vec(&Line { version: VERSION, record });
    let line = line.map_err(|source| StoreError::Refused { source: source.into() })?;
    let begins = matches!(record.event, Event::Claimed { .. });
    Ok((line, if begins { Append::DURABLE } else { Append::DURABLE.from_reserve() }))
}

fn refused(error: AppendError) -> StoreError {
    match error {
        AppendError::Failed { .. } => StoreError::Failed { source: error.into() },
        _ => StoreError::Refused { source: error.into() },
    }
}

fn read(claims: &mut Claims, entry: Entry<'_>) -> Result<(), WalOpenError> {
    let (seq, bytes) = match entry {
        Entry::Checkpoint { seq, state } => (seq, state),
        Entry::Record { seq, bytes } => (seq, bytes),
        Entry::Lost { seq, .. } => return Err(WalOpenError::Lost { seq }),
    };
    let unreadable = |source| WalOpenError::Unreadable { seq, source };
    let Versioned { version } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if version > VERSION {
        return Err(WalOpenError::Newer { seq, version });
    }
    match entry {
        Entry::Checkpoint { .. } => {
            *claims = serde_json::from_slice::<Snapshot<Claims>>(bytes).map_err(unreadable)?.claims;
        }
        Entry::Record { .. } | Entry::Lost { .. } => {
            claims.apply(&serde_json::from_slice::<Line<Record>>(bytes).map_err(unreadable)?.record);
        }
    }
    Ok(())
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
