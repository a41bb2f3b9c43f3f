//! Every interleaving of a few callers, run by loom.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::commit::{Append, Appending, Committer, Content, Device, Group, Limits, Make, Room};
use crate::error::AppendError;
use crate::format::{FRAME_LEN, LogId};
use crate::segment::CreateError;

/// A disk that counts, and fails where it is told to.
#[derive(Debug, Default)]
struct Disk {
    /// Bytes of frames that were written, and of those that were synced.
    written: AtomicU64,
    synced: AtomicU64,
    syncs: AtomicU64,
    /// How many segments were made, and how many were gone on to.
    made: AtomicU64,
    turns: AtomicU64,
    closed: AtomicU64,
}

impl Disk {
    fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::SeqCst)
    }

    /// What was acknowledged is durable.
    #[track_caller]
    fn check(&self, seq: u64) {
        assert!(Self::get(&self.synced) >= seq * FRAME_LEN as u64, "record {seq} was acknowledged");
    }
}

/// What there is room for in a segment, in frames.
#[derive(Debug, Clone, Copy)]
struct Segments {
    first: usize,
    each: usize,
    /// How many more can be made.
    limit: u64,
}

const ENDLESS: Segments = Segments { first: 1 << 16, each: 1 << 16, limit: 0 };

#[derive(Debug)]
struct Writer {
    disk: Arc<Disk>,
    segments: Segments,
    fails_at: u64,
    failed: bool,
    left: usize,
    active: u64,
    spare: bool,
}

impl Writer {
    fn write(&mut self, frames: &[u8]) {
        assert_eq!(Disk::get(&self.disk.closed), 0, "written to after it was closed");
        self.left = self.left.checked_sub(frames.len()).expect("no more than there is room for");
        self.disk.written.fetch_add(frames.len() as u64, Ordering::SeqCst);
    }

    fn sync(&mut self) -> io::Result<()> {
        let written = Disk::get(&self.disk.written);
        if self.disk.syncs.fetch_add(1, Ordering::SeqCst) == self.fails_at {
            self.failed = true;
            return Err(io::ErrorKind::Other.into());
        }
        self.disk.synced.store(written, Ordering::SeqCst);
        Ok(())
    }
}

impl Device for Writer {
    type Spare = u64;

    fn commit(&mut self, group: &mut Group, durable: bool) -> io::Result<()> {
        assert!(!self.failed, "asked again after a failure");
        self.write(&group.frames);
        if let Some(turn) = &group.turn {
            assert!(std::mem::take(&mut self.spare), "there is a segment to go on to");
            self.sync()?;
            self.active += 1;
            self.disk.turns.fetch_add(1, Ordering::SeqCst);
            self.left = self.segments.each * FRAME_LEN;
            self.write(&turn.frames);
        }
        if durable { self.sync() } else { Ok(()) }
    }

    fn adopt(&mut self, spare: u64) {
        assert!(!self.spare && spare == self.active + 1, "one is made ahead, and the right one");
        self.spare = true;
    }

    fn active(&self) -> u64 {
        self.active
    }

    fn room(&self) -> Room {
        Room { active: self.left, spare: None }
    }

    fn checkpoint(&self) -> Option<u64> {
        None
    }

    fn check_tenure(&self) -> io::Result<()> {
        Ok(())
    }

    fn prove_beginning(&mut self, _next_seq: u64) -> io::Result<()> {
        Ok(())
    }

