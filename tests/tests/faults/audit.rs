//! What the writer asks of the kernel, in which order.

use std::collections::BTreeMap;
use std::fs;

use backstop_tests::{Call, has_strace, under_strace};

use super::strace::Start;
use super::writer::{command, shown};

/// One life.
struct Life {
    /// How far each segment was written when it began.
    ends: BTreeMap<String, u64>,
    /// What it asked of the kernel. The directory of the log is called LOG.
    trace: String,
}

/// A life that begins with what `start` has, up to its end.
fn life(start: &Start) -> Life {
    let start = start.copy();
    let session = &start.session;
    let mut ends = BTreeMap::new();
    for entry in fs::read_dir(&session.path).into_iter().flatten() {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        ends.insert(format!("LOG/{}", entry.file_name().to_str().unwrap()), end);
    }
    let trace = session.path.with_extension("trace");
    let output = under_strace(&command(session), &trace, ["-e", "trace=%file,%desc"]).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    let trace = fs::read_to_string(&trace).unwrap();
    Life { ends, trace: trace.replace(session.path.to_str().unwrap(), "LOG") }
}

/// A log that is founded, and logs whose writers were killed.
fn lives(what: &str) -> Option<[Life; 3]> {
    if !has_strace(what) {
        return None;
    }
    let starts = [Start::nothing(), Start::killed("pwrite64", 40), Start::killed("rename", 3)];
    Some(starts.map(|start| life(&start)))
}

/// The calls that did something.
fn calls(life: &Life) -> impl Iterator<Item = Call<'_>> {
    life.trace.lines().filter_map(Call::of).filter(|call| !call.result.starts_with("-1"))
}

/// The path behind a descriptor, the first argument.
fn file<'a>(call: &Call<'a>) -> &'a str {
    call.arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(path, _)| path)
}

/// Where a write began and ended.
fn written(call: &Call<'_>) -> (u64, u64) {
    let offset: u64 = call.arguments.rsplit_once(", ").unwrap().1.parse().unwrap();
    (offset, offset + call.result.parse::<u64>().unwrap())
}

fn is_segment(path: &str) -> bool {
    path.starts_with("LOG/") && path.strip_suffix(".wal").is_some()
}

fn is_sync(call: &Call<'_>) -> bool {
    ["fsync", "fdatasync"].contains(&call.name)
}

/// The paths in the arguments of a call.
fn named<'a>(call: &Call<'a>) -> Vec<&'a str> {
    call.arguments.split('"').skip(1).step_by(2).collect()
}

// proves: WAL-1
#[test]
fn nothing_is_acknowledged_as_durable_before_all_that_was_written_is_synced() {
    let Some(lives) = lives("syncs before acknowledgements") else { return };
    let mut acks = 0;
    for life in &lives {
        let mut unsynced = BTreeMap::new();
        for call in calls(life) {
            match call.name {
                "pwrite64" if is_segment(file(&call)) => {
                    unsynced.insert(file(&call), call);
                }
                "write" if ["\"ack ", "\"checkpoint "].iter().any(|word| call.arguments.contains(word)) => {
                    acks += 1;
                    assert!(unsynced.is_empty(), "{call:?} after {unsynced:?}");
                }
                _ if is_sync(&call) => {
                    unsynced.remove(file(&call));
                }
                _ => {}
            }
        }
    }
    assert!(acks > 30, "{acks} acknowledgements");
}

