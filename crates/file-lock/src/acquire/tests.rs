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
    let patience = Patience::new(Duration::from_secs(1), &|| true);
    assert_eq!(wait(&file, id, &path, &patience).unwrap(), Attempt::Moved);
}
