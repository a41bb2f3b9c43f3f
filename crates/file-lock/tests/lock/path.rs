//! What happens to the path while the lock is held, and what cannot be a lock file at all.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use backstop_file_lock::{AcquireError, LockState, ReadStateError};

use crate::acquire;

type Change = fn(&Path);

// proves: LOCK-6
#[test]
fn a_lock_whose_file_is_gone_from_its_path_is_not_held_any_more() {
    let changes: [(&str, Change); 5] = [
        ("deleted", |path| fs::remove_file(path).unwrap()),
        ("renamed", |path| fs::rename(path, path.with_extension("old")).unwrap()),
        ("replaced by a copy", |path| {
            fs::copy(path, path.with_extension("new")).unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        }),
        ("behind a link", |path| {
            fs::rename(path, path.with_extension("old")).unwrap();
            symlink(path.with_extension("old"), path).unwrap();
        }),
        ("in a directory that was renamed", |path| {
            fs::rename(path.parent().unwrap(), path.parent().unwrap().with_extension("old")).unwrap();
        }),
    ];
    for (what, change) in changes {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        let path = dir.path().join("state/lock");
        let lock = acquire(&path).unwrap();
        assert!(lock.still_held() && lock.still_held(), "{what}");
        change(&path);
        assert!(!lock.still_held(), "{what}");
    }
}

// proves: LOCK-6
#[test]
fn a_file_that_was_put_back_is_not_held_again() {
    let dir = tempfile::tempdir().unwrap();
    let (path, away) = (dir.path().join("lock"), dir.path().join("away"));
    let lock = acquire(&path).unwrap();
    fs::rename(&path, &away).unwrap();
    assert!(!lock.still_held());
    fs::rename(&away, &path).unwrap();
    assert!(!lock.still_held(), "somebody else may have acted meanwhile");
}

// proves: LOCK-1
#[test]
fn after_a_deletion_only_the_newcomer_still_holds_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let old = acquire(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let new = acquire(&path).unwrap();
    assert_eq!((old.still_held(), new.still_held()), (false, true));
    drop(old);
    assert!(new.still_held(), "the end of the old holder takes nothing from the new one");
    assert!(matches!(acquire(&path), Err(AcquireError::Held { .. })));
}

// proves: LOCK-7
#[test]
fn what_is_no_regular_file_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("target"), "").unwrap();
    symlink(at("target"), at("link")).unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    fs::create_dir(at("directory")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    for name in ["link", "dangling", "directory", "socket", "pipe", "/dev/null"] {
        let error = acquire(&at(name)).unwrap_err();
        assert!(matches!(error, AcquireError::NotAFile { .. }), "{name}: {error}");
        assert!(matches!(LockState::read(at(name)), Err(ReadStateError::NotAFile { .. })), "{name}");
    }
    assert!(!at("nowhere").exists(), "a file was made through a link");
    assert_eq!(fs::read(at("target")).unwrap(), b"");
}

#[test]
fn a_missing_directory_is_an_error_that_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let error = acquire(&dir.path().join("no/lock")).unwrap_err();
    assert!(matches!(error, AcquireError::Io { .. }), "{error}");
    assert!(error.to_string().contains("no/lock"), "{error}");
}

// proves: LOCK-7
#[test]
fn a_file_that_every_user_may_write_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    drop(acquire(&path).unwrap());
    let bytes = fs::read(&path).unwrap();
    let allow = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o602);
    let error = acquire(&path).unwrap_err();
    assert!(matches!(error, AcquireError::WritableByAll { .. }), "{error}");
    assert!(error.to_string().contains("chmod o-w"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    allow(0o664);
    assert_eq!(acquire(&path).unwrap().fence(), 2);
}
