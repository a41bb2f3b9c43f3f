//! The list of invariants and the marks in the tests say the same.

use std::collections::BTreeSet;
use std::path::Path;

use crate::Verdict;
use crate::files::{read, replace, with_endings};
use crate::marks::{self, Mark};
use crate::table::{self, Row};

const PAGE: &str = "docs/invariants.md";
const ID: &str = "id";
const ENFORCED_IN: usize = 2;
const PROVED_BY: usize = 3;
/// What the cell "enforced in" begins with as long as the invariant is a promise.
const PLANNED: &str = "planned:";

pub(crate) fn check(root: &Path) -> Verdict {
    let (marks, mut complaints) = all_marks(root)?;
    let page = read(root, PAGE)?;
    let rows = table::rows(&page, ID);
    complaints.extend(compare(&rows, &marks));
    for row in &rows {
        let missing = paths(row.cell(ENFORCED_IN)).filter(|path| !root.join(path).exists());
        complaints.extend(missing.map(|path| format!("{PAGE}:{}: {path} does not exist", row.line)));
    }
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let proved: BTreeSet<&str> = marks.iter().map(|mark| mark.id.as_str()).collect();
    Ok(format!("{} of {} invariants proved, by {} marks", proved.len(), rows.len(), marks.len()))
}

/// Fills in the column "proved by".
pub(crate) fn write(root: &Path) -> Verdict {
    let (marks, _) = all_marks(root)?;
    let page = read(root, PAGE)?;
    let proof = |row: &Row| Some(proof(row.cell(0), &marks));
    let changed = replace(root, PAGE, &table::with_column(&page, ID, PROVED_BY, proof))?;
    Ok(format!("{PAGE} {}", if changed { "written" } else { "was up to date" }))
}

/// Not those of `xtask`, whose own tests hold examples of marks.
fn all_marks(root: &Path) -> Result<(Vec<Mark>, Vec<String>), Vec<String>> {
    let (mut marks, mut complaints) = (Vec::new(), Vec::new());
    for folder in ["crates", "examples", "tests"] {
        for file in with_endings(root, folder, &[".rs"])? {
            let (found, wrong) = marks::read(&file);
            marks.extend(found);
            complaints.extend(wrong);
        }
    }
    Ok((marks, complaints))
}

fn compare(rows: &[Row], marks: &[Mark]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut listed = BTreeSet::new();
    for row in rows {
        let (id, at) = (row.cell(0), format!("{PAGE}:{}", row.line));
        if !marks::is_id(id) {
            complaints.push(format!("{at}: {id:?} is not an id"));
        }
        if !listed.insert(id) {
            complaints.push(format!("{at}: {id} is listed twice"));
        }
        let enforced_in = row.cell(ENFORCED_IN);
        let planned = enforced_in.starts_with(PLANNED);
        let proved = marks.iter().any(|mark| mark.id == id);
        if planned && proved {
            complaints.push(format!("{at}: {id} has a proof: say where it is enforced instead of {enforced_in:?}"));
        } else if !planned && !proved {
            complaints.push(format!(
                "{at}: no test is marked `// proves: {id}`; add the mark, or write `{PLANNED} WITH WHAT` under \
                 \"enforced in\""
            ));
        } else if !planned && paths(enforced_in).next().is_none() {
            complaints.push(format!("{at}: \"enforced in\" of {id} names no file"));
        } else if row.cell(PROVED_BY) != proof(id, marks) {
            complaints
                .push(format!("{at}: \"proved by\" of {id} is out of date: run `cargo xtask invariants --write`"));
        }
    }
    let strange = marks.iter().filter(|mark| !listed.contains(mark.id.as_str()));
    complaints
        .extend(strange.map(|mark| format!("{}: {} proves {}, which {PAGE} lacks", mark.path, mark.test, mark.id)));
    complaints
}

/// The files whose tests carry the mark. Not the tests: their names change, and a search for the id finds them.
fn proof(id: &str, marks: &[Mark]) -> String {
    let files: BTreeSet<String> =
        marks.iter().filter(|mark| mark.id == id).map(|mark| format!("`{}`", mark.path)).collect();
    files.into_iter().collect::<Vec<_>>().join(", ")
}

/// The paths in backquotes.
fn paths(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2).filter(|word| word.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(id: &str) -> Mark {
        Mark { id: id.to_owned(), path: "crates/wal/tests/log.rs".to_owned(), test: "it_holds".to_owned() }
    }

    /// One row for WAL-1 with these two cells.
    #[track_caller]
    fn check(enforced_in: &str, proved_by: &str, marks: &[Mark], complaint: Option<&str>) {
        let page = format!(
            "| id | statement | enforced in | proved by |\n|---|---|---|---|\n| WAL-1 | s | {enforced_in} | {proved_by} |\n"
        );
        let complaints = compare(&table::rows(&page, ID), marks);
        match complaint {
            None => assert!(complaints.is_empty(), "{complaints:?}"),
            Some(words) => assert!(matches!(complaints.as_slice(), [one] if one.contains(words)), "{complaints:?}"),
        }
    }

    const BY: &str = "`crates/wal/tests/log.rs`";

    #[test]
    fn list_and_marks_are_compared_both_ways() {
        check("`crates/wal/src/log.rs`", BY, &[mark("WAL-1")], None);
        check("`crates/wal/src/log.rs`", "", &[], Some("no test is marked"));
        check("`crates/wal/src/log.rs`", BY, &[mark("WAL-1"), mark("WAL-9")], Some("proves WAL-9, which"));
        check("`crates/wal/src/log.rs`", "", &[mark("WAL-1")], Some("invariants --write"));
        check("`crates/wal/src/log.rs`", "`crates/wal/tests/other.rs`", &[mark("WAL-1")], Some("invariants --write"));
        check("somewhere", BY, &[mark("WAL-1")], Some("names no file"));
    }

    #[test]
    fn a_plan_needs_no_proof_and_has_none() {
        check("planned: the log", "", &[], None);
        check("planned: the log", BY, &[mark("WAL-1")], Some("say where it is enforced"));
        check("planned: the log", BY, &[], Some("invariants --write"));
    }
}
