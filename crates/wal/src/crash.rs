//! Crash states, enumerated: thousands of histories, a crash after every operation of each, and what is recovered.

use std::collections::HashSet;
use std::sync::Arc;

use crate::sim::{Depth, Dice, Image, Recording, SimStorage};
use crate::{Append, AppendError, Entry, Log, OpenError, Opened, Options};

/// What a history does to a log, and what it may expect to find again.
#[derive(Debug, Default, Clone)]
pub(crate) struct Model {
    /// What was appended, acknowledged or not, in order; where each batch ends.
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) ends: Vec<usize>,
}

/// A checker's complaint.
pub(crate) type Complaint = String;

pub(crate) fn options() -> Options {
    let since = "2026-01-05T14:29:58Z".parse().unwrap();
    let claim = backstop_file_lock::Claim { label: "test".to_owned(), since };
    Options::new(claim).segment_len(1024).reserve(64)
}

/// Opens and collects; the records from the first on, where no checkpoint stands for them.
pub(crate) fn open(storage: &SimStorage) -> Result<(Log, Opened, Vec<(u64, Vec<u8>)>), OpenError> {
    let mut found = Vec::new();
    let (log, opened) = options().open(Arc::new(storage.clone()), |entry| match entry {
        Entry::Record { seq, bytes } => found.push((seq, bytes.to_vec())),
        Entry::Checkpoint { seq, .. } => found = vec![(seq, Vec::new())],
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

/// Appends some records by the dice; notes how many are acknowledged as durable.
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
        if dice.below(12) == 0 {
            log.sync()?;
            storage.note(model.records.len() as u64);
        }
    }
    Ok(())
}

/// WAL-1 and WAL-2 for what was found: a prefix, batches whole, at least what was acknowledged.
pub(crate) fn check_found(model: &Model, acknowledged: u64, found: &[(u64, Vec<u8>)]) -> Result<(), Complaint> {
    let records = found.iter().zip(&model.records).zip(1..);
    for (((seq, bytes), appended), number) in records {
        if *seq != number || bytes != appended {
            return Err(format!("record {number} reads {seq}: {bytes:?} for {appended:?}"));
        }
    }
    if found.len() > model.records.len() {
        return Err(format!("{} records found, {} appended", found.len(), model.records.len()));
    }
    if (found.len() as u64) < acknowledged {
        return Err(format!("{} records found, {acknowledged} acknowledged", found.len()));
    }
    if !found.is_empty() && !model.ends.contains(&found.len()) {
        return Err(format!("{} records found: half a batch", found.len()));
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
    match again.split_last() {
        Some(((_, last), before)) if last == b"after" && before == found => Ok((recovery, found.len())),
        _ => Err(format!("found {} records, then {} with one more", found.len(), again.len())),
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
        let (log, _, found) = open(&storage).unwrap();
        assert_eq!(found.len(), model.records.len(), "nothing was lost without a crash");
        let steps = 1 + dice.below(8);
        run(&log, &storage, &mut model, &mut dice, steps).unwrap();
        if dice.below(2) == 0 {
            log.close().unwrap();
            storage.note(model.records.len() as u64);
        }
    }
    (storage.recording(), model)
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
                    && print % every == 0
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
