//! What opening reads, counted in bytes.

#![expect(clippy::print_stdout, reason = "the counts are the result")]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backstop_wal::{
    Access, AcquireError, Append, Claim, DirStorage, Journal, Keep, Options, Recovered, Schema, Storage, StorageFile,
    Tenure, Timestamp, Verdict,
};

/// A directory that counts what is read from it.
#[derive(Debug)]
struct Counting {
    inner: DirStorage,
    read: Arc<AtomicU64>,
}

#[derive(Debug)]
struct CountingFile {
    inner: Box<dyn StorageFile>,
    read: Arc<AtomicU64>,
}

impl Counting {
    fn file(&self, inner: Box<dyn StorageFile>) -> Box<dyn StorageFile> {
        Box::new(CountingFile { inner, read: Arc::clone(&self.read) })
    }
}

impl Storage for Counting {
    fn place(&self) -> &Path {
        self.inner.place()
    }

    fn lock(&self, name: &str, claim: &Claim) -> Result<Box<dyn Tenure>, AcquireError> {
        self.inner.lock(name, claim)
    }

    fn entropy(&self) -> u64 {
        self.inner.entropy()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.inner.names()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        self.inner.create(name).map(|file| self.file(file))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn StorageFile>> {
        self.inner.open(name, access).map(|file| self.file(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }
}

impl StorageFile for CountingFile {
    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.inner.read_at(buffer, offset)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.inner.write_at(bytes, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.inner.allocate(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }
}

#[derive(Debug)]
enum Orders {}

impl Schema for Orders {
    type Kind = String;
    type Fact = u64;
    type State = u64;

    fn apply(sum: &mut u64, fact: &u64) {
        *sum += fact;
    }
}

/// Ten operations that stay open over `records` records in all, with a checkpoint behind each so many bytes; returns how
/// many bytes the next opening reads, and how many there are on the disk.
fn bytes_to_open(records: u64, keep: Keep) -> (u64, u64) {
    const OFTEN: u64 = 256 << 10;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let read = Arc::new(AtomicU64::new(0));
    let claim = Claim { label: "test".to_owned(), since: Timestamp::UNIX_EPOCH };
    let open = || {
        let storage = Counting { inner: DirStorage::create_or_open(&path).unwrap(), read: Arc::clone(&read) };
        Journal::<Orders>::open(Arc::new(storage), &Options::new(claim.clone())).unwrap()
    };
    let (journal, ..) = open();
    for number in 0..10 {
        drop(journal.begin(format!("buy {number} SPY")).unwrap().start().unwrap());
    }
    for _ in 20..records {
        journal.record(&1, Append::BUFFERED).unwrap();
        if journal.tail().bytes >= OFTEN {
            journal.checkpoint(Timestamp::UNIX_EPOCH).unwrap();
            journal.remove_history(Timestamp::UNIX_EPOCH, keep).unwrap();
        }
    }
    journal.close().unwrap();
    let stored = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    read.store(0, Ordering::Relaxed);
    let (journal, recovery, _) = open();
    let bytes = read.load(Ordering::Relaxed);
    assert_eq!((journal.state(), recovery.left()), (records - 20, 10));
    let counts = recovery.run(&journal, |_| Verdict::Unresolved).unwrap();
    assert_eq!(counts.unresolved, Recovered::default().unresolved + 10);
    (bytes, stored)
}

/// What is open, the tail, the rest of the segment in which the log ends (to see that nothing is written there), and a few
/// windows of the reader.
const BOUND: u64 = (1 << 20) + (512 << 10);

fn check(records: u64) {
    let all = Keep { age: Duration::MAX, bytes: u64::MAX };
    let nothing = Keep { age: Duration::ZERO, bytes: 0 };
    for keep in [all, nothing] {
        let (bytes, stored) = bytes_to_open(records, keep);
        println!("{records} records, {stored} bytes on the disk, {bytes} read to open");
        assert!(bytes < BOUND, "{bytes} bytes for {records} records");
        if keep == all {
            assert!(stored > records * 20, "there is history: {stored}");
        } else {
            assert!(stored < 4 << 20, "and it goes: {stored}");
        }
    }
}

// proves: WAL-6
#[test]
fn opening_with_ten_live_after_a_hundred_thousand_records_reads_little_more_than_one_segment() {
    check(100_000);
}

#[test]
#[ignore = "half a minute; the same with ten times the history"]
fn opening_with_ten_live_after_a_million_records_reads_no_more_than_after_a_tenth_of_them() {
    check(1_000_000);
}
