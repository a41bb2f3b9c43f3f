//! Readers beside a writer that removes history and opens its log again and again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::once_free;
use backstop_wal::{Append, Claim, DirStorage, Entry, Options, ReadError, Reader, Storage, verify};

/// How often the writer makes a checkpoint and removes what it stands for.
const ROUNDS: u64 = 2000;

fn storage(path: &Path) -> Arc<dyn Storage> {
    Arc::new(DirStorage::open(path).unwrap())
}

fn record(seq: u64) -> Vec<u8> {
    let length = usize::try_from(seq * 37 % 300).unwrap();
    format!("{seq} {}", "x".repeat(length)).into_bytes()
}

/// Sees to it that records come in order and as they were written.
fn follow(reader: &mut Reader, next: &mut Option<u64>) -> Result<u64, ReadError> {
    reader.read(|entry| match entry {
        Entry::Checkpoint { seq, state } => {
            assert!(next.is_none_or(|next| next == seq));
            assert_eq!(state, seq.to_string().as_bytes());
            *next = Some(seq);
        }
        Entry::Record { seq, bytes } => {
            assert!(next.is_none_or(|next| next == seq));
            assert_eq!(bytes, record(seq));
            *next = Some(seq + 1);
        }
        Entry::Lost { seq, .. } => unreachable!("record {seq} of a log that nobody salvaged"),
    })
}

/// Reads until `done`; returns how often it was overtaken, which is no fault.
fn read(path: &Path, done: &AtomicBool, looks: &AtomicU64) -> u64 {
    let mut overtaken = 0;
    let mut check = |what: &str, result: Result<u64, ReadError>| match result {
        Ok(_) => false,
        Err(ReadError::Overtaken { .. }) => {
            overtaken += 1;
            true
        }
        Err(error) => {
            assert_eq!(error.to_string(), "", "{what}");
            false
        }
    };
    while !done.load(Ordering::Relaxed) {
        looks.fetch_add(1, Ordering::Relaxed);
        for (what, from) in [
            ("from the checkpoint", Reader::from_checkpoint as fn(_) -> _),
            ("from the oldest", Reader::from_oldest as fn(_) -> _),
        ] {
            let mut reader = match from(storage(path)) {
                Ok(reader) => reader,
                Err(error) => {
                    check(what, Err(error));
                    continue;
                }
            };
            let mut next = None;
            for _ in 0..4 {
                if check(what, follow(&mut reader, &mut next)) {
                    break;
                }
            }
        }
        check("verify", verify(storage(path)).map(|found| found.records));
    }
    overtaken
}

// proves: WAL-5
#[test]
fn readers_beside_a_writer_that_removes_history_see_no_damage() {
    // In memory where that is possible: the point is the interleaving, and a disk only slows it.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let path = dir.path().join("log");
    let claim = Claim { label: "test".to_owned(), since: "2026-01-05T14:29:58Z".parse().unwrap() };
    let options = Options::new(claim).segment_len(2048);
    let open = || options.open(Arc::new(DirStorage::create_or_open(&path).unwrap()), |_| {}).map(|(log, _)| log);
    let mut log = open().unwrap();
    let (done, looks) = (AtomicBool::new(false), AtomicU64::new(0));
    let overtaken = std::thread::scope(|scope| {
        let readers = [(); 2].map(|()| scope.spawn(|| read(&path, &done, &looks)));
        let mut next = 1;
        for round in 0..ROUNDS {
            for _ in 0..round * 7 % 23 {
                next = log.append(&record(next), Append::BUFFERED).unwrap() + 1;
            }
            if round % 11 == 5 {
                drop(log);
                log = once_free(open).unwrap();
            }
            log.checkpoint(next.to_string().as_bytes()).unwrap();
            log.remove_history(round % 3).unwrap();
            if readers.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        readers.map(|reader| reader.join().unwrap())
    });
    assert!(looks.load(Ordering::Relaxed) > 100, "the readers looked {looks:?} times");
    assert!(overtaken.iter().sum::<u64>() > 0, "the writer was never faster: {overtaken:?}");
}
