//! Names that belong in one place, and paths that belong to one machine. What clippy forbids is not repeated here.

use std::path::Path;

use crate::Verdict;
use crate::files::{File, with_endings};

/// What may be named only in some files of `crates/*/src`, tests aside.
const RULES: [Rule; 4] = [
    Rule {
        name: "fs2::",
        only_in: Some("sys.rs"),
        if_crate_names: None,
        because: "so that its replacement is one edit",
    },
    Rule {
        name: "loom::",
        only_in: Some("sync.rs"),
        if_crate_names: None,
        because: "models swap what sync.rs exports",
    },
    Rule {
        name: "parking_lot::",
        only_in: Some("sync.rs"),
        if_crate_names: Some("loom::model"),
        because: "a lock that loom does not see is not modelled",
    },
    Rule {
        name: "process::exit",
        only_in: None,
        if_crate_names: None,
        because: "it skips every Drop, and guards live in Drop: return an error",
    },
];

struct Rule {
    name: &'static str,
    only_in: Option<&'static str>,
    /// The rule holds only in crates whose sources name this.
    if_crate_names: Option<&'static str>,
    because: &'static str,
}

pub(crate) fn check(root: &Path) -> Verdict {
    let sources = with_endings(root, "crates", &[".rs"])?;
    let mut complaints = misplaced(&sources);
    let all = with_endings(root, "", &[".rs", ".md", ".toml", ".sh", ".yml", ".json"])?;
    complaints.extend(all.iter().flat_map(machine_paths));
    if complaints.is_empty() { Ok(format!("{} files", all.len())) } else { Err(complaints) }
}

fn misplaced(sources: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in sources.iter().filter(|file| file.path.contains("/src/") && !is_test(&file.path)) {
        let folder = file.path.split_once("/src/").map_or("", |(folder, _)| folder);
        for rule in &RULES {
            let allowed = rule.only_in.is_some_and(|name| file.path.ends_with(&format!("/{name}")));
            let applies = rule.if_crate_names.is_none_or(|word| {
                sources.iter().any(|other| other.path.starts_with(&format!("{folder}/")) && other.text.contains(word))
            });
            if allowed || !applies {
                continue;
            }
            for (number, line) in code(&file.text).filter(|(_, line)| names(line, rule.name)) {
                let place = rule.only_in.map_or("not allowed in crates".to_owned(), |name| format!("only in {name}"));
                complaints.push(format!(
                    "{}:{number}: {} is {place}: {}: {line}",
                    file.path,
                    rule.name.trim_end_matches(':'),
                    rule.because
                ));
            }
        }
    }
    complaints
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Whether `word` stands in `line` and is not the end of a longer name.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().map(str::trim).enumerate();
    lines.filter(|(_, line)| !line.starts_with("//")).map(|(number, line)| (number + 1, line))
}

/// Folders that some machine has and the reader's may not.
fn machine_paths(file: &File) -> Vec<String> {
    let folders = ["work", "home", "root", "Users"].map(|folder| format!("/{folder}/"));
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        if folders.iter().any(|folder| line.match_indices(folder.as_str()).any(|(at, _)| starts_path(line, at))) {
            found.push(format!("{}:{}: names a path of one machine: {}", file.path, number + 1, line.trim()));
        }
    }
    found
}

/// Whether what begins at `at` is not the inside of a longer path or of an address.
fn starts_path(line: &str, at: usize) -> bool {
    let before = line.get(..at).and_then(|before| before.chars().next_back());
    !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ')' | '~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], complaints: usize) {
        let files: Vec<File> =
            files.iter().map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() }).collect();
        let found = misplaced(&files);
        assert_eq!(found.len(), complaints, "{found:?}");
    }

    #[test]
    fn a_name_with_one_place_is_found_everywhere_else() {
        check(&[("crates/a/src/sys.rs", "use fs2::FileExt;")], 0);
        check(&[("crates/a/src/lock.rs", "use fs2::FileExt;")], 1);
        check(&[("crates/a/src/lock.rs", "// fs2::FileExt is in sys.rs\nmyfs2::call();")], 0);
        check(&[("crates/a/src/lock/tests.rs", "use fs2::FileExt;")], 0);
        check(&[("crates/a/src/lib.rs", "std::process::exit(1)")], 1);
    }

    #[test]
    fn locks_have_one_place_only_where_there_are_models() {
        let lock = ("crates/a/src/lock.rs", "use parking_lot::Mutex;");
        check(&[lock], 0);
        check(&[lock, ("crates/b/src/m/tests.rs", "loom::model(f)")], 0);
        check(&[lock, ("crates/a/src/m/tests.rs", "loom::model(f)")], 1);
    }

    #[test]
    fn a_machine_s_path_is_told_from_a_part_of_another() {
        let count = |text: String| machine_paths(&File { path: "a.md".to_owned(), text }).len();
        assert_eq!(count(["see /", "home", "/me/x"].concat()), 1);
        assert_eq!(count(["(`/", "work", "/x`)"].concat()), 1);
        assert_eq!(count(["https://example.org/", "home", "/x"].concat()), 0);
        assert_eq!(count(["state/", "work", "/x"].concat()), 0);
    }
}
