//! How many recorded quotes does a policy refuse, and why? Run it over recordings of your own source, and choose from what
//! it prints.
//!
//! ```sh
//! cargo run --release -p backstop-quote --example refusals -- [--json] [--max-age SECONDS] [--max-spread BPS] FILE|FOLDER...
//! ```
//!
//! A recording is CSV, plain or gzip (`.gz`), with the header `symbol,exchange_ts_us,receive_ts_us,bid,bid_size,ask,ask_size`:
//! times in whole microseconds since the epoch, an empty field for what the source did not say.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod recorded;
mod tally;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use recorded::Recording;
use tally::{Tally, Wanted};

const USAGE: &str = "usage: refusals [--json] [--max-age SECONDS] [--max-spread BPS] FILE|FOLDER...";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let (mut json, mut wanted, mut files) = (false, Wanted::default(), Vec::new());
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let text = arguments.next().ok_or(USAGE)?;
            text.parse::<u32>().map_err(|_| format!("{argument} takes a whole number, not {text:?}\n{USAGE}"))
        };
        match argument.as_str() {
            "--json" => json = true,
            "--max-age" => wanted.max_age_seconds = Some(number()?),
            "--max-spread" => wanted.max_spread_bps = Some(number()?),
            option if option.starts_with("--") => return Err(USAGE.to_owned()),
            path => files.extend(recordings(Path::new(path))?),
        }
    }
    if files.is_empty() {
        return Err(USAGE.to_owned());
    }
    let mut tallies = Vec::new();
    for file in files {
        let recording = Recording::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        tallies.push(Tally::of(&recording, wanted)?);
    }
    if json {
        println!("{}", tally::json(&tallies));
    } else {
        print!("{}", tally::table(&tallies));
    }
    Ok(())
}

/// The file itself, or all recordings of a folder by name.
fn recordings(path: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", path.display());
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in path.read_dir().map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension == "csv" || extension == "gz") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
