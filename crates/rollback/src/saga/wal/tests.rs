use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as StdMutex};
use std::task::{Context, Waker};

use backstop_wal::Claim;
use backstop_wal::sim::{Depth, Fault, FaultKind, SimStorage};

use super::super::tests::{Event, Fate, RETRY, World, block_on, plans};
use super::*;
use crate::{Finished, run};

const STEPS: usize = 5;

fn options() -> Options {
    let claim = Claim { label: "test".to_owned(), since: "2026-01-05T14:29:58Z".parse().unwrap() };
    Options::new(claim).segment_len(2048)
}

fn open(storage: &SimStorage) -> Result<(SagaLog, Vec<Saga>), SagaOpenError> {
    SagaLog::open(Arc::new(storage.clone()), &options()).map(|(log, unfinished, _)| (log, unfinished))
}

/// Runs `count` sagas, one after the other; each effect is noted in the recording at the moment at which it happens.
fn history(fates: &[(bool, usize, &[Fate])], count: usize) -> (SimStorage, Vec<Event>) {
    let storage = SimStorage::default();
    let happened = Arc::new(StdMutex::new(Vec::new()));
    let (log, unfinished) = open(&storage).unwrap();
    assert_eq!(unfinished, []);
    for number in 0..count {
        let mut world = World::with(fates);
        let (disk, events) = (storage.clone(), Arc::clone(&happened));
        world.witness = Some(Box::new(move |event, has_happened| {
            if has_happened {
                let mut events = events.lock().unwrap();
                events.push(event.clone());
                disk.note(events.len() as u64);
            }
        }));
        block_on(async {
            let saga = Saga::begin(format!("entry-{number}"), plans(STEPS), &log).await.unwrap();
            let _finished = run(saga, RETRY, &mut world, &log).await.unwrap();
        });
    }
    log.close().unwrap();
    let events = happened.lock().unwrap().clone();
    (storage, events)
}

/// The next process, with a broker that works: what it does to what was left.
fn recover(storage: &SimStorage, world: &mut World) -> usize {
    let (log, unfinished) = open(storage).unwrap();
    let count = unfinished.len();
    for saga in unfinished {
        match block_on(run(saga, RETRY, world, &log)).unwrap() {
            Finished::Completed | Finished::RolledBack { .. } => {}
            Finished::Unresolved(saga) => panic!("{saga:?}"),
        }
    }
    log.close().unwrap();
    count
}

fn histories() -> Vec<Vec<(bool, usize, &'static [Fate])>> {
    vec![
        vec![],
        vec![(false, 4, &[Fate::Fails])],
        vec![(false, 3, &[Fate::LostAnswer])],
        vec![(false, 2, &[Fate::LostRequest]), (true, 1, &[Fate::Fails, Fate::LostAnswer])],
        vec![(false, 4, &[Fate::Fails]), (true, 2, &[Fate::Fails; 9])],
    ]
}

// proves: TXN-5
#[test]
fn after_a_crash_at_any_point_all_is_done_or_all_is_taken_back_in_reverse() {
    let (mut states, mut taken_up) = (0_u64, 0_u64);
    for (number, fates) in histories().into_iter().enumerate() {
        let (storage, events) = history(&fates, 1);
        storage.recording().crashes(Depth { exhaustive_up_to: 4, random: 2 }, number as u64, None, &mut |crash| {
            states += 1;
            let happened = usize::try_from(crash.notes.last().copied().unwrap_or(0)).unwrap();
            let mut world = World { events: events[..happened].to_vec(), ..World::default() };
            let before = world.open();
            let disk = SimStorage::new(crash.image.clone());
            taken_up += recover(&disk, &mut world) as u64;
            let after = world.open();
            let context = format!("history {number}, step {}: {before:?}, then {after:?}", crash.step);
            assert!(after.is_empty() || after.len() == STEPS, "{context}");
            // Each that was open is taken back at least once, the last one first.
            let taken_back: Vec<_> = world.events[happened..]
                .iter()
                .map(|event| match event {
                    Event::TookBack(key) => key.clone(),
                    Event::Did(key) => panic!("{context}: {key} is done after the crash"),
                })
                .collect();
            assert!(taken_back.is_sorted_by(|one, next| one > next), "{context}: {taken_back:?}");
            assert!(is_in_reverse(&world.events), "{context}: {:?}", world.events);
            if after.is_empty() {
                assert!(before.iter().all(|step| taken_back.contains(&format!("bs-{step}"))), "{context}");
            }
            // Once more: nothing is left to do.
            assert_eq!(recover(&disk, &mut world), 0, "{context}");
            true
        });
    }
    assert!(states > 2_000 && taken_up > 1_000, "{states} states, {taken_up} sagas taken up");
}

/// Over all processes: none is taken back after one that came before it.
fn is_in_reverse(events: &[Event]) -> bool {
    let taken_back = events.iter().filter_map(|event| match event {
        Event::TookBack(key) => Some(key),
        Event::Did(_) => None,
    });
    taken_back.is_sorted_by(|one, next| one >= next)
}

