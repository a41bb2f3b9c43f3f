//! Histories of a log by the dice: several writers whose appends are written together, checkpoints, removal, full disks,
//! failures, and restarts with segments of another length.

use std::collections::BTreeSet;
use std::task::{Poll, Waker};

use super::model::{Model, Promised, check_found};
use super::{open, open_with, options};
use crate::commit::{Content, Progress};
use crate::format::FRAME_LEN;
use crate::sim::{Dice, Fault, FaultKind, Image, Recording, SimStorage};
use crate::{Append, AppendError, Log, RemoveError};

/// Lengths of segments.
pub(super) const LENGTHS: [u64; 4] = [1024, 1536, 2048, 4096];
const EIO: i32 = 5;

/// What was recorded, and what it appended.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) recording: Recording,
    /// From which step on what is appended. A restart that did not find all that had been appended, because a sync had
    /// failed, begins another line of events.
    models: Vec<(usize, Model)>,
    pub(crate) segment_len: u64,
    /// What is left at the end, when nothing crashes.
    pub(crate) image: Image,
}

impl History {
    /// What may be found after a crash at `step`.
    pub(crate) fn model_at(&self, step: usize) -> &Model {
        let current = self.models.iter().rev().find(|(from, _)| *from <= step);
        &current.unwrap_or(&self.models[0]).1
    }

    pub(crate) fn generate(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let storage = SimStorage::default();
        let mut model = Model::default();
        let mut models = Vec::new();
        let mut segment_len = LENGTHS[dice.below(LENGTHS.len())];
        let style = Style { tasks: dice.below(4), checkpoints: true, fixed_len: dice.below(6) == 0 };
        for _ in 0..=dice.below(4) {
            if dice.below(2) == 0 {
                segment_len = LENGTHS[dice.below(LENGTHS.len())];
            }
            let Ok((log, _, found)) = open_with(&storage, &options().segment_len(segment_len)) else {
                // A fault of before that hits the opening.
                storage.heal();
                continue;
            };
            storage.heal();
            let promised = Promised::by(&storage.recording().notes()).records;
            assert_eq!(check_found(&model, promised, &found), Ok(()), "seed {seed}: without a crash");
            model.truncate(found.count());
            // What an opening shows is durable.
            storage.note(found.count() as u64);
            models.push((storage.recording().steps(), Model::default()));

            match dice.below(8) {
                0 | 1 => {
                    let at = storage.operations() + dice.below(40) as u64;
                    storage.plan(Fault { at, kind: FaultKind::Error(EIO), lasting: false });
                }
                2 => storage.limit(Some(0)),
                _ => {}
            }
            let steps = 1 + dice.below(8);
            let mut run = Run::new(&log, &storage, &mut model, &mut dice, style);
            let outcome = run.steps(steps);
            let written = run.written;
            storage.limit(None);
            let ends_well = match outcome {
                Ok(()) if dice.below(3) == 0 => {
                    let closed = log.close().is_ok();
                    if closed {
                        storage.note(model.records.len() as u64);
                    }
                    closed
                }
                outcome => {
                    drop(log);
                    outcome.is_ok()
                }
            };
            storage.heal();
            if let Some(last) = models.last_mut() {
                last.1 = model.clone();
            }
            if ends_well {
                // The process dies and the machine does not: what was written is there.
                let (_, _, found) = open(&SimStorage::new(storage.image())).unwrap();
                assert_eq!(check_found(&model, written as u64, &found), Ok(()), "seed {seed}: without a crash");
            } else if dice.below(2) == 0 {
                let at = storage.operations() + dice.below(30) as u64;
                let sectors = if dice.below(2) == 0 { u8::MAX } else { dice.roll().to_le_bytes()[0] };
                storage.plan(Fault { at, kind: FaultKind::Evict(sectors), lasting: false });
            }
        }
        Self { recording: storage.recording(), models, segment_len, image: storage.image() }
    }
}

/// Opens after a process died and the machine did not.
pub(crate) fn reopen(storage: &SimStorage, model: &Model) -> Log {
    let (log, _, found) = open(storage).unwrap();
    assert_eq!(check_found(model, model.records.len() as u64, &found), Ok(()), "nothing is lost without a crash");
    // What an opening shows is durable.
    storage.note(model.records.len() as u64);
    log
}

/// What kind of things happen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// How many tasks append beside the thread.
    pub(crate) tasks: usize,
    pub(crate) checkpoints: bool,
    /// All records have one length, so that what an earlier writer left lines up with what a later one writes.
    pub(crate) fixed_len: bool,
}

/// Writers at work on an open log. Nothing is left to the scheduler: tasks stage when they are polled, and the thread
/// leads for all that are staged.
pub(crate) struct Run<'a> {
    log: &'a Log,
    storage: &'a SimStorage,
    model: &'a mut Model,
    dice: &'a mut Dice,
    style: Style,
    waiting: Vec<Waiting>,
    /// How many records the system has.
    pub(crate) written: usize,
}

