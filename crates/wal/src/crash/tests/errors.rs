//! An error at every operation, and what the system may show afterwards.

use std::collections::BTreeSet;

use crate::crash::{Complaint, Found, History, Model, Promised, Run, Style, check_crash, check_found, open, reopen};
use crate::sim::{Depth, Dice, Fault, FaultKind, SimStorage};
use crate::{Append, AppendError};

const EIO: i32 = 5;

/// What the operations of a disk can fail with.
const KINDS: [FaultKind; 9] = [
    FaultKind::Error(EIO),
    FaultKind::Error(28),  // ENOSPC
    FaultKind::Error(122), // EDQUOT
    FaultKind::Error(4),   // EINTR
    FaultKind::Error(30),  // EROFS
    FaultKind::Error(27),  // EFBIG
    FaultKind::Torn(EIO),
    FaultKind::Torn(28),
    FaultKind::Short,
];

/// Which operations were hit by which faults.
type Hits = BTreeSet<(&'static str, FaultKind)>;

/// Every one of these operations must have failed in every way; and reads and writes have been short.
#[track_caller]
fn check_hits(hits: &Hits, operations: &[&'static str]) {
    for operation in operations {
        for kind in KINDS.iter().filter(|kind| **kind != FaultKind::Short) {
            assert!(hits.contains(&(*operation, *kind)), "no {operation} was hit by {kind:?}");
        }
    }
    for operation in ["read", "write"].iter().filter(|operation| operations.contains(operation)) {
        assert!(hits.contains(&(*operation, FaultKind::Short)), "no {operation} was short");
    }
}

/// When the machine crashes, at each step.
#[derive(Debug, Clone, Copy)]
enum Crashes {
    Never,
    SinceOpening,
    SinceFailing,
}

impl Crashes {
    fn some(now: bool) -> Self {
        if now { Self::SinceOpening } else { Self::Never }
    }
}

/// A writer on a disk where an operation fails, up to the moment when it has gone.
struct Failed {
    storage: SimStorage,
    model: Model,
    dice: Dice,
    /// Whether there was such an operation.
    hit: bool,
    refused: Option<AppendError>,
    written: u64,
    /// Before this step nothing had failed.
    since: usize,
}

impl Failed {
    fn at(seed: u64, fault: Fault) -> Result<Self, Complaint> {
        let storage = SimStorage::default();
        let mut model = Model::default();
        let mut dice = Dice::new(seed);
        let log = reopen(&storage, &model);
        let tasks = usize::try_from(seed % 3).unwrap();
        let style = Style { tasks, checkpoints: true, fixed_len: false };
        let mut run = Run::new(&log, &storage, &mut model, &mut dice, style);
        run.steps(2).map_err(|error| error.to_string())?;
        let (base, since) = (storage.operations(), storage.recording().steps());
        storage.plan(Fault { at: base + fault.at, ..fault });
        let refused = run.steps(10).and_then(|()| run.checkpoint()).err();
        // What the system has survives the process, unless it was lost in a failure.
        let written = if refused.is_none() { run.written as u64 } else { 0 };
        let hit = storage.operations() > base + fault.at;
        if refused.is_some() {
            // WAL-4: after a failure there is nothing but failures, and not another sync.
            let before = storage.recording().steps();
            if log.append(b"late", Append::DURABLE).is_ok() || log.sync().is_ok() {
                return Err(format!("acknowledged after {refused:?}"));
            }
            if storage.recording().steps() != before {
                return Err("wrote after a failure".to_owned());
            }
        }
        storage.heal();
        Ok(Self { storage, model, dice, hit, refused, written, since })
    }

    fn promised(&self) -> u64 {
        Promised::by(&self.storage.recording().notes()).records.max(self.written)
    }

    fn hit_a_sync(&self) -> bool {
        self.storage.fired().iter().any(|(operation, _)| *operation == "sync")
    }

    /// Opens again and goes on, and the machine crashes at each step.
    fn goes_on(mut self, seed: u64, crashes: Crashes) -> Result<Hits, Complaint> {
        let (storage, refused) = (&self.storage, &self.refused);
        let (log, _, found) = match open(storage) {
            // The system forgot something while it was being read.
            Err(_) if storage.fired().iter().any(|(_, kind)| matches!(kind, FaultKind::Evict(_))) => open(storage),
            other => other,
        }
        .map_err(|error| format!("does not open after {refused:?}: {error}"))?;
        storage.heal();
        check_found(&self.model, self.promised(), &found)?;
        // From here on what was found is promised.
        let before = self.model.clone();
        self.model.truncate(found.count());
        storage.note(found.count() as u64);
        let from = storage.recording().steps();
        let style = Style { tasks: 1, checkpoints: true, fixed_len: false };
        let mut run = Run::new(&log, storage, &mut self.model, &mut self.dice, style);
        run.steps(3).map_err(|error| format!("does not go on: {error}"))?;
        drop(log);
        let mut complaint = None;
        let first = match crashes {
            Crashes::Never => return Ok(storage.fired()),
            Crashes::SinceOpening => from,
            Crashes::SinceFailing => self.since,
        };
        storage.recording().crashes(Depth { exhaustive_up_to: 2, random: 2 }, seed, None, &mut |crash| {
            if crash.step < first {
                return true;
            }
            let model = if crash.step < from { &before } else { &self.model };
            let outcome = check_crash(model, Promised::by(crash.notes), &crash, 1, 1024);
            complaint = outcome.err().map(|text| format!("after {refused:?}, step {}: {text}", crash.step));
            complaint.is_none()
        });
        complaint.map_or_else(|| Ok(storage.fired()), Err)
    }
}

// proves: WAL-4
#[test]
fn an_error_at_any_operation_ends_the_acknowledgements_and_loses_none_of_them() {
    let (mut faults, mut hits) = (0, Hits::new());
    for seed in 0..4 {
        for kind in KINDS {
            for lasting in [false, true] {
                for at in 0.. {
                    let fault = Fault { at, kind, lasting };
                    let check = || {
                        let failed = Failed::at(seed, fault)?;
                        let hit = failed.hit;
                        // What a failed sync lost shows only in a crash.
                        let is_one_sync = kind == FaultKind::Error(EIO) && !lasting && failed.hit_a_sync();
                        let crashes = if is_one_sync { Crashes::SinceFailing } else { Crashes::some(at % 6 == seed) };
                        failed.goes_on(seed, crashes).map(|fired| (hit, fired))
                    };
                    match check() {
                        Ok((true, fired)) => {
                            faults += 1;
                            hits.extend(fired);
                        }
                        Ok((false, _)) => break,
                        Err(text) => panic!("seed {seed}, {fault:?}: {text}"),
                    }
                }
            }
        }
    }
    println!("{faults} faults");
    check_hits(&hits, &["list", "create", "allocate", "write", "sync", "rename", "remove", "sync directory"]);
    assert!(faults > 1000, "{faults}");
}

// After a sync that failed the system may at any moment show the old content again, of all or of some of what was lost.
// proves: WAL-4
#[test]
fn what_is_shown_anew_after_a_failed_sync_neither_takes_nor_adds_a_record() {
    let mut faults = 0;
    for seed in 0..4 {
        for at in 0.. {
            let fault = Fault { at, kind: FaultKind::Error(EIO), lasting: false };
            let failed = Failed::at(seed, fault).unwrap_or_else(|text| panic!("seed {seed}, {fault:?}: {text}"));
            if !failed.hit {
                break;
            }
            if !failed.hit_a_sync() {
                continue;
            }
            // Now, or while it is opened.
            for later in 0..40 {
                for (number, sectors) in (0..).zip([u8::MAX, 0x55, 0xaa]) {
                    let failed = Failed::at(seed, fault).unwrap();
                    let evict = Fault {
                        at: failed.storage.operations() + later,
                        kind: FaultKind::Evict(sectors),
                        lasting: false,
                    };
                    failed.storage.plan(evict);
                    let check = || {
                        if later == 0 {
                            let found = Found::read(&failed.storage)?;
                            check_found(&failed.model, failed.promised(), &found)?;
                        }
                        failed.goes_on(seed, Crashes::some((at + later) % 8 == number))
                    };
                    match check() {
                        Ok(fired) => faults += u32::from(fired.iter().any(|(_, kind)| *kind == evict.kind)),
                        Err(text) => panic!("seed {seed}, {fault:?}, {evict:?}: {text}"),
                    }
                }
            }
        }
    }
    println!("{faults} times something else was shown");
    assert!(faults > 1000, "{faults}");
}

// proves: WAL-3
#[test]
fn an_error_at_any_operation_of_an_opening_changes_nothing() {
    let (mut faults, mut hits) = (0, Hits::new());
    for seed in 0..20 {
        let image = History::generate(seed).image;
        let expected = open(&SimStorage::new(image.clone())).unwrap().2;
        for kind in KINDS {
            for lasting in [false, true] {
                for at in 0.. {
                    let storage = SimStorage::new(image.clone());
                    storage.plan(Fault { at, kind, lasting });
                    let first = open(&storage);
                    if storage.operations() <= at {
                        break;
                    }
                    faults += 1;
                    hits.extend(storage.fired());
                    if let Ok((_, _, found)) = &first {
                        assert_eq!(*found, expected, "seed {seed}, {kind:?} at {at}");
                    }
                    drop(first);
                    storage.heal();
                    let (_, _, found) =
                        open(&storage).unwrap_or_else(|error| panic!("seed {seed}, {kind:?} at {at}: {error}"));
                    assert_eq!(found, expected, "seed {seed}, {kind:?} at {at}");
                }
            }
        }
    }
    println!("{faults} faults");
    let operations = ["lock", "list", "open", "length", "read", "create", "allocate", "write", "sync", "rename"];
    check_hits(&hits, &[&operations[..], &["remove", "sync directory"]].concat());
    assert!(faults > 1000, "{faults}");
}
