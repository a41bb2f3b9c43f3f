use std::fs;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::record::Record;

fn batch(text: &str) -> Arc<Batch> {
    let record = Record::Alert { subject: "test".to_owned(), text: text.to_owned() };
    Arc::new(Batch { at: Timestamp::UNIX_EPOCH, records: vec![record, Record::Stopped] })
}

/// Writes a journal of `count` batches and returns its bytes.
fn written(path: &std::path::Path, count: usize) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (journal, _) = FileJournal::open(path).unwrap();
    for index in 0..count {
        runtime.block_on(journal.append(batch(&format!("batch {index}")))).unwrap();
    }
    fs::read(path).unwrap()
}

#[test]
fn what_was_appended_is_read_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    written(&path, 3);
    let (_, contents) = FileJournal::open(&path).unwrap();
    assert_eq!(contents.batches, [0, 1, 2].map(|i| Batch::clone(&batch(&format!("batch {i}")))));
}

#[test]
fn cut_at_any_byte_the_journal_keeps_a_prefix_of_whole_batches() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let bytes = written(&path, 3);
    let mut kept = Vec::new();
    for end in 0..=bytes.len() {
        fs::write(&path, &bytes[..end]).unwrap();
        let (_, contents) = FileJournal::open(&path).unwrap();
        for (index, read) in contents.batches.iter().enumerate() {
            assert_eq!(*read, *batch(&format!("batch {index}")));
        }
        kept.push(contents.batches.len());
        // What is appended next does not grow on the torn tail.
        written(&path, 1);
        assert_eq!(FileJournal::read(&path).unwrap().batches.len(), contents.batches.len() + 1);
    }
    assert!(kept.is_sorted());
    assert_eq!(kept.last(), Some(&3));
}

#[test]
fn damage_before_the_tail_is_an_error_that_names_the_line_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut bytes = written(&path, 3);
    let second = bytes.iter().position(|b| *b == b'\n').unwrap() + 20;
    bytes[second] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = FileJournal::open(&path).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { line: 2, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_foreign_file_and_a_newer_format_are_refused_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    for (text, newer) in [("hello\nworld\n", false), ("hello", false), ("backstop-journal 2\n", true)] {
        fs::write(&path, text).unwrap();
        let error = FileJournal::open(&path).unwrap_err();
        assert_eq!(matches!(error, JournalError::Newer { found: 2, .. }), newer, "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn reading_beside_a_writer_changes_nothing_and_a_missing_file_holds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    assert!(FileJournal::read(&path).unwrap().batches.is_empty());
    assert!(!path.exists());
    let bytes = written(&path, 2);
    fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
    let contents = FileJournal::read(&path).unwrap();
    assert_eq!(contents.batches.len(), 1);
    assert_eq!(fs::read(&path).unwrap().len(), bytes.len() - 5);
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged() {
    // A file opened for reading only makes the write fail as a full disk would.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    written(&path, 1);
    let file = fs::File::open(&path).unwrap();
    let mut writer = file::Writer::for_test(file);
    assert!(matches!(file::write(&mut writer, &path, &batch("lost")), Err(JournalError::Io { .. })));
    assert!(matches!(file::write(&mut writer, &path, &batch("later")), Err(JournalError::Failed { .. })));
}

#[test]
fn a_record_of_a_newer_version_is_refused_and_not_cut_off_as_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let json = r#"{"at":"2030-01-02T15:00:00Z","records":[{"type":"resumed","by":"somebody"}]}"#;
    let text = format!("backstop-journal 1\n{:08x} {json}\n", crc32c::crc32c(json.as_bytes()));
    fs::write(&path, &text).unwrap();
    assert!(matches!(FileJournal::open(&path), Err(JournalError::Foreign { line: 2, .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_journal_that_was_moved_away_acknowledges_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (journal, _) = FileJournal::open(&path).unwrap();
    runtime.block_on(journal.append(batch("first"))).unwrap();
    fs::rename(&path, dir.path().join("journal.1")).unwrap();
    fs::write(&path, "").unwrap();
    assert!(matches!(runtime.block_on(journal.append(batch("second"))), Err(JournalError::Moved { .. })));
}

proptest! {
    #[test]
    fn a_flipped_bit_is_never_accepted(index in 0usize..200, bit in 0u8..8) {
        let line = frame::encode(&batch("flip")).unwrap();
        let mut line = line[..line.len() - 1].to_vec();
        let index = index % line.len();
        line[index] ^= 1 << bit;
        prop_assert!(frame::decode(&line).is_err());
    }

    #[test]
    fn no_line_panics(line in prop::collection::vec(any::<u8>(), 0..64)) {
        let _read = frame::decode(&line);
    }
}