/// An append of a task that is not done.
struct Waiting {
    records: Vec<Vec<u8>>,
    how: Append,
    progress: Progress,
    /// How many records there are up to it, once it is staged.
    end: Option<u64>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        log: &'a Log,
        storage: &'a SimStorage,
        model: &'a mut Model,
        dice: &'a mut Dice,
        style: Style,
    ) -> Self {
        let written = model.records.len();
        Self { log, storage, model, dice, style, waiting: Vec::new(), written }
    }

    pub(crate) fn steps(&mut self, count: usize) -> Result<(), AppendError> {
        for _ in 0..count {
            let staged = if self.style.tasks > 0 { self.dice.below(self.style.tasks + 1) } else { 0 };
            for _ in 0..staged {
                let (records, how) = self.draw();
                self.waiting.push(Waiting { records, how, progress: Progress::default(), end: None });
                self.poll()?;
            }
            self.append()?;
            match self.dice.below(24) {
                0 | 1 => self.sync()?,
                2 | 3 if self.style.checkpoints => self.checkpoint()?,
                _ => {}
            }
        }
        Ok(())
    }

    /// What to append next.
    fn draw(&mut self) -> (Vec<Vec<u8>>, Append) {
        let how = if self.dice.below(3) == 0 { Append::BUFFERED } else { Append::DURABLE };
        let how = if self.dice.below(6) == 0 { how.from_reserve() } else { how };
        let number = self.model.records.len() + self.waiting.iter().map(|waiting| waiting.records.len()).sum::<usize>();
        if self.style.fixed_len {
            return (vec![record(number, 8)], how);
        }
        if self.dice.below(10) == 0 {
            // Exactly as much as there is room for, or a byte less or more.
            let room = self.log.committer().room().active + 1;
            let length = room.saturating_sub(FRAME_LEN + self.dice.below(3)).min(700);
            return (vec![record(number, length)], how);
        }
        let count = if self.dice.below(4) == 0 { 2 + self.dice.below(3) } else { 1 };
        let mut left = 700;
        let mut records = Vec::new();
        for number in number..number + count {
            let length = match self.dice.below(8) {
                0 => 4,
                1..=5 => 4 + self.dice.below(90),
                _ => 4 + self.dice.below(400),
            };
            left = usize::saturating_sub(left, length + 4);
            if left > 0 || records.is_empty() {
                records.push(record(number, length));
            }
        }
        (records, how)
    }

    /// The thread appends, and leads for everybody.
    fn append(&mut self) -> Result<(), AppendError> {
        let (records, how) = self.draw();
        self.model.push(records.clone());
        let outcome = match refs(&records).as_slice() {
            [one] => self.log.append(one, how),
            all => self.log.append_batch(all, how),
        };
        match outcome {
            Ok(_) => {
                self.written = self.model.records.len();
                if how != Append::BUFFERED && how != Append::BUFFERED.from_reserve() {
                    self.storage.note(self.model.records.len() as u64);
                }
            }
            Err(AppendError::Full { .. } | AppendError::NoSegment { .. } | AppendError::TooLarge { .. }) => {
                self.model.pop();
            }
            Err(error) => {
                if matches!(error, AppendError::Poisoned { .. }) {
                    self.model.pop();
                }
                return Err(error);
            }
        }
        self.poll()
    }

    fn sync(&mut self) -> Result<(), AppendError> {
        self.log.sync()?;
        self.written = self.model.records.len();
        self.storage.note(self.model.records.len() as u64);
        self.poll()
    }

    pub(crate) fn checkpoint(&mut self) -> Result<(), AppendError> {
        self.sync()?;
        // Who was stalled until now has staged by this.
        self.sync()?;
        let count = self.model.records.len();
        self.model.checkpoints.push(count);
        match self.log.checkpoint(&self.model.state(count)) {
            Err(AppendError::Full { .. } | AppendError::NoSegment { .. }) => {
                self.model.checkpoints.pop();
                return Ok(());
            }
            other => other?,
        };
        self.storage.note(count as u64);
        // By the time it is acknowledged, what it stands for may be gone.
        let keep = if self.dice.below(2) == 0 { 0 } else { self.dice.below(3) as u64 };
        let segments = || self.storage.image().into_keys().filter_map(|name| index(&name)).collect::<BTreeSet<u64>>();
        let before = segments();
        match self.log.remove_history(keep) {
            Ok(_) => self.storage.note(Promised::that_are_gone(before.difference(&segments()).copied())),
            Err(RemoveError::Poisoned(error)) => return Err(error),
            // If that fails, the log goes on without.
            Err(_) => {}
        }
        self.poll()
    }

    /// Polls every task once.
    fn poll(&mut self) -> Result<(), AppendError> {
        let mut left = Vec::new();
        let mut failed = None;
        for mut waiting in std::mem::take(&mut self.waiting) {
            let records = refs(&waiting.records);
            let content = match records.as_slice() {
                [one] => Content::Record(one),
                all => Content::Batch(all),
            };
            let polled = self.log.committer().poll_append(content, waiting.how, &mut waiting.progress, Waker::noop());
            if waiting.end.is_none() && matches!(waiting.progress, Progress::Staged(_)) {
                self.model.push(waiting.records.clone());
                waiting.end = Some(self.model.records.len() as u64);
            }
            match polled {
                Poll::Pending => left.push(waiting),
                Poll::Ready(Ok(_)) => {
                    let is_durable = waiting.how == Append::DURABLE || waiting.how == Append::DURABLE.from_reserve();
                    if let Some(end) = waiting.end.filter(|_| is_durable) {
                        self.storage.note(end);
                    }
                }
                Poll::Ready(Err(
                    AppendError::Full { .. } | AppendError::NoSegment { .. } | AppendError::TooLarge { .. },
                )) => {}
                Poll::Ready(Err(error)) => failed = Some(error),
            }
        }
        self.waiting = left;
        failed.map_or(Ok(()), Err)
    }
}

fn refs(records: &[Vec<u8>]) -> Vec<&[u8]> {
    records.iter().map(Vec::as_slice).collect()
}

/// A record that says which one it is.
pub(super) fn record(number: usize, length: usize) -> Vec<u8> {
    let mut bytes = format!("{number:04}").into_bytes();
    bytes.extend((bytes.len()..length).map(|at| u8::try_from((number * 31 + at * 7) % 255).unwrap() + 1));
    bytes.truncate(length);
    bytes
}

/// The number of the segment with this name.
pub(super) fn index(name: &str) -> Option<u64> {
    name.strip_suffix(".wal")?.parse().ok()
}
