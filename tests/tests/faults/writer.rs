//! The writer process of the suites.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use backstop_tests::workload::{Script, Session};

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

/// How the process ended and what it printed, for a message.
pub(crate) fn shown(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A writer at work, killed when it is dropped.
pub(crate) struct Life {
    child: Child,
    output: BufReader<ChildStdout>,
    heard: Vec<u8>,
}

impl Life {
    pub(crate) fn start(session: &Session) -> Self {
        let mut child =
            command(session).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, heard: Vec::new() }
    }

    /// Waits until it said so many lines, or ended.
    pub(crate) fn hear_lines(&mut self, count: u64) {
        for _ in 0..count {
            if self.output.read_until(b'\n', &mut self.heard).unwrap() == 0 {
                return;
            }
        }
    }

    /// SIGKILL; all that it said.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.end()
    }

    pub(crate) fn kill_after_micros(self, micros: u64) -> String {
        std::thread::park_timeout(Duration::from_micros(micros));
        self.kill()
    }

    /// Waits for its end; all that it said.
    pub(crate) fn end(mut self) -> String {
        self.output.read_to_end(&mut self.heard).unwrap();
        self.child.wait().unwrap();
        String::from_utf8_lossy(&self.heard).into_owned()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
