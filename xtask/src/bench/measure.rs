//! Runs one bench and reads what it measured: criterion's estimates, and the lines of what is measured without criterion.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::figures::Figures;
use crate::cargo::{cargo, output, run, shown};

/// A bench, and how it is called.
pub(super) struct Bench {
    pub(super) name: &'static str,
    kind: Kind,
}

enum Kind {
    /// Each run is short: several of them, whose medians are compared.
    Criterion,
    /// One file of `benches/` that goes through its rounds in turns by itself.
    Rounds,
    /// A workspace of its own, of which each word is a run; and the words of a quick run.
    Peers { words: &'static [&'static str], quick: &'static [&'static str] },
}

const fn criterion(name: &'static str) -> Bench {
    Bench { name, kind: Kind::Criterion }
}

pub(super) const BENCHES: [Bench; 11] = [
    criterion("guard_enter"),
    criterion("lock_acquire"),
    Bench { name: "lock_takeover", kind: Kind::Rounds },
    criterion("quote_check"),
    criterion("rate_acquire"),
    criterion("reconcile"),
    criterion("rollback_txn"),
    criterion("symbol_parse"),
    criterion("wal_append"),
    Bench {
        name: "peers",
        kind: Kind::Peers {
            words: &["durable 0.33", "slow 0.5", "buffered 0.5", "recovery", "history"],
            quick: &["durable 0.05", "buffered 0.05"],
        },
    },
    Bench { name: "rate-peers", kind: Kind::Peers { words: &[""], quick: &["--quick"] } },
];

const RUNS: u32 = 3;

/// Where it is run and what it leaves behind.
pub(super) struct Bed<'a> {
    root: &'a Path,
    target: PathBuf,
}

impl<'a> Bed<'a> {
    pub(super) fn new(root: &'a Path) -> Result<Self, Vec<String>> {
        let text = output(cargo(root, &["metadata", "--format-version", "1", "--no-deps", "--offline"]))?;
        let value: Value = serde_json::from_str(&text).map_err(|error| vec![format!("cargo metadata: {error}")])?;
        let target = value
            .get("target_directory")
            .and_then(Value::as_str)
            .ok_or_else(|| vec!["cargo metadata names no target".to_owned()])?;
        let bed = Self { root, target: PathBuf::from(target) };
        fs::create_dir_all(bed.folder())
            .map_err(|error| vec![format!("cannot make {}: {error}", bed.folder().display())])?;
        Ok(bed)
    }

    /// On the disk that the builds are on, which is the one that is measured.
    fn folder(&self) -> PathBuf {
        self.target.join("bench")
    }

    fn kept(&self, bench: &Bench) -> PathBuf {
        self.folder().join(bench.name).with_extension("jsonl")
    }

    /// What the last measurement of `bench` left, without measuring; nothing if there was none.
    pub(super) fn read(&self, bench: &Bench) -> Result<Figures, String> {
        let mut figures = Figures::default();
        if let Ok(text) = fs::read_to_string(self.kept(bench)) {
            figures.add_lines(&text)?;
        }
        Ok(figures)
    }

    /// Measures, and keeps it.
    pub(super) fn measure(&self, bench: &Bench, is_quick: bool) -> Result<Figures, String> {
        let mut figures = Figures::default();
        let runs = match bench.kind {
            Kind::Criterion if !is_quick => RUNS,
            _ => 1,
        };
        // Built first: it is not the build whose load is told.
        self.build(bench)?;
        figures.add("machine/load", &load());
        for _ in 0..runs {
            self.run(bench, is_quick, &mut figures)?;
            figures.add("machine/load", &load());
        }
        let cores = std::thread::available_parallelism().ok().and_then(|count| u32::try_from(count.get()).ok());
        figures.add("machine/cores", &[f64::from(cores.unwrap_or(1))]);
        figures.add("machine/runs", &[f64::from(runs)]);
        figures.add("machine/quick", &[f64::from(u8::from(is_quick))]);
        let path = self.kept(bench);
        fs::write(&path, figures.lines()).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(figures)
    }

    fn build(&self, bench: &Bench) -> Result<(), String> {
        let command = match bench.kind {
            Kind::Criterion | Kind::Rounds => cargo(
                self.root,
                &["bench", "--locked", "--package", "backstop-benches", "--bench", bench.name, "--no-run"],
            ),
            Kind::Peers { .. } => {
                let mut command = cargo(self.root, &["build", "--release", "--locked", "--manifest-path"]);
                command.arg(self.manifest(bench));
                command
            }
        };
        run(command).map(drop).map_err(|complaints| complaints.join("\n"))
    }

