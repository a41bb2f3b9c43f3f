//! Tests by enumeration of crash states: thousands of histories, a crash after every operation of each, and what is recovered.

use std::collections::HashSet;
use std::sync::Arc;

use crate::sim::{Depth, Dice, Image, Recording, SimStorage};
use crate::{Append, AppendError, Entry, Log, OpenError, Opened, Options, RemoveError};

/// What a history does to a log, and what it may expect to find again.
#[derive(Debug, Default, Clone)]
pub(crate) struct Model {
    /// What was appended, acknowledged or not, in order; where each batch ends.
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) ends: Vec<usize>,
    /// Behind how many records there is a checkpoint, acknowledged or not.
    pub(crate) checkpoints: Vec<usize>,
    /// Whether there are none but those that the test asks for.
    pub(crate) plain: bool,
}

/// What stands for the first `count` records.
fn state_of(model: &Model, count: usize) -> Vec<u8> {
    let bytes: Vec<u8> = model.records.iter().take(count).flatten().copied().collect();
    format!("{count} records {:08x}", crc32c::crc32c(&bytes)).into_bytes()
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
    fn count(&self) -> usize {
        self.base.as_ref().map_or(0, |(count, _)| *count) + self.records.len()
    }
}

/// A checker's complaint.
pub(crate) type Complaint = String;

pub(crate) fn options() -> Options {
    let since = "2026-01-05T14:29:58Z".parse().unwrap();
    let claim = backstop_file_lock::Claim { label: "test".to_owned(), since };
    Options::new(claim).segment_len(1024).reserve(64)
}

/// Opens and collects.
pub(crate) fn open(storage: &SimStorage) -> Result<(Log, Opened, Found), OpenError> {
    let mut found = Found::default();
    let (log, opened) = options().open(Arc::new(storage.clone()), |entry| match entry {
        Entry::Record { seq, bytes } => found.records.push((seq, bytes.to_vec())),
        Entry::Checkpoint { seq, state } => {
            found = Found { base: Some((usize::try_from(seq - 1).unwrap(), state.to_vec())), records: Vec::new() };
        }
    })?;
    Ok((log, opened, found))
}

/// A record that says which one it is, of a length that makes every kind of straddling likely.
fn record(number: usize, dice: &mut Dice) -> Vec<u8> {
    let length = match dice.below(8) {
        0 => 0,
        1..=5 => dice.below(90),
        _ => dice.below(400),
    };
    let mut bytes = format!("{number:04}").into_bytes();
    bytes.extend((0..length).map(|at| u8::try_from((number * 31 + at * 7) % 255).unwrap() + 1));
    bytes
}

