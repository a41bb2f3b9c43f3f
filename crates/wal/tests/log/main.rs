//! The log on a real disk.

#![expect(clippy::unwrap_used, reason = "a test")]

mod bad_input;
mod beside;
mod opening;

use std::sync::Arc;

use backstop_wal::{
    AcquireError, Append, Claim, DirStorage, Entry, Log, OpenError, Opened, Options, Reader, Storage, verify,
};

fn open(path: &std::path::Path) -> Result<(Log, Opened, Vec<Vec<u8>>), OpenError> {
    let claim = Claim { label: "test".to_owned(), since: "2026-01-05T14:29:58Z".parse().unwrap() };
    let storage: Arc<dyn Storage> = Arc::new(DirStorage::create_or_open(path).unwrap());
    let mut found = Vec::new();
    let (log, opened) = Options::new(claim).segment_len(16 * 1024).open(storage, |entry| {
        if let Entry::Record { bytes, .. } = entry {
            found.push(bytes.to_vec());
        }
    })?;
    Ok((log, opened, found))
}

/// Opens a log that was dropped, not closed: a thread of its own that was making a segment has the lock for a moment more.
fn once_free<T>(mut open: impl FnMut() -> Result<T, OpenError>) -> Result<T, OpenError> {
    for _ in 0..1_000_000 {
        match open() {
            Err(OpenError::Locked(AcquireError::Held { .. })) => std::thread::yield_now(),
            opened => return opened,
        }
    }
    open()
}

// proves: WAL-1
#[test]
fn what_was_appended_is_read_back_over_many_segments() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (log, ..) = open(&path).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    log.append(&[b'x'; 300], Append::DURABLE).unwrap();
                }
            });
        }
    });
    log.close().unwrap();
    let (_, opened, found) = open(&path).unwrap();
    assert_eq!((found.len(), opened.torn), (800, None));
    assert!(found.iter().all(|bytes| *bytes == [b'x'; 300]));
    let verified = verify(Arc::new(DirStorage::open(&path).unwrap())).unwrap();
    assert_eq!((verified.records, verified.bytes), (800, 240_000));
}

// proves: WAL-5
#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (log, ..) = open(&path).unwrap();
    log.append(b"first", Append::BUFFERED).unwrap();
    match open(&path).map(|_| ()) {
        Err(OpenError::Locked(AcquireError::Held { holder: Some(holder), .. })) => {
            assert_eq!((holder.label.as_str(), holder.pid), ("test", std::process::id()));
        }
        other => panic!("{other:?}"),
    }
    let mut reader = Reader::from_checkpoint(Arc::new(DirStorage::open(&path).unwrap())).unwrap();
    assert_eq!(reader.read(|_| {}).unwrap(), 1);
    log.append(b"second", Append::DURABLE).unwrap();
    assert_eq!(reader.read(|_| {}).unwrap(), 1);
}

// proves: WAL-4
#[test]
fn a_lock_file_that_was_deleted_ends_the_acknowledgements() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (log, ..) = open(&path).unwrap();
    log.append(b"ours", Append::DURABLE).unwrap();
    std::fs::remove_file(path.join("lock")).unwrap();
    assert!(log.append(b"whose?", Append::DURABLE).is_err());
    drop(log);
    let (_, opened, found) = once_free(|| open(&path)).unwrap();
    // The other one was not acknowledged: it may be there or not.
    assert_eq!(found.first(), Some(&b"ours".to_vec()));
    assert_eq!((opened.fence_behind, opened.fence), (Some(1), 2), "counting began anew, and the log knows");
    assert_eq!(open(&path).unwrap().1.fence, 3, "the lock file knows it too");
}

#[test]
fn the_checkpoint_is_where_opening_begins_and_history_can_go() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (log, ..) = open(&path).unwrap();
    for _ in 0..300 {
        log.append(&[b'h'; 300], Append::BUFFERED).unwrap();
    }
    log.checkpoint(b"300").unwrap();
    assert!(log.remove_history(0).unwrap() > 4);
    log.append(b"after", Append::DURABLE).unwrap();
    drop(log);
    assert_eq!(once_free(|| open(&path)).unwrap().2, [b"after".to_vec()]);
}
