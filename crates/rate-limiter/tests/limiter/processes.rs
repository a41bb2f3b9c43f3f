//! Real processes that share a budget, and are killed at any moment.
//!
//! Each is this test binary once more, and tells the test of every grant: the test is the broker, and counts by itself.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use backstop_clock::{Clock, Mono, Timestamp};
use backstop_rate_limiter::{Limits, Priority, RateLimiter, Refused, Request, Start, Window};

const PROCESSES: usize = 4;
const MS: Duration = Duration::from_millis(1);
const WINDOWS: [(u32, Duration); 2] = [(7, Duration::from_millis(20)), (20, Duration::from_millis(100))];

fn limits() -> Limits {
    Limits::new(&WINDOWS.map(|(max, per)| Window::new(max, per).unwrap())).unwrap()
}

/// The time of day as both times, so that moments of different processes can be compared.
#[derive(Debug)]
struct SameForAll;

impl Clock for SameForAll {
    fn mono(&self) -> Mono {
        Mono::from_origin(now())
    }

    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + now()
    }
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap()
}

/// Not a test: what the processes do. Does nothing unless it was started by [`spawn`].
#[test]
fn role() {
    let Some(path) = std::env::var_os("BACKSTOP_TEST_WINDOW") else { return };
    let limiter = RateLimiter::shared(&limits(), Arc::new(SameForAll), Path::new(&path), Start::Unused).unwrap();
    let mut output = std::io::stdout().lock();
    loop {
        match limiter.try_acquire(Request::new(Priority::Entry)) {
            Ok(permit) => {
                let at = permit.at().since(Mono::ORIGIN).as_nanos();
                // In one write, so that a process that is killed tells all of it or nothing.
                if output.write_all(format!("@{at}\n").as_bytes()).and_then(|()| output.flush()).is_err() {
                    return;
                }
            }
            // Real time has to pass, for real processes.
            Err(Refused::Full { after }) => thread::park_timeout(after),
            Err(other) => panic!("{other}"),
        }
    }
}

fn spawn(path: &Path, grants: &mpsc::Sender<u128>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::role", "--nocapture"]).env("BACKSTOP_TEST_WINDOW", path);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let (lines, grants) = (BufReader::new(child.stdout.take().unwrap()).lines(), grants.clone());
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if let Some(at) = line.strip_prefix('@') {
                grants.send(at.parse().unwrap()).unwrap();
            }
        }
    });
    child
}

// proves: RATE-6
#[test]
fn processes_that_share_a_token_never_send_more_than_it_allows_whoever_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("window");
    let (sender, receiver) = mpsc::channel();
    let began = now();
    let mut processes: Vec<Child> = (0..PROCESSES).map(|_| spawn(&path, &sender)).collect();
    let mut kills = 0_u32;
    while now().saturating_sub(began) < MS * 3000 {
        // At no moment in particular.
        thread::park_timeout(MS * (11 + kills * 7 % 40));
        let place = kills as usize * 5 % PROCESSES;
        processes[place].kill().unwrap();
        processes[place].wait().unwrap();
        processes[place] = spawn(&path, &sender);
        kills += 1;
    }
    for process in &mut processes {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    drop(sender);
    let mut grants: Vec<u128> = receiver.iter().collect();
    grants.sort_unstable();
    for (max, per) in WINDOWS {
        for inside in grants.windows(max as usize + 1) {
            assert!(inside[max as usize] - inside[0] >= per.as_nanos(), "{max} and one more in {per:?}: {inside:?}");
        }
    }
    // Not by granting nothing: what was not lost with those that were killed is most of the budget.
    assert!(kills > 10, "{kills} kills");
    assert!(grants.len() > 100, "{} grants", grants.len());
}
