//! What cannot be opened or read is refused: where, what is intact, what to do; and it stays as it is to the last byte.

#![expect(clippy::indexing_slicing, clippy::print_stdout, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use backstop_wal::{
    AcquireError, Append, AppendError, Claim, DirStorage, Log, OpenError, Options, ReadError, Reader, Storage, verify,
};
use tempfile::TempDir;

use crate::once_free;

const SEGMENT: usize = 4096;

fn storage(path: &Path) -> Arc<dyn Storage> {
    Arc::new(DirStorage::open(path).unwrap())
}

fn options() -> Options {
    let claim = Claim { label: "test".to_owned(), since: "2026-01-05T14:29:58Z".parse().unwrap() };
    Options::new(claim).segment_len(SEGMENT as u64)
}

fn open(path: &Path) -> Result<Log, OpenError> {
    options().open(storage(path), |_| {}).map(|(log, _)| log)
}

/// A log of a few segments that was closed, in the folder `log`.
fn closed() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    fs::create_dir(&path).unwrap();
    fill(&path, 40);
    (dir, path)
}

fn fill(path: &Path, records: usize) {
    let log = open(path).unwrap();
    for _ in 0..records {
        log.append(&[b'r'; 300], Append::DURABLE).unwrap();
    }
    log.close().unwrap();
}

fn segment(path: &Path, number: u64) -> PathBuf {
    path.join(format!("{number:020}.wal"))
}

/// Every file with its bytes, but for the lock file: who tries to open a log holds its lock meanwhile.
fn snapshot(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let named = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    entries.map(|path| (named(&path), fs::read(path).unwrap())).filter(|(name, _)| name != "lock").collect()
}

fn copy(from: &Path, to: &Path) {
    fs::write(to, fs::read(from).unwrap()).unwrap();
}

/// Writes `bytes` at `offset`.
fn overwrite(path: &Path, offset: usize, bytes: &[u8]) {
    let mut content = fs::read(path).unwrap();
    content[offset..offset + bytes.len()].copy_from_slice(bytes);
    fs::write(path, content).unwrap();
}

#[track_caller]
fn check_words(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in {text:?}");
    }
}

/// A fault, what does it, the error, and what its text says.
struct Case {
    fault: &'static str,
    cause: fn(&Path),
    is_right: fn(&ReadError) -> bool,
    words: &'static [&'static str],
}

const CASES: [Case; 10] = [
    Case {
        fault: "a damaged segment",
        cause: |path| overwrite(&segment(path, 2), 1500, b"?"),
        // The mark that the next segment is there stands before it or behind it: that one is made meanwhile.
        is_right: |error| matches!(error, ReadError::Damaged { offset: 1328 | 1360, intact: 16, .. }),
        words: &[
            "00000000000000000002.wal",
            "at byte 13",
            "16 records before it are intact",
            "salvage",
            "do not delete",
        ],
    },
    Case {
        fault: "a damaged header",
        cause: |path| overwrite(&segment(path, 2), 30, b"?"),
        is_right: |error| matches!(error, ReadError::Damaged { offset: 0, .. }),
        words: &["00000000000000000002.wal", "at byte 0", "are intact", "salvage", "restore the file from a copy"],
    },
    Case {
        fault: "a segment that was cut",
        cause: |path| fs::write(segment(path, 2), &fs::read(segment(path, 2)).unwrap()[..2000]).unwrap(),
        is_right: |error| matches!(error, ReadError::Damaged { offset: 2000, .. }),
        words: &["00000000000000000002.wal", "at byte 2000", "are intact", "salvage"],
    },
    Case {
        fault: "a segment that is gone from the middle",
        cause: |path| fs::remove_file(segment(path, 2)).unwrap(),
        is_right: |error| matches!(error, ReadError::Missing { intact: 12, .. }),
        words: &["00000000000000000002.wal", "is missing", "12 records before it are intact", "put the file back"],
    },
    Case {
        fault: "the first segment gone",
        cause: |path| fs::remove_file(segment(path, 1)).unwrap(),
        is_right: |error| matches!(error, ReadError::Missing { intact: 0, .. }),
        words: &["00000000000000000001.wal", "is missing", "put the file back"],
    },
    Case {
        fault: "a foreign file",
        cause: |path| fs::write(path.join("notes.txt"), "to do").unwrap(),
        is_right: |error| matches!(error, ReadError::Foreign { .. }),
        words: &["notes.txt", "no part of this log", "which is as it was", "move it elsewhere"],
    },
    Case {
        fault: "a foreign folder",
        cause: |path| fs::create_dir(path.join("old")).unwrap(),
        is_right: |error| matches!(error, ReadError::Foreign { .. }),
        words: &["old", "no part of this log", "which is as it was", "move it elsewhere"],
    },
    Case {
        fault: "a copy of a segment",
        cause: |path| copy(&segment(path, 1), &path.join("00000000000000000001.wal.bak")),
        is_right: |error| matches!(error, ReadError::Foreign { .. }),
        words: &["00000000000000000001.wal.bak", "no part of this log", "move it elsewhere"],
    },
    Case {
        fault: "a segment of another log",
        cause: |path| copy(&segment(&closed().1, 2), &segment(path, 2)),
        is_right: |error| matches!(error, ReadError::Foreign { .. }),
        words: &["00000000000000000002.wal", "no part of this log"],
    },
    Case {
        fault: "a later version of the format",
        cause: |path| {
            let mut header = fs::read(segment(path, 3)).unwrap()[..36].to_vec();
            header[8] = 2;
            let crc = crc32c::crc32c(&header).to_le_bytes();
            overwrite(&segment(path, 3), 0, &[&header[..], &crc].concat());
        },
        is_right: |error| matches!(error, ReadError::Newer { version: 2, supported: 1, .. }),
        words: &[
            "00000000000000000003.wal",
            "format version 2",
            "reads 1",
            "as it was",
            "use the version that wrote it",
        ],
    },
];

