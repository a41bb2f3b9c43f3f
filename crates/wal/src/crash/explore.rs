//! All crashes of a history, and of the recoveries from them.

use std::collections::HashSet;

use super::history::{LENGTHS, index, record};
use super::{Complaint, Found, History, Model, Promised, check_found, open_with, options};
use crate::format::{FRAME_LEN, Head};
use crate::sim::{Crash, Depth, Image, Recording, SimStorage};
use crate::{Append, Log};

/// How much work to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// For most steps.
    pub(crate) depth: Depth,
    /// For one step in `full_every`, in turn over the histories.
    pub(crate) full: Depth,
    pub(crate) full_every: usize,
    /// One history in so many is cut at each byte of each write.
    pub(crate) cuts_every: u64,
    /// For the crashes of a recovery; one distinct state in so many has them.
    pub(crate) second: Depth,
    pub(crate) second_every: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) histories: u64,
    /// Disks that were built, of both levels; each that is new in its history was recovered.
    pub(crate) states: u64,
    pub(crate) recovered: u64,
    pub(crate) second_level: u64,
    pub(crate) distinct: HashSet<u64>,
    pub(crate) records: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.states += other.states;
        self.recovered += other.recovered;
        self.second_level += other.second_level;
        self.distinct.extend(other.distinct);
        self.records += other.records;
    }
}

/// What tells two disks apart. The content of a segment in the making counts only if `whole`: an opening removes such a
/// file unread, and there is so much of it that nothing else would be seen.
fn fingerprint(image: &Image, whole: bool) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |word: u64| hash = (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    for (name, bytes) in image {
        let bytes = if name.ends_with(".wal.tmp") && !whole { &[] } else { bytes.as_slice() };
        mix(name.len() as u64);
        for chunk in name.as_bytes().chunks(8).chain(bytes.chunks(8)) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            mix(u64::from_le_bytes(word));
        }
        mix(bytes.len() as u64);
    }
    // The low bits are used to draw lots.
    hash ^ (hash >> 32)
}

/// Explores one history.
struct Explorer<'a> {
    seed: u64,
    history: &'a History,
    effort: Effort,
    tally: &'a mut Tally,
    /// What was recovered from already, and what had been promised then.
    seen: HashSet<(u64, Promised, usize)>,
    complaint: Option<Complaint>,
}

/// All crashes of one history, and of the recoveries from them.
pub(crate) fn explore(seed: u64, effort: Effort, tally: &mut Tally) -> Result<(), Complaint> {
    let history = History::generate(seed);
    tally.histories += 1;
    let mut explorer = Explorer { seed, history: &history, effort, tally, seen: HashSet::new(), complaint: None };
    let turn = usize::try_from(seed % 1_000_000).unwrap_or(0);
    let depth = |step: usize| {
        if (step + turn).is_multiple_of(effort.full_every) { effort.full } else { effort.depth }
    };
    history.recording.crashes_by(&depth, seed, None, &mut |crash| explorer.first_level(&crash));
    if seed.is_multiple_of(effort.cuts_every) && explorer.complaint.is_none() {
        history.recording.cuts(&mut |crash| explorer.first_level(&crash));
    }
    explorer.complaint.map_or(Ok(()), Err)
}

impl Explorer<'_> {
    fn first_level(&mut self, crash: &Crash<'_>) -> bool {
        self.tally.states += 1;
        let (step, model) = (crash.step, self.history.model_at(crash.step));
        let promised = Promised::by(crash.notes);
        let Some((print, is_new)) = self.is_to_be_recovered(crash.image, promised, step) else { return true };
        match check_crash(model, promised, crash, print, self.history.segment_len) {
            Err(text) => self.complaint = Some(format!("seed {}, step {step}: {text}", self.seed)),
            Ok((recovery, found)) => {
                self.tally.records += found as u64;
                if is_new && print.is_multiple_of(self.effort.second_every) {
                    self.second_level(&recovery, step, promised);
                }
            }
        }
        self.complaint.is_none()
    }

    fn second_level(&mut self, recovery: &Recording, step: usize, promised: Promised) {
        let model = self.history.model_at(step);
        recovery.crashes(self.effort.second, self.seed, None, &mut |crash| {
            self.tally.states += 1;
            self.tally.second_level += 1;
            let Some((print, _)) = self.is_to_be_recovered(crash.image, promised, step) else { return true };
            if let Err(text) = check_crash(model, promised, &crash, print, self.history.segment_len) {
                let steps = (step, crash.step);
                self.complaint = Some(format!("seed {}, steps {steps:?} of the recovery: {text}", self.seed));
            }
            self.complaint.is_none()
        });
    }

    /// The fingerprint of a state that this history has not had before, and whether none had.
    fn is_to_be_recovered(&mut self, image: &Image, promised: Promised, step: usize) -> Option<(u64, bool)> {
        let print = fingerprint(image, self.seed.is_multiple_of(16));
        let line = std::ptr::from_ref(self.history.model_at(step)) as usize;
        if !self.seen.insert((print, promised, line)) {
            return None;
        }
        self.tally.recovered += 1;
        Some((print, self.tally.distinct.insert(print)))
    }
}

