//! A program as a sink: started once for each alert, and killed when it takes too long.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::{AlertSink, NotTaken, Notice};

/// Between two looks whether the program has ended.
const LOOK: Duration = Duration::from_millis(20);
/// Of an alert's text, so that a pipe takes it whole although nobody reads.
const LONGEST: usize = 4096;

/// Runs `sh -c COMMAND` for each alert, with one line on its standard input and the same in `ALERT`; its subject is in
/// `ALERT_SUBJECT`, how loud it is in `ALERT_URGENCY` (`alert`, `HIGH`, `CRITICAL`). Its output goes nowhere. Exit code 0
/// means taken.
///
/// When the desk gives up on it, it is killed with all that it started in its process group.
#[derive(Debug)]
pub struct CommandSink {
    command: String,
}

impl CommandSink {
    /// A sink that runs `command` in a shell.
    pub fn new(command: impl Into<String>) -> Self {
        Self { command: command.into() }
    }

    fn start(command: &str, notice: &Notice) -> std::io::Result<Running> {
        let line = shortened(&notice.to_string());
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.env("ALERT", &line).env("ALERT_SUBJECT", shortened(&notice.subject));
        shell.env("ALERT_URGENCY", notice.urgency.to_string());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        let mut running = Running(shell.spawn()?);
        if let Some(mut input) = running.0.stdin.take() {
            // It need not read: then its end of the pipe may be shut already.
            let _read: std::io::Result<()> = writeln!(input, "{line}");
        }
        Ok(running)
    }
}

#[async_trait]
impl AlertSink for CommandSink {
    fn name(&self) -> &'static str {
        "command"
    }

    async fn deliver(&self, notice: &Notice) -> Result<(), NotTaken> {
        let (command, notice) = (self.command.clone(), notice.clone());
        let failed = |error: &dyn std::fmt::Display| NotTaken(format!("the command could not be run: {error}"));
        // Starting a process waits for the disk.
        let started = spawn_blocking(move || Self::start(&command, &notice)).await.map_err(|died| failed(&died))?;
        let mut running = started.map_err(|error| failed(&error))?;
        loop {
            match running.0.try_wait() {
                Ok(None) => sleep(LOOK).await,
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(NotTaken(format!("the command ended with {status}"))),
                Err(error) => return Err(failed(&error)),
            }
        }
    }
}

/// A program that does not outlive whoever waits for it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        // The whole group: a shell's own end does not end what it waits for.
        let group = format!("kill -s KILL -- -{}", self.0.id());
        let _killed = Command::new("sh").args(["-c", &group]).stderr(Stdio::null()).status();
        // It is dead or cannot be killed; without waiting it would stay as a zombie.
        let _dead = self.0.kill();
        let _gone = self.0.wait();
    }
}

fn shortened(text: &str) -> String {
    // A line is one line, and an environment holds no zero byte.
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = (0..=LONGEST.min(line.len())).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
    line.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
