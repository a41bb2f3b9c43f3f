//! Disks and wakers that fail, panic or take their time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::crash::options;
use crate::format::FRAME_LEN;
use crate::hook::{Call, Hooked};
use crate::sim::SimStorage;
use crate::{Append, AppendError, Log, OpenError};

fn open(beside: bool) -> (Arc<Log>, Arc<Hooked<SimStorage>>, SimStorage) {
    let sim = SimStorage::default();
    let hooked = Hooked::new(sim.clone(), beside);
    let log = options().open(Arc::clone(&hooked) as Arc<dyn crate::Storage>, |_| {}).unwrap().0;
    (Arc::new(log), hooked, sim)
}

/// What `work` returns, unless it hangs.
#[track_caller]
fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    match receiver.recv_timeout(Duration::from_secs(20)) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("it panicked"),
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it waits for ever"),
    }
}

/// Where a disk waits until it is opened.
#[derive(Debug, Default)]
struct Gate {
    /// Whether somebody has come, and whether it is open.
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock();
        state.0 = true;
        self.changed.notify_all();
        self.changed.wait_while(&mut state, |state| !state.1);
    }

    fn wait_for_somebody(&self) {
        self.changed.wait_while(&mut self.state.lock(), |state| !state.0);
    }

    fn open(&self) {
        self.state.lock().1 = true;
        self.changed.notify_all();
    }
}

struct Ignores;

impl Wake for Ignores {
    fn wake(self: Arc<Self>) {}
}

fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[derive(Debug, Clone, Copy)]
enum Panic {
    Writing,
    MakingASegment,
    MakingASegmentBeside,
    RemovingHistory,
}

// proves: WAL-4
#[test]
fn a_disk_that_panics_ends_the_acknowledgements_and_nobody_waits_for_ever() {
    use Panic::{MakingASegment, MakingASegmentBeside, RemovingHistory, Writing};
    for place in [Writing, MakingASegment, MakingASegmentBeside, RemovingHistory] {
        ends(move || {
            let (log, disk, _) = open(matches!(place, MakingASegmentBeside));
            log.append(b"before", Append::DURABLE).unwrap();
            if matches!(place, RemovingHistory) {
                log.checkpoint(b"state").unwrap();
            }
            disk.on_call(move |call| match (place, call) {
                (Writing, Call::Sync)
                | (MakingASegment | MakingASegmentBeside, Call::Create)
                | (RemovingHistory, Call::SyncDirectory) => panic!("a disk that panics"),
                _ => Ok(()),
            });
            let victim = Arc::clone(&log);
            let caught = thread::spawn(move || {
                if matches!(place, RemovingHistory) {
                    victim.remove_history(0).is_ok()
                } else {
                    (0..20).all(|_| victim.append(&[b'x'; 200], Append::DURABLE).is_ok())
                }
            });
            assert!(!matches!(caught.join(), Ok(true)), "{place:?}");
            let after = log.append(b"after", Append::BUFFERED).unwrap_err();
            assert!(matches!(after, AppendError::Poisoned { .. }), "{place:?}: {after}");
            assert!(log.sync().is_err() && log.remove_history(0).is_err(), "{place:?}");
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            assert!(runtime.block_on(log.append_async(b"after", Append::DURABLE)).is_err(), "{place:?}");
            assert!(Arc::into_inner(log).unwrap().close().is_err(), "{place:?}");
        });
    }
}

// proves: WAL-4
#[test]
fn what_was_safe_before_a_failure_is_not_acknowledged_after_it() {
    const RECORD: &[u8] = &[b'x'; 200];
    for by_task in [false, true] {
        let (last, failed, sim) = ends(move || {
            let (log, disk, sim) = open(false);
            let mut last = 0;
            while log.committer().room().active >= FRAME_LEN + RECORD.len() {
                last = log.append(RECORD, Append::DURABLE).unwrap();
            }
            // The next record goes into the next segment. Once it is on disk, the one behind that is made, and the name of
            // that one may be lost.
            disk.on_call(|call| if call == Call::SyncDirectory { Err(io::ErrorKind::Other.into()) } else { Ok(()) });
            if !by_task {
                return (last, log.append(RECORD, Append::DURABLE), sim);
            }
            let mut append = Box::pin(log.append_async(RECORD, Append::DURABLE));
            let waker = Arc::new(Ignores).into();
            assert!(poll(append.as_mut(), &waker).is_pending());
            while log.committer().checkpoint().is_ok() {
                thread::yield_now();
            }
            match poll(append.as_mut(), &waker) {
                Poll::Ready(ended) => (last, ended, sim),
                Poll::Pending => panic!("it has ended, one way or the other"),
            }
        });
        assert!(matches!(failed, Err(AppendError::Failed { .. })), "by a task: {by_task}: {failed:?}");
        let mut found = 0;
        options().open(Arc::new(sim), |_| found += 1).unwrap();
        assert_eq!(found, last + 1, "it is there, and whoever opens the log sees it");
    }
}

