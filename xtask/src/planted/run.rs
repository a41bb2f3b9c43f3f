//! Plants the bugs one by one and sees whether the tests see them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use super::scratch::Scratch;
use super::{Bug, CAUGHT_AFTER, Command, HEADING, PAGE, bugs, patched};
use crate::files::{read, replace};
use crate::{Verdict, cargo, table};

/// A build or a test that takes longer is given up.
const LIMIT: Duration = Duration::from_mins(10);

/// How a planted bug fared.
enum Fate {
    Caught(Duration),
    /// By not ending, where the list says so.
    Hung(Duration),
    /// Not caught, or nothing can be said: why.
    Open(String),
}

/// Plants those bugs whose names or ids are in `chosen`, or all; `write` puts the times into the page.
pub(crate) fn run(root: &Path, chosen: &[&str], write: bool) -> Verdict {
    let all = bugs(root)?;
    let unknown: Vec<String> = chosen
        .iter()
        .filter(|word| !all.iter().any(|bug| bug.name == **word || bug.id == **word))
        .map(|word| format!("no planted bug is called {word}, and none is about it"))
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let is_chosen = |bug: &&Bug| chosen.is_empty() || chosen.iter().any(|word| bug.name == *word || bug.id == *word);
    let bugs: Vec<&Bug> = all.iter().filter(is_chosen).collect();
    let failed = |error: io::Error| vec![format!("cannot copy the workspace: {error}")];
    let scratch = Scratch::new(root).map_err(failed)?;

    // A test that fails anyway, or that no longer exists, catches nothing.
    scratch.fill(root).map_err(failed)?;
    let commands: BTreeSet<&Command> = bugs.iter().map(|bug| &bug.command).collect();
    println!("{} tests without a bug", commands.len());
    let mut broken = BTreeSet::new();
    for command in commands {
        if let Err(complaint) = passes(&scratch, command) {
            println!("  {}: {complaint}", command.arguments.join(" "));
            broken.insert(command);
        }
    }

    println!("{} planted bugs", bugs.len());
    let (mut fates, mut complaints) = (Vec::new(), Vec::new());
    for bug in bugs {
        let fate = if broken.contains(&bug.command) {
            Fate::Open("its test does not pass without it".to_owned())
        } else {
            plant(&scratch, bug).unwrap_or_else(|error| Fate::Open(error.to_string()))
        };
        let text = match &fate {
            Fate::Caught(after) => format!("caught after {}", seconds(*after)),
            Fate::Hung(after) => format!("caught: hung for {}", seconds(*after)),
            Fate::Open(why) => {
                complaints.push(format!("{} ({}): {why}", bug.name, bug.id));
                format!("NOT CAUGHT: {why}")
            }
        };
        println!("  {:<44} {:<8} {text}", bug.name, bug.id);
        fates.push((bug.name.as_str(), fate));
    }
    if write {
        let page = read(root, PAGE)?;
        let cell = |row: &table::Row| match &fates.iter().find(|(name, _)| *name == row.cell(0))?.1 {
            Fate::Caught(after) => Some(seconds(*after)),
            Fate::Hung(after) => Some(format!("hangs, {}", seconds(*after))),
            Fate::Open(_) => Some("not caught".to_owned()),
        };
        replace(root, PAGE, &table::with_column(&page, HEADING, CAUGHT_AFTER, cell))?;
    }
    if complaints.is_empty() { Ok(format!("{} planted, {0} caught", fates.len())) } else { Err(complaints) }
}

/// From the copy, not from where it was made: that one may be edited meanwhile.
fn plant(scratch: &Scratch, bug: &Bug) -> io::Result<Fate> {
    match patched(&scratch.workspace, bug) {
        Ok(files) => scratch.with(&files, || judge(scratch, bug)),
        Err(complaint) => Ok(Fate::Open(complaint)),
    }
}

fn judge(scratch: &Scratch, bug: &Bug) -> io::Result<Fate> {
    let log = scratch.logs.join(format!("{}.txt", bug.name));
    if !call(scratch, &bug.command, true, &log, LIMIT)?.0.is_some_and(|status| status.success()) {
        return Ok(Fate::Open(format!("does not compile: see {}", log.display())));
    }
    let limit = bug.command.hang.map_or(LIMIT, Duration::from_secs);
    let (status, took) = call(scratch, &bug.command, false, &log, limit)?;
    Ok(match status {
        None if bug.command.hang.is_some() => Fate::Hung(took),
        None => Fate::Open(format!("the test hangs: see {}", log.display())),
        Some(status) if status.success() => Fate::Open("the test passes".to_owned()),
        // Not an abort or a harness that fails: a test that says no.
        Some(_) if fs::read_to_string(&log)?.lines().any(|line| line.ends_with(" ... FAILED")) => Fate::Caught(took),
        Some(status) => Fate::Open(format!("no test failed, {status}: see {}", log.display())),
    })
}

fn passes(scratch: &Scratch, command: &Command) -> Result<(), String> {
    let log = scratch.logs.join("without.txt");
    let failed = |what: &str| Err(format!("{what} without a bug: see {}", log.display()));
    let called = |build| call(scratch, command, build, &log, LIMIT).map_err(|error| error.to_string());
    if !called(true)?.0.is_some_and(|status| status.success()) {
        return failed("does not compile");
    }
    if !called(false)?.0.is_some_and(|status| status.success()) {
        return failed("fails");
    }
    let text = fs::read_to_string(&log).map_err(|error| error.to_string())?;
    if text.lines().any(|line| line.starts_with("test ") && line.ends_with(" ... ok")) {
        return Ok(());
    }
    failed("runs no test")
}

/// Runs a test command, or only builds it; `None` if it had to be ended.
fn call(
    scratch: &Scratch,
    command: &Command,
    build: bool,
    log: &Path,
    limit: Duration,
) -> io::Result<(Option<ExitStatus>, Duration)> {
    let (of_cargo, of_test) = match command.arguments.iter().position(|word| word == "--") {
        Some(at) => command.arguments.split_at(at),
        None => (command.arguments.as_slice(), [].as_slice()),
    };
    let mut arguments: Vec<&str> = of_cargo.iter().map(String::as_str).collect();
    arguments.push("--locked");
    if build {
        arguments.push("--no-run");
    }
    arguments.extend(of_test.iter().map(String::as_str));
    let mut cargo = cargo::cargo(&scratch.workspace, &arguments);
    // Where a row says otherwise, that counts.
    cargo.env("CARGO_TARGET_DIR", &scratch.target).envs(command.environment.iter().cloned());
    let output = File::create(log)?;
    cargo.stdout(output.try_clone()?).stderr(output).process_group(0);
    let began = now();
    let mut child = cargo.spawn()?;
    let status = wait(&mut child, began, limit)?;
    Ok((status, began.elapsed()))
}

/// Waits for `child`; when it takes too long, ends it and all that it started.
fn wait(child: &mut Child, began: Instant, limit: Duration) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() > limit {
            let group = format!("-{}", child.id());
            std::process::Command::new("kill").args(["-KILL", "--", &group]).status()?;
            child.wait()?;
            return Ok(None);
        }
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// In tenths, without a float.
fn seconds(took: Duration) -> String {
    format!("{}.{} s", took.as_secs(), took.subsec_millis() / 100)
}

#[expect(clippy::disallowed_methods, reason = "a developer's stopwatch; nothing is decided by it but a limit")]
fn now() -> Instant {
    Instant::now()
}
