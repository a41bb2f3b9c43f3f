//! Waiting for the holder: until it goes, until the time is over, until nobody wants the answer any more.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use backstop_file_lock::{AcquireError, AcquireOptions, Claim, Lock};

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

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn ask(path: &Path, options: AcquireOptions) -> impl Future<Output = Result<Lock, AcquireError>> {
    Lock::acquire_async(path.to_owned(), Claim { label: "async".to_owned(), ..claim() }, options)
}

#[test]
fn an_async_caller_waits_without_stopping_the_others_of_its_thread() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let lock = acquire(&path).unwrap();
    let taken = runtime().block_on(async {
        let (taken, ()) = tokio::join!(ask(&path, LONG), async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            drop(lock);
        });
        taken.unwrap()
    });
    assert_eq!(taken.fence(), 2);
    assert!(matches!(acquire(&path), Err(AcquireError::Held { .. })));
}

#[test]
fn an_async_caller_that_has_waited_in_vain_learns_who_holds_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let _lock = acquire(&path).unwrap();
    let error = runtime().block_on(ask(&path, SHORT)).unwrap_err();
    assert!(matches!(error, AcquireError::Held { holder: Some(_), .. }), "{error}");
}

#[test]
fn a_wait_that_was_dropped_holds_nothing_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    for _ in 0..20 {
        // The lock may still pass through the hands of a thread that was not told yet; it does not stay there.
        let lock = Lock::acquire_with(&path, &claim(), &LONG).unwrap();
        runtime().block_on(async {
            let waited = tokio::time::timeout(Duration::from_millis(2), ask(&path, LONG)).await;
            assert!(waited.is_err(), "the lock is held");
        });
        drop(lock);
    }
    assert!(Lock::acquire_with(&path, &claim(), &LONG).unwrap().still_held());
}
