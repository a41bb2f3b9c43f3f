#![expect(clippy::print_stdout, reason = "the counts are the result")]
#![expect(clippy::case_sensitive_file_extension_comparisons, reason = "the names are ours")]

use std::sync::Arc;

use super::*;
use crate::sim::{Fault, FaultKind};
use crate::{ReadError, verify};

/// One thread's share of the histories from `first` on.
fn explore_all(seeds: std::ops::Range<u64>, effort: Effort) -> Tally {
    let threads = 2;
    let share = |thread: u64| {
        let mut tally = Tally::default();
        for seed in seeds.clone().filter(|seed| seed % threads == thread) {
            if let Err(text) = explore(seed, effort, &mut tally) {
                panic!("{text}; to replay: BACKSTOP_SEED={seed}");
            }
        }
        tally
    };
    let mut all = Tally::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(move || share(thread))).collect();
        for worker in workers {
            all.add(worker.join().unwrap());
        }
    });
    all
}

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// `BACKSTOP_CRASH_STATES` sets how many states are wanted (a million is usual), `BACKSTOP_SEED` where the seeds begin.
// proves: WAL-1, WAL-2, WAL-3
#[test]
fn every_crash_of_every_history_loses_nothing_that_was_acknowledged() {
    let wanted = number_from_environment("BACKSTOP_CRASH_STATES").unwrap_or(1_000_000);
    let first = number_from_environment("BACKSTOP_SEED").unwrap_or(0);
    let depth = Depth { exhaustive_up_to: 3, random: 2 };
    let effort = Effort { depth, second_level: Some((Depth { exhaustive_up_to: 2, random: 2 }, 60)) };
    let mut all = Tally::default();
    let mut next = first;
    let enough = |all: &Tally| {
        let distinct = all.distinct.len() as u64;
        all.states + all.second_level >= wanted && distinct >= wanted / 5 && all.histories >= wanted / 500
    };
    while !enough(&all) {
        all.add(explore_all(next..next + 100, effort));
        next += 100;
    }
    println!(
        "seeds {first}..{next}: {} histories, {} crash states and {} of recoveries, {} distinct, {} records recovered",
        all.histories,
        all.states,
        all.second_level,
        all.distinct.len(),
        all.restored
    );
    assert!(enough(&all) && all.second_level > wanted / 10);
}

// proves: WAL-1
#[test]
fn without_any_one_of_its_syncs_something_is_lost() {
    let depth = Depth { exhaustive_up_to: 6, random: 8 };
    let mut all = 0;
    for seed in 0..15 {
        let (recording, model, judged) = history_of_needed_syncs(seed);
        let holds = |skipped| {
            recording.crashes(depth, seed, skipped, &mut |crash| {
                check_crash(&model, acknowledged(crash.notes), crash.image).is_ok()
            })
        };
        assert!(holds(None), "seed {seed}");
        for sync in recording.syncs(judged) {
            all += 1;
            assert!(!holds(Some(sync)), "seed {seed}: nobody misses the sync in: {}", recording.describe(sync));
        }
    }
    println!("{all} syncs, each one missed when it is left out");
    assert!(all > 250);
}

/// The errors that the operations of a disk can fail with.
const ERRORS: [FaultKind; 9] = [
    FaultKind::Error(5),   // EIO
    FaultKind::Error(28),  // ENOSPC
    FaultKind::Error(122), // EDQUOT
    FaultKind::Error(4),   // EINTR
    FaultKind::Error(30),  // EROFS
    FaultKind::Error(27),  // EFBIG
    FaultKind::Torn(5),
    FaultKind::Torn(28),
    FaultKind::Short,
];

