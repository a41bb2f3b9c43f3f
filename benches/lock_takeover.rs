//! The holder gets SIGKILL: how long until a waiter in another process has the lock. The floor is a thread that is blocked
//! in `flock(2)`; the second one then does what LOCK-5 asks for as well, and the third one is a thread of its own that tells
//! a task. Each round runs all of them, in turn.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench that cannot be set up stops"
)]
#![expect(clippy::disallowed_methods, reason = "real processes, measured by the machine's clock")]

mod kept;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use backstop_file_lock::{AcquireOptions, Claim, Lock, NetworkFs, Timestamp};

const ROLE: &str = "BACKSTOP_BENCH_HOLD";
const ROUNDS: u32 = 200;
/// Each part has a median of its own, and what they differ by is the spread.
const PARTS: usize = 5;
/// So long that every waiter has come to rest; a little more in each round, so that a waiter that looks at fixed intervals
/// is met at every phase of them.
const REST: Duration = Duration::from_millis(60);

type Wait = fn(&Path);

fn main() {
    if let Some(path) = std::env::var_os(ROLE) {
        hold(Path::new(&path));
        return;
    }
    let is = |option| std::env::args().any(|argument| argument == option);
    let rounds = if is("--test") {
        1
    } else if is("--quick") {
        ROUNDS / 10
    } else {
        ROUNDS
    };
    let mut measured =
        run("lock_takeover", &tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder"), rounds);
    // Where a sync costs nothing: what is left is all that is not the sync.
    match tempfile::tempdir_in("/dev/shm") {
        Ok(folder) => measured.extend(run("lock_takeover_in_memory", &folder, rounds)),
        Err(_) => eprintln!("SKIPPED: lock_takeover_in_memory: no file system in memory at /dev/shm"),
    }
    kept::keep("lock_takeover", &measured);
}

/// Runs all candidates; the medians of the parts in nanoseconds, by name.
fn run(name: &str, folder: &tempfile::TempDir, rounds: u32) -> Vec<(String, Vec<u64>)> {
    let candidates: [(&str, Wait); 5] = [
        ("floor", |path| drop(blocked(path))),
        ("floor, durable record", |path| {
            let file = blocked(path);
            file.read_at(&mut [0; 1024], 0).expect("readable");
            file.write_all_at(&[b' '; 512], 512).expect("writable");
            file.sync_data().expect("synced");
        }),
        ("floor, async", |path| {
            let (answer, answered) = tokio::sync::oneshot::channel();
            let path = path.to_owned();
            let waiter = thread::spawn(move || answer.send(blocked(&path)).map_err(drop));
            drop(runtime().block_on(answered).expect("an answer"));
            waiter.join().expect("it ended").expect("it was heard");
        }),
        ("backstop", |path| drop(Lock::acquire_with(path, &claim(), &options()).expect("free"))),
        ("backstop, async", |path| {
            drop(runtime().block_on(Lock::acquire_async(path, claim(), options())).expect("free"));
        }),
    ];
    let mut times = candidates.map(|_| Vec::new());
    for round in 0..rounds {
        for ((what, wait), times) in candidates.iter().zip(&mut times) {
            let path = folder.path().join(what);
            times.push(takeover(&path, *wait, REST + Duration::from_micros(u64::from(round) * 253 % 50_000)));
        }
    }
    let (mut floor, mut measured) = (Duration::MAX, Vec::new());
    for ((what, _), times) in candidates.iter().zip(&mut times) {
        let length = times.len().div_ceil(PARTS);
        let parts = times.chunks_mut(length).map(|part| {
            part.sort();
            u64::try_from(at(part, 50).as_nanos()).unwrap_or(u64::MAX)
        });
        measured.push((format!("{name}/{what}"), parts.collect()));
        times.sort();
        let (median, slow) = (at(times, 50), at(times, 95));
        floor = floor.min(median);
        let percent = median.as_nanos() * 100 / floor.as_nanos().max(1);
        println!("{name}/{what:<22} median {median:>10.1?}, 95 % {slow:>10.1?}, {percent} % of the floor");
    }
    measured
}

fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}

/// From the signal until the lock is had.
fn takeover(path: &Path, wait: Wait, rest: Duration) -> Duration {
    let mut holder = holder(path);
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            ready.wait();
            wait(path);
            Instant::now()
        });
        ready.wait();
        thread::sleep(rest);
        assert!(!waiter.is_finished(), "it did not wait");
        let killed = Instant::now();
        holder.kill().expect("it runs");
        let had = waiter.join().expect("it got the lock");
        holder.wait().expect("it is dead");
        had.saturating_duration_since(killed)
    })
}

fn holder(path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env(ROLE, path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("readable");
    assert_eq!(line, "held\n");
    child
}

/// The holder: any lock of the file does.
fn hold(path: &Path) {
    let file = open(path).expect("a file");
    file.lock().expect("free");
    if fs::metadata(path).is_ok_and(|found| found.len() == 0) {
        drop(file);
        // Two records, so that neither the first one nor its folder is made durable while time is taken.
        drop(Lock::acquire(path, &claim()).expect("free"));
        drop(Lock::acquire(path, &claim()).expect("free"));
        return hold(path);
    }
    println!("held");
    io::stdin().read_to_end(&mut Vec::new()).expect("readable");
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn blocked(path: &Path) -> File {
    let file = open(path).expect("a file");
    file.lock().expect("locked");
    file
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

fn options() -> AcquireOptions {
    AcquireOptions { wait: Duration::from_secs(10), network_fs: NetworkFs::Refuse }
}

fn claim() -> Claim {
    Claim { label: "bench".to_owned(), since: Timestamp::UNIX_EPOCH }
}