/// The recovery has a broker of its own, which fails too; and it is cut off at every point, from each state of a saga that the
/// first crash can leave; in the long form from each distinct disk.
// proves: TXN-5
#[test]
fn after_a_crash_of_the_recovery_the_next_one_takes_the_rest_back() {
    let (mut firsts, mut states) = (0_u64, 0_u64);
    let deep = std::env::var_os("BACKSTOP_DEEP").is_some();
    let depth = Depth { exhaustive_up_to: 1, random: 0 };
    for fates in histories() {
        let (storage, events) = history(&fates, 1);
        let (mut disks, mut seen) = (BTreeSet::new(), BTreeSet::new());
        storage.recording().crashes(depth, 1, None, &mut |crash| {
            let happened = usize::try_from(crash.notes.last().copied().unwrap_or(0)).unwrap();
            let (_, unfinished) = open(&SimStorage::new(crash.image.clone())).unwrap();
            if seen.insert((happened, format!("{unfinished:?}"))) || deep {
                disks.insert((happened, crash.image.clone()));
            }
            true
        });
        for (happened, image) in disks {
            firsts += 1;
            let disk = SimStorage::new(image);
            let mut world = World::with(&[(true, 3, &[Fate::LostAnswer]), (true, 1, &[Fate::Fails])]);
            world.events = events[..happened].to_vec();
            // The first recovery notes what it takes back.
            let (recording, mut count) = (disk.clone(), 0);
            world.witness = Some(Box::new(move |_, has_happened| {
                if has_happened {
                    count += 1;
                    recording.note(count);
                }
            }));
            recover(&disk, &mut world);
            let mut seconds = BTreeSet::new();
            disk.recording().crashes(depth, 2, None, &mut |second| {
                let upto = happened + usize::try_from(second.notes.last().copied().unwrap_or(0)).unwrap();
                seconds.insert((upto, second.image.clone()));
                true
            });
            states += seconds.len() as u64;
            for (upto, image) in seconds {
                let mut again = World { events: world.events[..upto].to_vec(), ..World::default() };
                recover(&SimStorage::new(image), &mut again);
                let left = again.open();
                assert!(left.is_empty() || left.len() == STEPS, "{left:?}");
                assert!(is_in_reverse(&again.events), "{:?}", again.events);
            }
        }
    }
    assert!(firsts > 100 && states > 5_000, "{firsts} disks, {states} states");
}

// proves: TXN-5
#[test]
fn whichever_operation_of_the_disk_fails_nothing_is_done_that_is_not_on_record() {
    let (quiet, _) = history(&[(false, 3, &[Fate::Fails])], 1);
    let (operations, mut failures) = (quiet.operations(), 0_u64);
    for at in 0..operations {
        for kind in [FaultKind::Error(5), FaultKind::Error(28), FaultKind::Torn(5), FaultKind::Short] {
            let storage = SimStorage::default();
            storage.plan(Fault { at, kind, lasting: false });
            let mut world = World::with(&[(false, 3, &[Fate::Fails])]);
            let ran = open(&storage).map_err(|_| ()).and_then(|(log, _)| {
                block_on(async {
                    let saga = Saga::begin("entry-1", plans(STEPS), &log).await.map_err(drop)?;
                    run(saga, RETRY, &mut world, &log).await.map_err(drop)
                })
            });
            failures += u64::from(ran.is_err());
            // Dropped in the middle: whoever was writing has the lock for a moment more.
            while matches!(open(&storage), Err(SagaOpenError::Log(OpenError::Locked(_)))) {
                std::thread::yield_now();
            }
            storage.heal();
            recover(&storage, &mut world);
            assert_eq!(world.open(), Vec::<usize>::new(), "operation {at}, {kind:?}");
        }
    }
    assert!(operations > 20 && failures > operations, "{operations} operations, {failures} failures");
}

/// Two entries that take the same name, or the same key, at the same moment, and one who gives up while its record is on its
/// way: what is on disk can be read back.
// proves: TXN-5
#[test]
fn of_two_at_once_and_of_one_that_was_given_up_no_record_is_written_that_cannot_be_read_back() {
    let storage = SimStorage::default();
    let (log, _) = open(&storage).unwrap();
    let other = |name: &str| Saga::begin(name.to_owned(), plans(STEPS), &log);
    let (one, same_name, same_key) =
        block_on(async { tokio::join!(other("entry-1"), other("entry-1"), other("entry-2")) });
    assert!(one.is_ok() && same_name.is_err(), "{same_name:?}");
    assert!(matches!(same_key, Err(JournalError::Impossible(Impossible::KeyInUse { .. }))), "{same_key:?}");

    let mut world = World::default();
    assert!(matches!(block_on(run(one.unwrap(), RETRY, &mut world, &log)).unwrap(), Finished::Completed));
    {
        let mut given_up = Box::pin(other("entry-3"));
        assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let again = block_on(other("entry-3"));
    assert!(matches!(again, Err(JournalError::Impossible(Impossible::Busy { .. }))), "{again:?}");
    log.close().unwrap();
    assert!(recover(&storage, &mut world) <= 1);
    assert_eq!(world.open(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_long_history_is_removed_when_nothing_is_open() {
    let (storage, _) = history(&[], 120);
    let before = storage.image().len();
    let (log, unfinished) = open(&storage).unwrap();
    assert_eq!(unfinished, []);
    log.close().unwrap();
    assert!(before > 30 && storage.image().len() < 8, "{before} files, then {}", storage.image().len());
    assert_eq!(open(&storage).unwrap().1, []);
}

#[test]
fn what_another_program_wrote_is_refused() {
    for (text, expected) in [
        (r#"{"version":2,"anything":0}"#, "version 2"),
        ("{}", "check the path"),
        (r#"{"version":1,"record":{"type":"acted","saga":"entry-1","step":0}}"#, "contradicts"),
    ] {
        let storage = SimStorage::default();
        let (log, _) = options().open(Arc::new(storage.clone()), |_| {}).unwrap();
        log.append(text.as_bytes(), Append::DURABLE).unwrap();
        log.close().unwrap();
        for _ in 0..2 {
            // Refused again: nothing was dropped.
            let error = open(&storage).unwrap_err().to_string();
            assert!(error.contains("record 1") && error.contains(expected), "{error}");
        }
    }
}
