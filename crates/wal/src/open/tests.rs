use std::sync::Arc;

use super::*;
use crate::crash::{open, options};
use crate::error::AppendError;
use crate::format::Header;
use crate::hook::{Call, Hooked};
use crate::sim::{Depth, Fault, FaultKind, Image, SimStorage};
use crate::{Append, Reader};

fn closed(count: usize) -> Image {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    for _ in 0..count {
        log.append(&[b'r'; 200], Append::DURABLE).unwrap();
    }
    log.close().unwrap();
    storage.image()
}

const FIRST: &str = "00000000000000000001.wal";
const SECOND: &str = "00000000000000000002.wal";

/// Refused by the writer and by a reader, with a text that has these words; and nothing is changed.
#[track_caller]
fn check_refused(image: &Image, words: &[&str]) {
    let storage = SimStorage::new(image.clone());
    let text = open(&storage).map(|_| ()).unwrap_err().to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in {text:?}");
    }
    let reader = Reader::from_checkpoint(Arc::new(storage.clone())).and_then(|mut reader| reader.read(|_| {}));
    assert_eq!(reader.unwrap_err().to_string(), text);
    assert_eq!(storage.image(), *image);
}

// proves: WAL-3
#[test]
fn a_missing_segment_is_refused_wherever_it_was() {
    let image = closed(12);
    for gone in 1..=3 {
        let mut image = image.clone();
        image.remove(&segment::name(gone)).unwrap();
        check_refused(&image, &[&segment::name(gone), "is missing", "put the file back"]);
    }
    // The last one, without the one made ahead.
    let mut image = image.clone();
    image.retain(|name, _| *name == FIRST);
    check_refused(&image, &[SECOND, "is missing"]);
}

#[test]
fn a_foreign_file_is_refused() {
    let mut image = closed(1);
    image.insert("notes.txt".to_owned(), b"to do".to_vec());
    check_refused(&image, &["notes.txt", "no part of this log", "move it elsewhere"]);
    let mut image = closed(1);
    image.insert(FIRST.to_owned(), b"not a segment at all".to_vec());
    check_refused(&image, &[FIRST, "no part of this log"]);
}

#[test]
fn a_segment_of_another_log_is_refused() {
    let mut image = closed(12);
    let header = Header { log: LogId(9), segment: 2, capacity: 1024 };
    image.get_mut(SECOND).unwrap()[..64].copy_from_slice(&header.write());
    check_refused(&image, &[SECOND, "no part of this log"]);
}

#[test]
fn a_newer_format_is_refused() {
    let mut image = closed(1);
    let bytes = image.get_mut(FIRST).unwrap();
    bytes[8] = 2;
    let crc = crc32c::crc32c(&bytes[..36]);
    bytes[36..40].copy_from_slice(&crc.to_le_bytes());
    check_refused(&image, &[FIRST, "format version 2", "use the version that wrote it"]);
}

#[test]
fn a_damaged_segment_is_refused() {
    let mut image = closed(12);
    image.get_mut(SECOND).unwrap()[300] ^= 1;
    check_refused(&image, &[SECOND, "damaged at byte 280", "4 records before it are intact", "salvage"]);
}

#[test]
fn a_read_only_directory_is_refused_and_can_be_read() {
    let storage = SimStorage::new(closed(3));
    storage.set_read_only(true);
    let error = open(&storage).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
    let mut reader = Reader::from_checkpoint(Arc::new(storage)).unwrap();
    assert_eq!(reader.read(|_| {}).unwrap(), 3);
}

#[test]
fn a_full_disk_is_refused_where_a_log_is_to_be_made() {
    let storage = SimStorage::default();
    storage.limit(Some(100));
    let error = open(&storage).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Full { needed: 1024, .. }), "{error}");
    storage.limit(None);
    assert!(open(&storage).is_ok());
}

// proves: WAL-5
#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let storage = SimStorage::default();
    let first = open(&storage).unwrap().0;
    assert!(matches!(open(&storage).map(|_| ()), Err(OpenError::Locked(AcquireError::Held { .. }))));
    drop(first);
    assert!(open(&storage).is_ok());
}

#[test]
fn lengths_that_make_no_sense_are_refused() {
    for length in [0, 1023, (1 << 24) + 1] {
        let opened = options().segment_len(length).open(Arc::new(SimStorage::default()), |_| {});
        assert!(matches!(opened, Err(OpenError::SegmentLength { .. })));
    }
}

#[test]
fn a_log_goes_on_with_segments_of_another_length() {
    let storage = SimStorage::new(closed(5));
    let (log, _) = options().segment_len(4096).open(Arc::new(storage.clone()), |_| {}).unwrap();
    for _ in 0..5 {
        log.append(&[b'l'; 1500], Append::DURABLE).unwrap();
    }
    drop(log);
    assert_eq!(open(&storage).unwrap().2.records.len(), 10);
}

// proves: WAL-6
#[test]
fn opening_reads_from_the_checkpoint_on_whatever_the_history() {
    let operations_to_open = |history: usize| {
        let storage = SimStorage::default();
        let (log, ..) = open(&storage).unwrap();
        for _ in 0..history {
            log.append(&[b'h'; 100], Append::BUFFERED).unwrap();
        }
        log.checkpoint(b"all of it").unwrap();
        log.append(b"one more", Append::DURABLE).unwrap();
        drop(log);
        let before = storage.operations();
        let (_, opened, found) = open(&storage).unwrap();
        assert_eq!((opened.records, found.base.unwrap().1), (1, b"all of it".to_vec()));
        storage.operations() - before
    };
    assert_eq!(operations_to_open(10), operations_to_open(2000));
}