/// A history in which an operation fails, then a restart of the process on the same, lying disk, then a crash.
fn check_fault(seed: u64, fault: Fault) -> Result<bool, Complaint> {
    let storage = SimStorage::default();
    let mut model = Model::default();
    let mut dice = Dice::new(seed);
    let log = reopen(&storage, &model);
    run(&log, &storage, &mut model, &mut dice, 2).map_err(|error| error.to_string())?;
    let base = storage.operations();
    storage.plan(Fault { at: base + fault.at, ..fault });
    let mut refused = None;
    for part in 0..2 {
        let outcome = run(&log, &storage, &mut model, &mut dice, 5);
        if let Err(error) = &outcome {
            refused = Some(error.clone());
        }
        // WAL-4: after a failure there is nothing but failures, and not another sync.
        if matches!(refused, Some(AppendError::Failed { .. } | AppendError::Poisoned { .. })) {
            let before = storage.recording().steps();
            if log.append(b"late", Append::DURABLE).is_ok() || log.sync().is_ok() {
                return Err(format!("acknowledged after {refused:?} in part {part}"));
            }
            if storage.recording().steps() != before {
                return Err("wrote after a failure".to_owned());
            }
        }
        if let Some(AppendError::Full { .. }) = refused {
            // Refused beforehand: certainly not there.
            let batch = model.ends.pop().unwrap_or(0);
            model.records.truncate(model.ends.last().copied().unwrap_or(0));
            assert!(batch > model.records.len());
        }
        if refused.is_some() {
            break;
        }
    }
    let hit = storage.operations() > base + fault.at;
    storage.heal();
    let acked = acknowledged(&storage.recording().notes());
    drop(log);
    let (log, _, found) = open(&storage).map_err(|error| format!("does not open after {refused:?}: {error}"))?;
    check_found(&model, acked, &found)?;
    // From here on what was found is promised, and then the machine crashes.
    model.records.truncate(found.count());
    model.ends.retain(|end| *end <= found.count());
    model.checkpoints.retain(|end| *end <= found.count());
    let from = storage.recording().steps();
    run(&log, &storage, &mut model, &mut dice, 3).map_err(|error| format!("does not go on: {error}"))?;
    let recording = storage.recording();
    let mut complaint = None;
    recording.crashes(Depth { exhaustive_up_to: 3, random: 2 }, seed, None, &mut |crash| {
        if crash.step < from {
            return true;
        }
        let outcome = check_crash(&model, found.count() as u64, crash.image);
        complaint = outcome.err().map(|text| format!("after {refused:?}, step {}: {text}", crash.step));
        complaint.is_none()
    });
    complaint.map_or(Ok(hit), Err)
}

// proves: WAL-4
#[test]
fn an_error_at_any_operation_ends_the_acknowledgements_and_loses_none_of_them() {
    let mut hits = 0;
    for seed in 0..3 {
        for kind in ERRORS {
            for lasting in [false, true] {
                for at in 0.. {
                    match check_fault(seed, Fault { at, kind, lasting }) {
                        Ok(true) => hits += 1,
                        Ok(false) => break,
                        Err(text) => panic!("seed {seed}, {kind:?}, operation {at}, lasting {lasting}: {text}"),
                    }
                }
            }
        }
    }
    println!("{hits} faults");
    assert!(hits > 1000);
}

fn final_image(recording: &Recording) -> Image {
    let mut last = Image::new();
    let all_kept = Depth { exhaustive_up_to: 0, random: 0 };
    let mut steps = usize::MAX;
    recording.crashes(all_kept, 0, None, &mut |crash| {
        // The first state after each step is the one where nothing is lost.
        if crash.step != steps {
            (steps, last) = (crash.step, crash.image.clone());
        }
        true
    });
    last
}

// proves: WAL-3
#[test]
fn an_error_at_any_operation_of_an_opening_changes_nothing() {
    let mut hits = 0;
    for seed in 0..20 {
        let (recording, model) = history(seed);
        let image = final_image(&recording);
        for kind in ERRORS {
            for at in 0.. {
                let storage = SimStorage::new(image.clone());
                storage.plan(Fault { at, kind, lasting: false });
                let first = open(&storage);
                if storage.operations() <= at {
                    break;
                }
                hits += 1;
                if let Ok((_, _, found)) = &first {
                    assert_eq!(check_found(&model, model.records.len() as u64, found), Ok(()), "{kind:?} at {at}");
                }
                drop(first);
                storage.heal();
                let (_, _, found) =
                    open(&storage).unwrap_or_else(|error| panic!("seed {seed}, {kind:?} at {at}: {error}"));
                assert_eq!(
                    check_found(&model, model.records.len() as u64, &found),
                    Ok(()),
                    "seed {seed}, {kind:?} at {at}"
                );
            }
        }
    }
    assert!(hits > 1000, "{hits}");
}

