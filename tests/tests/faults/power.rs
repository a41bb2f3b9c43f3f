//! The power is cut while the writer works, on a kernel that can be killed.

use std::path::Path;

use backstop_tests::workload::{Session, mix};
use backstop_tests::{effort, seed, skipped};

use super::checker::{Crash, Said, check};
use super::filesystem::FileSystem;
use super::machine::{boot, has_machine, shell};
use super::writer::{lines_of_writer, session};

/// The writer works on `session` in a machine whose power goes after so many lines; what is found then. `None` if no
/// machine comes up.
fn cut(disk: &FileSystem, session: &Session, said: &mut Said, lines: u64) -> Option<Result<(), String>> {
    let inside = Session { path: Path::new("/run/disk").join(session.path.file_name().unwrap()), ..session.clone() };
    let dir = tempfile::tempdir().unwrap();
    let script = format!("mount /dev/ubda /run/disk && exec {}", shell(&inside));
    let output = disk.unmounted(|image| {
        let mut machine = boot(dir.path(), &[image], &script);
        machine.hear_lines(lines);
        machine.kill()
    });
    let lines = lines_of_writer(&output);
    if !lines.contains("opened") {
        skipped("a power cut", &format!("the machine did not come up: {output}"));
        return None;
    }
    assert!(!lines.contains("closed"), "the power went after the work was done");
    let heard = said.hear(&lines).and_then(|()| check(session, said, Crash::Machine));
    Some(heard.map_err(|wrong| format!("{wrong}\n{output}")))
}

fn cut_again_and_again(kind: &str, cuts: u64) {
    let what = format!("{cuts} power cuts on {kind}");
    if !has_machine(&what) {
        return;
    }
    let Some(disk) = FileSystem::new(kind, &what) else { return };
    let first = session(&disk.root().join("log"), mix(seed(), [5, 0, 0]));
    let mut said = Said::default();
    for number in 0..cuts {
        let dice = |what| mix(seed(), [number, what, 6]);
        let session = Session { actions: 20_000, writers: 3, segment_len: 2048 << (dice(0) % 4), ..first.clone() };
        let Some(ended) = cut(&disk, &session, &mut said, 2 + dice(1) % 200) else { return };
        assert_eq!(ended, Ok(()), "{kind}, cut {number}, BACKSTOP_SEED={}", seed());
    }
}

// proves: WAL-1, WAL-2
#[test]
fn a_power_cut_on_ext4_takes_nothing_that_was_acknowledged() {
    cut_again_and_again("ext4", effort(1, 30));
}

// proves: WAL-1, WAL-2
#[test]
fn a_power_cut_on_xfs_takes_nothing_that_was_acknowledged() {
    cut_again_and_again("xfs", effort(1, 30));
}

/// The negative control of both.
#[test]
fn without_syncs_a_power_cut_takes_what_was_acknowledged() {
    let what = "a power cut without syncs";
    if !has_machine(what) {
        return;
    }
    let Some(disk) = FileSystem::new("ext4", what) else { return };
    let session =
        Session { actions: 20_000, unsynced: true, ..session(&disk.root().join("log"), mix(seed(), [7, 0, 0])) };
    let Some(ended) = cut(&disk, &session, &mut Said::default(), 60) else { return };
    assert!(ended.is_err(), "nothing was synced, and nothing was lost");
}
