//! How long history stays, and that nothing else goes.

use std::time::Duration;

use super::*;

/// Three checkpoints, at second 100, 200 and 300, each behind `facts` facts, and one fact behind the last. Returns the numbers
/// of the segments that begin with one.
fn three_checkpoints(journal: &Journal<Orders>, facts: usize) -> Vec<u64> {
    let mut segments = Vec::new();
    for second in [100, 200, 300] {
        for _ in 0..facts {
            journal.record(&1, Append::DURABLE).unwrap();
        }
        journal.checkpoint(at(second)).unwrap();
        segments.push(journal.log.committer().checkpoint().unwrap().unwrap());
    }
    journal.record(&1, Append::DURABLE).unwrap();
    segments
}

/// The numbers of the segments that are there.
fn kept(storage: &SimStorage) -> Vec<u64> {
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    crate::segment::list(storage.as_ref()).unwrap().segments
}

/// What a reader of all that is kept is shown: how many records are gone, and the sum of the facts.
fn history(storage: &SimStorage) -> (u64, u64) {
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    let (mut gone, mut sum, mut first) = (0, 0, true);
    Journal::<Orders>::read_history(&storage, |past| {
        match past {
            Past::Removed { records } => {
                assert!(first, "only the oldest is removed");
                gone = records;
            }
            Past::Lost { records } => panic!("{records:?} are lost"),
            Past::Fact(fact) => sum += fact,
            Past::Begun { .. } | Past::Moved { .. } => {}
        }
        first = false;
    })
    .unwrap();
    (gone, sum)
}

const NO_LIMIT: Keep = Keep { age: Duration::MAX, bytes: u64::MAX };

#[test]
fn history_stays_for_the_given_time_and_not_a_second_longer() {
    let storage = SimStorage::default();
    let (journal, ..) = open(&storage).unwrap();
    let checkpoints = three_checkpoints(&journal, 60);
    assert!(checkpoints[0] > 2 && checkpoints[1] > checkpoints[0] + 1, "several segments each: {checkpoints:?}");
    let keep = Keep { age: Duration::from_secs(1000), ..NO_LIMIT };
    for (now, oldest, gone) in [
        (0, 1, 0),
        (1099, 1, 0),
        (1100, checkpoints[0], 60),
        (1199, checkpoints[0], 60),
        (1200, checkpoints[1], 120),
        // The newest checkpoint stays whatever the time, with all behind it.
        (i64::from(i32::MAX), checkpoints[2], 180),
    ] {
        journal.remove_history(at(now), keep).unwrap();
        assert_eq!(kept(&storage)[0], oldest, "at {now}");
        assert_eq!(history(&storage), (gone, 181 - gone), "at {now}");
        // Opening is none the wiser.
        assert_eq!(Journal::<Orders>::read(&(Arc::new(storage.clone()) as Arc<dyn Storage>)).unwrap().state, 181);
    }
}

#[test]
fn history_stays_up_to_the_given_size_and_not_a_byte_above() {
    let storage = SimStorage::default();
    let (journal, ..) = open(&storage).unwrap();
    let newest = three_checkpoints(&journal, 60)[2];
    let before = newest - 1;
    for (bytes, left) in [
        (before * 1024, before),
        (before * 1024 - 1, before - 1),
        (3 * 1024 + 1023, 3),
        (3 * 1024, 3),
        (3 * 1024 - 1, 2),
        (1023, 0),
        (0, 0),
    ] {
        journal.remove_history(at(0), Keep { bytes, ..NO_LIMIT }).unwrap();
        assert_eq!(newest - kept(&storage)[0], left, "{bytes} bytes");
        assert_eq!(history(&storage).0 + history(&storage).1, 181, "what is not shown is said to be gone");
    }
    drop(journal);
    assert_eq!(open(&storage).unwrap().2, 181);
}

#[test]
fn without_a_checkpoint_nothing_goes() {
    let storage = SimStorage::default();
    let (journal, ..) = open(&storage).unwrap();
    for _ in 0..60 {
        journal.record(&1, Append::DURABLE).unwrap();
    }
    assert_eq!(journal.remove_history(at(i64::from(i32::MAX)), NOTHING).unwrap(), 0);
    assert_eq!(history(&storage), (0, 60));
}

#[test]
fn a_checkpoint_of_the_future_does_not_shorten_what_is_kept() {
    let storage = SimStorage::default();
    let (journal, ..) = open(&storage).unwrap();
    // A clock that was wrong, and was set right.
    for second in [1_000_000, 200, 300] {
        journal.record(&1, Append::DURABLE).unwrap();
        journal.checkpoint(at(second)).unwrap();
    }
    journal.remove_history(at(1200), Keep { age: Duration::from_secs(1000), ..NO_LIMIT }).unwrap();
    assert_eq!(history(&storage), (0, 3));
}

// proves: WAL-6
#[test]
fn what_is_at_rest_goes_and_nothing_else_whatever_is_to_be_kept() {
    for seed in 0..150 {
        let mut dice = Dice::new(seed);
        let storage = SimStorage::default();
        let (mut journal, ..) = open(&storage).unwrap();
        let mut sum = 0;
        let mut open_kinds = std::collections::BTreeSet::new();
        for step in 0..40_u32 {
            match dice.below(6) {
                0 => {
                    let kind = format!("operation {step}");
                    drop(journal.begin(kind.clone()).unwrap());
                    open_kinds.insert(kind);
                }
                1 => {
                    journal.begin("short".to_owned()).unwrap().start().unwrap().complete(&[1]).unwrap();
                    sum += 1;
                }
                2 => {
                    journal.checkpoint(at(step.into())).unwrap();
                    let age = Duration::from_secs(dice.below(20) as u64);
                    let bytes = [0, 1024, 2048, 5000, u64::MAX][dice.below(5)];
                    journal.remove_history(at(step.into()), Keep { age, bytes }).unwrap();
                }
                3 if dice.below(3) == 0 => {
                    drop(journal);
                    journal = open(&storage).unwrap().0;
                }
                _ => {
                    journal.record(&10, Append::DURABLE).unwrap();
                    sum += 10;
                }
            }
        }
        drop(journal);
        let (journal, recovery, found) = open(&storage).unwrap();
        let kinds: std::collections::BTreeSet<String> =
            journal.open_operations().into_iter().map(|(_, _, kind)| kind).collect();
        assert_eq!((&kinds, found, recovery.left()), (&open_kinds, sum, open_kinds.len()), "seed {seed}");
        let (gone, kept) = history(&storage);
        assert!(gone > 0 || kept == sum, "seed {seed}: nothing is missing in silence");
    }
}
