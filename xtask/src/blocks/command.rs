//! Commands that a page shows can be typed as they stand: programs, subcommands, options, packages, targets, tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use xtask::files::{File, with_endings};

use crate::cargo::{cargo, has};
use crate::metadata::{Metadata, Package};

/// What a machine has anyway, or a page says how to get.
const SYSTEM: [&str; 24] = [
    "cat",
    "cd",
    "cp",
    "curl",
    "date",
    "df",
    "docker",
    "du",
    "export",
    "fuser",
    "git",
    "kill",
    "ls",
    "mkdir",
    "mv",
    "od",
    "ps",
    "rustup",
    "strace",
    "sync",
    "systemctl",
    "tail",
    "tar",
    "xxd",
];

/// Subcommands that come in a package of their own: where it is missing, nothing can be asked.
const ADDED: [&str; 3] = ["nextest", "fuzz", "deny"];

/// What commands are held against.
pub(super) struct Commands {
    root: PathBuf,
    metadata: Metadata,
    sources: Vec<File>,
    /// The help of each subcommand that was asked for; `None` where there is no such subcommand.
    helps: BTreeMap<String, Option<String>>,
    skipped: BTreeSet<String>,
}

impl Commands {
    pub(super) fn read(root: &Path) -> Result<Self, Vec<String>> {
        Ok(Self {
            root: root.to_owned(),
            metadata: Metadata::read(root)?,
            sources: with_endings(root, "", &[".rs"])?,
            helps: BTreeMap::new(),
            skipped: BTreeSet::new(),
        })
    }

    pub(super) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The programs that were not there to be asked.
    pub(super) fn skipped(&self) -> Vec<&str> {
        self.skipped.iter().map(String::as_str).collect()
    }

