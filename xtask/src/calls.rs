//! Where pages call a program of the workspace, so that its own tests can hold its command line against them.

use std::path::Path;

use crate::files::with_endings;
use crate::markdown::{blocks, code};
use crate::shell::commands;

/// A call of a program on a page.
#[derive(Debug)]
pub struct Call {
    /// The page and its line.
    pub place: String,
    /// What follows the program's name.
    pub arguments: Vec<String>,
    /// Whether it stands in a sentence, where what must be given may be left out.
    pub mentioned: bool,
}

/// All calls of `program` on the pages below `root`: by its name, by its path below `target/`, and by `cargo run`.
///
/// # Errors
/// Pages that cannot be read, and quotes that are not closed.
pub fn calls(root: &Path, program: &str) -> Result<Vec<Call>, Vec<String>> {
    let mut found = Vec::new();
    for page in with_endings(root, "", &[".md"])? {
        let shown = blocks(&page.text).into_iter().filter(|block| block.info == "sh");
        let shown = shown.map(|block| (block.line, block.text, false));
        let mentioned = code(&page.text).into_iter().map(|(line, text)| (line - 1, text.to_owned(), true));
        for (above, text, mentioned) in shown.chain(mentioned) {
            if !text.contains(program) {
                continue;
            }
            let commands = match commands(&text) {
                Ok(commands) => commands,
                Err(_) if mentioned => continue,
                Err((at, what)) => return Err(vec![format!("{}:{}: {what}", page.path, above + at)]),
            };
            for (at, words) in commands {
                let place = format!("{}:{}", page.path, above + at);
                found.extend(arguments(&words, program).map(|arguments| Call { place, arguments, mentioned }));
            }
        }
    }
    Ok(found)
}

fn arguments(words: &[String], program: &str) -> Option<Vec<String>> {
    let (first, rest) = words.split_first()?;
    if first == "cargo" && rest.first().is_some_and(|word| word == "run") {
        let dashes = rest.iter().position(|word| word == "--").unwrap_or(rest.len());
        let (own, passed) = rest.split_at(dashes);
        return own.iter().any(|word| word == program).then(|| passed.iter().skip(1).cloned().collect());
    }
    let name = first.rsplit('/').next().filter(|_| !first.contains('/') || first.starts_with("target/"));
    (name == Some(program)).then(|| rest.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_called_by_name_by_path_and_by_cargo() {
        let root = tempfile::tempdir().unwrap();
        let page = "`bot a` and `bot's`\n```sh\nbot b 'c d'\nX=1 target/debug/bot e | cat\ncargo run --release -p bot -- f\n\
                    cargo run -p bot\ncargo build -p bot\nother/bot g\n```\n```text\nbot h\n```\n";
        std::fs::write(root.path().join("a.md"), page).unwrap();
        let found = calls(root.path(), "bot").unwrap();
        let found: Vec<String> =
            found.iter().map(|c| format!("{} {} {}", c.place, c.arguments.join("_"), c.mentioned)).collect();
        let shown = ["a.md:3 b_c d false", "a.md:4 e false", "a.md:5 f false", "a.md:6  false", "a.md:1 a true"];
        assert_eq!(found, shown);
    }
}