/// Recovers from a crash and looks; returns what the recovery did to the disk. `lot` decides what is looked at beside.
pub(crate) fn check_crash(
    model: &Model,
    promised: Promised,
    crash: &Crash<'_>,
    lot: u64,
    segment_len: u64,
) -> Result<(Recording, usize), Complaint> {
    let storage = SimStorage::after(crash.image.clone(), crash.fence);
    let seen = if lot.is_multiple_of(4) { Some(Found::read(&storage)?) } else { None };
    let lengths = [segment_len, LENGTHS[usize::try_from(lot >> 8).unwrap_or(0) % LENGTHS.len()]];
    let [first, second] = if lot.is_multiple_of(2) { lengths } else { [segment_len; 2] };
    let (log, opened, found) =
        open_with(&storage, &options().segment_len(first)).map_err(|error| format!("does not open: {error}"))?;
    let recovery = storage.recording();
    check_found(model, promised.records, &found)?;
    if opened.fence <= crash.fence || opened.fence_behind.is_some() {
        return Err(format!(
            "lock number {} after {}, and the log knows {:?}",
            opened.fence, crash.fence, opened.fence_behind
        ));
    }
    // WAL-5: a reader without a lock is shown the same, and nothing that is not.
    if let Some(seen) = seen.filter(|seen| *seen != found) {
        return Err(format!("a reader is shown {} records, the writer {}", seen.count(), found.count()));
    }
    if lot.is_multiple_of(8) {
        check_without_lock_file(crash, &found)?;
    }
    // WAL-6: what was removed stays so.
    if let Some(name) = crash.image.keys().find(|name| index(name).is_some_and(|index| promised.is_removed(index))) {
        return Err(format!("{name} is back"));
    }
    // Recovered once is recovered: a record appended now is behind them, and all are there the next time.
    let next = match up_to_what_is_stale(&storage, &log) {
        Some(length) => record(found.count(), length),
        None => b"after".to_vec(),
    };
    log.append(&next, Append::DURABLE).map_err(|error| format!("does not go on: {error}"))?;
    drop(log);
    let (_, _, again) =
        open_with(&storage, &options().segment_len(second)).map_err(|error| format!("does not open again: {error}"))?;
    let mut expected = found.clone();
    expected.records.push((found.count() as u64 + 1, next));
    if again == expected {
        Ok((recovery, found.count()))
    } else {
        Err(format!("found {} records, then with one more {}", found.count(), again.count()))
    }
}

/// Recovers from the same crash on a disk that has lost the lock file, whose count begins anew.
fn check_without_lock_file(crash: &Crash<'_>, expected: &Found) -> Result<(), Complaint> {
    let storage = SimStorage::after(crash.image.clone(), 0);
    let (_, opened, found) =
        open_with(&storage, &options()).map_err(|error| format!("without its lock file it does not open: {error}"))?;
    // LOCK-5: the number of whoever had a record acknowledged stands in the log. The first promise under a number is that of
    // the opening, about records of those before.
    let (mut records, mut known, mut newest) = (0, 0, 0);
    for (note, fence) in crash.notes.iter().zip(crash.fences) {
        let promised = Promised::by(&[*note]).records;
        if promised > records && *fence == newest {
            known = newest;
        }
        (records, newest) = (records.max(promised), *fence);
    }
    if opened.fence <= known {
        return Err(format!(
            "without its lock file the number is {}, records were acknowledged under {known}",
            opened.fence
        ));
    }
    if found == *expected { Ok(()) } else { Err("without its lock file the log shows something else".to_owned()) }
}

/// The length of a record that would end just where something sound is left of an earlier writer, numbered as if it came
/// next. Were it not cut off, it would be taken for a record.
fn up_to_what_is_stale(storage: &SimStorage, log: &Log) -> Option<usize> {
    let next = log.committer().next_seq().ok()? + 1;
    let (id, segment, end) =
        log.committer().device(|engine| (engine.log(), engine.active.header.segment, engine.end))?;
    let bytes = storage.image().remove(&crate::segment::name(segment))?;
    let from = usize::try_from(end).ok()? + FRAME_LEN;
    let is_stale = |at: &usize| {
        let head = Head::read(&bytes[*at..]).filter(|head| head.seq == next);
        head.is_some_and(|head| bytes.get(*at..at + head.frame_len()).is_some_and(|frame| head.matches(id, frame)))
    };
    (from..bytes.len()).find(is_stale).map(|at| at - from).filter(|length| *length < 600)
}
