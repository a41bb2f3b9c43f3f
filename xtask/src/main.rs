//! The developer commands. `cargo xtask` without a command says what each is for.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod bench;
mod blocks;
mod cargo;
mod ci;
mod deps;
mod forbidden;
mod incidents;
mod invariants;
mod license;
mod links;
mod loom;
mod manifest;
mod marks;
mod metadata;
mod package;
mod planted;
mod table;

use std::path::Path;
use std::process::ExitCode;

use xtask::files;

/// How a command ended: a remark on what was looked at, or what is wrong, one complaint a line.
pub(crate) type Verdict = Result<String, Vec<String>>;

/// One command.
struct Task {
    name: &'static str,
    /// How long it takes with a warm and with a cold target directory, on two cores.
    takes: &'static str,
    about: &'static str,
    run: fn(&Path) -> Verdict,
    /// What `--write` does, where the command has it.
    write: Option<fn(&Path) -> Verdict>,
}

/// In the order of `ci`: cheap steps first. Tests come last, because whoever reads the log of a machine looks for the
/// runner's closing lines at its end.
const TASKS: [Task; 14] = [
    Task {
        name: "fetch",
        takes: "0 s / network",
        about: "downloads what Cargo.lock names; all that follows works offline",
        run: cargo::fetch,
        write: None,
    },
    Task { name: "fmt", takes: "1 s", about: "formatting; mend with `cargo fmt`", run: cargo::fmt, write: None },
    Task {
        name: "forbidden",
        takes: "1 s",
        about: "names that have one place (fs2, loom, process::exit); no paths of one machine",
        run: forbidden::check,
        write: None,
    },
    Task {
        name: "links",
        takes: "1 s",
        about: "relative links, their #anchors and docs/ paths in Markdown files lead somewhere",
        run: links::check,
        write: None,
    },
    Task {
        name: "blocks",
        takes: "2 s",
        about: "code blocks in Markdown files: rust is compiled by a doctest, commands exist, json and manifests are read",
        run: blocks::check,
        write: None,
    },
    Task {
        name: "incidents",
        takes: "1 s",
        about: "docs/incidents: each page is listed, names a test, and speaks of ids and files that are there",
        run: incidents::check,
        write: None,
    },
    Task {
        name: "invariants",
        takes: "1 s",
        about: "docs/invariants.md against the `// proves: ID` marks; --write fills in \"proved by\"",
        run: invariants::check,
        write: Some(invariants::write),
    },
    Task {
        name: "patches",
        takes: "1 s",
        about: "docs/planted.md against tests/planted/: every planted bug can still be planted",
        run: planted::check,
        write: None,
    },
    Task {
        name: "deps",
        takes: "1 s",
        about: "who may depend on what; licenses, sources, duplicates; --write fills in \"used by\", weights, arrows",
        run: deps::check,
        write: Some(deps::write),
    },
    Task {
        name: "package",
        takes: "3 s",
        about: "manifests, licenses and pages of what is published have what the registry needs; cargo can pack all of it",
        run: package::check,
        write: None,
    },
    Task {
        name: "lint",
        takes: "20 s / 2 min",
        about: "clippy over everything, benches and all features included; a warning is an error",
        run: cargo::lint,
        write: None,
    },
    Task {
        name: "doc",
        takes: "10 s / 1 min",
        about: "the documentation builds without a warning, broken links among them",
        run: cargo::doc,
        write: None,
    },
    Task {
        name: "loom",
        takes: "1 s / 1 min",
        about: "all interleavings (up to 3 preemptions) of the concurrency models, in target/loom",
        run: loom::run,
        write: None,
    },
    Task {
        name: "test",
        takes: "1 min / 3 min",
        about: "doctests, then all other tests, with all features; by nextest where it is installed; lists what was skipped",
        run: cargo::test,
        write: None,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = files::root();
    match *words.as_slice() {
        [] | ["help" | "-h" | "--help"] => help(),
        ["ci"] => return ci::run(&TASKS, &root),
        ["ci", "-h" | "--help"] => println!("cargo xtask ci\n  {CI}"),
        ["bench", "-h" | "--help"] => {
            println!("cargo xtask bench [--quick] [--only NAME]… [--write] [--kept]\n  {BENCH}");
        }
        ["bench", ref rest @ ..] => return finish("bench", bench::run(&root, rest)),
        ["planted", "-h" | "--help"] => println!("cargo xtask planted [--write] [BUG or ID…]\n  {PLANTED}"),
        ["planted", "--write", ref chosen @ ..] => return finish("planted", planted::run(&root, chosen, true)),
        ["planted", ref chosen @ ..] => return finish("planted", planted::run(&root, chosen, false)),
        [name, ref rest @ ..] => {
            let Some(task) = TASKS.iter().find(|task| task.name == name) else {
                return usage(&format!("there is no command {name:?}"));
            };
            match (rest, task.write) {
                ([], _) => return finish(task.name, (task.run)(&root)),
                (["--write"], Some(write)) => return finish(task.name, write(&root)),
                (["-h" | "--help"], _) => println!("cargo xtask {}   ({})\n  {}", task.name, task.takes, task.about),
                _ => return usage(&format!("{name} does not take {rest:?}")),
            }
        }
    }
    ExitCode::SUCCESS
}

/// Why `words` are no command of ours, for pages that show one.
pub(crate) fn misunderstood(words: &[&str]) -> Option<String> {
    match words {
        [] | ["ci" | "help"] | ["planted", ..] => None,
        ["bench", rest @ ..] => bench::misunderstood(rest),
        [name, rest @ ..] => match (TASKS.iter().find(|task| task.name == *name), rest) {
            (None, _) => Some(format!("there is no `cargo xtask {name}`")),
            (Some(_), [] | ["--help"]) => None,
            (Some(task), ["--write"]) if task.write.is_some() => None,
            (Some(_), _) => Some(format!("`cargo xtask {name}` does not take {rest:?}")),
        },
    }
}

const CI: &str = "all of the above in this order; stops at the first failure";
const PLANTED: &str = "plants each bug of docs/planted.md, or those named, and demands that its test fails; --write notes how long that took";

const BENCH: &str = "runs every bench beside its peers and floors, or those named, and prints ratios; --quick shortens all; --write puts \
                     tables and pictures into docs/performance.md; --kept shows the last figures again";

fn help() {
    println!("cargo xtask COMMAND: what must hold before a change is done.\n");
    println!("Times are for two cores, roughly: with a warm target directory / from nothing.\n");
    for task in &TASKS {
        println!("  {:<11} {:<14} {}", task.name, task.takes, task.about);
    }
    println!("  {:<11} {:<14} {CI}", "ci", "2 min / 6 min");
    println!("  {:<11} {:<14} {PLANTED}", "planted", "20 min");
    println!("  {:<11} {:<14} {BENCH}", "bench", "40 min");
    println!(
        "\nWhile you write, `cargo xtask lint` and `cargo nextest run -p CRATE` are enough; run `ci` before you hand in."
    );
    println!("A failed step names the command that repeats it alone.");
}

fn usage(complaint: &str) -> ExitCode {
    println!("xtask: {complaint}; `cargo xtask` lists the commands");
    ExitCode::from(2)
}

fn finish(name: &str, verdict: Verdict) -> ExitCode {
    match verdict {
        Ok(remark) => {
            println!("{name}: {remark}");
            ExitCode::SUCCESS
        }
        Err(complaints) => {
            for complaint in &complaints {
                println!("{name}: {complaint}");
            }
            println!("{name}: FAILED, {} to mend", complaints.len());
            ExitCode::FAILURE
        }
    }
}
