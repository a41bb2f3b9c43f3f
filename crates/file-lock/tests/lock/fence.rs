//! Fence numbers: each greater than all before, whatever happened to one slot of the record.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use backstop_file_lock::{AcquireError, RaiseError};
use proptest::prelude::*;

use crate::{acquire, next_fence};

// proves: LOCK-5
#[test]
fn each_acquisition_has_a_greater_fence_and_it_is_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    for expected in 1..=5 {
        let lock = acquire(&path).unwrap();
        assert_eq!(lock.fence(), expected);
        assert!(fs::read_to_string(&path).unwrap().contains(&format!("\"fence\":{expected},")));
    }
}

/// What an acquisition found in the file, and what it left there.
struct Written {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Written {
    fn by_acquiring(path: &Path) -> Self {
        let before = fs::read(path).unwrap_or_default();
        drop(acquire(path).unwrap());
        Self { before, after: fs::read(path).unwrap() }
    }

    /// The file as a crash leaves it when only the first `kept` changed bytes had reached the disk.
    fn torn_after(&self, kept: usize) -> Vec<u8> {
        let mut torn = self.before.clone();
        let changed = (0..self.after.len()).filter(|&at| self.before.get(at) != Some(&self.after[at]));
        for at in changed.take(kept) {
            torn.resize(torn.len().max(at + 1), 0);
            torn[at] = self.after[at];
        }
        torn
    }
}

/// In place: emptying the file first, as `fs::write` does, is a thousand times slower on some file systems.
fn put(path: &Path, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
}

// proves: LOCK-5
#[test]
fn a_record_torn_at_any_byte_costs_no_fence_that_was_handed_out() {
    let dir = tempfile::tempdir().unwrap();
    for handed_out in 1..=3 {
        let path = dir.path().join(handed_out.to_string());
        for _ in 0..handed_out {
            drop(acquire(&path).unwrap());
        }
        let written = Written::by_acquiring(&path);
        for kept in 0..=512 {
            put(&path, &written.torn_after(kept));
            let fence = next_fence(&path);
            assert!(fence > handed_out, "{fence} after {handed_out}, torn after {kept} changed bytes");
        }
    }
}

// proves: LOCK-5
#[test]
fn a_first_record_that_was_torn_is_an_error_and_not_a_fresh_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let written = Written::by_acquiring(&path);
    for kept in 1..512 {
        put(&path, &written.torn_after(kept));
        assert!(matches!(acquire(&path), Err(AcquireError::Unreadable { .. })), "{kept}");
    }
}

#[test]
fn a_caller_that_knows_of_a_greater_fence_gets_one_above_it_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let mut lock = acquire(&path).unwrap();
    assert_eq!(lock.raise_fence_above(40).unwrap(), 41);
    assert_eq!(lock.fence(), 41);
    assert_eq!(lock.raise_fence_above(40).unwrap(), 41, "41 is above 40 already");
    assert!(matches!(lock.raise_fence_above(u64::MAX), Err(RaiseError::FenceSpent { .. })));
    assert_eq!(lock.fence(), 41);
    drop(lock);
    assert_eq!(next_fence(&path), 42);
}

#[test]
fn after_the_last_fence_nobody_gets_in() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    acquire(&path).unwrap().raise_fence_above(u64::MAX - 1).unwrap();
    assert!(matches!(acquire(&path), Err(AcquireError::FenceSpent { .. })));
}

#[test]
fn a_lock_that_was_lost_raises_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let mut lock = acquire(&path).unwrap();
    fs::rename(&path, dir.path().join("away")).unwrap();
    assert!(matches!(lock.raise_fence_above(9), Err(RaiseError::Lost { .. })));
    assert_eq!(lock.fence(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    Acquire,
    RaiseAbove(u64),
    /// A crash while an acquisition writes.
    Crash {
        kept: usize,
    },
    /// A slot goes bad; at most one between two acquisitions.
    Damage {
        at: usize,
        flip: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Acquire),
        1 => (0u64..200).prop_map(Step::RaiseAbove),
        2 => (0usize..=512).prop_map(|kept| Step::Crash { kept }),
        2 => (0usize..1024, 1u8..).prop_map(|(at, flip)| Step::Damage { at, flip }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // proves: LOCK-5
    #[test]
    fn fences_rise_through_crashes_leaps_and_damage_to_one_slot(steps in prop::collection::vec(step(), 1..24)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let mut greatest = acquire(&path).unwrap().fence();
        // The one slot that may be bad at present.
        let mut bad = false;
        for step in steps {
            match step {
                Step::Crash { kept } if !bad => {
                    let written = Written::by_acquiring(&path);
                    put(&path, &written.torn_after(kept));
                    bad = true;
                }
                Step::Damage { at, flip } if !bad => {
                    let mut bytes = fs::read(&path).unwrap();
                    if bytes.len() < 1024 {
                        continue; // one record only: its loss is an error, which another test shows
                    }
                    bytes[at] ^= flip;
                    put(&path, &bytes);
                    bad = true;
                }
                Step::Crash { .. } | Step::Damage { .. } | Step::Acquire => {
                    let fence = acquire(&path).unwrap().fence();
                    prop_assert!(fence > greatest, "{fence} after {greatest}");
                    greatest = fence;
                    bad = false;
                }
                Step::RaiseAbove(floor) => {
                    let mut lock = acquire(&path).unwrap();
                    prop_assert!(lock.fence() > greatest, "{} after {greatest}", lock.fence());
                    greatest = lock.raise_fence_above(floor).unwrap();
                    prop_assert!(greatest > floor && greatest >= lock.fence());
                    bad = false;
                }
            }
        }
    }
}
