//! A piece of a file in memory, moved along as it is read.

use std::io;
use std::sync::Arc;

use crate::storage::{StorageFile, read_full};

/// How much is read at a time, unless one frame is longer.
const STEP: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Window {
    file: Arc<dyn StorageFile>,
    buffer: Vec<u8>,
    start: u64,
    end: u64,
    /// Nothing is read from here on.
    limit: u64,
}

impl Window {
    pub(crate) fn new(file: Arc<dyn StorageFile>, limit: u64) -> Self {
        Self { file, buffer: Vec::new(), start: 0, end: 0, limit }
    }

    /// Reads from `file` from now on.
    pub(crate) fn reopen(&mut self, file: Arc<dyn StorageFile>, limit: u64) {
        (self.file, self.limit) = (file, limit);
        self.refresh();
    }

    /// Forgets what was read: the file may have changed.
    pub(crate) fn refresh(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Whether all of `from..to` is inside the limit; then it is in memory.
    pub(crate) fn load(&mut self, from: u64, to: u64) -> io::Result<bool> {
        if to > self.limit || from > to {
            return Ok(false);
        }
        if from < self.start || to > self.end {
            let wanted =
                usize::try_from((to - from).max(STEP as u64).min(self.limit - from)).map_err(io::Error::other)?;
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            }
            let buffer = self.buffer.get_mut(..wanted).unwrap_or_default();
            (self.start, self.end) = (0, 0);
            let count = read_full(self.file.as_ref(), buffer, from)?;
            (self.start, self.end) = (from, from + count as u64);
        }
        Ok(to <= self.end)
    }

    /// What is in memory from `from` on.
    pub(crate) fn loaded_from(&self, from: u64) -> &[u8] {
        self.bytes(from, self.end)
    }

    /// What was loaded.
    pub(crate) fn bytes(&self, from: u64, to: u64) -> &[u8] {
        let range = from.checked_sub(self.start).zip(to.checked_sub(self.start));
        let range = range.and_then(|(from, to)| Some(usize::try_from(from).ok()?..usize::try_from(to).ok()?));
        range.and_then(|range| self.buffer.get(range)).unwrap_or_default()
    }
}