// proves: WAL-4
#[test]
fn a_task_hears_of_a_disk_that_panics() {
    let failed = ends(|| {
        let (log, disk, _) = open(false);
        disk.on_call(|call| if call == Call::Sync { panic!("a disk that panics") } else { Ok(()) });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(log.append_async(b"x", Append::DURABLE)).unwrap_err()
    });
    assert!(matches!(failed, AppendError::Failed { .. } | AppendError::Poisoned { .. }), "{failed}");
}

#[test]
fn a_waker_that_panics_keeps_nobody_else_waiting() {
    struct Panics(AtomicBool);
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
            panic!("a waker that panics");
        }
    }
    ends(|| {
        let (log, ..) = open(false);
        let panics = Arc::new(Panics(AtomicBool::new(false)));
        {
            let mut append = Box::pin(log.append_async(b"x", Append::DURABLE));
            assert!(poll(append.as_mut(), &Arc::clone(&panics).into()).is_pending());
            while !panics.0.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(log.append_async(b"y", Append::DURABLE)).unwrap();
        log.append(b"z", Append::DURABLE).unwrap();
    });
}

#[test]
fn dropping_a_log_waits_for_no_sync_and_the_lock_is_free_when_that_ends() {
    ends(|| {
        let (log, disk, sim) = open(false);
        let gate = Arc::new(Gate::default());
        let inside = Arc::clone(&gate);
        disk.on_call(move |call| {
            if call == Call::Sync {
                inside.pass();
            }
            Ok(())
        });
        {
            let mut append = Box::pin(log.append_async(b"canceled", Append::DURABLE));
            assert!(poll(append.as_mut(), &Arc::new(Ignores).into()).is_pending());
            gate.wait_for_somebody();
        }
        drop(log);
        let held = options().open(Arc::new(sim.clone()), |_| {}).map(|_| ());
        assert!(matches!(held, Err(OpenError::Locked(_))), "whoever is writing still has it");
        gate.open();
        while options().open(Arc::new(sim.clone()), |_| {}).is_err() {
            thread::yield_now();
        }
    });
}

#[test]
fn a_log_whose_helper_is_idle_lets_the_lock_go_at_once() {
    for _ in 0..100 {
        let (log, _, sim) = open(false);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(log.append_async(b"x", Append::DURABLE)).unwrap();
        // Another one, so that the helper is done with the first.
        log.append(b"y", Append::DURABLE).unwrap();
        drop(log);
        assert!(options().open(Arc::new(sim), |_| {}).is_ok());
    }
}

#[test]
fn closing_waits_until_the_lock_is_free() {
    for _ in 0..50 {
        let (log, _, sim) = open(true);
        // The next segment may be in the making.
        for _ in 0..5 {
            log.append(&[b'x'; 200], Append::DURABLE).unwrap();
        }
        Arc::into_inner(log).unwrap().close().unwrap();
        let mut found = 0;
        options().open(Arc::new(sim), |_| found += 1).unwrap();
        assert_eq!(found, 5);
    }
}

#[test]
fn a_canceled_append_keeps_no_waker() {
    ends(|| {
        let (log, disk, _) = open(false);
        let gate = Arc::new(Gate::default());
        let inside = Arc::clone(&gate);
        disk.on_call(move |call| {
            if call == Call::Create {
                inside.pass();
            }
            Ok(())
        });
        let waker = Arc::new(Ignores);
        let record = [b'r'; 700];
        let how = Append::DURABLE.from_reserve();
        // Some are staged, and the rest stall while the helper hangs in making a segment.
        let mut appends: Vec<_> = (0..5).map(|_| Box::pin(log.append_async(&record, how))).collect();
        let mut poll_all =
            || appends.retain_mut(|append| poll(append.as_mut(), &Arc::clone(&waker).into()).is_pending());
        poll_all();
        gate.wait_for_somebody();
        for _ in 0..100 {
            poll_all();
        }
        let kept = Arc::strong_count(&waker) - 1;
        assert!((1..=5).contains(&kept), "{kept} wakers kept for five appends");
        drop(appends);
        assert_eq!(Arc::strong_count(&waker), 1);
        gate.open();
    });
}

#[test]
fn a_segment_that_cannot_be_made_is_not_called_a_full_disk() {
    for is_full in [false, true] {
        let (log, disk, _) = open(false);
        let error = if is_full { io::ErrorKind::StorageFull } else { io::ErrorKind::PermissionDenied };
        disk.on_call(move |call| if call == Call::Create { Err(error.into()) } else { Ok(()) });
        let refused = |error: &AppendError| match error {
            AppendError::Full { source: Some(_), .. } => is_full,
            AppendError::NoSegment { action: "make a file in", .. } => !is_full,
            _ => false,
        };
        let error = (0..20).find_map(|_| log.append(&[b'x'; 200], Append::DURABLE).err()).unwrap();
        assert!(refused(&error), "{error}");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let error = runtime.block_on(log.append_async(&[b'x'; 200], Append::DURABLE)).unwrap_err();
        assert!(refused(&error), "{error}");
        disk.on_call(|_| Ok(()));
        log.append(&[b'x'; 200], Append::DURABLE).expect("the cause is gone");
    }
}
