//! Waiting in a task.

use backstop_file_lock::Claim;

use super::*;

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
