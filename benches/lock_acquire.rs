//! The lock file: a start, a refused start, and the question before each order. In the target directory, so on the disk
//! that the workspace is on.

#![expect(clippy::expect_used, clippy::print_stderr, reason = "a bench that cannot be set up stops")]

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use backstop_file_lock::{Claim, Lock, Timestamp};
use criterion::{Criterion, criterion_group, criterion_main};

/// What a record takes on disk: two slots are read, one is written.
const READ: usize = 1024;
const WRITTEN: usize = 512;

fn claim() -> Claim {
    Claim { label: "bench".to_owned(), since: Timestamp::UNIX_EPOCH }
}

/// Taken and released. The floor opens, locks and closes; the second one does what LOCK-4 and LOCK-5 ask for as well: the
/// record is read, written in place and synced.
fn acquire(criterion: &mut Criterion) {
    let folder = folder();
    let path = folder.path().join("lock");
    let floor = folder.path().join("floor");
    fs::write(&floor, [b' '; READ]).expect("a file");

    let mut group = criterion.benchmark_group("lock_acquire");
    group.bench_function("floor", |b| b.iter(|| locked(black_box(&floor)).expect("free")));
    group.bench_function("floor, durable record", |b| {
        b.iter(|| recorded(black_box(&floor)).expect("free"));
    });
    group.bench_function("backstop", |b| b.iter(|| Lock::acquire(black_box(&path), &claim()).expect("free").fence()));
    group.finish();
}

/// The same on a file system in memory, where a sync costs nothing: what is left is all that is not the sync.
fn acquire_in_memory(criterion: &mut Criterion) {
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
        eprintln!("SKIPPED: lock_acquire_in_memory: no file system in memory at /dev/shm");
        return;
    };
    let path = folder.path().join("lock");
    let floor = folder.path().join("floor");
    fs::write(&floor, [b' '; READ]).expect("a file");

    let mut group = criterion.benchmark_group("lock_acquire_in_memory");
    group.bench_function("floor", |b| b.iter(|| locked(black_box(&floor)).expect("free")));
    group.bench_function("floor, record", |b| b.iter(|| recorded(black_box(&floor)).expect("free")));
    group.bench_function("backstop", |b| b.iter(|| Lock::acquire(black_box(&path), &claim()).expect("free").fence()));
    group.finish();
}

/// Refused, and told who is inside. The floor opens, is refused and reads the record's bytes.
fn refused(criterion: &mut Criterion) {
    let folder = folder();
    let path = folder.path().join("lock");
    let _held = Lock::acquire(&path, &claim()).expect("free");

    let mut group = criterion.benchmark_group("lock_refused");
    group.bench_function("floor", |b| {
        b.iter(|| {
            let file = open(black_box(&path)).expect("it is there");
            assert!(file.try_lock().is_err());
            let mut bytes = [0; READ];
            file.read_at(&mut bytes, 0).expect("readable")
        });
    });
    group.bench_function("backstop", |b| b.iter(|| Lock::acquire(black_box(&path), &claim()).expect_err("held")));
    group.finish();
}

/// Asked before each order. The floor is a stat.
fn still_held(criterion: &mut Criterion) {
    let folder = folder();
    let path = folder.path().join("lock");
    let lock = Lock::acquire(&path, &claim()).expect("free");

    let mut group = criterion.benchmark_group("lock_still_held");
    group.bench_function("floor", |b| {
        b.iter(|| fs::symlink_metadata(black_box(&path)).map(|found| (found.dev(), found.ino())));
    });
    group.bench_function("backstop", |b| b.iter(|| assert!(black_box(&lock).still_held())));
    group.finish();
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn locked(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    file.try_lock()?;
    Ok(file)
}

fn recorded(path: &Path) -> io::Result<File> {
    let file = locked(path)?;
    file.read_at(&mut [0; READ], 0)?;
    file.write_all_at(&[b' '; WRITTEN], 0)?;
    file.sync_data()?;
    Ok(file)
}

criterion_group!(benches, acquire, acquire_in_memory, refused, still_held);
criterion_main!(benches);
