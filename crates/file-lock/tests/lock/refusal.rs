//! What the refused and the curious are told.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use backstop_file_lock::{AcquireError, Claim, Lock, LockState, Presence};

use crate::acquire;

// proves: LOCK-4
#[test]
fn the_refused_caller_learns_who_holds_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let since = "2026-01-05T14:29:58Z".parse().unwrap();
    let _lock = Lock::acquire(&path, &Claim { label: "paper\u{7}trader".to_owned(), since }).unwrap();
    let error = acquire(&path).unwrap_err();
    let text = error.to_string();
    let AcquireError::Held { path: named, holder: Some(holder) } = error else { panic!("{text}") };
    assert_eq!(named, path);
    assert_eq!((holder.pid, holder.since, holder.fence), (std::process::id(), since, 1));
    assert_eq!(holder.label, "paper\u{fffd}trader");
    for part in ["another instance holds", "pid ", "trader", "2026-01-05T14:29:58Z", "do not delete the file"] {
        assert!(text.contains(part), "{part:?} is missing in {text:?}");
    }
}

#[test]
fn a_look_from_outside_sees_the_holder_and_keeps_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    assert_eq!(LockState::read(&path).unwrap(), None);
    assert!(!path.exists());

    let lock = acquire(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let state = LockState::read(&path).unwrap().unwrap();
    assert_eq!(state.holder.unwrap().fence, lock.fence());
    if cfg!(target_os = "linux") {
        assert_eq!(state.presence, Presence::Held);
    }
    drop(lock);

    let state = LockState::read(&path).unwrap().unwrap();
    assert_eq!(state.holder.unwrap().fence, 1, "the last holder is remembered");
    if cfg!(target_os = "linux") {
        assert_eq!(state.presence, Presence::Free);
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

// `std::fs::read_to_string` on the kernel's list of locks missed one in twenty here, and `status` said "free".
#[cfg(target_os = "linux")]
#[test]
fn a_held_lock_is_never_seen_free_while_others_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let _lock = acquire(&path).unwrap();
    let others: Vec<_> = (0..40).map(|i| File::create(dir.path().join(i.to_string())).unwrap()).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for half in others.chunks(20) {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    for other in half {
                        other.lock().unwrap();
                    }
                    for other in half {
                        other.unlock().unwrap();
                    }
                }
            });
        }
        let seen_free =
            (0..2000).filter(|_| LockState::read(&path).unwrap().unwrap().presence == Presence::Free).count();
        done.store(true, Ordering::Relaxed);
        assert_eq!(seen_free, 0);
    });
}
