//! The incident, with real processes: A holds the lock, B has the file open and waits for it, the file is deleted as if
//! to tidy up, A lets go, B gets in, C comes along. Once with a lock as it is often written, once with ours.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use backstop_file_lock::{AcquireOptions, Lock, NetworkFs};

use crate::process::{Role, say};
use crate::{acquire, claim};

/// Who is inside in the end, of B and C.
fn inside(kind: &str) -> Vec<&'static str> {
    let dir = tempfile::tempdir().unwrap();
    let (lock, journal) = (dir.path().canonicalize().unwrap().join("lock"), dir.path().join("journal"));
    let start = |what: &str| Role::start(&format!("incident, {kind}, {what}"), &lock, &journal);

    let mut a = start("waits");
    a.expect("inside");
    let mut b = start("waits");
    while !has_open(b.pid(), &lock) {
        thread::yield_now();
    }
    fs::remove_file(&lock).unwrap();
    a.tell("leave");
    a.expect("outside");
    b.expect("inside");
    let mut c = start("tries");
    if c.says() == "inside" { vec!["B", "C"] } else { vec!["B"] }
}

fn has_open(pid: u32, path: &Path) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target: PathBuf| target == path))
}

/// What the processes do, by the last two words of their role.
pub(crate) fn act(role: &str, lock: &Path) {
    let wait = AcquireOptions { wait: Duration::from_mins(1), network_fs: NetworkFs::Refuse };
    // Either guard lets go when it is dropped.
    let guard: Option<Box<dyn std::any::Any>> = match role {
        "naive, waits" => {
            let file = naive(lock);
            file.lock().unwrap();
            Some(Box::new(file))
        }
        "naive, tries" => Some(naive(lock)).filter(|file| file.try_lock().is_ok()).map(|file| Box::new(file) as _),
        "ours, waits" => Some(Box::new(Lock::acquire_with(lock, &claim(), &wait).unwrap())),
        "ours, tries" => acquire(lock).ok().map(|lock| Box::new(lock) as _),
        other => panic!("unknown role {other:?}"),
    };
    say(if guard.is_some() { "inside" } else { "refused" });
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    drop(guard);
    say("outside");
}

/// As it is often written: open or make the file, lock it, be inside.
fn naive(path: &Path) -> File {
    OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap()
}

// proves: LOCK-1
#[cfg(target_os = "linux")]
#[test]
fn the_file_that_was_tidied_away_lets_two_in_by_the_naive_lock_and_one_by_ours() {
    assert_eq!(inside("naive"), ["B", "C"], "the script no longer shows the incident");
    assert_eq!(inside("ours"), ["B"]);
}
