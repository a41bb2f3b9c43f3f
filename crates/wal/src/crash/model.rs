//! What a history appended, and whether what was found fits it.

use std::sync::Arc;

use crate::sim::SimStorage;
use crate::{Entry, ReadError, Reader};

/// A checker's complaint.
pub(crate) type Complaint = String;

/// What a history does to a log, and what it may expect to find again.
#[derive(Debug, Default, Clone)]
pub(crate) struct Model {
    /// What was appended, acknowledged or not, in order; where each batch ends.
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) ends: Vec<usize>,
    /// Behind how many records there is a checkpoint, acknowledged or not.
    pub(crate) checkpoints: Vec<usize>,
}

impl Model {
    pub(crate) fn push(&mut self, batch: impl IntoIterator<Item = Vec<u8>>) {
        self.records.extend(batch);
        self.ends.push(self.records.len());
    }

    /// Forgets the last batch: it was refused before anything was written.
    pub(crate) fn pop(&mut self) {
        self.ends.pop();
        self.records.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// Forgets what is behind `count` records: it was not found any more.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.records.truncate(count);
        self.ends.retain(|end| *end <= count);
        self.checkpoints.retain(|end| *end <= count);
    }

    /// What stands for the first `count` records.
    pub(crate) fn state(&self, count: usize) -> Vec<u8> {
        let bytes: Vec<u8> = self.records.iter().take(count).flatten().copied().collect();
        format!("{count} records {:08x}", crc32c::crc32c(&bytes)).into_bytes()
    }
}

/// What had been acknowledged, by the notes in a recording.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Promised {
    /// So many records are durable.
    pub(crate) records: u64,
    /// Which segments are removed for good: a bit for each.
    removed: u64,
}

const REMOVED: u64 = 1 << 63;

impl Promised {
    pub(crate) fn by(notes: &[u64]) -> Self {
        let mut promised = Self::default();
        for note in notes {
            if note & REMOVED == 0 {
                promised.records = promised.records.max(*note);
            } else {
                promised.removed |= note & !REMOVED;
            }
        }
        promised
    }

    /// The note that these segments are gone.
    pub(crate) fn that_are_gone(segments: impl Iterator<Item = u64>) -> u64 {
        segments.fold(REMOVED, |note, segment| note | Self::bit(segment))
    }

    pub(crate) fn is_removed(&self, segment: u64) -> bool {
        self.removed & Self::bit(segment) != 0
    }

    /// Histories are short: segments beyond are left alone.
    fn bit(segment: u64) -> u64 {
        if segment < 63 { 1 << segment } else { 0 }
    }
}

/// What a log was found to hold.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// For how many records a checkpoint stands, and as what.
    pub(crate) base: Option<(usize, Vec<u8>)>,
    /// The ones behind it.
    pub(crate) records: Vec<(u64, Vec<u8>)>,
}

impl Found {
    pub(crate) fn take(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Record { seq, bytes } => self.records.push((seq, bytes.to_vec())),
            Entry::Checkpoint { seq, state } => {
                let count = usize::try_from(seq - 1).unwrap();
                *self = Self { base: Some((count, state.to_vec())), records: Vec::new() };
            }
            Entry::Lost { seq, .. } => unreachable!("record {seq} is missing in a log that was never salvaged"),
        }
    }

    /// What a reader is shown.
    pub(crate) fn read(storage: &SimStorage) -> Result<Self, Complaint> {
        let mut found = Self::default();
        let reader = Reader::from_checkpoint(Arc::new(storage.clone()));
        match reader.and_then(|mut reader| reader.read(|entry| found.take(entry))) {
            Ok(_) | Err(ReadError::NoLog { .. }) => Ok(found),
            Err(error) => Err(format!("a reader says: {error}")),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.base.as_ref().map_or(0, |(count, _)| *count) + self.records.len()
    }
}

/// WAL-1 and WAL-2 for what was found: a prefix, batches whole, at least what was acknowledged.
pub(crate) fn check_found(model: &Model, acknowledged: u64, found: &Found) -> Result<(), Complaint> {
    let mut before = 0;
    if let Some((count, state)) = &found.base {
        if !model.checkpoints.contains(count) || *state != model.state(*count) {
            return Err(format!("a checkpoint that was never made: {count}"));
        }
        before = *count;
    }
    let records = found.records.iter().zip(&model.records[before.min(model.records.len())..]).zip(before as u64 + 1..);
    for (((seq, bytes), appended), number) in records {
        if *seq != number || bytes != appended {
            return Err(format!("record {number} reads {seq}: {bytes:?} for {appended:?}"));
        }
    }
    let count = found.count();
    if count > model.records.len() {
        return Err(format!("{count} records found, {} appended", model.records.len()));
    }
    if (count as u64) < acknowledged {
        return Err(format!("{count} records found, {acknowledged} acknowledged"));
    }
    if count > 0 && !model.ends.contains(&count) {
        return Err(format!("{count} records found: half a batch"));
    }
    Ok(())
}
