//! The writer process of the suites.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use backstop_tests::workload::{Script, Session};
use tempfile::TempDir;

/// A writer process and the directory that it writes to.
pub(crate) fn session(path: &Path, seed: u64) -> Session {
    Session {
        path: path.to_owned(),
        script: Script { seed },
        actions: 40,
        writers: 1,
        segment_len: 2048,
        unsynced: false,
    }
}

pub(crate) fn command(session: &Session) -> Command {
    let Session { path, script, actions, writers, segment_len, unsynced } = session;
    let mut command = Command::new(env!("CARGO_BIN_EXE_wal-writer"));
    command.arg(path).args([script.seed, *actions, *writers as u64, *segment_len].map(|number| number.to_string()));
    if *unsynced {
        command.arg("unsynced");
    }
    command
}

/// A folder in memory, where there is plenty, for what asks nothing of the disk below: a disk that is a file, or a log
/// whose process dies and whose system lives on.
pub(crate) fn in_memory() -> TempDir {
    let free = Command::new("stat").args(["--file-system", "--format=%a %S", "/dev/shm"]).output();
    let free = free.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let bytes = free.trim().split(' ').map(|number| number.parse::<u64>().unwrap_or(0)).product::<u64>();
    let memory = (bytes > 2 << 30).then(|| tempfile::tempdir_in("/dev/shm").ok()).flatten();
    memory.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// How the process ended and what it printed, for a message.
pub(crate) fn shown(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What a line of a writer begins with; a machine says other things too.
const WORDS: [&str; 8] = ["opened ", "ack ", "buffered ", "checkpoint ", "kept ", "full ", "failed ", "closed"];

fn is_of_writer(line: &str) -> bool {
    WORDS.iter().any(|word| line.starts_with(word))
}

/// The lines of a writer in what was said.
pub(crate) fn lines_of_writer(output: &str) -> String {
    output.split_inclusive('\n').filter(|line| is_of_writer(line)).map(|line| line.replace('\r', "")).collect()
}

/// A writer at work, alone or in a machine of its own. Killed when it is dropped.
pub(crate) struct Life {
    child: Child,
    output: BufReader<ChildStdout>,
    heard: String,
}

impl Life {
    pub(crate) fn start(session: &Session) -> Self {
        Self::of(command(session))
    }

    /// A process, and whatever it starts.
    pub(crate) fn of(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, heard: String::new() }
    }

    /// Waits until the writer said so many lines, or all ended.
    pub(crate) fn hear_lines(&mut self, mut count: u64) {
        while count > 0 {
            let from = self.heard.len();
            if self.output.read_line(&mut self.heard).unwrap() == 0 {
                return;
            }
            count -= u64::from(is_of_writer(&self.heard[from..]));
        }
    }

    /// SIGKILL; all that was said.
    pub(crate) fn kill(mut self) -> String {
        self.kill_all();
        self.end()
    }

    pub(crate) fn kill_after_micros(self, micros: u64) -> String {
        std::thread::park_timeout(Duration::from_micros(micros));
        self.kill()
    }

    /// Waits for its end; all that was said.
    pub(crate) fn end(mut self) -> String {
        self.output.read_to_string(&mut self.heard).unwrap();
        self.child.wait().unwrap();
        std::mem::take(&mut self.heard)
    }

    fn kill_all(&mut self) {
        // The process alone is killed without the detour, so that the moment is the one that was meant.
        let _gone = self.child.kill();
        let group = format!("kill -KILL -{}", self.child.id());
        let _gone = Command::new("sh").args(["-c", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // What was waited for has no number any more that is its own.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill_all();
            let _gone = self.child.wait();
        }
    }
}
