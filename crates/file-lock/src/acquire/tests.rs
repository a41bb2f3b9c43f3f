use std::fs;
use std::time::Duration;

use super::*;

type Change = fn(&Path);

fn opened(path: &Path) -> (File, FileId) {
    open(path, NetworkFs::Refuse).unwrap().expect("nobody changes the path")
}

fn attempt_on((file, id): &(File, FileId), path: &Path) -> Attempt {
    attempt(file, *id, path).unwrap()
}

/// A lock as it is often written: open, lock; in the end delete, unlock.
fn naive_open(path: &Path) -> File {
    OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap()
}

// The incident: A holds; B has the file open and waits; A deletes and unlocks; B gets the old file, C makes a new one.
// proves: LOCK-1
#[test]
fn a_file_deleted_while_another_waited_lets_one_in_where_the_naive_lock_lets_in_two() {
    let dir = tempfile::tempdir().unwrap();

    let path = dir.path().join("naive.lock");
    let a = naive_open(&path);
    a.try_lock().unwrap();
    let b = naive_open(&path);
    fs::remove_file(&path).unwrap();
    a.unlock().unwrap();
    let c = naive_open(&path);
    let inside = [b.try_lock(), c.try_lock()].into_iter().flatten().count();
    assert_eq!(inside, 2, "the script no longer shows the incident");

    let path = dir.path().join("ours.lock");
    let a = opened(&path);
    assert_eq!(attempt_on(&a, &path), Attempt::Locked);
    let b = opened(&path);
    fs::remove_file(&path).unwrap();
    sys::unlock(&a.0).unwrap();
    let c = opened(&path);
    let inside = [&b, &c].into_iter().filter(|file| attempt_on(file, &path) == Attempt::Locked).count();
    assert_eq!(inside, 1);
}

// proves: LOCK-1
#[test]
fn a_file_that_moved_between_opening_and_locking_is_not_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let changes: [(&str, Change); 4] = [
        ("deleted", |path| fs::remove_file(path).unwrap()),
        ("renamed", |path| fs::rename(path, path.with_extension("old")).unwrap()),
        ("replaced", |path| {
            fs::write(path.with_extension("new"), "").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        }),
        ("a link to itself", |path| {
            fs::rename(path, path.with_extension("old")).unwrap();
            std::os::unix::fs::symlink(path.with_extension("old"), path).unwrap();
        }),
    ];
    for (what, change) in changes {
        let _absent = fs::remove_file(&path);
        let file = opened(&path);
        change(&path);
        assert_eq!(attempt_on(&file, &path), Attempt::Moved, "{what}");
    }
}

#[test]
fn who_holds_a_file_that_moved_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let holder = opened(&path);
    assert_eq!(attempt_on(&holder, &path), Attempt::Locked);
    let (file, id) = opened(&path);
    fs::remove_file(&path).unwrap();
    let patience = Patience::new(Duration::MAX, &|| true);
    assert_eq!(wait(&file, id, &path, &patience).unwrap(), Attempt::Moved);
}
