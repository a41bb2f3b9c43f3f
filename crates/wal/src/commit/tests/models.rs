//! Every interleaving of a few callers, run by loom.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::commit::{Append, Committer, Content, Device, Group, Limits, Room};
use crate::format::{FRAME_LEN, LogId};
use crate::segment::CreateError;

/// A disk that counts, and fails at the sync it is told to.
#[derive(Debug, Default)]
struct Disk {
    /// Bytes of frames that were written, and of those that were synced.
    written: AtomicU64,
    synced: AtomicU64,
    syncs: AtomicU64,
}

#[derive(Debug)]
struct Writer {
    disk: Arc<Disk>,
    fails_at: u64,
    failed: bool,
}

impl Device for Writer {
    fn commit(&mut self, group: &mut Group, durable: bool) -> io::Result<()> {
        assert!(!self.failed, "asked again after a failure");
        let written =
            self.disk.written.fetch_add(group.frames.len() as u64, Ordering::SeqCst) + group.frames.len() as u64;
        if durable {
            if self.disk.syncs.fetch_add(1, Ordering::SeqCst) == self.fails_at {
                self.failed = true;
                return Err(io::ErrorKind::Other.into());
            }
            self.disk.synced.store(written, Ordering::SeqCst);
        }
        Ok(())
    }

    fn prepare(&mut self, _next_seq: u64) -> Result<(), CreateError> {
        Ok(())
    }

    fn room(&self) -> Room {
        Room { active: 1 << 20, spare: Some(1 << 20) }
    }

    fn checkpoint(&self) -> Option<u64> {
        None
    }

    fn check_tenure(&self) -> io::Result<()> {
        Ok(())
    }

    fn close(&mut self, _next_seq: u64) -> io::Result<()> {
        Ok(())
    }
}

fn committer(disk: &Arc<Disk>, fails_at: u64) -> Arc<Committer<Writer>> {
    let writer = Writer { disk: Arc::clone(disk), fails_at, failed: false };
    let limits = Limits { segment_room: 1 << 20, reserve: 0 };
    Arc::new(Committer::new(writer, LogId(1), 1, limits))
}

/// What must be durable once the record with this number is acknowledged.
fn bytes_upto(seq: u64) -> u64 {
    seq * FRAME_LEN as u64
}

// proves: WAL-1
#[test]
fn an_acknowledged_append_is_durable_in_every_interleaving() {
    loom::model(|| {
        let disk = Arc::new(Disk::default());
        let committer = committer(&disk, u64::MAX);
        let append = |committer: Arc<Committer<Writer>>, disk: Arc<Disk>| {
            let seq = committer.append(Content::Record(b""), Append::DURABLE).unwrap();
            assert!(disk.synced.load(Ordering::SeqCst) >= bytes_upto(seq));
        };
        let other = {
            let (committer, disk) = (Arc::clone(&committer), Arc::clone(&disk));
            loom::thread::spawn(move || append(committer, disk))
        };
        append(Arc::clone(&committer), Arc::clone(&disk));
        other.join().unwrap();
        assert_eq!(disk.written.load(Ordering::SeqCst), bytes_upto(2));
        assert!(disk.syncs.load(Ordering::SeqCst) <= 2);
    });
}

// proves: WAL-4
#[test]
fn after_a_failed_sync_nobody_is_acknowledged_in_any_interleaving() {
    loom::model(|| {
        let disk = Arc::new(Disk::default());
        let committer = committer(&disk, 0);
        let other = {
            let committer = Arc::clone(&committer);
            loom::thread::spawn(move || committer.append(Content::Record(b""), Append::DURABLE).is_err())
        };
        assert!(committer.append(Content::Record(b""), Append::DURABLE).is_err());
        assert!(other.join().unwrap());
        assert_eq!(disk.syncs.load(Ordering::SeqCst), 1);
    });
}

// proves: WAL-1
#[test]
fn a_task_and_a_thread_are_both_acknowledged_and_the_helper_ends() {
    loom::model(|| {
        let disk = Arc::new(Disk::default());
        let committer = committer(&disk, u64::MAX);
        let helper = {
            let committer = Arc::clone(&committer);
            loom::thread::spawn(move || committer.serve())
        };
        let mut append = crate::commit::Progress::default();
        let future = std::future::poll_fn(|context| {
            committer.poll_append(Content::Record(b""), Append::DURABLE, &mut append, context.waker())
        });
        let seq = loom::future::block_on(future).unwrap();
        assert!(disk.synced.load(Ordering::SeqCst) >= bytes_upto(seq));
        committer.end_serving();
        helper.join().unwrap();
    });
}
