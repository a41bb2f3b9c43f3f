//! From a checkpoint and what came after it, a start knows what it would know from all there ever was.

use std::path::Path;
use std::sync::Arc;
use std::thread::yield_now;
use std::time::Duration;

use backstop::file_lock::{AcquireError, Claim};
use backstop::wal::{DirStorage, JournalError as LogJournalError, Keep, OpenError, verify};
use backstop::{Batch, Contents, Journal, LogJournal, OpenJournalError, Past, Record, State, Upkeep};

use crate::hostile::session;

const ALL: Keep = Keep { age: Duration::MAX, bytes: u64::MAX };
const NOTHING: Keep = Keep { age: Duration::ZERO, bytes: 0 };

fn open(path: &Path, upkeep: Upkeep) -> (LogJournal, Contents) {
    let claim = Claim { label: "test".to_owned(), since: "2030-01-02T15:00:00Z".parse().unwrap() };
    loop {
        match LogJournal::open(path, claim.clone(), upkeep) {
            // The thread that makes a segment ahead holds the lock a moment longer than the journal before.
            Err(OpenJournalError::Log(LogJournalError::Open(OpenError::Locked(AcquireError::Held { .. })))) => {
                yield_now();
            }
            opened => return opened.unwrap(),
        }
    }
}

/// How many batches are gone, and the rest.
fn history(path: &Path) -> (u64, Vec<Batch>) {
    let (mut gone, mut kept) = (0, Vec::new());
    LogJournal::read_history(path, |past| match past {
        Past::Removed { batches } => gone += batches,
        Past::Lost { batches } => panic!("{batches:?} are lost"),
        Past::Batch(batch) => kept.push(batch),
    })
    .unwrap();
    (gone, kept)
}

// proves: WAL-6
#[tokio::test(start_paused = true)]
async fn over_checkpoints_restarts_and_removals_a_hostile_session_is_remembered_as_it_was() {
    for seed in 0..3 {
        let (_, mut batches) = session(seed).await;
        let at = batches.last().unwrap().at;
        batches.push(Batch { at, records: vec![Record::Stopped { halted: None }] });
        for (every, keep) in [(1, ALL), (1, NOTHING), (9, ALL), (9, NOTHING)] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("journal");
            let upkeep = Upkeep { batches: every, bytes: u64::MAX, keep };
            let (mut journal, _) = open(&path, upkeep);
            for (index, batch) in batches.iter().enumerate() {
                journal.append(Arc::new(batch.clone())).await.unwrap();
                let expected = State::replay(&batches[..=index]).unwrap();
                assert_eq!(LogJournal::read(&path).unwrap().state, expected, "seed {seed}: beside the writer");
                if index % 13 == 12 {
                    drop(journal);
                    let (again, contents) = open(&path, upkeep);
                    assert_eq!(contents.state, expected, "seed {seed}: restarted behind {index}");
                    journal = again;
                }
            }
            drop(journal);
            let found = verify(Arc::new(DirStorage::open(&path).unwrap())).unwrap();
            let (gone, kept) = history(&path);
            if keep == ALL {
                assert!(found.checkpoints >= 3, "seed {seed}: {found:?}");
                assert_eq!((gone, &kept), (0, &batches));
            } else {
                assert_eq!(
                    (gone, kept.len()),
                    (batches.len() as u64, 0),
                    "the last of all was to stop, with a checkpoint"
                );
            }
        }
    }
}
