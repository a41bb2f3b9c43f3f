//! Waiting for the holder: until it goes, until the time is over, until nobody wants the answer any more.

#[cfg(feature = "async")]
mod from_tasks;

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use backstop_file_lock::{AcquireError, AcquireOptions, Lock};

use crate::process::Role;
use crate::{acquire, claim};

const LONG: AcquireOptions = wait(Duration::from_mins(1));
const SHORT: AcquireOptions = wait(Duration::from_millis(30));

const fn wait(wait: Duration) -> AcquireOptions {
    AcquireOptions { wait, network_fs: backstop_file_lock::NetworkFs::Refuse }
}

/// Lets `end` happen while another thread waits for the lock; the fence number which that one gets.
fn handed_over(path: &Path, end: impl FnOnce()) -> u64 {
    let (waiting, seen) = mpsc::channel();
    thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            waiting.send(()).unwrap();
            Lock::acquire_with(path, &claim(), &LONG).unwrap().fence()
        });
        seen.recv().unwrap();
        // Not a proof that it waits by now: whoever comes later finds the lock free, or asks again.
        for _ in 0..2_000 {
            thread::yield_now();
        }
        assert!(!waiter.is_finished(), "it did not wait");
        end();
        waiter.join().unwrap()
    })
}

// proves: LOCK-3
#[test]
fn who_waits_gets_the_lock_of_a_holder_that_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let mut holder = Role::start("hold", &path, &dir.path().join("journal"));
    holder.expect("holding");
    assert_eq!(handed_over(&path, || holder.kill()), 2);
}

#[test]
fn who_waits_gets_the_lock_that_is_released() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let lock = acquire(&path).unwrap();
    assert_eq!(handed_over(&path, || drop(lock)), 2);
}

// proves: LOCK-1
#[test]
fn who_waits_for_a_file_that_is_replaced_gets_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let old = acquire(&path).unwrap();
    assert_eq!(handed_over(&path, || fs::remove_file(&path).unwrap()), 1);
    assert!(!old.still_held());
}

// proves: LOCK-4
#[test]
fn who_has_waited_in_vain_learns_who_holds_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let _lock = acquire(&path).unwrap();
    let error = Lock::acquire_with(&path, &claim(), &SHORT).unwrap_err();
    assert!(matches!(error, AcquireError::Held { holder: Some(_), .. }), "{error}");
}

#[test]
fn the_record_says_when_the_lock_was_taken_not_when_the_wait_began() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let lock = acquire(&path).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| Lock::acquire_with(&path, &claim(), &LONG).unwrap());
        for _ in 0..2_000 {
            thread::yield_now();
        }
        drop(lock);
        let _lock = waiter.join().unwrap();
        let Err(AcquireError::Held { holder: Some(holder), .. }) = acquire(&path) else { panic!("not refused") };
        assert!(holder.since > claim().since);
    });
}
