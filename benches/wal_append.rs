//! A durable append of the write-ahead log: alone, and from many threads that share syncs. In the target directory, so on
//! the disk that the workspace is on.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up stops")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use backstop_wal::{Append, Claim, DirStorage, Log, Options};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// What an order's intent takes, about.
const RECORD: [u8; 128] = [b'x'; 128];
/// What the floor writes: the record and as much beside it as a frame has.
const FRAME: [u8; 144] = [b'x'; 144];
/// The floor goes over this much zero-filled file again and again.
const LENGTH: u64 = 1 << 20;

/// One writer. The floor writes into blocks that were written before, and syncs the data.
fn alone(criterion: &mut Criterion) {
    let folder = folder();
    let file = zeroed(&folder.path().join("floor")).expect("a file");
    let log = log(folder.path());
    let mut group = criterion.benchmark_group("wal_append");
    let mut at = 0;
    group.bench_function("floor", |b| {
        b.iter(|| {
            file.write_all_at(&FRAME, at).expect("room");
            file.sync_data().expect("synced");
            at = (at + FRAME.len() as u64) % (LENGTH - FRAME.len() as u64);
        });
    });
    group.bench_function("backstop", |b| b.iter(|| log.append(&RECORD, Append::DURABLE).expect("appended")));
    group.finish();

    // With the kernel when acknowledged: a killed process loses nothing, a power cut may.
    let mut group = criterion.benchmark_group("wal_append_buffered");
    group.bench_function("floor", |b| {
        b.iter(|| {
            file.write_all_at(&FRAME, at).expect("room");
            at = (at + FRAME.len() as u64) % (LENGTH - FRAME.len() as u64);
        });
    });
    group.bench_function("backstop", |b| b.iter(|| log.append(&RECORD, Append::BUFFERED).expect("appended")));
    group.finish();
}

/// Many writers at once: the time for one append of one of them, over all. The floor is the one writer's of `wal_append`.
fn together(criterion: &mut Criterion) {
    let folder = folder();
    let log = log(folder.path());
    let mut group = criterion.benchmark_group("wal_append_together");
    group.throughput(Throughput::Elements(1));
    for threads in [8_u64, 64] {
        group.bench_function(format!("{threads} threads"), |b| b.iter_custom(|count| appends(&log, threads, count)));
    }
    group.finish();
}

/// How long `threads` take for `count` appends between them.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn appends(log: &Log, threads: u64, count: u64) -> Duration {
    let begun = Instant::now();
    thread::scope(|scope| {
        for index in 0..threads {
            let share = count / threads + u64::from(index < count % threads);
            scope.spawn(move || {
                for _ in 0..share {
                    log.append(&RECORD, Append::DURABLE).expect("appended");
                }
            });
        }
    });
    begun.elapsed()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

fn log(folder: &Path) -> Log {
    let claim = Claim { label: "bench".to_owned(), since: "2030-01-02T15:00:00Z".parse().expect("a moment") };
    let storage = DirStorage::create_or_open(folder.join("log")).expect("a directory");
    Options::new(claim).open(Arc::new(storage), |_| {}).expect("a log").0
}

fn zeroed(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create_new(true).write(true).open(path)?;
    for page in 0..LENGTH / 4096 {
        file.write_all_at(&[0; 4096], page * 4096)?;
    }
    file.sync_all()?;
    Ok(file)
}

criterion_group!(benches, alone, together);
criterion_main!(benches);
