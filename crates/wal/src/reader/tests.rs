use std::sync::Arc;

use super::*;
use crate::crash::{open, options};
use crate::sim::SimStorage;
use crate::{Append, Entry};

fn texts(reader: &mut Reader) -> Vec<String> {
    let mut found = Vec::new();
    reader
        .read(|entry| {
            if let Entry::Record { seq, bytes } = entry {
                found.push(format!("{seq} {}", bytes.escape_ascii()));
            }
        })
        .unwrap();
    found
}

// proves: WAL-5
#[test]
fn a_reader_beside_the_writer_sees_each_record_once_over_turns_and_restarts() {
    let storage = SimStorage::default();
    let (mut log, ..) = open(&storage).unwrap();
    let mut reader = Reader::from_checkpoint(Arc::new(storage.clone())).unwrap();
    let mut expected = 0;
    for number in 0..200_usize {
        let text = "x".repeat(number * 13 % 150);
        let how = if number % 3 == 0 { Append::BUFFERED } else { Append::DURABLE };
        log.append(text.as_bytes(), how).unwrap();
        if number % 5 != 1 {
            for found in texts(&mut reader) {
                let text = "x".repeat(expected * 13 % 150);
                expected += 1;
                assert_eq!(found, format!("{expected} {text}"));
            }
            assert_eq!(expected, number + 1);
        }
        if number % 7 == 0 {
            if number % 2 == 0 {
                log.close().unwrap();
            } else {
                drop(log);
            }
            log = open(&storage).unwrap().0;
        }
    }
    assert_eq!(verify(Arc::new(storage)).unwrap().records, 200);
}

#[test]
fn a_dump_shows_what_is_there() {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    log.append_batch(&[b"{\"a\":1}", b"\0\n"], Append::DURABLE).unwrap();
    let mut out = Vec::new();
    dump(Arc::new(storage), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "1 record 1 7 {\\\"a\\\":1}\n1 record 2 2 \\x00\\n\n");
}

#[test]
fn where_there_is_no_log_a_reader_says_so_and_makes_none() {
    let storage = SimStorage::default();
    let error = Reader::from_checkpoint(Arc::new(storage.clone())).unwrap_err();
    assert!(matches!(error, ReadError::NoLog { .. }), "{error}");
    assert!(storage.image().is_empty());
    assert!(options().open(Arc::new(storage), |_| {}).is_ok());
}