// proves: WAL-1
#[test]
fn a_segment_is_whole_and_synced_before_it_has_its_name_and_its_name_is_durable_before_it_is_used() {
    let Some(lives) = lives("how a segment is made") else { return };
    let mut made = 0;
    for life in &lives {
        // How far a file in the making is written without a gap, and whether it is synced.
        let mut making: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
        let mut unsynced_name = None;
        for call in calls(life) {
            let path = file(&call);
            match call.name {
                "openat" if call.arguments.contains("O_CREAT") && call.arguments.contains(".wal") => {
                    assert!(call.arguments.contains("O_EXCL"), "{call:?}");
                    making.insert(named(&call)[0], (0, false));
                }
                "pwrite64" if is_segment(path) => {
                    assert_ne!(unsynced_name, Some(path), "{call:?} before its name is durable");
                }
                "pwrite64" if making.contains_key(path) => {
                    let (from, to) = written(&call);
                    let (end, synced) = making.get_mut(path).unwrap();
                    assert!(from <= *end, "{call:?} leaves a gap");
                    (*end, *synced) = (to.max(*end), false);
                }
                "rename" | "renameat" | "renameat2" => {
                    let (from, to) = (named(&call)[0], named(&call)[1]);
                    let (end, synced) = making.remove(from).unwrap();
                    assert!(synced && end >= 2048, "{call:?}: synced: {synced}, written: {end}");
                    assert_eq!(unsynced_name.replace(to), None, "{call:?}");
                    made += 1;
                }
                _ if is_sync(&call) && path == "LOG" => unsynced_name = None,
                _ if is_sync(&call) => {
                    making.entry(path).and_modify(|(_, synced)| *synced = true);
                }
                _ => {}
            }
        }
        assert_eq!(unsynced_name, None);
    }
    assert!(made > 10, "{made} segments");
}

// proves: WAL-2
#[test]
fn no_byte_of_a_segment_that_has_its_name_is_written_twice() {
    let Some(lives) = lives("where the log writes") else { return };
    let mut writes = 0;
    for life in &lives {
        let mut ends: BTreeMap<&str, u64> = life.ends.iter().map(|(name, end)| (name.as_str(), *end)).collect();
        for call in calls(life) {
            if call.name == "pwrite64" && is_segment(file(&call)) {
                let (from, to) = written(&call);
                // Its header is there before its name.
                let end = ends.entry(file(&call)).or_insert(64);
                assert!(from >= *end, "{call:?} after bytes up to {end}");
                *end = to;
                writes += 1;
            }
            if call.name.starts_with("rename") {
                ends.remove(named(&call)[1]);
            }
            let cut = call.name.contains("truncate") || call.arguments.contains("O_TRUNC");
            assert!(!(cut && call.arguments.contains("LOG/")), "{call:?}");
        }
    }
    assert!(writes > 50, "{writes} writes");
}

// proves: WAL-6
#[test]
fn history_is_removed_after_the_checkpoint_is_synced_and_the_removal_is_synced_too() {
    let Some(lives) = lives("how history is removed") else { return };
    let mut removed = 0;
    for life in &lives {
        let (mut unsynced, mut gone) = (BTreeMap::new(), None);
        for call in calls(life) {
            let changes = ["pwrite64", "write", "rename", "unlink"].iter().any(|word| call.name.starts_with(word));
            assert!(!(changes && gone.is_some()), "{call:?} before the removal of {gone:?} is synced");
            match call.name {
                "pwrite64" if is_segment(file(&call)) => {
                    unsynced.insert(file(&call), call);
                }
                "unlink" | "unlinkat" if is_segment(named(&call)[0]) => {
                    assert!(unsynced.is_empty(), "{call:?} after {unsynced:?}");
                    gone = Some(named(&call)[0]);
                    removed += 1;
                }
                _ if is_sync(&call) && file(&call) == "LOG" => gone = None,
                _ if is_sync(&call) => {
                    unsynced.remove(file(&call));
                }
                _ => {}
            }
        }
        assert_eq!(gone, None);
    }
    assert!(removed > 2, "{removed} segments");
}

// proves: LOCK-2
#[test]
fn the_lock_file_of_the_log_is_never_removed_renamed_or_cut() {
    let Some(lives) = lives("what the log does to its lock file") else { return };
    for life in &lives {
        let mut locked = false;
        for call in calls(life).filter(|call| call.arguments.contains("LOG/lock")) {
            locked |= call.name == "flock";
            let harm = ["unlink", "rename", "truncate", "link"].iter().any(|word| call.name.contains(word));
            assert!(!harm && !call.arguments.contains("O_TRUNC"), "{call:?}");
        }
        assert!(locked, "the trace shows no lock");
    }
}