// proves: WAL-3
#[test]
fn what_is_wrong_with_a_log_is_told_and_left_as_it_is() {
    for Case { fault, cause, is_right, words } in CASES {
        let (_dir, path) = closed();
        cause(&path);
        let before = snapshot(&path);
        let refused = match open(&path).unwrap_err() {
            OpenError::Read(error) => error,
            error => panic!("{fault}: {error}"),
        };
        let read = Reader::from_checkpoint(storage(&path)).and_then(|mut reader| reader.read(|_| {})).unwrap_err();
        let verified = verify(storage(&path)).unwrap_err();
        for error in [&refused, &read, &verified] {
            assert!(is_right(error), "{fault}: {error:?}");
            check_words(&error.to_string(), words);
        }
        assert_eq!(snapshot(&path), before, "{fault}");
    }
}

#[test]
fn a_log_that_another_process_holds_is_refused_with_its_pid() {
    let (_dir, path) = closed();
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "bad_input::holds_a_log_while_asked_to", "--nocapture"])
        .env("BACKSTOP_TEST_HOLDS", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(
        lines.by_ref().map(Result::unwrap).any(|line| line.contains("it is held")),
        "the other process has opened it"
    );
    let (before, lock) = (snapshot(&path), fs::read(path.join("lock")).unwrap());
    let error = open(&path).unwrap_err();
    let OpenError::Locked(AcquireError::Held { holder: Some(told), .. }) = &error else { panic!("{error:?}") };
    assert_eq!((told.pid, told.label.as_str()), (holder.id(), "test"));
    check_words(&error.to_string(), &["log/lock", &holder.id().to_string()]);
    assert_eq!((snapshot(&path), fs::read(path.join("lock")).unwrap()), (before, lock));
    // Readers are let in.
    assert_eq!(verify(storage(&path)).unwrap().records, 40);
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    assert!(open(&path).is_ok());
}

/// The other process of the test above; by itself it does nothing.
#[test]
fn holds_a_log_while_asked_to() {
    let Some(path) = std::env::var_os("BACKSTOP_TEST_HOLDS") else { return };
    let _log = open(Path::new(&path)).unwrap();
    println!("it is held");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// A small file system in memory, which goes away with it; `None`, said aloud, where that is not possible.
struct Mounted(TempDir);

impl Mounted {
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let option = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &option, "none"]).arg(dir.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(dir)),
            other => {
                println!("SKIPPED: no file system can be mounted here, which takes root: {other:?}");
                None
            }
        }
    }

    fn remount(&self, option: &str) {
        let option = format!("remount,{option}");
        assert!(Command::new("mount").args(["-o", &option]).arg(self.0.path()).status().unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.unwrap().success() || std::thread::panicking());
    }
}

#[test]
fn a_directory_that_cannot_be_written_to_is_refused_and_can_be_read() {
    let Some(disk) = Mounted::new("256k") else { return };
    let path = disk.0.path().join("log");
    fs::create_dir(&path).unwrap();
    fill(&path, 20);
    disk.remount("ro");
    let before = snapshot(&path);
    let error = open(&path).unwrap_err();
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
    check_words(&error.to_string(), &["log", "cannot be written to", "can still be read", "mount and chmod it"]);
    assert_eq!(verify(storage(&path)).unwrap().records, 20);
    assert_eq!(snapshot(&path), before);
    disk.remount("rw");
    assert!(open(&path).is_ok());
}

// proves: WAL-8
#[test]
fn on_a_full_disk_no_log_is_made_and_one_that_is_there_keeps_what_it_has() {
    let Some(disk) = Mounted::new("64k") else { return };
    let ballast = disk.0.path().join("ballast");
    let path = disk.0.path().join("log");
    fs::create_dir(&path).unwrap();
    let fill_up = || drop(fs::write(&ballast, vec![b'b'; 1 << 20]).unwrap_err());
    // Not even the lock file can be written; and then the lock file, and no segment.
    for left in [0, SEGMENT] {
        fill_up();
        let length = fs::metadata(&ballast).unwrap().len();
        fs::OpenOptions::new().write(true).open(&ballast).unwrap().set_len(length - left as u64).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, OpenError::Full { .. }), "{left} bytes left: {error:?}");
        check_words(&error.to_string(), &["log", "disk is full", "4096 bytes", "as it was", "open again"]);
        assert!(snapshot(&path).is_empty());
        fs::remove_file(&ballast).unwrap();
    }
    let log = open(&path).unwrap();
    fill_up();
    let mut kept = 0;
    let error = loop {
        match log.append(&[b'r'; 300], Append::DURABLE) {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::Full { .. }) && kept > 10, "{kept} records, then {error:?}");
    check_words(&error.to_string(), &["no room for 300 bytes", "free space"]);
    drop(log);
    assert_eq!(verify(storage(&path)).unwrap().records, kept);
    fs::remove_file(&ballast).unwrap();
    assert_eq!(once_free(|| open(&path)).unwrap().append(b"goes on", Append::DURABLE).unwrap(), kept + 1);
}