// proves: WAL-5
#[test]
fn a_writer_that_lost_its_lock_makes_no_segment_over_its_successors() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let storage = crate::DirStorage::create_or_open(dir.path().join("log")).unwrap();
        let mut records = 0;
        options().open(Hooked::new(storage, false), |_| records += 1).map(|(log, _)| (log, records))
    };
    let (old, _) = open().unwrap();
    for _ in 0..4 {
        old.append(&[b'a'; 200], Append::DURABLE).unwrap();
    }
    // The next thing that the old one would do is to make segment 3.
    std::fs::remove_file(dir.path().join("log/lock")).unwrap();
    let (new, _) = open().unwrap();
    for _ in 0..6 {
        new.append(&[b'b'; 200], Append::DURABLE).unwrap();
    }
    assert!(old.append(b"x", Append::DURABLE).is_err());
    drop((old, new));
    assert_eq!(open().unwrap().1, 10);
}

// proves: WAL-5
#[test]
fn a_writer_that_loses_its_lock_while_it_makes_a_segment_gives_it_no_name_and_acknowledges_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let disk = Hooked::new(crate::DirStorage::create_or_open(&path).unwrap(), false);
    let (log, _) = options().open(Arc::clone(&disk) as Arc<dyn crate::Storage>, |_| {}).unwrap();
    while log.committer().room().active >= FRAME_LEN + 200 {
        log.append(&[b'x'; 200], Append::DURABLE).unwrap();
    }
    let lock = path.join("lock");
    disk.on_call(move |call| if call == Call::Create { std::fs::remove_file(&lock) } else { Ok(()) });
    let named = || segment::list(disk.as_ref()).unwrap().segments.last().copied();
    let before = named();
    // It goes into the next segment, and then the one behind that is made.
    let refused = log.append(&[b'x'; 200], Append::DURABLE).unwrap_err();
    assert!(matches!(refused, AppendError::Failed { .. }), "{refused}");
    assert_eq!(named(), before, "under that name there may be a segment of its successor");
}

// proves: WAL-1
#[test]
fn opened_with_another_segment_length_after_a_failed_opening_it_loses_nothing() {
    let storage = SimStorage::default();
    drop(open(&storage).unwrap());
    let longer = || options().segment_len(2048);
    let mut crashes = 0;
    for at in 0..60 {
        let storage = SimStorage::new(storage.image());
        storage.plan(Fault { at, kind: FaultKind::Error(5), lasting: false });
        let _failed = longer().open(Arc::new(storage.clone()), |_| {});
        storage.heal();
        let Ok((log, _)) = longer().open(Arc::new(storage.clone()), |_| {}) else { continue };
        for number in 1..=4 {
            log.append(&[b'r'; 300], Append::DURABLE).unwrap();
            storage.note(number);
        }
        storage.recording().crashes(Depth { exhaustive_up_to: 3, random: 4 }, 1, None, &mut |crash| {
            crashes += 1;
            let acknowledged = crash.notes.last().copied().unwrap_or(0);
            let mut found = 0;
            longer().open(Arc::new(SimStorage::new(crash.image.clone())), |_| found += 1).unwrap();
            assert!(found >= acknowledged, "{found} of {acknowledged} after a fault at {at}");
            true
        });
    }
    assert!(crashes > 1_000, "{crashes}");
}

// A segment that was filled and sealed between two syncs, of which the second failed: its beginning may be lost as well as
// its end, and then nothing before the next segment says that this one is void.
// proves: WAL-4
#[test]
fn a_segment_that_is_lost_from_its_beginning_to_its_seal_keeps_nothing_from_being_read() {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    for number in 1..=3 {
        log.append(&[b'r'; 200], Append::DURABLE).unwrap();
        storage.note(number);
    }
    log.append(&[b's'; 600], Append::BUFFERED).unwrap();
    // A write, the seal's, and its sync.
    storage.plan(Fault { at: storage.operations() + 1, kind: FaultKind::Error(5), lasting: false });
    let failed = log.append(&[b't'; 600], Append::BUFFERED).unwrap_err();
    assert!(matches!(failed, AppendError::Failed { .. }), "{failed}");
    storage.heal();
    drop(log);
    let (log, _, found) = open(&storage).unwrap();
    assert_eq!(found.records.len(), 4);
    storage.note(4);
    log.append(b"after", Append::DURABLE).unwrap();
    storage.note(5);
    storage.recording().crashes(Depth { exhaustive_up_to: 6, random: 8 }, 1, None, &mut |crash| {
        let (_, _, found) = open(&SimStorage::new(crash.image.clone())).unwrap();
        assert!(found.records.len() as u64 >= crash.notes.last().copied().unwrap_or(0));
        true
    });
}

// proves: WAL-4
#[test]
fn a_sync_of_the_directory_that_fails_in_a_removal_ends_the_acknowledgements() {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    log.append(b"old", Append::DURABLE).unwrap();
    log.checkpoint(b"state").unwrap();
    let faults = (0..8).filter(|ahead| {
        storage.plan(Fault { at: storage.operations() + ahead, kind: FaultKind::Error(5), lasting: false });
        let refused = log.remove_history(0).is_err();
        storage.heal();
        refused
    });
    assert!(faults.count() > 0);
    assert!(matches!(log.append(b"new", Append::DURABLE), Err(AppendError::Poisoned { .. })));
    drop(log);
    let (_, _, found) = open(&storage).unwrap();
    assert!(found.records.is_empty(), "what the checkpoint stands for");
}
