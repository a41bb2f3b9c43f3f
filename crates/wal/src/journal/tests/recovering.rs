//! Recovery that is itself cut off, at any moment, and begun again.

use super::*;

/// What becomes of an operation, by its name.
fn verdict(kind: &str) -> Verdict<u64> {
    match kind.split(' ').next() {
        Some("filled") => Verdict::Completed(vec![1, 10]),
        Some("gone") => Verdict::RolledBack(vec![100]),
        _ => Verdict::Unresolved,
    }
}

/// The facts that come of it.
fn worth(kind: &str) -> u64 {
    match verdict(kind) {
        Verdict::Completed(facts) | Verdict::RolledBack(facts) => facts.iter().sum(),
        Verdict::Unresolved => 0,
    }
}

/// Names of operations that are left in the air, in order.
const IN_THE_AIR: [&str; 8] =
    ["filled 1", "unknown 2", "gone 3", "filled 4", "unknown 5", "gone 6", "gone 7", "filled 8"];

/// What is left in the air when so many are settled.
fn left_behind(settled: usize) -> Vec<&'static str> {
    let is_left = |kind: &&str| match IN_THE_AIR.into_iter().filter(|kind| worth(kind) > 0).position(|way| way == *kind)
    {
        Some(way) => way >= settled,
        None => true,
    };
    IN_THE_AIR.into_iter().filter(is_left).collect()
}

/// A disk with operations in the air, every second one started, among others that are at rest.
fn disk(with_checkpoint: bool) -> SimStorage {
    let storage = SimStorage::default();
    let (journal, ..) = open(&storage).unwrap();
    for (index, kind) in IN_THE_AIR.into_iter().enumerate() {
        let begun = journal.begin(kind.to_owned()).unwrap();
        if index % 2 == 0 {
            drop(begun.start().unwrap());
        }
        let other = journal.begin("at rest".to_owned()).unwrap().start().unwrap();
        if index % 3 == 0 {
            let _failed = other.fail(&[]).unwrap();
        } else {
            other.complete(&[]).unwrap();
        }
        if with_checkpoint && index == 4 {
            journal.checkpoint(at(0)).unwrap();
        }
    }
    journal.close().unwrap();
    SimStorage::new(storage.image())
}

/// Runs a recovery, noting each operation that was settled. Returns what it visited, and the counts.
fn recover(storage: &SimStorage, for_tasks: bool) -> (Vec<String>, Recovered) {
    let (journal, mut recovery, _) = open(storage).unwrap();
    let mut visited = Vec::new();
    let mut settled = 0;
    while let Some(unsettled) = recovery.take() {
        let kind = unsettled.kind.clone();
        let verdict = verdict(&kind);
        let settles = !matches!(verdict, Verdict::Unresolved);
        visited.push(kind);
        if for_tasks {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(recovery.settle_async(&journal, unsettled, verdict)).unwrap();
        } else {
            recovery.settle(&journal, unsettled, verdict).unwrap();
        }
        if settles {
            settled += 1;
            storage.note(settled);
        }
    }
    (visited, recovery.counts())
}

// proves: WAL-7
#[test]
fn a_recovery_that_is_cut_off_anywhere_goes_on_where_it_was_and_settles_nothing_twice() {
    let mut crashes = 0;
    for (with_checkpoint, for_tasks) in [(false, false), (true, false), (false, true), (true, true)] {
        let storage = disk(with_checkpoint);
        let (visited, counts) = recover(&storage, for_tasks);
        assert_eq!(visited, IN_THE_AIR);
        assert_eq!(counts, Recovered { completed: 3, rolled_back: 3, unresolved: 2 });
        let depth = Depth { exhaustive_up_to: 4, random: 3 };
        storage.recording().crashes(depth, 1, None, &mut |crash| {
            crashes += 1;
            let done = usize::try_from(crash.notes.last().copied().unwrap_or(0)).unwrap();
            let left = SimStorage::new(crash.image.clone());
            let (visited, counts) = recover(&left, for_tasks);
            // As many as were promised are settled; of the next one nobody had heard.
            assert!(visited == left_behind(done) || visited == left_behind(done + 1), "behind {done}: {visited:?}");
            assert_eq!(counts.completed + counts.rolled_back + counts.unresolved, visited.len() as u64);
            let (journal, recovery, sum) = open(&left).unwrap();
            let unresolved: Vec<String> = journal.open_operations().into_iter().map(|(_, _, kind)| kind).collect();
            assert_eq!(
                (unresolved.as_slice(), recovery.left()),
                (&["unknown 2", "unknown 5"].map(str::to_owned)[..], 2)
            );
            assert_eq!(sum, IN_THE_AIR.into_iter().map(worth).sum::<u64>(), "each once, with all its facts");
            true
        });
    }
    assert!(crashes > 200, "{crashes}");
}

#[test]
fn a_recovery_that_cannot_write_leaves_the_rest_open_and_says_so() {
    let storage = disk(false);
    let operations = {
        let counting = SimStorage::new(storage.image());
        let (_journal, _recovery, _) = open(&counting).unwrap();
        counting.operations()
    };
    let mut failed = 0;
    for at in operations..operations + 40 {
        let storage = SimStorage::new(storage.image());
        let (journal, recovery, _) = open(&storage).unwrap();
        storage.plan(crate::sim::Fault { at, kind: crate::sim::FaultKind::Error(5), lasting: true });
        let outcome = recovery.run(&journal, |unsettled| verdict(&unsettled.kind));
        failed += u32::from(outcome.is_err());
        drop(journal);
        storage.heal();
        let (visited, _) = recover(&storage, false);
        // From some operation on nothing was settled: that one may be the last, which was on disk when the log failed.
        let settled = (0..=6).find(|settled| visited == left_behind(*settled));
        assert!(settled.is_some_and(|settled| outcome.is_err() || settled == 6), "{outcome:?}: {visited:?}");
        assert_eq!(open(&storage).unwrap().2, IN_THE_AIR.into_iter().map(worth).sum::<u64>(), "fault at {at}");
    }
    assert!(failed > 8, "{failed}");
}
