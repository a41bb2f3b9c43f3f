//! Links and paths in Markdown lead somewhere.

use std::path::Path;

use crate::Verdict;
use crate::files::with_endings;

pub(crate) fn check(root: &Path) -> Verdict {
    let pages = with_endings(root, "", &[".md"])?;
    let mut complaints = Vec::new();
    let mut count = 0;
    for page in &pages {
        let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
        let links = targets(&page.text).map(|(line, target)| (line, folder.join(target)));
        let named = docs_paths(&page.text).map(|(line, path)| (line, path.into()));
        for (line, path) in links.chain(named) {
            count += 1;
            if !root.join(&path).exists() {
                complaints.push(format!("{}:{line}: {} does not exist", page.path, path.display()));
            }
        }
    }
    // A link to a page below docs/ is found in both ways.
    complaints.sort();
    complaints.dedup();
    if complaints.is_empty() { Ok(format!("{count} links in {} pages", pages.len())) } else { Err(complaints) }
}

/// The targets of relative links, `[text](target)`, without anchors, each with its line.
fn targets(text: &str) -> impl Iterator<Item = (usize, &str)> {
    numbered(text).flat_map(|(number, line)| {
        line.split("](").skip(1).filter_map(move |rest| {
            let (target, _) = rest.split_once(')')?;
            let path = target.split('#').next().unwrap_or(target);
            let relative = !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:");
            relative.then_some((number, path))
        })
    })
}

/// The paths below `docs/` that the text names, in links or not, each with its line.
fn docs_paths(text: &str) -> impl Iterator<Item = (usize, &str)> {
    numbered(text).flat_map(|(number, line)| {
        let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | ':' | '*');
        let words = line.split(move |c| !is_path(c)).filter(|word| word.starts_with("docs/") && !word.contains('*'));
        words.map(move |word| (number, word.trim_end_matches(['.', ':'])))
    })
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(number, line)| (number + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_targets_are_found_and_others_left_alone() {
        let text = "a [b](c.md), [d](e/f.md#g)\n[h](https://i.org/j) [k](#l) [m](mailto:n@o.p)";
        assert_eq!(targets(text).collect::<Vec<_>>(), [(1, "c.md"), (1, "e/f.md")]);
    }

    #[test]
    fn pages_named_in_the_text_are_found() {
        let text = "see `docs/a.md`, docs/b.md.\nx/docs/c.md, https://d.org/docs/e.md docs/*.md";
        assert_eq!(docs_paths(text).collect::<Vec<_>>(), [(1, "docs/a.md"), (1, "docs/b.md")]);
    }
}