    fn manifest(&self, bench: &Bench) -> PathBuf {
        self.root.join("benches").join(bench.name).join("Cargo.toml")
    }

    fn run(&self, bench: &Bench, is_quick: bool, figures: &mut Figures) -> Result<(), String> {
        let mut command =
            cargo(self.root, &["bench", "--locked", "--package", "backstop-benches", "--bench", bench.name, "--"]);
        match bench.kind {
            Kind::Criterion => {
                let home = self.folder().join("criterion");
                if home.exists() {
                    fs::remove_dir_all(&home).map_err(|error| format!("cannot empty {}: {error}", home.display()))?;
                }
                command.env("CRITERION_HOME", &home).args(if is_quick {
                    ["--quiet", "--warm-up-time", "0.1", "--measurement-time", "0.2", "--sample-size", "10"]
                } else {
                    ["--quiet", "--warm-up-time", "0.5", "--measurement-time", "1", "--sample-size", "50"]
                });
                said(command)?;
                estimates(&home, figures).map_err(|error| format!("cannot read {}: {error}", home.display()))?;
                self.left(bench, figures)
            }
            Kind::Rounds => {
                if is_quick {
                    command.arg("--quick");
                }
                said(command)?;
                self.left(bench, figures)
            }
            Kind::Peers { words, quick } => {
                for words in if is_quick { quick } else { words } {
                    let mut command = cargo(self.root, &["run", "--release", "--locked", "--manifest-path"]);
                    command.arg(self.manifest(bench)).arg("--").args(words.split_whitespace()).arg("--json");
                    command.current_dir(self.folder());
                    figures.add_lines(&said(command)?)?;
                }
                Ok(())
            }
        }
    }

    /// Takes what a bench without criterion leaves behind; one that leaves nothing has measured nothing beside criterion.
    fn left(&self, bench: &Bench, figures: &mut Figures) -> Result<(), String> {
        let path = self.target.join("tmp").join(bench.name).with_extension("jsonl");
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        figures.add_lines(&text)?;
        fs::remove_file(&path).map_err(|error| format!("cannot remove {}: {error}", path.display()))
    }
}

/// What it prints. What it complains of is shown, but for criterion's progress.
fn said(mut command: Command) -> Result<String, String> {
    let text = shown(&command);
    println!("$ {text}");
    let output = command.output().map_err(|error| format!("cannot start `{text}`: {error}"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    for line in words.lines().filter(|line| !line.starts_with("Benchmarking ")) {
        println!("{line}");
    }
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("`{text}` ended with {}", output.status))
    }
}

/// Criterion's medians in nanoseconds, from the files that it leaves below `folder`.
fn estimates(folder: &Path, figures: &mut Figures) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let file =
            |name: &str| -> io::Result<Value> { Ok(serde_json::from_str(&fs::read_to_string(path.join(name))?)?) };
        if path.join("estimates.json").is_file() && path.join("benchmark.json").is_file() {
            if path.ends_with("new") {
                let (estimates, named) = (file("estimates.json")?, file("benchmark.json")?);
                if let Some(median) = estimates.pointer("/median/point_estimate").and_then(Value::as_f64) {
                    figures.add(&id(&named), &[median]);
                }
            }
        } else if path.is_dir() {
            estimates(&path, figures)?;
        }
    }
    Ok(())
}

/// The name of the group, of the function in it, and of its parameter.
fn id(named: &Value) -> String {
    let parts = ["group_id", "function_id", "value_str"].into_iter().filter_map(|part| named.get(part)?.as_str());
    parts.collect::<Vec<_>>().join("/")
}

/// How many wanted a core in the last minute; nothing where the system does not say.
fn load() -> Vec<f64> {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|number| number.parse().ok()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_the_name_that_the_bench_gave_it() {
        let named = |text: &str| id(&serde_json::from_str(text).expect("JSON"));
        assert_eq!(named(r#"{"group_id":"a/b","function_id":"floor","value_str":null}"#), "a/b/floor");
        assert_eq!(named(r#"{"group_id":"a","function_id":"floor","value_str":"10"}"#), "a/floor/10");
    }

    #[test]
    fn every_table_is_made_of_benches_that_there_are() {
        let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
        for section in &super::super::sections::SECTIONS {
            assert!(section.benches.iter().all(|bench| names.contains(bench)), "{}", section.name);
        }
        for name in names {
            assert!(super::super::sections::SECTIONS.iter().any(|section| section.benches.contains(&name)), "{name}");
        }
    }
}
