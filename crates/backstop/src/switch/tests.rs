use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use backstop_wal::sim::{Depth, Fault, FaultKind, Image, SimStorage};

use super::*;

const DEPTH: Depth = Depth { exhaustive_up_to: 12, random: 1000 };

/// Another process on the same directory.
fn process(storage: &SimStorage) -> Switch {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Switch::open_in(Arc::new(storage.clone()), NEXT.fetch_add(1 << 32, Ordering::Relaxed))
}

/// One that keeps no more than the newest record beside what counts.
fn forgetful(storage: &SimStorage) -> Switch {
    Switch { kept: 1, ..process(storage) }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn pull(switch: &Switch, level: Level) -> Pulled {
    switch.pull(level, "ann", "a reason", at(1)).unwrap()
}

fn resume(switch: &Switch) -> usize {
    switch.resume("bob", "looked into it", at(2)).unwrap().len()
}

fn level(storage: &SimStorage) -> Option<Level> {
    process(storage).standing().level()
}

/// Names and contents.
type Files<'a> = Vec<(&'a str, &'a str)>;

fn image(files: &[(&str, &str)]) -> SimStorage {
    SimStorage::new(files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect())
}

/// A whole record, as the first version wrote it.
fn record(kind: &str, lifts: &str) -> String {
    format!(r#"{{"version":1,"kind":"{kind}","by":"ann","reason":"r","at":"2030-01-02T00:00:00Z","lifts":[{lifts}]}}"#)
}

// proves: HALT-1
#[test]
fn what_one_process_pulls_every_other_sees_and_a_later_one_too() {
    let storage = SimStorage::default();
    let watching = process(&storage);
    assert_eq!(watching.standing().level(), None);
    pull(&process(&storage), Level::Halt);
    assert_eq!(watching.standing().level(), Some(Level::Halt));
    pull(&process(&storage), Level::Freeze);
    let standing = process(&storage).standing();
    assert_eq!(standing.level(), Some(Level::Freeze));
    assert_eq!(standing.strongest().unwrap().to_string(), "frozen by ann: a reason");
    assert_eq!(standing.pulls().len(), 2);
}

// proves: HALT-2
#[test]
fn resuming_takes_a_name_and_a_reason_and_keeps_them() {
    let storage = SimStorage::default();
    let pulled = pull(&process(&storage), Level::Freeze);
    for (by, reason) in [("", "why"), ("bob", " "), ("\n", "")] {
        assert!(matches!(process(&storage).resume(by, reason, at(2)), Err(SwitchError::Nameless)));
    }
    assert_eq!(level(&storage), Some(Level::Freeze));
    assert_eq!(resume(&process(&storage)), 1);
    let standing = process(&storage).standing();
    assert_eq!(standing.level(), None);
    let resumed: Vec<_> = standing.resumes().values().collect();
    assert_eq!((resumed[0].by.as_str(), resumed[0].reason.as_str()), ("bob", "looked into it"));
    assert_eq!(resumed[0].lifts, [pulled.id]);
    assert_eq!(resume(&process(&storage)), 0, "nothing stands, nothing is written");
    assert_eq!(process(&storage).standing().resumes().len(), 1);
}

#[test]
fn a_resume_takes_back_what_it_names_and_nothing_that_came_meanwhile() {
    let lifts = "\"halt-0000000000000001\"";
    let storage = image(&[
        ("00000001-halt-0000000000000001.json", &record("halt", "")),
        ("00000002-halt-0000000000000002.json", &record("halt", "")),
        ("00000003-resume-0000000000000003.json", &record("resume", lifts)),
    ]);
    let standing = process(&storage).standing();
    assert_eq!(standing.pulls().keys().map(ToString::to_string).collect::<Vec<_>>(), ["halt-0000000000000002"]);
}

/// What a test has been promised, step by step.
fn story(ann: &Switch, bob: &Switch, storage: &SimStorage) {
    pull(ann, Level::Halt);
    storage.note(1);
    pull(bob, Level::Freeze);
    storage.note(2);
    resume(ann);
    storage.note(3);
    pull(bob, Level::Halt);
    storage.note(4);
}

/// Whether a disk that a crash left keeps what was promised: and, where a step was under way, before or after it.
fn keeps(notes: &[u64], image: &Image) -> bool {
    let standing = process(&SimStorage::new(image.clone())).standing();
    let (halt, freeze) = (Some(Level::Halt), Some(Level::Freeze));
    let allowed = match notes.last() {
        None | Some(3) => [None, halt],
        Some(1) => [halt, freeze],
        Some(2) => [freeze, None],
        Some(_) => [halt, halt],
    };
    let are_whole = standing.pulls().values().all(|pull| pull.by == "ann" && pull.reason == "a reason");
    allowed.contains(&standing.level()) && are_whole
}

// proves: HALT-1
#[test]
fn no_crash_at_any_moment_takes_back_a_pull_or_leaves_one_that_nobody_made() {
    let storage = SimStorage::default();
    story(&process(&storage), &process(&storage), &storage);
    let recording = storage.recording();
    let mut states = 0;
    recording.crashes(DEPTH, 7, None, &mut |crash| {
        states += 1;
        assert!(keeps(crash.notes, crash.image), "{:?} {:?}", recording.describe(crash.step), crash.image.keys());
        true
    });
    assert!(states > 100, "{states} states");
    // A disk that lies about any one sync is found out: the story leans on each.
    let is_sync =
        |step: usize| recording.describe(step).rsplit("; ").next().is_some_and(|last| last.starts_with("Sync"));
    let syncs: Vec<usize> = (0..recording.steps()).filter(|step| is_sync(*step)).collect();
    assert_eq!(syncs.len(), 8, "one of the record and one of the directory, for each of four");
    for skipped in syncs {
        let kept = recording.crashes(DEPTH, 7, Some(skipped), &mut |crash| keeps(crash.notes, crash.image));
        assert!(!kept, "nothing is lost without {}", recording.describe(skipped));
    }
}

// proves: HALT-1
#[test]
fn no_crash_while_old_records_are_taken_away_takes_back_a_pull_or_leaves_one_that_nobody_made() {
    let storage = SimStorage::default();
    let (ann, bob) = (forgetful(&storage), forgetful(&storage));
    for _ in 0..3 {
        pull(&ann, Level::Halt);
        resume(&bob);
    }
    story(&ann, &bob, &storage);
    let recording = storage.recording();
    let (mut states, mut fewest) = (0, usize::MAX);
    recording.crashes(DEPTH, 7, None, &mut |crash| {
        if !crash.notes.is_empty() {
            states += 1;
            fewest = fewest.min(crash.image.len());
            assert!(keeps(crash.notes, crash.image), "{:?} {:?}", recording.describe(crash.step), crash.image.keys());
        }
        true
    });
    assert!(states > 100 && fewest < 6, "{states} states, no less than {fewest} files");
}

// proves: HALT-1
#[test]
fn what_it_costs_to_ask_does_not_grow_with_what_was() {
    let storage = SimStorage::default();
    let (ann, bob, watching) = (process(&storage), process(&storage), process(&storage));
    let work = |switch: &Switch| {
        let before = storage.operations();
        assert_eq!(switch.standing().level(), None);
        storage.operations() - before
    };
    let mut costs = Vec::new();
    for round in 1..=300 {
        pull(&ann, Level::Halt);
        assert_eq!(watching.standing().level(), Some(Level::Halt), "at the next look: {round}");
        assert_eq!(resume(&bob), 1);
        if [100, 300].contains(&round) {
            costs.push((storage.names().unwrap().len(), work(&process(&storage)), work(&watching), work(&watching)));
        }
    }
    assert_eq!(costs[0], costs[1], "files, and calls of a process that begins, that has news, that has none");
    let (files, _, news, none) = costs[1];
    assert!(files <= usize::try_from(KEPT).unwrap() + 2 && news <= 10 && none == 1, "{costs:?}");
}

// proves: HALT-1, HALT-2
#[test]
fn what_was_taken_back_stays_so_when_the_record_of_it_is_gone_and_nothing_else_does() {
    let storage = SimStorage::default();
    let (ann, bob) = (process(&storage), forgetful(&storage));
    // Strangers and gaps are taken back by name, and stay where they are.
    storage.create("notes.txt").unwrap();
    storage.create("00000003-halt-0000000000000001.json").unwrap();
    let seen = ann.standing();
    assert!(seen.pulls().len() >= 3, "{seen:?}");
    assert!(resume(&bob) >= 3);
    let late = "00000002-freeze-00000000000000aa.json";
    for _ in 0..5 {
        pull(&ann, Level::Halt);
        resume(&bob);
    }
    assert!(storage.names().unwrap().len() < 6, "{:?}", storage.names());
    let later = process(&storage);
    // As a journal has it that was last written before all that.
    later.remember(seen.pulls(), seen.newest());
    assert_eq!((later.standing().level(), level(&storage)), (None, None), "{:?}", later.standing());
    // One whose writer was slow comes with a number of long ago, and one that only this process knows of was never seen.
    let _asked = later.ask(later.standing().pulls().values().next().cloned().unwrap_or(Pull {
        level: Level::Halt,
        by: "ann".to_owned(),
        reason: "the disk is full".to_owned(),
        since: None,
    }));
    for _ in 0..5 {
        pull(&ann, Level::Halt);
        resume(&bob);
    }
    assert_eq!(later.standing().level(), Some(Level::Halt));
    storage.create(late).unwrap();
    assert_eq!((ann.standing().level(), level(&storage)), (Some(Level::Freeze), Some(Level::Freeze)));
    resume(&bob);
    assert_eq!((ann.standing().level(), level(&storage)), (None, None));
}

// proves: HALT-1
#[test]
fn whatever_cannot_be_read_is_missing_or_foreign_counts_as_pulled_until_a_resume_names_it() {
    let whole = record("halt", "");
    let lifted = record("resume", "\"halt-0000000000000001\"");
    let halt = ("00000001-halt-0000000000000001.json", whole.as_str());
    let back = ("00000002-resume-0000000000000002.json", lifted.as_str());
    let newer = record("resume", "").replace("\"version\":1", "\"version\":3");
    let cases: Vec<(&str, Level, Files<'_>)> = vec![
        ("empty", Level::Halt, vec![("00000001-halt-0000000000000001.json", "")]),
        ("empty, by its name a freeze", Level::Freeze, vec![("00000001-freeze-0000000000000001.json", "")]),
        ("cut off", Level::Halt, vec![halt, ("00000002-resume-0000000000000002.json", &lifted[..60])]),
        ("zeros", Level::Halt, vec![("00000001-resume-0000000000000001.json", "\0\0\0\0")]),
        ("of a newer version", Level::Halt, vec![("00000001-resume-0000000000000001.json", &newer)]),
        ("named as another kind", Level::Halt, vec![("00000001-resume-0000000000000001.json", &whole)]),
        ("a stranger", Level::Halt, vec![halt, back, ("notes.txt", "hello")]),
        ("a number with a second spelling", Level::Halt, vec![("000000001-halt-0000000000000001.json", &whole)]),
        ("the first one missing", Level::Halt, vec![back]),
        (
            "one in the middle missing",
            Level::Halt,
            vec![halt, back, ("00000009-resume-0000000000000009.json", &lifted)],
        ),
        ("the resume missing", Level::Halt, vec![halt]),
    ];
    for (what, expected, files) in cases {
        let storage = image(&files);
        assert_eq!(level(&storage), Some(expected), "{what}");
        assert!(resume(&process(&storage)) >= 1, "{what}");
        assert_eq!(level(&storage), None, "{what}");
    }
    let in_the_making = image(&[halt, back, ("00000003-halt-0000000000000003.json.tmp", "{")]);
    assert_eq!(level(&in_the_making), None, "nobody was told that it counts");
}

#[test]
fn a_record_that_is_taken_away_while_the_names_are_read_is_no_record_that_cannot_be_read() {
    let storage = SimStorage::default();
    pull(&process(&storage), Level::Halt);
    resume(&process(&storage));
    for operation in 1..8 {
        let switch = process(&storage);
        storage.plan(Fault { at: storage.operations() + operation, kind: FaultKind::Error(2), lasting: false });
        assert_eq!(switch.standing().level(), None, "{:?}", switch.standing());
        storage.heal();
    }
}

// proves: HALT-1
#[test]
fn what_stood_when_it_was_last_looked_at_stands_although_it_is_deleted() {
    let storage = SimStorage::default();
    let switch = process(&storage);
    pull(&process(&storage), Level::Freeze);
    let seen = switch.standing();
    let gone = SimStorage::default();
    let after = process(&gone);
    after.remember(seen.pulls(), seen.newest());
    assert_eq!(after.standing().level(), Some(Level::Freeze));
    assert!(after.standing().pulls().len() > 1, "and that records are gone is said: {:?}", after.standing());
    assert!(resume(&after) > 1);
    let later = process(&gone);
    later.remember(seen.pulls(), seen.newest());
    assert_eq!(later.standing().level(), None);
    // Deleted in front of a process that goes on.
    for name in storage.names().unwrap() {
        storage.remove(&name).unwrap();
    }
    assert_eq!(switch.standing().level(), Some(Level::Freeze));
}

#[test]
fn a_directory_that_cannot_be_read_is_a_halt_for_as_long_as_that_lasts() {
    let storage = SimStorage::default();
    let switch = process(&storage);
    storage.plan(Fault { at: storage.operations(), kind: FaultKind::Error(5), lasting: true });
    assert_eq!(switch.standing().level(), Some(Level::Halt));
    assert!(matches!(switch.resume("bob", "why", at(2)), Err(SwitchError::Io { .. })));
    storage.heal();
    assert_eq!(switch.standing().level(), None);
    let reading = image(&[("00000001-resume-0000000000000001.json", &record("resume", ""))]);
    let switch = process(&reading);
    reading.plan(Fault { at: 1, kind: FaultKind::Error(24), lasting: true });
    assert_eq!(switch.standing().level(), Some(Level::Halt), "its record cannot be opened");
    reading.heal();
    assert_eq!(switch.standing().level(), None);
}

// proves: HALT-1
#[test]
fn on_a_full_disk_the_reason_may_be_lost_and_never_the_pull() {
    let storage = SimStorage::default();
    storage.limit(Some(0));
    let pulled = pull(&process(&storage), Level::Freeze);
    assert!(pulled.without_reason.is_some());
    assert_eq!(level(&storage), Some(Level::Freeze));
    assert!(process(&storage).resume("bob", "why", at(2)).is_err());
    assert_eq!(level(&storage), Some(Level::Freeze));
    storage.limit(None);
    assert_eq!(resume(&process(&storage)), 1);
    assert_eq!(level(&storage), None);
}

// proves: HALT-1
#[test]
fn with_an_error_at_any_operation_what_was_confirmed_holds_and_what_was_not_stays_shut() {
    let mut struck = 0;
    for code in [5, 28, 30] {
        for lasting in [false, true] {
            for operation in 0.. {
                let storage = SimStorage::default();
                let switch = process(&storage);
                let fault = Fault { at: operation, kind: FaultKind::Torn(code), lasting };
                storage.plan(fault);
                let pulled = switch.pull(Level::Halt, "ann", "a reason", at(1));
                assert_eq!(switch.standing().level(), Some(Level::Halt), "{fault:?}");
                if pulled.is_ok() && !lasting {
                    assert_eq!(level(&storage), Some(Level::Halt), "{fault:?}");
                }
                let resumed = switch.resume("bob", "why", at(2));
                storage.heal();
                if resumed.is_ok_and(|lifted| !lifted.is_empty()) {
                    assert_eq!(switch.standing().level(), None, "{fault:?}");
                    assert_eq!(level(&storage), None, "{fault:?}");
                } else {
                    struck += 1;
                }
                if storage.operations() < operation {
                    break;
                }
            }
        }
    }
    assert!(struck > 50, "{struck}");
}

#[test]
fn many_processes_at_once_lose_no_pull() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("switch");
    let mut lifted: BTreeSet<PullId> = BTreeSet::new();
    let pulls: BTreeSet<PullId> = std::thread::scope(|scope| {
        let pullers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let switch = Switch::open(&path).unwrap();
                    (0..20).map(|_| switch.pull(Level::Halt, "ann", "r", at(1)).unwrap().id).collect::<Vec<_>>()
                })
            })
            .collect();
        let resuming = scope.spawn(|| {
            let switch = Switch { kept: 8, ..Switch::open(&path).unwrap() };
            (0..30).flat_map(|_| switch.resume("bob", "why", at(2)).unwrap().into_keys()).collect::<Vec<_>>()
        });
        lifted.extend(resuming.join().unwrap());
        pullers.into_iter().flat_map(|puller| puller.join().unwrap()).collect()
    });
    assert_eq!(pulls.len(), 60);
    let standing = Switch::open(&path).unwrap().standing();
    for id in &pulls {
        assert!(standing.pulls().contains_key(id) != lifted.contains(id), "{id} neither stands nor was taken back");
    }
    let others: Vec<_> = standing.pulls().keys().filter(|id| !pulls.contains(*id)).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn where_nobody_ever_pulled_a_reader_makes_nothing_and_sees_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("switch");
    assert_eq!(Switch::read(&path, &BTreeMap::new(), 0).unwrap().level(), None);
    assert!(!path.exists());
    assert_eq!(Switch::read(&path, &BTreeMap::new(), 3).unwrap().level(), Some(Level::Halt), "it had records");
    fs::write(&path, "no directory").unwrap();
    assert!(Switch::read(&path, &BTreeMap::new(), 0).is_err());
    assert!(Switch::open(Path::new(&path)).is_err());
}
