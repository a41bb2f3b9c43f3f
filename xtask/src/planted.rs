//! Planted bugs: the list of them, and whether each can still be planted.
//!
//! A bug is a row of the page and a patch. [`check`] reads both and applies the patches in memory; [`run()`] plants them one
//! by one in a copy of the workspace and demands that the named test fails.

mod patch;
mod run;
mod scratch;

use std::collections::BTreeSet;
use std::path::Path;

pub(crate) use self::run::run;

use crate::Verdict;
use crate::files::{read, with_endings};
use crate::table::{self, Row};

const PAGE: &str = "docs/planted.md";
const FOLDER: &str = "tests/planted";
const HEADING: &str = "bug";
/// The column that a run fills in.
const CAUGHT_AFTER: usize = 5;
/// Every invariant whose id begins so has at least one planted bug.
const DEMANDED: [&str; 4] = ["LOCK-", "QUOTE-", "RATE-", "WAL-"];

/// One planted bug.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bug {
    name: String,
    id: String,
    command: Command,
}

/// The test that must see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Command {
    environment: Vec<(String, String)>,
    /// Of cargo.
    arguments: Vec<String>,
    /// Where a hang is how the bug shows: after how many seconds it counts.
    hang: Option<u64>,
}

/// Compares the page with the patches, both ways, and applies each patch in memory.
pub(crate) fn check(root: &Path) -> Verdict {
    let bugs = bugs(root)?;
    let mut complaints = Vec::new();
    let patches = with_endings(root, FOLDER, &[".patch"])?;
    for file in &patches {
        let name = file.path.trim_start_matches(FOLDER).trim_matches('/').trim_end_matches(".patch");
        if !bugs.iter().any(|bug| bug.name == name) {
            complaints.push(format!("{}: no row of {PAGE} is about it", file.path));
        }
    }
    for bug in &bugs {
        match patched(root, bug) {
            Ok(_) => {}
            Err(complaint) => complaints.push(complaint),
        }
    }
    let caught: BTreeSet<&str> = bugs.iter().map(|bug| bug.id.as_str()).collect();
    let invariants = read(root, "docs/invariants.md")?;
    let ids: BTreeSet<String> = table::rows(&invariants, "id").iter().map(|row| row.cell(0).to_owned()).collect();
    complaints.extend(caught.iter().filter(|id| !ids.contains(**id)).map(|id| format!("{PAGE}: there is no {id}")));
    let demanded = ids.iter().filter(|id| DEMANDED.iter().any(|prefix| id.starts_with(prefix)));
    complaints.extend(
        demanded.filter(|id| !caught.contains(id.as_str())).map(|id| format!("{PAGE}: {id} has no planted bug")),
    );
    if complaints.is_empty() {
        return Ok(format!("{} planted bugs for {} invariants still apply", bugs.len(), caught.len()));
    }
    Err(complaints)
}

/// The files that `bug` changes, with their new text.
fn patched(root: &Path, bug: &Bug) -> Result<Vec<(String, String)>, String> {
    let path = format!("{FOLDER}/{}.patch", bug.name);
    let text = read(root, &path).map_err(|complaints| complaints.join("; "))?;
    let changes = patch::parse(&text).map_err(|complaint| format!("{path}: {complaint}"))?;
    let mut files: Vec<(String, String)> = Vec::new();
    for change in changes {
        let known = files.iter().position(|(file, _)| *file == change.file);
        let before = match known.and_then(|at| files.get(at)) {
            Some((_, text)) => text.clone(),
            None => read(root, &change.file).map_err(|complaints| format!("{path}: {}", complaints.join("; ")))?,
        };
        let after = change.apply(&before).map_err(|complaint| format!("{path}: {complaint}"))?;
        match known.and_then(|at| files.get_mut(at)) {
            Some((_, text)) => *text = after,
            None => files.push((change.file, after)),
        }
    }
    Ok(files)
}

fn bugs(root: &Path) -> Result<Vec<Bug>, Vec<String>> {
    let page = read(root, PAGE)?;
    let (mut bugs, mut complaints, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for row in table::rows(&page, HEADING) {
        match bug(&row) {
            Ok(bug) if names.insert(bug.name.clone()) => bugs.push(bug),
            Ok(bug) => complaints.push(format!("{PAGE}:{}: {} is listed twice", row.line, bug.name)),
            Err(complaint) => complaints.push(format!("{PAGE}:{}: {complaint}", row.line)),
        }
    }
    if complaints.is_empty() { Ok(bugs) } else { Err(complaints) }
}

/// Reads a row: `| name | id | technique | what is wrong | `command`, or hangs (30 s) | caught after |`.
fn bug(row: &Row) -> Result<Bug, String> {
    let cell = row.cell(4);
    let mut parts = cell.split('`').skip(1);
    let (command, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut words = command.split_whitespace().peekable();
    let mut environment = Vec::new();
    while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
        environment.push((name.to_owned(), value.to_owned()));
        words.next();
    }
    if words.next() != Some("cargo") || words.peek() != Some(&"test") {
        return Err(format!("{cell:?} names no test: write `cargo test -p CRATE …`"));
    }
    let number: String = rest.chars().filter(char::is_ascii_digit).collect();
    Ok(Bug {
        name: row.cell(0).to_owned(),
        id: row.cell(1).to_owned(),
        command: Command {
            environment,
            arguments: words.map(str::to_owned).collect(),
            hang: if rest.trim().is_empty() { None } else { number.parse().ok() },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(cell: &str) -> Result<Bug, String> {
        let page = format!(
            "| bug | id | by | what | test | after |\n|---|---|---|---|---|---|\n| b | WAL-1 | C | w | {cell} | |\n"
        );
        bug(table::rows(&page, HEADING).first().unwrap())
    }

    #[test]
    fn a_row_names_a_test_and_its_environment() {
        let bug = read_one("`A=1 cargo test -p x -- --exact t`").unwrap();
        assert_eq!((bug.name.as_str(), bug.id.as_str(), bug.command.hang), ("b", "WAL-1", None));
        assert_eq!(bug.command.environment, [("A".to_owned(), "1".to_owned())]);
        assert_eq!(bug.command.arguments, ["test", "-p", "x", "--", "--exact", "t"]);
        assert_eq!(read_one("`cargo test t`, or hangs (30 s)").unwrap().command.hang, Some(30));
    }

    #[test]
    fn what_is_no_test_is_refused() {
        for cell in ["", "cargo test", "`cargo run`", "`rm -r x`"] {
            assert!(read_one(cell).is_err(), "{cell}");
        }
    }
}
