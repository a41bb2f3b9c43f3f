//! The steps that cargo does: how it is called, and nothing else.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Verdict;

pub(crate) fn fetch(root: &Path) -> Verdict {
    run(cargo(root, &["fetch", "--locked"]))
}

pub(crate) fn fmt(root: &Path) -> Verdict {
    needs(root, "fmt", "rustup component add rustfmt")?;
    let mut fmt = cargo(root, &["fmt", "--all", "--check"]);
    if !std::io::stdout().is_terminal() {
        // Unlike cargo, rustfmt colors what goes into a file.
        fmt.args(["--", "--color", "never"]);
    }
    run(fmt)
}

/// The flag goes to clippy alone and not into RUSTFLAGS, which would build every dependency once more.
pub(crate) fn lint(root: &Path) -> Verdict {
    needs(root, "clippy", "rustup component add clippy")?;
    run(cargo(
        root,
        &["clippy", "--workspace", "--all-targets", "--all-features", "--locked", "--", "--deny", "warnings"],
    ))
}

pub(crate) fn doc(root: &Path) -> Verdict {
    let mut doc = cargo(root, &["doc", "--workspace", "--no-deps", "--all-features", "--locked"]);
    doc.env("RUSTDOCFLAGS", "--deny warnings");
    run(doc)
}

/// Benches are left out: `lint` has compiled them, and linking criterion proves nothing more.
///
/// A test that lacks a tool or a right says so in the file that it is told of, since runners swallow what a test that
/// passes prints.
pub(crate) fn test(root: &Path) -> Verdict {
    const WHAT: [&str; 5] = ["--workspace", "--exclude", "backstop-benches", "--all-features", "--locked"];
    let skipped = root.join("target/skipped");
    let _none = std::fs::remove_file(&skipped);
    std::fs::create_dir_all(root.join("target")).map_err(|error| vec![format!("cannot make target/: {error}")])?;
    let told = |mut command: Command| {
        command.env("BACKSTOP_SKIPPED", &skipped);
        command
    };
    run(cargo(root, &[&["test", "--doc"], &WHAT[..]].concat()))?;
    let tested = if has(root, "nextest") {
        let mut nextest = told(cargo(root, &[&["nextest", "run"], &WHAT[..]].concat()));
        if std::env::var_os("CI").is_some() {
            nextest.arg("--no-fail-fast");
        }
        run(nextest)
    } else {
        println!("cargo-nextest is not installed: cargo test, which is slower and says less");
        run(told(cargo(root, &[&["test", "--lib", "--bins", "--tests", "--examples"], &WHAT[..]].concat())))
    };
    let list = std::fs::read_to_string(&skipped).unwrap_or_default();
    let lines: BTreeSet<&str> = list.lines().collect();
    for line in &lines {
        println!("{line}");
    }
    match (tested, lines.len()) {
        (Ok(remark), 0) => Ok(remark),
        (Ok(remark), count) => Ok(format!("{remark}; SKIPPED: {count}, listed above")),
        (Err(complaints), _) => Err(complaints),
    }
}

/// A call of the same cargo that started us, in the workspace's root.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root).args(arguments);
    // `cargo run` describes *our* package in the environment. Build scripts that watch these (ring's does) would run
    // again at each change between `cargo xtask` and a plain cargo.
    for (name, _) in std::env::vars_os() {
        let ours = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_PRIMARY_PACKAGE"
        });
        if ours {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `command` with our output as its output.
pub(crate) fn run(mut command: Command) -> Verdict {
    let text = shown(&command);
    println!("$ {text}");
    match command.status() {
        Ok(status) if status.success() => Ok("ok".to_owned()),
        Ok(status) => Err(vec![format!("`{text}` ended with {status}")]),
        Err(error) => Err(vec![format!("cannot start `{text}`: {error}")]),
    }
}

/// What `command`, which only tells, prints.
pub(crate) fn output(mut command: Command) -> Result<String, Vec<String>> {
    let text = shown(&command);
    let output = command.output().map_err(|error| vec![format!("cannot start `{text}`: {error}")])?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(vec![format!("`{text}` failed; if a package is missing, `cargo xtask fetch`:\n{}", words.trim())])
}

/// Whether `cargo NAME` can be called.
pub(crate) fn has(root: &Path, name: &str) -> bool {
    let version = cargo(root, &[name, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

fn needs(root: &Path, name: &str, remedy: &str) -> Result<(), Vec<String>> {
    if has(root, name) { Ok(()) } else { Err(vec![format!("`cargo {name}` is not installed: {remedy}")]) }
}

/// As one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let set =
        command.get_envs().filter_map(|(name, value)| Some(format!("{}='{}' ", name.to_str()?, value?.to_str()?)));
    let arguments = command.get_args().filter_map(OsStr::to_str).map(|argument| format!(" {argument}"));
    set.chain(["cargo".to_owned()]).chain(arguments).collect()
}
