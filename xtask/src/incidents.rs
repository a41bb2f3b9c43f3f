//! The pages of incidents: each is in the list, names a test, and speaks of ids, files and functions that are there.

use std::collections::BTreeSet;
use std::path::Path;

use xtask::files::{File, with_endings};
use xtask::markdown::{blocks, code};

use crate::files::read;
use crate::marks::is_id;
use crate::{Verdict, table};

const FOLDER: &str = "docs/incidents";
const LIST: &str = "docs/incidents/README.md";
/// Its columns.
const INCIDENT: &str = "incident";
const IDS: usize = 2;

pub(crate) fn check(root: &Path) -> Verdict {
    let (lists, pages): (Vec<File>, Vec<File>) =
        with_endings(root, FOLDER, &[".md"])?.into_iter().partition(|page| page.path == LIST);
    let invariants = read(root, "docs/invariants.md")?;
    let invariants = table::rows(&invariants, "id");
    let known: BTreeSet<&str> = invariants.iter().map(|row| row.cell(0)).collect();
    let list = lists.first().map_or("", |list| &list.text);
    let mut complaints = listed(list, &pages, &known);
    let mut tests = 0;
    for page in &pages {
        let named = commands(&page.text);
        tests += named.len();
        complaints.extend(wrong(page, &named, &known, |path| root.join(path).exists()));
        complaints.extend(unnamed(page, |path| read(root, path).unwrap_or_default()));
    }
    for source in with_endings(root, "examples/src", &[".rs"])? {
        let missing = named_pages(&source.text).filter(|path| !root.join(path).exists());
        complaints.extend(missing.map(|path| format!("{}: {path} does not exist", source.path)));
    }
    if complaints.is_empty() { Ok(format!("{} pages, {tests} tests to run", pages.len())) } else { Err(complaints) }
}

/// Whether the list has each page once and nothing else, and each row an id.
fn listed(list: &str, pages: &[File], known: &BTreeSet<&str>) -> Vec<String> {
    let rows = table::rows(list, INCIDENT);
    let target = |cell: &str| cell.split("](").nth(1).and_then(|rest| rest.split(')').next()).map(str::to_owned);
    let targets: Vec<Option<String>> = rows.iter().map(|row| target(row.cell(0))).collect();
    let mut complaints = Vec::new();
    for (row, target) in rows.iter().zip(&targets) {
        let at = format!("{LIST}:{}", row.line);
        let path = format!("{FOLDER}/{}", target.as_deref().unwrap_or_default());
        match pages.iter().find(|page| page.path == path) {
            None => complaints.push(format!("{at}: the incident is no link to a page beside the list")),
            Some(page) => {
                let own: BTreeSet<&str> = ids(&page.text).collect();
                let unsaid = ids(row.cell(IDS)).filter(|id| !own.contains(id));
                complaints.extend(unsaid.map(|id| format!("{at}: {path} does not say what {id} has to do with it")));
            }
        }
        if ids(row.cell(IDS)).next().is_none() {
            complaints.push(format!("{at}: no id says what prevents it"));
        }
        complaints
            .extend(ids(row.cell(IDS)).filter(|id| !known.contains(id)).map(|id| format!("{at}: there is no {id}")));
    }
    for page in pages {
        let name = page.path.trim_start_matches(FOLDER).trim_start_matches('/');
        if targets.iter().flatten().filter(|target| *target == name).count() != 1 {
            complaints.push(format!("{}: must be listed once in {LIST}", page.path));
        }
    }
    complaints
}

/// What is wrong with a page whose tests are `named`. That these exist, `blocks` asks.
fn wrong(page: &File, named: &[String], known: &BTreeSet<&str>, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    if named.is_empty() {
        complaints.push(format!("{}: no `cargo test` with the name of a test says what re-enacts it", page.path));
    }
    let unknown = ids(&page.text).filter(|id| !known.contains(id));
    complaints.extend(unknown.map(|id| format!("{}: there is no {id}", page.path)));
    for (line, path) in code(&page.text).into_iter().filter(|(_, code)| is_path(code)) {
        if !exists(path) {
            complaints.push(format!("{}:{line}: {path} does not exist", page.path));
        }
    }
    complaints
}

/// What a page says is in a file, as in `fn_name` in `path.rs`, and is not.
fn unnamed(page: &File, text_of: impl Fn(&str) -> String) -> Vec<String> {
    let text = page.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts: Vec<&str> = text.split('`').collect();
    let pairs = parts.windows(4).skip(1).step_by(2).filter_map(|four| match four {
        [name, " in " | ", ", path, _] if is_path(path) && !name.contains(['/', ' ']) => Some((*name, *path)),
        _ => None,
    });
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let missing = pairs.filter(|(name, path)| {
        let text = text_of(path);
        !text.contains(name) || (name.chars().all(is_word) && !text.split(|c| !is_word(c)).any(|word| word == *name))
    });
    missing.map(|(name, path)| format!("{}: there is no {name} in {path}", page.path)).collect()
}

/// The commands of a page that run one test or a few.
fn commands(page: &str) -> Vec<String> {
    let shell = blocks(page).into_iter().filter(|block| block.info == "sh");
    let lines: Vec<String> =
        shell.flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let names_a_test = |line: &str| line.split(' ').next_back().is_some_and(|word| word.contains('_'));
    lines.into_iter().filter(|line| line.starts_with("cargo test ") && names_a_test(line)).collect()
}

fn ids(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|word| is_id(word))
}

fn is_path(code: &str) -> bool {
    code.contains('/') && Path::new(code).extension().is_some_and(|extension| extension == "rs")
}

/// The pages that a comment names.
fn named_pages(source: &str) -> impl Iterator<Item = &str> {
    let words = source.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-')));
    words.filter(|word| word.starts_with("docs/incidents/")).map(|word| word.trim_end_matches('.'))
}

#[cfg(test)]
mod tests;
