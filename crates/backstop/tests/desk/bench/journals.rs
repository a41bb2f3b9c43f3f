//! Journals that die, are full, are slow, or go on writing when nobody waits.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backstop::{Batch, Journal, JournalError, MemoryJournal, Record};
use parking_lot::Mutex;

/// A journal that takes a number of batches and then never answers again: to a desk on it, the process has died.
#[derive(Debug)]
pub(crate) struct DyingJournal {
    kept: MemoryJournal,
    left: Mutex<usize>,
    /// Whether the batch that nobody hears of again is on disk.
    last_is_kept: bool,
}

impl DyingJournal {
    pub(crate) fn new(batches: usize, last_is_kept: bool) -> Self {
        Self { kept: MemoryJournal::default(), left: Mutex::new(batches), last_is_kept }
    }

    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.kept.batches()
    }
}

#[async_trait]
impl Journal for DyingJournal {
    async fn append(&self, batch: Arc<Batch>) -> Result<(), JournalError> {
        let alive = {
            let mut left = self.left.lock();
            let alive = *left > 0;
            *left = left.saturating_sub(1);
            alive
        };
        if alive {
            return self.kept.append(batch).await;
        }
        if self.last_is_kept && self.kept.batches().last() != Some(&*batch) {
            self.kept.append(batch).await?;
        }
        std::future::pending().await
    }
}

/// A journal whose disk is full from a given batch on.
#[derive(Debug)]
pub(crate) struct FullJournal(pub(crate) Mutex<usize>);

#[async_trait]
impl Journal for FullJournal {
    async fn append(&self, _: Arc<Batch>) -> Result<(), JournalError> {
        let mut left = self.0.lock();
        if *left == 0 {
            return Err(JournalError::Failed { source: "the disk is gone".into() });
        }
        *left -= 1;
        Ok(())
    }
}

/// Whether a record is one of those.
pub(crate) type Picks = fn(&Record) -> bool;

/// A journal whose disk has no room for some batches, as long as the test says so.
#[derive(Debug, Default)]
pub(crate) struct PickyJournal {
    pub(crate) kept: MemoryJournal,
    pub(crate) refuses: Mutex<Option<Picks>>,
}

#[async_trait]
impl Journal for PickyJournal {
    async fn append(&self, batch: Arc<Batch>) -> Result<(), JournalError> {
        let refuses = *self.refuses.lock();
        if refuses.is_some_and(|refuses| batch.records.iter().any(refuses)) {
            return Err(JournalError::Refused { source: "the disk is full".into() });
        }
        self.kept.append(batch).await
    }
}

/// A journal whose disk takes its time.
#[derive(Debug)]
pub(crate) struct SlowJournal;

#[async_trait]
impl Journal for SlowJournal {
    async fn append(&self, _: Arc<Batch>) -> Result<(), JournalError> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(())
    }
}

/// Like [`backstop::LogJournal`]: a write goes on when nobody waits for it any more.
#[derive(Debug, Default)]
pub(crate) struct DetachedJournal {
    pub(crate) kept: Arc<MemoryJournal>,
}

#[async_trait]
impl Journal for DetachedJournal {
    async fn append(&self, batch: Arc<Batch>) -> Result<(), JournalError> {
        let kept = Arc::clone(&self.kept);
        let written = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            kept.append(batch).await
        });
        written.await.unwrap()
    }
}