    /// What is wrong with the command of these words. What a program of ours takes, its own tests check.
    pub(super) fn complaint(&mut self, words: &[String]) -> Option<String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["cargo", rest @ ..] => {
                let rest = if rest.first().is_some_and(|word| word.starts_with('+')) { rest.get(1..)? } else { rest };
                self.cargo(rest)
            }
            [program, ..] if SYSTEM.contains(program) => None,
            ["$", ..] => Some("a prompt: what is typed stands alone, what comes out in a block of ```text".to_owned()),
            [program, ..] => {
                let built = program.strip_prefix("target/debug/").or_else(|| program.strip_prefix("target/release/"));
                let name = built.unwrap_or(program);
                let ours = self.metadata.members().any(|member| has_target(member, "bin", name));
                (!ours).then(|| format!("{program:?} is no program of the workspace, nor a usual one"))
            }
            [] => None,
        }
    }

    fn cargo(&mut self, words: &[&str]) -> Option<String> {
        let (name, rest) = match words {
            [] => return Some("cargo without a command".to_owned()),
            ["xtask", rest @ ..] => return crate::misunderstood(rest),
            ["nextest", name, rest @ ..] => (format!("nextest {name}"), rest),
            ["fuzz", name, rest @ ..] => (format!("fuzz {name}"), rest),
            [name, rest @ ..] => ((*name).to_owned(), rest),
        };
        let Some(help) = self.help(&name) else {
            return (!self.skipped.contains(first(&name))).then(|| format!("there is no `cargo {name}`"));
        };
        let own = rest.split(|word| *word == "--").next().unwrap_or_default();
        let given = match options(own, &help) {
            Ok(given) => given,
            Err(option) => return Some(format!("`cargo {name}` has no option {option}")),
        };
        if matches!(first(&name), "install" | "fuzz" | "add" | "new") {
            return None;
        }
        self.named(&name, &given)
    }

    /// Whether what the options name is there.
    fn named(&self, command: &str, given: &[(Option<&str>, &str)]) -> Option<String> {
        let values = |long: &str, short: &str| -> Vec<&str> {
            given
                .iter()
                .filter(|(option, _)| *option == Some(long) || *option == Some(short))
                .map(|(_, value)| *value)
                .collect()
        };
        let packages = values("--package", "-p");
        if let Some(name) = packages.iter().find(|name| !self.metadata.members().any(|member| member.name == **name)) {
            return Some(format!("there is no package {name} in the workspace"));
        }
        let chosen: Vec<&Package> = self
            .metadata
            .members()
            .filter(|member| packages.is_empty() || packages.contains(&member.name.as_str()))
            .collect();
        for kind in ["bin", "test", "bench", "example"] {
            for name in values(&format!("--{kind}"), "") {
                if !chosen.iter().any(|package| has_target(package, kind, name)) {
                    return Some(format!("there is no {kind} {name} in {}", shown(&packages)));
                }
            }
        }
        for feature in values("--features", "-F").iter().flat_map(|value| value.split([',', ' '])) {
            let plain = feature.split_once('/').map_or(feature, |(_, name)| name);
            if !chosen.iter().any(|package| package.features.contains(plain)) {
                return Some(format!("{} has no feature {feature}", shown(&packages)));
            }
        }
        if command == "run"
            && values("--example", "").is_empty()
            && !chosen.iter().any(|p| p.targets.iter().any(|t| t.kind == "bin"))
        {
            return Some(format!("{} has nothing to run", shown(&packages)));
        }
        if !matches!(command, "test" | "nextest run") {
            return None;
        }
        // A filter that fits nothing lets a run of no test pass.
        let filters = given.iter().filter(|(option, _)| option.is_none()).map(|(_, word)| *word);
        let mut parts = filters.flat_map(|filter| filter.split("::").filter(|part| !part.is_empty()));
        let missing = parts.find(|part| !self.is_named(part, &chosen))?;
        Some(format!("no test or module of {} has {missing:?} in its name", shown(&packages)))
    }

    /// Whether a function or module of the packages has `part` in its name.
    fn is_named(&self, part: &str, packages: &[&Package]) -> bool {
        let folders: Vec<&str> =
            packages.iter().map(|package| package.manifest.trim_end_matches("Cargo.toml")).collect();
        self.sources.iter().filter(|file| folders.iter().any(|folder| file.path.starts_with(folder))).any(|file| {
            let names = file.text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            file.path.split(['/', '.']).chain(names).any(|name| name.contains(part))
        })
    }

    fn help(&mut self, name: &str) -> Option<String> {
        if let Some(known) = self.helps.get(name) {
            return known.clone();
        }
        let answer = if ADDED.contains(&first(name)) && !has(&self.root, first(name)) {
            self.skipped.insert(first(name).to_owned());
            None
        } else {
            let mut words: Vec<&str> = name.split(' ').collect();
            words.push("-h");
            let output = cargo(&self.root, &words).output().ok();
            output.filter(|o| o.status.success()).map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
        };
        self.helps.insert(name.to_owned(), answer.clone());
        answer
    }
}

fn first(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}

fn shown(packages: &[&str]) -> String {
    if packages.is_empty() { "the workspace".to_owned() } else { packages.join(", ") }
}

fn has_target(package: &Package, kind: &str, name: &str) -> bool {
    package.targets.iter().any(|target| target.kind == kind && target.name == name)
}

/// The options of `words` with their values, and `None` with each word that is none; or the option that `help` does not know.
fn options<'a>(words: &[&'a str], help: &str) -> Result<Vec<(Option<&'a str>, &'a str)>, &'a str> {
    let mut found = Vec::new();
    let mut words = words.iter().copied().peekable();
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            found.push((None, word));
            continue;
        }
        let (option, attached) = word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
        let takes = takes_value(option, help).ok_or(option)?;
        let value = match attached {
            Some(value) => value,
            None if takes => words.next().unwrap_or_default(),
            None => "",
        };
        found.push((Some(option), value));
    }
    Ok(found)
}

/// Whether `option` stands in `help`, and if so, whether with a value.
fn takes_value(option: &str, help: &str) -> Option<bool> {
    help.lines().find_map(|line| {
        let line = line.trim_start();
        if !line.starts_with('-') {
            return None;
        }
        // `-p, --package [<SPEC>]  Package to build`
        let head = line.split("  ").next().unwrap_or(line);
        let names = head.split([' ', ',', '[', '.']);
        names.clone().any(|name| name == option).then(|| head.contains('<'))
    })
}

#[cfg(test)]
mod tests;
