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

/// A whole record, as this version writes it.
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
fn story(storage: &SimStorage) {
    let (ann, bob) = (process(storage), process(storage));
    pull(&ann, Level::Halt);
    storage.note(1);
    pull(&bob, Level::Freeze);
    storage.note(2);
    resume(&ann);
    storage.note(3);
    pull(&bob, Level::Halt);
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
    story(&storage);
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
fn whatever_cannot_be_read_is_missing_or_foreign_counts_as_pulled_until_a_resume_names_it() {
    let whole = record("halt", "");
    let lifted = record("resume", "\"halt-0000000000000001\"");
    let halt = ("00000001-halt-0000000000000001.json", whole.as_str());
    let back = ("00000002-resume-0000000000000002.json", lifted.as_str());
    let newer = record("resume", "").replace("\"version\":1", "\"version\":2");
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
            let switch = Switch::open(&path).unwrap();
            for _ in 0..30 {
                drop(switch.resume("bob", "why", at(2)).unwrap());
            }
        });
        resuming.join().unwrap();
        pullers.into_iter().flat_map(|puller| puller.join().unwrap()).collect()
    });
    assert_eq!(pulls.len(), 60);
    let standing = Switch::open(&path).unwrap().standing();
    let lifted: BTreeSet<&PullId> = standing.resumes().values().flat_map(|resume| &resume.lifts).collect();
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