    fn close(&mut self, _next_seq: u64) -> io::Result<()> {
        self.sync()?;
        self.disk.closed.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn committer(disk: &Arc<Disk>, segments: Segments, fails_at: u64) -> Arc<Committer<Writer>> {
    let left = segments.first * FRAME_LEN;
    let writer = Writer { disk: Arc::clone(disk), segments, fails_at, failed: false, left, active: 1, spare: false };
    let limits = Limits { segment_room: segments.each * FRAME_LEN, reserve: 0, beside: false };
    let disk = Arc::clone(disk);
    let make: Box<Make<u64>> = Box::new(move |index| {
        if disk.made.fetch_add(1, Ordering::SeqCst) < segments.limit {
            return Ok(index);
        }
        Err(CreateError { action: "make a segment in", source: io::ErrorKind::StorageFull.into(), uncertain: false })
    });
    Arc::new(Committer::new(writer, make, LogId(1), 1, limits))
}

/// One durable record without content, checked if it was acknowledged. It may use all the room there is.
fn append(committer: &Arc<Committer<Writer>>, disk: &Disk) -> Result<u64, AppendError> {
    let appended = committer.append(Content::Record(b""), Append::DURABLE.from_reserve());
    if let Ok(seq) = appended {
        disk.check(seq);
    }
    appended
}

fn spawn_append(committer: &Arc<Committer<Writer>>, disk: &Arc<Disk>) -> loom::thread::JoinHandle<Option<u64>> {
    let (committer, disk) = (Arc::clone(committer), Arc::clone(disk));
    loom::thread::spawn(move || append(&committer, &disk).ok())
}

fn spawn_helper(committer: &Arc<Committer<Writer>>) -> loom::thread::JoinHandle<()> {
    let committer = Arc::clone(committer);
    loom::thread::spawn(move || committer.serve())
}

// proves: WAL-1
#[test]
fn an_acknowledged_append_is_durable_in_every_interleaving() {
    loom::model(|| {
        let disk = Arc::new(Disk::default());
        let committer = committer(&disk, ENDLESS, u64::MAX);
        let other = spawn_append(&committer, &disk);
        append(&committer, &disk).unwrap();
        assert!(other.join().unwrap().is_some());
        assert_eq!(Disk::get(&disk.written), 2 * FRAME_LEN as u64);
        assert!(Disk::get(&disk.syncs) <= 2);
    });
}

// proves: WAL-4
#[test]
fn after_a_failed_sync_nobody_is_acknowledged_in_any_interleaving() {
    loom::model(|| {
        let disk = Arc::new(Disk::default());
        let committer = committer(&disk, ENDLESS, 0);
        let other = spawn_append(&committer, &disk);
        append(&committer, &disk).unwrap_err();
        assert_eq!(other.join().unwrap(), None);
        assert_eq!(Disk::get(&disk.syncs), 1);
    });
}

// proves: WAL-1
#[test]
fn a_task_and_a_thread_are_both_acknowledged_and_the_helper_ends() {
    loom::model(|| {
        let disk = Arc::new(Disk::default());
        let committer = committer(&disk, ENDLESS, u64::MAX);
        let helper = spawn_helper(&committer);
        let task = Appending::new(&committer, Content::Record(b""), Append::DURABLE);
        disk.check(loom::future::block_on(task).unwrap());
        append(&committer, &disk).unwrap();
        committer.abandon();
        helper.join().unwrap();
    });
}

// proves: WAL-2
#[test]
fn a_segment_is_left_for_one_that_is_there_in_every_interleaving() {
    loom::model(|| {
        let disk = Arc::new(Disk::default());
        // Each segment takes one record: whoever comes second needs the next one made.
        let committer = committer(&disk, Segments { first: 1, each: 1, limit: 4 }, u64::MAX);
        let other = spawn_append(&committer, &disk);
        let mine = append(&committer, &disk).unwrap();
        let other = other.join().unwrap().expect("there is room for all");
        assert_eq!(mine + other, 3, "no number twice");
        assert_eq!((Disk::get(&disk.turns), Disk::get(&disk.written)), (1, 2 * FRAME_LEN as u64));
    });
}

// proves: WAL-2
#[test]
fn a_segment_made_aside_is_taken_once_and_by_one_in_every_interleaving() {
    loom::model(|| {
        let disk = Arc::new(Disk::default());
        let committer = committer(&disk, Segments { first: 1, each: 1, limit: 4 }, u64::MAX);
        let maker = {
            let committer = Arc::clone(&committer);
            loom::thread::spawn(move || {
                let queue = committer.queue.lock();
                // As the thread does that is started after a turn.
                if !queue.segments.busy && queue.room.spare.is_none() && !queue.segments.is_turning() {
                    drop(committer.make_segment(queue).0);
                }
            })
        };
        append(&committer, &disk).unwrap();
        append(&committer, &disk).unwrap();
        maker.join().unwrap();
        assert_eq!(Disk::get(&disk.turns), 1);
    });
}

// proves: WAL-8
#[test]
fn on_a_full_disk_one_is_refused_and_nobody_waits_in_any_interleaving() {
    loom::model(|| {
        let disk = Arc::new(Disk::default());
        let committer = committer(&disk, Segments { first: 1, each: 1, limit: 0 }, u64::MAX);
        let other = spawn_append(&committer, &disk);
        let mine = append(&committer, &disk);
        assert!(matches!(mine, Ok(1) | Err(AppendError::Full { .. })), "{mine:?}");
        assert_eq!(mine.is_ok(), other.join().unwrap().is_none(), "there is room for one");
        assert_eq!(Disk::get(&disk.written), FRAME_LEN as u64, "what is refused is not written");
    });
}

// proves: WAL-8
#[test]
fn a_stalled_task_is_refused_on_a_full_disk_in_every_interleaving() {
    loom::model(|| {
        let disk = Arc::new(Disk::default());
        let committer = committer(&disk, Segments { first: 1, each: 1, limit: 0 }, u64::MAX);
        append(&committer, &disk).unwrap();
        let helper = spawn_helper(&committer);
        let task = Appending::new(&committer, Content::Record(b""), Append::DURABLE.from_reserve());
        assert!(matches!(loom::future::block_on(task), Err(AppendError::Full { .. })));
        committer.abandon();
        helper.join().unwrap();
    });
}

// proves: WAL-4
#[test]
fn an_append_beside_closing_is_durable_or_refused_in_every_interleaving() {
    loom::model(|| {
        let disk = Arc::new(Disk::default());
        let committer = committer(&disk, ENDLESS, u64::MAX);
        let other = spawn_append(&committer, &disk);
        committer.close().unwrap();
        // A log is closed when nobody else has it; that nobody hangs and nothing is written late is all the same so.
        let appended = other.join().unwrap();
        assert_eq!(Disk::get(&disk.closed), 1);
        assert!(matches!(appended, None | Some(1)));
        assert!(matches!(append(&committer, &disk), Err(AppendError::Poisoned { .. })));
    });
}

// proves: WAL-5
#[test]
fn closing_a_log_that_failed_waits_for_whoever_makes_a_segment_in_every_interleaving() {
    loom::model(|| {
        let disk = Arc::new(Disk::default());
        let committer = committer(&disk, Segments { first: 1, each: 1, limit: 4 }, 0);
        let maker = {
            let committer = Arc::clone(&committer);
            loom::thread::spawn(move || {
                let queue = committer.queue.lock();
                // As after a turn.
                if queue.broken.is_none() {
                    drop(committer.make_segment(queue).0);
                }
            })
        };
        append(&committer, &disk).unwrap_err();
        committer.close().unwrap_err();
        // Whoever makes a segment has the lock of the log.
        assert!(!committer.queue.lock().segments.busy, "closed, and somebody makes a segment");
        maker.join().unwrap();
    });
}

// proves: WAL-1
#[test]
fn a_canceled_append_leaves_no_waker_and_holds_up_nobody_in_any_interleaving() {
    loom::model(|| {
        let disk = Arc::new(Disk::default());
        let committer = committer(&disk, ENDLESS, u64::MAX);
        let helper = spawn_helper(&committer);
        {
            let mut canceled = Appending::new(&committer, Content::Record(b""), Append::DURABLE);
            let waker = std::task::Waker::noop();
            let polled = std::pin::Pin::new(&mut canceled).poll(&mut std::task::Context::from_waker(waker));
            assert!(polled.is_pending());
        }
        assert!(!committer.queue.lock().tasks.are_waiting());
        append(&committer, &disk).unwrap();
        committer.abandon();
        helper.join().unwrap();
        assert_eq!(Disk::get(&disk.synced), 2 * FRAME_LEN as u64, "it was staged, so it is there");
    });
}
