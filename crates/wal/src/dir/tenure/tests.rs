use backstop_file_lock::Claim;

use super::*;

fn lock(path: &std::path::Path) -> DirTenure {
    let claim = Claim { label: "test".to_owned(), since: "2026-01-05T14:29:58Z".parse().unwrap() };
    DirTenure::new(Lock::acquire(path, &claim).unwrap())
}

// proves: WAL-5
#[test]
fn a_successor_writes_only_once_the_last_answer_of_the_writer_before_has_grown_old() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    for _ in 0..5 {
        let before = lock(&path);
        assert!(before.held_lately());
        std::fs::remove_file(&path).unwrap();
        let mut after = lock(&path);
        assert!(after.fence() <= before.fence(), "counting began anew");
        // Only now, so that its answer is as fresh as it can be.
        before.asked.store(before.age(), Ordering::Relaxed);
        after.raise_fence_above(before.fence()).unwrap();
        assert!(!before.held_lately());
        assert!(after.held_lately() && after.fence() > before.fence());
    }
}

#[test]
fn the_file_system_is_asked_again_when_the_answer_has_grown_old() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let tenure = lock(&path);
    std::fs::remove_file(&path).unwrap();
    while tenure.held_lately() {
        std::thread::yield_now();
    }
    assert!(u128::from(tenure.age()) >= LEASE.as_nanos());
    assert!(!tenure.still_held());
}