/// A log of three segments that was closed, so that all of it is known to be durable.
fn closed_log() -> (SimStorage, Model) {
    let storage = SimStorage::default();
    let mut model = Model::default();
    let log = reopen(&storage, &model);
    let mut dice = Dice::new(7);
    run(&log, &storage, &mut model, &mut dice, 14).unwrap();
    log.close().unwrap();
    (storage, model)
}

/// Whatever was done to one file, nothing wrong is read and nothing that was durable is dropped.
#[track_caller]
fn check_damage(model: &Model, name: &str, image: &Image, what: &str) -> bool {
    let storage = SimStorage::new(image.clone());
    match open(&storage) {
        Ok((_, opened, found)) => {
            assert_eq!(check_found(model, model.records.len() as u64, &found), Ok(()), "{what}");
            opened.torn.is_some()
        }
        Err(OpenError::Read(ReadError::Damaged { path, .. } | ReadError::Foreign { path, .. })) => {
            assert!(path.ends_with(name), "{what}: {path:?}");
            assert_eq!(storage.image(), *image, "{what}: nothing is changed");
            true
        }
        Err(OpenError::Read(ReadError::Newer { .. })) => true,
        Err(error) => panic!("{what}: {error}"),
    }
}

// proves: WAL-2, WAL-3
#[test]
fn every_flipped_bit_is_harmless_or_an_error_that_names_the_segment() {
    let (storage, model) = closed_log();
    let image = storage.image();
    let last = image.keys().filter(|name| name.ends_with(".wal")).count();
    assert!(last >= 4, "three segments and the spare one");
    let mut noticed = 0;
    for name in image.keys().filter(|name| name.ends_with(".wal")) {
        for bit in 0..image[name].len() * 8 {
            let mut flipped = image.clone();
            flipped.get_mut(name).unwrap()[bit / 8] ^= 1 << (bit % 8);
            noticed += u32::from(check_damage(&model, name, &flipped, &format!("{name} bit {bit}")));
        }
    }
    println!("{noticed} flipped bits noticed");
    assert!(noticed > 10_000);
}

// proves: WAL-3
#[test]
fn every_lost_sector_is_harmless_or_an_error_that_names_the_segment() {
    let (storage, model) = closed_log();
    let image = storage.image();
    for name in image.keys().filter(|name| name.ends_with(".wal")) {
        for sector in (0..image[name].len()).step_by(512) {
            for fill in [0, 0xff, b'w'] {
                let mut lost = image.clone();
                lost.get_mut(name).unwrap()[sector..sector + 512].fill(fill);
                check_damage(&model, name, &lost, &format!("{name} sector at {sector} filled with {fill}"));
            }
        }
        for length in (0..image[name].len()).step_by(37) {
            let mut cut = image.clone();
            cut.get_mut(name).unwrap().truncate(length);
            check_damage(&model, name, &cut, &format!("{name} cut at {length}"));
        }
    }
}

// proves: WAL-3
#[test]
fn a_torn_tail_is_cut_and_reported() {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    log.append(b"whole", Append::DURABLE).unwrap();
    log.append(b"torn in the middle", Append::DURABLE).unwrap();
    drop(log);
    let mut image = storage.image();
    let bytes = image.get_mut("00000000000000000001.wal").unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end - 5..=end].fill(0);
    let (_, opened, found) = open(&SimStorage::new(image)).unwrap();
    assert_eq!(found.records, [(1, b"whole".to_vec())]);
    let torn = opened.torn.unwrap();
    assert_eq!((torn.segment, torn.offset, torn.bytes), (1, 64 + 48 + 24 + 16 + 5, 16 + 18 - 6));
}

#[test]
fn a_log_reads_the_same_from_outside() {
    let (storage, model) = closed_log();
    let found = verify(Arc::new(storage)).unwrap();
    assert_eq!((found.records, found.torn), (model.records.len() as u64, false));
}
