//! What was done to a simulated disk, and its replay with a crash after each step.

use super::Dice;
use super::disk::{Depth, Disk, Image};

/// One change of a disk, or a note of the test.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Create { name: String },
    Write { file: usize, offset: usize, bytes: Vec<u8> },
    Allocate { file: usize, length: usize },
    Sync { file: usize },
    SyncFailed { file: usize },
    Rename { from: String, to: String },
    Remove { name: String },
    SyncDirectory,
    SyncDirectoryFailed,
    Note(u64),
}

/// What was done to a [`SimStorage`](super::SimStorage), in order, from the disk that it began with.
#[derive(Debug, Clone)]
pub struct Recording {
    pub(super) start: Image,
    pub(super) operations: Vec<Operation>,
}

/// A disk that a crash may leave.
#[derive(Debug)]
#[non_exhaustive]
pub struct Crash<'a> {
    /// After which step.
    pub step: usize,
    /// The notes that the test had made by then: what had been acknowledged.
    pub notes: &'a [u64],
    /// The disk.
    pub image: &'a Image,
}

impl Recording {
    /// How many changes and notes there are.
    pub fn steps(&self) -> usize {
        self.operations.len()
    }

    /// The steps that sync something.
    pub fn syncs(&self) -> Vec<usize> {
        let is_sync = |operation: &Operation| matches!(operation, Operation::Sync { .. } | Operation::SyncDirectory);
        self.operations.iter().enumerate().filter(|(_, operation)| is_sync(operation)).map(|(step, _)| step).collect()
    }

    /// Shows `visit` the disks that a crash may leave, before the first step and after each one. A step named by
    /// `skipped` does nothing: the disk lied. Ends when `visit` returns `false`, and returns what it returned last.
    pub fn crashes(
        &self,
        depth: Depth,
        seed: u64,
        skipped: Option<usize>,
        visit: &mut dyn FnMut(Crash<'_>) -> bool,
    ) -> bool {
        let mut disk = Disk::from_image(&self.start);
        let mut dice = Dice::new(seed);
        let mut notes = Vec::new();
        let mut go_on = true;
        let mut show = |disk: &Disk, step: usize, notes: &[u64]| {
            disk.crashes(depth, &mut dice, &mut |image| {
                if go_on {
                    go_on = visit(Crash { step, notes, image });
                }
            });
            go_on
        };
        if !show(&disk, 0, &notes) {
            return false;
        }
        for (at, operation) in self.operations.iter().enumerate() {
            if let Operation::Note(note) = operation {
                notes.push(*note);
            } else if skipped != Some(at) {
                disk.apply(operation);
            }
            if !show(&disk, at + 1, &notes) {
                return false;
            }
        }
        true
    }
}
