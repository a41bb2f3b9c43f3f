//! Backstop's log beside what a user would take instead, and beside the least that could be done, all in one run.
//!
//! A workspace of its own, so that nobody else compiles the peers:
//!
//! ```sh
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- all
//! ```

mod append;
mod device;
mod floors;
mod recovery;
mod subjects;
mod table;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::subjects::Outcome;
use crate::table::Form;

const USAGE: &str = "usage: backstop-peers durable|slow|buffered|recovery|history|all [seconds per cell] [--json]
  durable   durable appends of 1, 8 and 64 threads and 64 tasks, with records for each flush of the device
  slow      the same with every sync one millisecond longer (needs cc and a dynamic loader)
  buffered  appends without a sync
  recovery  opening with 1,000,000 records that are all live, with the peak of memory
  history   opening with 10 records live of 1,000,000 and of 100,000,000 (writes 14 GB)
  --json    one object a line, {\"id\": …, \"values\": […]}, with a value for each round
The folder is made in the current directory: run it on the disk that is to be measured.";

/// What `slow` calls itself as, behind the library that waits.
const SLOWED: &str = "slowed";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let count = words.len();
    words.retain(|word| *word != "--json");
    let form = if words.len() < count { Form::Json } else { Form::Markdown };
    match run(&words, form) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str], form: Form) -> Outcome<bool> {
    if let [verb @ ("fill" | "recover" | "history"), name, path, count] = words {
        recovery::act(verb, name, Path::new(path), count.parse()?)?;
        return Ok(true);
    }
    let (verb, each) = match words {
        [verb] => (*verb, Duration::from_secs(1)),
        [verb, seconds] => (*verb, Duration::try_from_secs_f64(seconds.parse()?)?),
        _ => return Ok(false),
    };
    let folder = tempfile::tempdir_in(".")?;
    let folder = folder.path();
    match verb {
        "durable" => append::durable(folder, each, verb, form)?,
        SLOWED => append::durable(folder, each, "slow", form)?,
        "slow" => slow(folder, each, form)?,
        "buffered" => append::buffered(folder, each, form)?,
        "recovery" => recovery::all_live(folder, 1_000_000, form)?,
        "history" => recovery::ten_live(folder, &[1_000_000, 100_000_000], form)?,
        "all" => {
            for verb in ["durable", "slow", "buffered", "recovery", "history"] {
                run(&[verb, &each.as_secs_f64().to_string()], form)?;
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Runs `durable` once more, with a library in front of libc that waits before each sync.
fn slow(folder: &Path, each: Duration, form: Form) -> Outcome<()> {
    let library = folder.join("slow_sync.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/slow_sync.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O2", source, "-ldl", "-o"]).arg(&library).status()?;
    if !built.success() {
        return Err("cc cannot build slow_sync.c".into());
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.args([SLOWED, &each.as_secs_f64().to_string()]).env("LD_PRELOAD", &library.canonicalize()?);
    match form {
        Form::Json => {
            command.arg("--json");
        }
        Form::Markdown => println!("every sync one millisecond longer:"),
    }
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("the slow run ended with {status}").into()) }
}
