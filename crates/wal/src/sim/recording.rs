//! What was done to a simulated disk, and its replay with a crash after each step.

use std::collections::{BTreeMap, BTreeSet};

use super::Dice;
use super::crashes::Depth;
use super::disk::{Disk, Image};

/// One change of a disk, or a note of the test.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Create {
        name: String,
    },
    Write {
        file: usize,
        offset: usize,
        bytes: Vec<u8>,
    },
    Allocate {
        file: usize,
        length: usize,
    },
    Sync {
        file: usize,
    },
    SyncFailed {
        file: usize,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        name: String,
    },
    SyncDirectory,
    SyncDirectoryFailed,
    /// See [`FaultKind::Evict`](super::FaultKind::Evict).
    Evict {
        sectors: u8,
    },
    /// A lock was taken, and its number is durable.
    Lock {
        fence: u64,
    },
    Note(u64),
}

/// What was done to a [`SimStorage`](super::SimStorage), in order, from the disk that it began with.
#[derive(Debug, Clone)]
pub struct Recording {
    pub(super) start: Image,
    pub(super) start_fence: u64,
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
    /// The number of the last lock that was taken, at each of them.
    pub fences: &'a [u64],
    /// The disk.
    pub image: &'a Image,
    /// The number of the last lock that was taken.
    pub fence: u64,
}

/// Builds the disks that a crash of one may leave after a step, and shows each.
type Build<'a> = dyn FnMut(&Disk, usize, &mut dyn FnMut(&Image)) + 'a;

impl Recording {
    /// How many changes and notes there are.
    pub fn steps(&self) -> usize {
        self.operations.len()
    }

    /// The notes of the test, in order.
    pub fn notes(&self) -> Vec<u64> {
        let note = |operation: &Operation| if let Operation::Note(note) = operation { Some(*note) } else { None };
        self.operations.iter().filter_map(note).collect()
    }

    /// The steps that sync something, up to step `upto`, on which something later depends: a sync of the directory is left
    /// out if another one comes before anything is written to the files that were named.
    pub fn syncs(&self, upto: usize) -> Vec<usize> {
        let steps = || self.operations.iter().enumerate();
        let needed = |at: usize| {
            let named = self.named_before(at);
            let later = || steps().skip(at + 1);
            let is_sync = |operation: &Operation| matches!(operation, Operation::SyncDirectory);
            let is_use =
                |operation: &Operation| matches!(operation, Operation::Write { file, .. } if named.contains(file));
            let next_sync = later().find(|(_, operation)| is_sync(operation)).map_or(usize::MAX, |(step, _)| step);
            later().any(|(step, operation)| step < next_sync && is_use(operation))
        };
        let is_needed = |(at, operation): &(usize, &Operation)| match operation {
            Operation::Sync { .. } => true,
            Operation::SyncDirectory => needed(*at),
            _ => false,
        };
        steps().take(upto).filter(is_needed).map(|(step, _)| step).collect()
    }

    /// The files that were given names between step `at` and the sync of the directory before it.
    fn named_before(&self, at: usize) -> BTreeSet<usize> {
        let mut files = BTreeMap::new();
        let (mut count, mut named) = (0, BTreeSet::new());
        for operation in self.operations.iter().take(at) {
            match operation {
                Operation::Create { name } => {
                    files.insert(name, count);
                    count += 1;
                }
                Operation::Rename { from, to } => {
                    if let Some(file) = files.remove(from) {
                        files.insert(to, file);
                        named.insert(file);
                    }
                }
                Operation::SyncDirectory => named.clear(),
                _ => {}
            }
        }
        named
    }

    /// What a step and its neighbors do, for messages.
    pub fn describe(&self, step: usize) -> String {
        let around = self.operations.get(step.saturating_sub(3)..=step).unwrap_or_default();
        let text = |operation: &Operation| match operation {
            Operation::Write { file, offset, bytes } => format!("write {file} at {offset}, {} bytes", bytes.len()),
            other => format!("{other:?}"),
        };
        around.iter().map(text).collect::<Vec<_>>().join("; ")
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
        self.crashes_by(&|_| depth, seed, skipped, visit)
    }

    /// The same with a depth for each step.
    pub(crate) fn crashes_by(
        &self,
        depth: &dyn Fn(usize) -> Depth,
        seed: u64,
        skipped: Option<usize>,
        visit: &mut dyn FnMut(Crash<'_>) -> bool,
    ) -> bool {
        let mut dice = Dice::new(seed);
        self.replay(skipped, visit, &mut |disk, step, show| disk.crashes(depth(step), &mut dice, show))
    }

    /// Shows `visit` the disks that are left when the last write before a crash arrived up to any one of its bytes, for
    /// each write.
    pub fn cuts(&self, visit: &mut dyn FnMut(Crash<'_>) -> bool) -> bool {
        let is_write = |step: usize| {
            let operation = step.checked_sub(1).and_then(|at| self.operations.get(at));
            matches!(operation, Some(Operation::Write { .. }))
        };
        self.replay(None, visit, &mut |disk, step, show| {
            if is_write(step) {
                disk.cuts(show);
            }
        })
    }

    fn replay(&self, skipped: Option<usize>, visit: &mut dyn FnMut(Crash<'_>) -> bool, build: &mut Build<'_>) -> bool {
        let mut disk = Disk::from_image(&self.start);
        let (mut notes, mut fences) = (Vec::new(), Vec::new());
        let mut fence = self.start_fence;
        let mut go_on = true;
        for step in 0..=self.operations.len() {
            let operation = step.checked_sub(1).and_then(|at| self.operations.get(at));
            match operation {
                Some(Operation::Note(note)) => {
                    notes.push(*note);
                    fences.push(fence);
                }
                Some(Operation::Lock { fence: taken }) => fence = *taken,
                Some(operation) if skipped != Some(step - 1) => disk.apply(operation),
                _ => {}
            }
            build(&disk, step, &mut |image| {
                if go_on {
                    go_on = visit(Crash { step, notes: &notes, fences: &fences, image, fence });
                }
            });
            if !go_on {
                return false;
            }
        }
        true
    }
}
