//! The file system crashes under the writer: what was not synced is gone.

use backstop_tests::workload::{Session, mix};
use backstop_tests::{effort, seed};
use backstop_wal::DirStorage;

use super::checker::{Crash, Said, check};
use super::filesystem::FileSystem;
use super::model::{SEQUENCES, image_of, possible, prepare};
use super::writer::{Life, session};

/// The writer works on `session` until the file system crashes; what is found then.
fn cycle(disk: &FileSystem, session: &Session, said: &mut Said, lines: u64) -> Result<(), String> {
    let mut life = Life::start(session);
    life.hear_lines(lines);
    let output = disk.crash(|| life.end());
    said.hear(&output).and_then(|()| check(session, said, Crash::Machine)).map_err(|wrong| format!("{wrong}\n{output}"))
}

/// Three logs, of one writer and of several, and with segments of changing lengths, go through `cycles` crashes.
fn crash_again_and_again(kind: &str, cycles: u64) {
    let Some(disk) = FileSystem::new(kind, &format!("{cycles} crashes of {kind}")) else { return };
    let mut logs = [1_usize, 2, 5].map(|writers| {
        let session = session(&disk.root().join(format!("log-{writers}")), mix(seed(), [writers as u64, 3, 0]));
        (Session { actions: 100_000, writers, ..session }, Said::default())
    });
    for number in 0..cycles {
        let (session, said) = &mut logs[usize::try_from(number % 3).unwrap()];
        let dice = |what| mix(seed(), [number, what, 4]);
        session.segment_len = 2048 << (dice(0) % 4);
        let ended = cycle(&disk, session, said, 1 + dice(1) % 150);
        assert_eq!(ended, Ok(()), "{kind}, crash {number}, BACKSTOP_SEED={}", seed());
    }
    let acks: usize = logs.iter().map(|(_, said)| said.acks()).sum();
    assert!(acks as u64 > 10 * cycles, "{acks} acknowledgements before {cycles} crashes");
}

/// A writer that leaves out the syncs must be found out each time, or the tests above could not fail.
fn unsynced_is_found_out(kind: &str) {
    let Some(disk) = FileSystem::new(kind, &format!("a log without syncs on {kind}")) else { return };
    for number in 0..3 {
        let path = disk.root().join(number.to_string());
        let session = Session { actions: 100_000, unsynced: true, ..session(&path, seed() + number) };
        let ended = cycle(&disk, &session, &mut Said::default(), 60);
        assert!(ended.is_err(), "{kind}: nothing was synced, and nothing was lost");
    }
}

/// What the simulated disk takes for possible must hold what the real one does.
fn leaves_what_the_model_expects(kind: &str) {
    let Some(disk) = FileSystem::new(kind, &format!("the simulated disk against {kind}")) else { return };
    for (name, sequence) in SEQUENCES {
        let path = disk.root().join(name);
        let storage = DirStorage::create_or_open(&path).unwrap();
        prepare(&storage);
        disk.sync();
        sequence(&storage);
        disk.crash(|| {});
        let found = image_of(&path);
        assert!(possible(sequence).contains(&found), "{kind}: after `{name}`: {:?}", super::model::shown(&found));
    }
}

// proves: WAL-1, WAL-2, WAL-6
#[test]
fn ext4_crashes_under_the_writer_and_keeps_what_was_acknowledged() {
    crash_again_and_again("ext4", effort(30, 300));
}

// proves: WAL-1, WAL-2, WAL-6
#[test]
fn xfs_crashes_under_the_writer_and_keeps_what_was_acknowledged() {
    crash_again_and_again("xfs", effort(30, 300));
}

#[test]
fn without_syncs_ext4_loses_what_was_acknowledged() {
    unsynced_is_found_out("ext4");
}

#[test]
fn without_syncs_xfs_loses_what_was_acknowledged() {
    unsynced_is_found_out("xfs");
}

#[test]
fn what_ext4_leaves_after_a_crash_is_possible_on_the_simulated_disk() {
    leaves_what_the_model_expects("ext4");
}

#[test]
fn what_xfs_leaves_after_a_crash_is_possible_on_the_simulated_disk() {
    leaves_what_the_model_expects("xfs");
}
