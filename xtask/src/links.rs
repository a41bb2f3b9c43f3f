//! Links and paths in Markdown lead somewhere.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use xtask::files::with_endings;
use xtask::markdown::{headings, prose};

use crate::Verdict;

pub(crate) fn check(root: &Path) -> Verdict {
    let pages = with_endings(root, "", &[".md"])?;
    let anchors: BTreeMap<&str, Vec<String>> =
        pages.iter().map(|page| (page.path.as_str(), anchors(&page.text))).collect();
    let mut complaints = Vec::new();
    let mut count = 0;
    for page in &pages {
        let mut complain = |line: usize, what: String| complaints.push(format!("{}:{line}: {what}", page.path));
        for (line, target) in targets(&page.text) {
            count += 1;
            if let Some(what) = wrong(root, &page.path, &target, &anchors) {
                complain(line, what);
            }
        }
        for (line, path) in docs_paths(&page.text) {
            count += 1;
            if !root.join(path).exists() {
                complain(line, format!("{path} does not exist"));
            }
        }
    }
    // A link to a page below docs/ is found in both ways.
    complaints.sort();
    complaints.dedup();
    if complaints.is_empty() { Ok(format!("{count} links in {} pages", pages.len())) } else { Err(complaints) }
}

/// What is wrong with `target`, as `page` names it. What is elsewhere is not asked for, only looked at.
fn wrong(root: &Path, page: &str, target: &str, anchors: &BTreeMap<&str, Vec<String>>) -> Option<String> {
    if target.starts_with("mailto:") {
        return None;
    }
    if let Some((scheme, rest)) = target.split_once("://") {
        let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
        let local = matches!(host, "localhost" | "127.0.0.1");
        let fine = !rest.contains(char::is_whitespace) && (local || (scheme == "https" && host.contains('.')));
        return (!fine).then(|| format!("{target} is no address of the form https://HOST/…"));
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let folder = Path::new(page).parent().unwrap_or(Path::new(""));
    let path = if path.is_empty() { PathBuf::from(page) } else { plain(&folder.join(path)) };
    let shown = path.display();
    if !root.join(&path).exists() {
        return Some(format!("{shown} does not exist"));
    }
    let anchor = anchor?;
    let Some(known) = path.to_str().and_then(|path| anchors.get(path)) else {
        return Some(format!("{shown} is no page of Markdown, and #{anchor} leads nowhere in it"));
    };
    (!known.iter().any(|known| known == anchor)).then(|| format!("{shown} has no heading for #{anchor}"))
}

/// `path` without `..`; one that leaves the root keeps it, and does not exist in a clone.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir if plain.file_name().is_some() => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
        plain
    })
}

/// Those of the headings, and those set by hand.
fn anchors(text: &str) -> Vec<String> {
    let set = prose(text).into_iter().flat_map(|(_, line)| attributes(line, &["id=\"", "name=\""]));
    headings(text).into_iter().chain(set.map(str::to_owned)).collect()
}

/// The targets of links outside of code, each with its line: `[text](target)`, `[label]: target`, and those of HTML.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        let defined = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        let defined = defined.and_then(|(_, target)| target.split_whitespace().next());
        let html = attributes(&line, &["src=\"", "srcset=\"", "href=\""]);
        found.extend(inline.chain(defined).chain(html).map(|target| (number, target.to_owned())));
    }
    found
}

/// What HTML in `line` gives the attributes that end in `names`.
fn attributes<'a>(line: &'a str, names: &[&str]) -> impl Iterator<Item = &'a str> {
    names.iter().flat_map(|name| line.split(*name).skip(1).filter_map(|rest| rest.split('"').next()))
}

/// `line` without what stands between backticks.
fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    let closed = parts.len() % 2 == 1;
    let kept = parts.iter().enumerate().filter(|(index, _)| index % 2 == 0 || !closed);
    kept.map(|(_, part)| *part).collect()
}

/// The paths below `docs/` that the text names, in links or not, each with its line.
fn docs_paths(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(index, line)| {
        let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | ':' | '*');
        let words = line.split(move |c| !is_path(c)).filter(|word| word.starts_with("docs/") && !word.contains('*'));
        words.map(move |word| (index + 1, word.trim_end_matches(['.', ':'])))
    })
}

#[cfg(test)]
mod tests;
