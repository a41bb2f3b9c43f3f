//! Full disks: what is refused, and what there is room for all the same, also after restarts.

use std::sync::Arc;

use crate::crash::{open, options};
use crate::sim::SimStorage;
use crate::{Append, AppendError};

const INTENT: &[u8] = b"an intent of some length, as they are";

// proves: WAL-8
#[test]
fn a_checkpoint_leaves_the_reserve() {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    storage.limit(Some(0));
    log.append(b"open", Append::DURABLE).unwrap();
    // As long as it can be, and a little more.
    let refused = (600..1024).find(|length| log.checkpoint(&vec![b'c'; *length]).is_err()).unwrap();
    assert!(matches!(log.checkpoint(&[b'c'; 1024]), Err(AppendError::TooLarge { .. })), "{refused}");
    log.append(&[b'z'; 30], Append::DURABLE.from_reserve()).expect("closing");
}

// proves: WAL-8
#[test]
fn opening_again_and_again_on_a_full_disk_uses_nothing_up() {
    for how_it_ends in ["killed", "closed"] {
        let storage = SimStorage::default();
        let (log, ..) = open(&storage).unwrap();
        log.append(INTENT, Append::DURABLE).unwrap();
        drop(log);
        storage.limit(Some(0));
        let mut used = Vec::new();
        for _ in 0..50 {
            let (log, ..) = open(&storage).expect("opens");
            if how_it_ends == "closed" {
                log.close().unwrap();
            }
            used.push(storage.image().values().flatten().filter(|byte| **byte != 0).count());
        }
        assert!(used[49] <= used[1] + 8, "{how_it_ends}: {used:?}");
        open(&storage).unwrap().0.append(INTENT, Append::DURABLE).unwrap();
        assert_eq!(open(&storage).unwrap().2.records.len(), 2);
    }
}

// proves: WAL-8
#[test]
fn a_log_opens_on_a_full_disk_however_full_its_segment_is() {
    for length in (0..200).step_by(7) {
        for count in 0..20 {
            let storage = SimStorage::default();
            let (log, ..) = open(&storage).unwrap();
            storage.limit(Some(0));
            let appended = (0..count).take_while(|_| log.append(&vec![b'o'; length], Append::DURABLE).is_ok()).count();
            drop(log);
            let what = format!("{appended} records of {length} bytes");
            let (log, _, found) = open(&storage).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(found.records.len(), appended);
            log.append(b"closed", Append::DURABLE.from_reserve()).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    }
}

// proves: WAL-8
#[test]
fn what_was_open_when_the_process_was_killed_on_a_full_disk_can_be_closed() {
    let storage = SimStorage::default();
    let open = || {
        let mut found = 0;
        let log = options().reserve(150).open(Arc::new(storage.clone()), |_| found += 1).expect("opens").0;
        (log, found)
    };
    let (log, _) = open();
    storage.limit(Some(0));
    let intents = std::iter::repeat_with(|| log.append(INTENT, Append::DURABLE)).take_while(Result::is_ok).count();
    assert!(intents > 15, "{intents}");
    drop(log);
    let (log, _) = open();
    for closed in 0..5 {
        log.append(b"closed", Append::DURABLE.from_reserve()).unwrap_or_else(|error| panic!("{closed}: {error}"));
    }
    drop(log);
    for _ in 0..10 {
        assert_eq!(open().1, intents + 5);
    }
}

#[test]
fn a_spare_segment_that_cannot_be_used_makes_room_for_one_that_can() {
    let storage = SimStorage::default();
    drop(open(&storage).unwrap());
    storage.limit(Some(1024 + 1500));
    let (log, _) = options().segment_len(1500).open(Arc::new(storage.clone()), |_| {}).unwrap();
    for _ in 0..12 {
        log.append(&[b'r'; 100], Append::DURABLE).expect("room in the spare one");
    }
}

// proves: WAL-1
#[test]
fn all_that_fits_a_segment_fits_one_of_that_length_again_when_it_is_secured() {
    for length in (0..=832).rev() {
        let storage = SimStorage::default();
        let (log, ..) = open(&storage).unwrap();
        // The first segment begins with a restart, so that the second holds more.
        log.append(&[b'1'; 400], Append::DURABLE).unwrap();
        if log.append(&vec![b'2'; length], Append::BUFFERED.from_reserve()).is_err() {
            continue;
        }
        drop(log);
        storage.limit(Some(3 * 1024));
        let (log, _, found) = open(&storage).unwrap();
        assert_eq!(found.records.len(), 2);
        storage.limit(None);
        // What needs another segment has it made, and the mark of that behind the copies.
        log.append(&[b'3'; 600], Append::DURABLE).unwrap();
        log.close().unwrap();
        for (name, bytes) in storage.image() {
            assert_eq!(bytes.len(), 1024, "{name}, a record of {length} bytes");
        }
        assert_eq!(open(&storage).unwrap().2.records.len(), 3);
    }
}
