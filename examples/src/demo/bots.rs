//! The two bots as processes: started, killed, started again, and a second one beside the first.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;

use crate::failure::Failure;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Naive,
    Backstop,
}

impl Kind {
    pub(crate) const BOTH: [Self; 2] = [Self::Naive, Self::Backstop];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::Backstop => "backstop",
        }
    }
}

/// A line that an instance of a bot wrote.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) instance: u32,
    pub(crate) line: String,
}

/// How an instance is started.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) kind: Kind,
    pub(crate) args: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// What all instances say on standard output, and what they complain of on standard error.
    pub(crate) said: PathBuf,
    pub(crate) complaints: PathBuf,
}

/// One bot: the instance that is meant to run, and the one too many.
#[derive(Debug)]
pub(crate) struct Bot {
    recipe: Recipe,
    said: UnboundedSender<Said>,
    instances: u32,
    first: Option<Instance>,
    second: Option<Instance>,
    second_number: Option<u32>,
}

/// A process that is killed when it is dropped.
#[derive(Debug)]
struct Instance {
    number: u32,
    process: Child,
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may be gone already.
        let _killed = self.process.kill();
        let _gone = self.process.wait();
    }
}

impl Bot {
    pub(crate) fn new(recipe: Recipe, said: UnboundedSender<Said>) -> Self {
        Self { recipe, said, instances: 0, first: None, second: None, second_number: None }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.recipe.kind
    }

    /// Starts the instance that is meant to run.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        self.first = Some(self.launch()?);
        Ok(())
    }

    /// Starts one too many.
    pub(crate) fn start_second(&mut self) -> Result<(), Failure> {
        let second = self.launch()?;
        self.second_number = Some(second.number);
        self.second = Some(second);
        Ok(())
    }

    /// SIGKILL to the instance that is meant to run. Its number, if it still ran.
    pub(crate) fn kill(&mut self) -> Option<u32> {
        self.first.take().map(|killed| killed.number)
    }

    /// Ends every instance at once.
    pub(crate) fn kill_all(&mut self) {
        self.first = None;
        self.second = None;
    }

    /// Which instance was meant to run, and how it ended, once it has.
    pub(crate) fn ended(&mut self) -> Result<Option<(u32, ExitStatus)>, Failure> {
        Self::end_of(&mut self.first)
    }

    /// The same of the one too many.
    pub(crate) fn second_ended(&mut self) -> Result<Option<(u32, ExitStatus)>, Failure> {
        Self::end_of(&mut self.second)
    }

    fn end_of(instance: &mut Option<Instance>) -> Result<Option<(u32, ExitStatus)>, Failure> {
        let Some(running) = instance else { return Ok(None) };
        let ended = running.process.try_wait().map_err(|error| trouble("cannot ask for a bot", &error))?;
        let ended = ended.map(|status| (running.number, status));
        if ended.is_some() {
            *instance = None;
        }
        Ok(ended)
    }

    /// Whether any instance runs.
    pub(crate) fn is_up(&self) -> bool {
        self.first.is_some() || self.second.is_some()
    }

    /// Whether this instance runs.
    pub(crate) fn runs(&self, number: u32) -> bool {
        [&self.first, &self.second].into_iter().flatten().any(|instance| instance.number == number)
    }

    /// Whether this instance is one too many.
    pub(crate) fn is_second(&self, number: u32) -> bool {
        self.second_number == Some(number)
    }

    fn launch(&mut self) -> Result<Instance, Failure> {
        self.instances += 1;
        let number = self.instances;
        let file = |path| {
            let opened = File::options().create(true).append(true).open(path);
            opened.map_err(|error| trouble("cannot write beside a bot's state", &error))
        };
        let (mut kept, complaints) = (file(&self.recipe.said)?, file(&self.recipe.complaints)?);
        let program = std::env::current_exe().map_err(|error| trouble("cannot find its own program", &error))?;
        let mut command = Command::new(program);
        command.args(&self.recipe.args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaints);
        command.envs(self.recipe.environment.iter().map(|(name, value)| (name, value)));
        let mut process = command.spawn().map_err(|error| trouble("cannot start a bot", &error))?;
        if let Some(output) = process.stdout.take() {
            let said = self.said.clone();
            // Ends with the process.
            drop(tokio::task::spawn_blocking(move || {
                for line in BufReader::new(output).lines().map_while(io::Result::ok) {
                    // For whoever looks afterwards; the demo goes by what it hears.
                    let _kept = writeln!(kept, "{line}");
                    if said.send(Said { instance: number, line }).is_err() {
                        return;
                    }
                }
            }));
        }
        Ok(Instance { number, process })
    }

    /// The last thing that it complained of, for whoever wonders why it ended.
    pub(crate) fn complaint(&self) -> Option<String> {
        let text = fs::read_to_string(&self.recipe.complaints).ok()?;
        text.lines().last().map(str::to_owned)
    }
}

pub(crate) fn trouble(what: &str, error: &io::Error) -> Failure {
    Failure::Broker(format!("{what}: {error}"))
}
