//! Durable and buffered appends of many at once, interleaved in rounds; medians and records for each device flush.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::device::Flushes;
use crate::floors::{self, Ring};
use crate::subjects::{self, Kind, OURS, Outcome, PEERS, Subject};
use crate::table::{Cell, Form, Table};

const RECORD: [u8; 128] = [b'x'; 128];
const ROUNDS: usize = 3;
pub const WRITERS: [usize; 3] = [1, 8, 64];
const TASKS: usize = 64;

/// Runs all columns for all rows and prints the table, which a program is to call `id`. `each` is how long a cell is measured
/// in a round.
pub fn durable(folder: &Path, each: Duration, id: &str, form: Form) -> Outcome<()> {
    let flushes = Flushes::of(folder)?;
    let mut columns = WRITERS.map(threads_of).to_vec();
    columns.push(format!("{TASKS} tasks"));
    let mut table = Table::new(id, "durable appends a second (records a flush)", &columns);
    for round in 0..ROUNDS {
        let place = |name: &str| folder.join(format!("{name}-{round}"));
        let mut ring = Ring::create(&place("batch"))?;
        for (column, count) in WRITERS.iter().chain([&TASKS]).enumerate() {
            let cell = measure(&flushes, || {
                let end = Instant::now() + each;
                let mut done = 0;
                while Instant::now() < end {
                    floors::batch(&mut ring, &RECORD, *count)?;
                    done += *count as u64;
                }
                Ok(done)
            })?;
            table.add("limit: batch", column, cell);
        }
        drop(ring);
        for (column, count) in WRITERS.into_iter().enumerate() {
            let group = floors::Group::new(Ring::create(&place(&format!("group{count}")))?);
            let append = |record: &[u8]| Ok(group.append(record)?);
            table.add("floor: group", column, measure(&flushes, || threads(&append, count, each))?);
        }
        let floor = Arc::new(floors::Async::new(Ring::create(&place("async"))?));
        let cell = measure(&flushes, || {
            tasks(each, move |_| {
                let floor = Arc::clone(&floor);
                async move { if floor.append(&RECORD).await { Ok(()) } else { Err("the floor stopped".into()) } }
            })
        })?;
        table.add("floor: async", WRITERS.len(), cell);
        for kind in [OURS].iter().chain(&PEERS) {
            for (column, count) in WRITERS.into_iter().enumerate() {
                let subject = open(kind, &place(&format!("{}{count}", kind.name)))?;
                let append = |record: &[u8]| subject.append(record);
                table.add(kind.name, column, measure(&flushes, || threads(&append, count, each))?);
            }
            let path = place(&format!("{}-tasks", kind.name));
            let cell = if kind.name == OURS.name {
                let log = Arc::new(subjects::log(&path)?);
                measure(&flushes, || {
                    tasks(each, move |_| {
                        let log = Arc::clone(&log);
                        async move {
                            log.append_async(&RECORD, backstop_wal::Append::DURABLE).await?;
                            Ok(())
                        }
                    })
                })?
            } else {
                let subject = open(kind, &path)?;
                measure(&flushes, || {
                    tasks(each, move |_| {
                        let subject = Arc::clone(&subject);
                        async move { tokio::task::spawn_blocking(move || subject.append(&RECORD)).await? }
                    })
                })?
            };
            table.add(kind.name, WRITERS.len(), cell);
        }
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
        }
    }
    table.print(form);
    Ok(())
}

/// Appends without a sync: what a killed process does not lose.
pub fn buffered(folder: &Path, each: Duration, form: Form) -> Outcome<()> {
    const COUNTS: [usize; 2] = [1, 8];
    let flushes = Flushes::of(folder)?;
    let mut table = Table::new("buffered", "appends without a sync a second", &COUNTS.map(threads_of));
    for round in 0..ROUNDS {
        for (column, count) in COUNTS.into_iter().enumerate() {
            let ring = Arc::new(std::sync::Mutex::new(Ring::create(&folder.join(format!("ring{count}-{round}")))?));
            let write = |record: &[u8]| {
                let mut frame = [b'h'; 144];
                frame[16..].copy_from_slice(record);
                Ok(ring.lock().map_err(|_| "poisoned")?.write(&frame)?)
            };
            table.add("floor: one pwrite", column, measure(&flushes, || threads(&write, count, each))?);
            for kind in [OURS].iter().chain(&PEERS) {
                let subject = open(kind, &folder.join(format!("{}{count}-{round}", kind.name)))?;
                if !subject.buffered(&RECORD)? {
                    continue;
                }
                let append = |record: &[u8]| subject.buffered(record).map(|_| ());
                table.add(kind.name, column, measure(&flushes, || threads(&append, count, each))?);
            }
        }
    }
    table.print(form);
    Ok(())
}

fn threads_of(count: usize) -> String {
    if count == 1 { "1 thread".to_owned() } else { format!("{count} threads") }
}

fn open(kind: &Kind, path: &Path) -> Outcome<Arc<dyn Subject>> {
    (kind.open)(path)
}

fn measure(flushes: &Flushes, run: impl FnOnce() -> Outcome<u64>) -> Outcome<Cell> {
    let (before, begun) = (flushes.count()?, Instant::now());
    let done = run()?;
    let took = begun.elapsed();
    Ok(Cell { a_second: done as f64 / took.as_secs_f64(), flushes: flushes.count()? - before, done })
}

fn threads(append: &(dyn Fn(&[u8]) -> Outcome<()> + Sync), count: usize, each: Duration) -> Outcome<u64> {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let failed = thread::scope(|scope| {
        let workers: Vec<_> = (0..count)
            .map(|_| {
                scope.spawn(|| {
                    let mut mine = 0;
                    while !stop.load(Ordering::Relaxed) {
                        append(&RECORD)?;
                        mine += 1;
                    }
                    done.fetch_add(mine, Ordering::Relaxed);
                    Ok(())
                })
            })
            .collect();
        thread::sleep(each);
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().find_map(|worker| worker.join().unwrap_or_else(|_| Err("panicked".into())).err())
    });
    failed.map_or(Ok(done.into_inner()), Err)
}

fn tasks<F, T>(each: Duration, append: F) -> Outcome<u64>
where
    F: Fn(usize) -> T + Send + Sync + 'static,
    T: Future<Output = Outcome<()>> + Send,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let (stop, append) = (Arc::new(AtomicBool::new(false)), Arc::new(append));
    let workers: Vec<_> = (0..TASKS)
        .map(|index| {
            let (stop, append) = (Arc::clone(&stop), Arc::clone(&append));
            runtime.spawn(async move {
                let mut mine = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    append(index).await?;
                    mine += 1;
                }
                Outcome::Ok(mine)
            })
        })
        .collect();
    thread::sleep(each);
    stop.store(true, Ordering::Relaxed);
    let mut done = 0;
    for worker in workers {
        done += runtime.block_on(worker)??;
    }
    Ok(done)
}
