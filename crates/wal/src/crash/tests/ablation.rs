//! The oracle itself: without any one of the syncs it must find something lost.

use crate::Append;
use crate::Log;
use crate::crash::{Model, Promised, Run, Style, check_crash, reopen};
use crate::sim::{Depth, Dice, Recording, SimStorage};

/// A history in which something hangs on every sync, and after which step one may be left out: each opening finds
/// something that was not durable, and each segment that is made is used.
fn history_of_needed_syncs(seed: u64) -> (Recording, Model, usize) {
    let mut dice = Dice::new(seed);
    let storage = SimStorage::default();
    let mut model = Model::default();
    let style = Style { tasks: 0, checkpoints: false, fixed_len: false };
    let append = |log: &Log, model: &mut Model, bytes: &[u8], how| {
        log.append(bytes, how).unwrap();
        model.push([bytes.to_vec()]);
    };
    for _ in 0..2 {
        let log = reopen(&storage, &model);
        let steps = 1 + dice.below(7);
        Run::new(&log, &storage, &mut model, &mut dice, style).steps(steps).unwrap();
        let count = model.records.len();
        model.checkpoints.push(count);
        // A checkpoint behind something that is not durable, and nothing else left of it.
        log.checkpoint(&model.state(count)).unwrap();
        log.remove_history(0).unwrap();
        storage.note(count as u64);
        append(&log, &mut model, b"not durable", Append::BUFFERED);
    }
    let log = reopen(&storage, &model);
    let judged = storage.recording().steps();
    // No further segment can be made, so that no later sync makes up for one that was left out.
    storage.limit(Some(0));
    while log.append(&[b'e'; 200], Append::DURABLE.from_reserve()).is_ok() {
        model.push([vec![b'e'; 200]]);
        storage.note(model.records.len() as u64);
    }
    (storage.recording(), model, judged)
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
                check_crash(&model, Promised::by(crash.notes), &crash, 1, 1024).is_ok()
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