/// Appends some records and makes some checkpoints by the dice; notes how many records are acknowledged as durable.
fn run(log: &Log, storage: &SimStorage, model: &mut Model, dice: &mut Dice, steps: usize) -> Result<(), AppendError> {
    for _ in 0..steps {
        let how = if dice.below(3) == 0 { Append::BUFFERED } else { Append::DURABLE };
        let before = model.records.len();
        let count = if dice.below(4) == 0 { 2 + dice.below(3) } else { 1 };
        for _ in 0..count {
            let record = record(model.records.len(), dice);
            model.records.push(record);
        }
        model.ends.push(model.records.len());
        let new: Vec<&[u8]> = model.records[before..].iter().map(Vec::as_slice).collect();
        match new.as_slice() {
            [one] => log.append(one, how)?,
            all => {
                if all.iter().map(|record| record.len() + 4).sum::<usize>() > 700 {
                    model.records.truncate(before);
                    model.ends.pop();
                    continue;
                }
                log.append_batch(all, how)?
            }
        };
        if how == Append::DURABLE {
            storage.note(model.records.len() as u64);
        }
        match dice.below(24) {
            0 | 1 => {
                log.sync()?;
                storage.note(model.records.len() as u64);
            }
            2 | 3 if !model.plain => {
                let count = model.records.len();
                model.checkpoints.push(count);
                match log.checkpoint(&state_of(model, count)) {
                    Err(AppendError::Full { .. }) => {
                        model.checkpoints.pop();
                        continue;
                    }
                    other => other?,
                };
                storage.note(count as u64);
                // By the time it is acknowledged, what it stands for may be gone.
                let keep = if dice.below(2) == 0 { 0 } else { dice.below(3) as u64 };
                // If that fails, the log goes on without.
                if let Err(RemoveError::Poisoned(error)) = log.remove_history(keep) {
                    return Err(error);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// WAL-1 and WAL-2 for what was found: a prefix, batches whole, at least what was acknowledged.
pub(crate) fn check_found(model: &Model, acknowledged: u64, found: &Found) -> Result<(), Complaint> {
    let mut before = 0;
    if let Some((count, state)) = &found.base {
        if !model.checkpoints.contains(count) || *state != state_of(model, *count) {
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

/// Recovers from a crash and looks; returns what the recovery did to the disk.
fn check_crash(model: &Model, acknowledged: u64, image: &Image) -> Result<(Recording, usize), Complaint> {
    let storage = SimStorage::new(image.clone());
    let (log, _, found) = open(&storage).map_err(|error| format!("does not open: {error}"))?;
    let recovery = storage.recording();
    check_found(model, acknowledged, &found)?;
    // Recovered once is recovered: a record appended now is behind them, and all are there the next time.
    log.append(b"after", Append::DURABLE).map_err(|error| format!("does not go on: {error}"))?;
    drop(log);
    let (_, _, again) = open(&storage).map_err(|error| format!("does not open again: {error}"))?;
    let mut expected = found.clone();
    expected.records.push((found.count() as u64 + 1, b"after".to_vec()));
    if again == expected {
        Ok((recovery, found.count()))
    } else {
        Err(format!("found {} records, then with one more {}", found.count(), again.count()))
    }
}

/// How much work to do.
#[derive(Debug, Clone, Copy)]
struct Effort {
    depth: Depth,
    /// For the crashes of a recovery; every so many-th distinct state has them.
    second_level: Option<(Depth, u64)>,
}

#[derive(Debug, Default)]
struct Tally {
    histories: u64,
    states: u64,
    second_level: u64,
    distinct: HashSet<u64>,
    restored: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.states += other.states;
        self.second_level += other.second_level;
        self.distinct.extend(other.distinct);
        self.restored += other.restored;
    }
}

fn fingerprint(image: &Image) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |word: u64| hash = (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    for (name, bytes) in image {
        mix(name.len() as u64);
        for chunk in name.as_bytes().chunks(8).chain(bytes.chunks(8)) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            mix(u64::from_le_bytes(word));
        }
        mix(bytes.len() as u64);
    }
    hash
}

/// A history with restarts: what was recorded, and what it appended.
fn history(seed: u64) -> (Recording, Model) {
    let mut dice = Dice::new(seed);
    let storage = SimStorage::default();
    let mut model = Model::default();
    for _ in 0..=dice.below(3) {
        let log = reopen(&storage, &model);
        let steps = 1 + dice.below(8);
        run(&log, &storage, &mut model, &mut dice, steps).unwrap();
        if dice.below(2) == 0 {
            log.close().unwrap();
            storage.note(model.records.len() as u64);
        }
    }
    (storage.recording(), model)
}

/// Opens after a process died and the machine did not.
fn reopen(storage: &SimStorage, model: &Model) -> Log {
    let (log, _, found) = open(storage).unwrap();
    assert_eq!(check_found(model, model.records.len() as u64, &found), Ok(()), "nothing is lost without a crash");
    // What an opening shows is durable.
    storage.note(model.records.len() as u64);
    log
}

/// A history in which something hangs on every sync, and after which step one may be left out: each opening finds
/// something that was not durable, and each segment that is made is used.
fn history_of_needed_syncs(seed: u64) -> (Recording, Model, usize) {
    let mut dice = Dice::new(seed);
    let storage = SimStorage::default();
    let mut model = Model { plain: true, ..Model::default() };
    let append = |log: &Log, model: &mut Model, bytes: &[u8], how| {
        log.append(bytes, how).unwrap();
        model.records.push(bytes.to_vec());
        model.ends.push(model.records.len());
    };
    for _ in 0..2 {
        let log = reopen(&storage, &model);
        let steps = 1 + dice.below(7);
        run(&log, &storage, &mut model, &mut dice, steps).unwrap();
        let count = model.records.len();
        model.checkpoints.push(count);
        // A checkpoint behind something that is not durable, and nothing else left of it.
        log.checkpoint(&state_of(&model, count)).unwrap();
        log.remove_history(0).unwrap();
        storage.note(count as u64);
        append(&log, &mut model, b"not durable", Append::BUFFERED);
    }
    let log = reopen(&storage, &model);
    let judged = storage.recording().steps();
    // No further segment can be made, so that no later sync makes up for one that was left out.
    storage.limit(Some(0));
    while log.append(&[b'e'; 200], Append::DURABLE.from_reserve()).is_ok() {
        model.records.push(vec![b'e'; 200]);
        model.ends.push(model.records.len());
        storage.note(model.records.len() as u64);
    }
    (storage.recording(), model, judged)
}

fn acknowledged(notes: &[u64]) -> u64 {
    notes.iter().copied().max().unwrap_or(0)
}

/// All crashes of one history, and of the recoveries from them.
fn explore(seed: u64, effort: Effort, tally: &mut Tally) -> Result<(), Complaint> {
    let (recording, model) = history(seed);
    tally.histories += 1;
    let mut complaint = None;
    let mut seen = HashSet::new();
    recording.crashes(effort.depth, seed, None, &mut |crash| {
        tally.states += 1;
        let print = fingerprint(crash.image);
        if !seen.insert((print, acknowledged(crash.notes))) {
            return true;
        }
        let is_new = tally.distinct.insert(print);
        let acked = acknowledged(crash.notes);
        match check_crash(&model, acked, crash.image) {
            Err(text) => complaint = Some(format!("seed {seed}, step {}: {text}", crash.step)),
            Ok((recovery, found)) => {
                tally.restored += found as u64;
                if let Some((depth, every)) = effort.second_level
                    && is_new
                    && print.is_multiple_of(every)
                {
                    recovery.crashes(depth, seed, None, &mut |second| {
                        tally.second_level += 1;
                        let print = fingerprint(second.image);
                        if !seen.insert((print, acked)) {
                            return true;
                        }
                        tally.distinct.insert(print);
                        if let Err(text) = check_crash(&model, acked, second.image) {
                            let steps = (crash.step, second.step);
                            complaint = Some(format!("seed {seed}, steps {steps:?} of the recovery: {text}"));
                        }
                        complaint.is_none()
                    });
                }
            }
        }
        complaint.is_none()
    });
    complaint.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
