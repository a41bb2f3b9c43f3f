use std::sync::Arc;

use super::*;
use crate::crash::{open, options};
use crate::format::Header;
use crate::sim::{Image, SimStorage};
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
