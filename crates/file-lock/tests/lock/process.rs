//! Real processes: this test binary, run again in one of the roles below.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use backstop_file_lock::{AcquireError, Claim, Lock, Timestamp};

use crate::{acquire, claim, incident, torture};

/// Another process, killed when the test ends however it ends.
pub(crate) struct Role {
    child: Child,
    /// Kept apart, since `Child::wait` would close it.
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Role {
    pub(crate) fn start(role: &str, lock: &Path, journal: &Path) -> Self {
        let mut child = command(role, lock, journal).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let input = child.stdin.take().unwrap();
        Self { child, input, output }
    }

    /// Waits until the process says `word`.
    #[track_caller]
    pub(crate) fn expect(&mut self, word: &str) {
        let word = format!("@{word}");
        let mut lines = self.output.by_ref().lines();
        assert!(lines.any(|line| line.unwrap() == word), "the process ended without {word}");
    }

    /// The next word that the process says.
    #[track_caller]
    pub(crate) fn says(&mut self) -> String {
        let mut lines = self.output.by_ref().lines();
        let word = lines.find_map(|line| Some(line.unwrap().strip_prefix('@')?.to_owned()));
        word.unwrap_or_else(|| panic!("the process ended without a word"))
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// SIGKILL. When it returns, the process is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn command(role: &str, lock: &Path, journal: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "process::role", "--nocapture"]);
    command.env("BACKSTOP_TEST_ROLE", role).env("BACKSTOP_TEST_LOCK", lock).env("BACKSTOP_TEST_JOURNAL", journal);
    command
}

/// What a process said that was not started as a [`Role`], without the words of the test harness.
pub(crate) fn said(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    text.lines().filter_map(|line| line.strip_prefix('@')).collect::<Vec<_>>().join(" ")
}

/// Not a test: what the processes do. Does nothing unless it was started by [`command`].
#[test]
fn role() {
    let Some(role) = std::env::var_os("BACKSTOP_TEST_ROLE") else { return };
    let lock = std::env::var_os("BACKSTOP_TEST_LOCK").unwrap();
    let journal = std::env::var_os("BACKSTOP_TEST_JOURNAL").unwrap();
    let (lock, journal) = (Path::new(&lock), Path::new(&journal));
    match role.to_str().unwrap() {
        "hold" => {
            let _lock = acquire(lock).unwrap();
            say("holding");
            exit_with_parent();
        }
        "hold and abort" => {
            let _lock = acquire(lock).unwrap();
            say("holding");
            let _told = io::stdin().read_line(&mut String::new());
            std::process::abort();
        }
        "hold, with a child" => {
            let _lock = acquire(lock).unwrap();
            // Shares this process' standard input and output with the test, and whatever else is inherited.
            let mut child = command("linger", lock, journal).spawn().unwrap();
            child.wait().unwrap();
        }
        "linger" => {
            say("lingering");
            let mut line = String::new();
            io::stdin().read_line(&mut line).unwrap();
            say(line.trim());
            exit_with_parent();
        }
        "take" => match acquire(lock) {
            Ok(_lock) => say("taken"),
            // The name of the variant.
            Err(e) => say(format!("{e:?}").split([' ', '{']).next().unwrap()),
        },
        "contend" => torture::contend(lock, journal),
        other => match other.strip_prefix("incident, ") {
            Some(part) => incident::act(part, lock),
            None => panic!("unknown role {other:?}"),
        },
    }
}

pub(crate) fn say(word: &str) {
    // Not `println!`, which the test harness may capture. A line of its own, whatever the harness printed before.
    io::stdout().write_all(format!("\n@{word}\n").as_bytes()).unwrap();
}

/// Ends this process, without a word from the test harness, once the test has.
pub(crate) fn exit_with_parent() -> ! {
    let _read = io::copy(&mut io::stdin(), &mut io::sink());
    std::process::exit(0)
}

fn setup(role: &str) -> (tempfile::TempDir, std::path::PathBuf, Role) {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("lock");
    let process = Role::start(role, &lock, &dir.path().join("journal"));
    (dir, lock, process)
}

// proves: LOCK-3
#[test]
fn a_killed_holder_frees_the_lock_at_once() {
    let (_dir, lock, mut holder) = setup("hold");
    holder.expect("holding");
    let Err(AcquireError::Held { holder: Some(named), .. }) = acquire(&lock) else { panic!("not refused") };
    assert_eq!(named.pid, holder.child.id());
    holder.kill();
    assert_eq!(acquire(&lock).unwrap().fence(), 2);
}

// proves: LOCK-3
#[test]
fn a_holder_that_aborts_frees_the_lock_at_once() {
    let (_dir, lock, mut holder) = setup("hold and abort");
    holder.expect("holding");
    assert!(matches!(acquire(&lock), Err(AcquireError::Held { .. })));
    holder.tell("abort");
    assert!(!holder.child.wait().unwrap().success());
    drop(acquire(&lock).unwrap());
}

// proves: LOCK-3
#[test]
fn neither_a_process_number_nor_an_age_decides() {
    let (dir, lock, mut holder) = setup("hold");
    holder.expect("holding");
    holder.kill();
    let of_the_dead = fs::read(&lock).unwrap();
    for since in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        let path = dir.path().join("other");
        let claim = Claim { since, ..claim() };
        let held = Lock::acquire(&path, &claim).unwrap();
        // By its record the holder is dead; it is not.
        fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&of_the_dead, 0).unwrap();
        assert!(matches!(acquire(&path), Err(AcquireError::Held { .. })), "{since}");
        drop(held);
        // By its record the holder is this process, which is alive; it holds nothing.
        drop(Lock::acquire(&path, &claim).unwrap());
        drop(acquire(&path).unwrap());
    }
}

// proves: LOCK-3
#[test]
fn a_stopped_holder_keeps_the_lock_until_it_is_dead() {
    let (_dir, lock, mut holder) = setup("hold");
    holder.expect("holding");
    holder.signal("STOP");
    assert!(matches!(acquire(&lock), Err(AcquireError::Held { .. })));
    holder.kill();
    drop(acquire(&lock).unwrap());
}

// proves: LOCK-3
#[test]
fn a_child_that_outlives_the_holder_does_not_keep_the_lock() {
    let (_dir, lock, mut holder) = setup("hold, with a child");
    holder.expect("lingering");
    assert!(matches!(acquire(&lock), Err(AcquireError::Held { .. })));
    holder.kill();
    drop(acquire(&lock).unwrap());
    holder.tell("alive");
    holder.expect("alive");
}
