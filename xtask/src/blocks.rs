//! Every code block in a Markdown file is one that a machine has read: by its language.

mod command;
mod manifest;
mod rust;

use std::path::Path;

use xtask::files::with_endings;
use xtask::markdown::{Block, blocks, code};
use xtask::shell;

use crate::Verdict;
use command::Commands;

pub(crate) fn check(root: &Path) -> Verdict {
    let pages = with_endings(root, "", &[".md"])?;
    let compiled = rust::compiled(&with_endings(root, "", &[".rs"])?);
    let mut commands = Commands::read(root)?;
    let mut complaints = Vec::new();
    let mut count = 0;
    for page in &pages {
        for block in blocks(&page.text) {
            count += 1;
            let found = match language(&block) {
                _ if !block.closed => vec![(0, "the block is not closed".to_owned())],
                "" | "text" => Vec::new(),
                "rust" => rust::complaints(&block, &page.path, &compiled),
                "sh" => shell(&block, &mut commands),
                "json" => json(&block),
                "toml" => manifest::complaints(root, &block.text, commands.metadata()),
                other => vec![(
                    0,
                    format!("{other:?} is no language that this check knows: rust, sh, json, toml, text or none"),
                )],
            };
            complaints.extend(found.into_iter().map(|(at, what)| format!("{}:{}: {what}", page.path, block.line + at)));
        }
        // A command in a sentence, unless it is one with a gap.
        for (line, code) in code(&page.text) {
            if code.starts_with("cargo ") && !code.contains('…') {
                let words: Vec<String> = code.split_whitespace().map(str::to_owned).collect();
                complaints.extend(commands.complaint(&words).map(|what| format!("{}:{line}: {what}", page.path)));
            }
        }
    }
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let skipped = commands.skipped();
    let remark = if skipped.is_empty() {
        String::new()
    } else {
        format!("; not installed, so not asked: {}", skipped.join(", "))
    };
    Ok(format!("{count} blocks in {} pages{remark}", pages.len()))
}

/// A complaint, with the line in its block; 0 is the fence.
type Complaint = (usize, String);

fn language<'a>(block: &Block<'a>) -> &'a str {
    block.info.split([',', ' ']).next().unwrap_or_default()
}

fn shell(block: &Block<'_>, known: &mut Commands) -> Vec<Complaint> {
    match shell::commands(&block.text) {
        Err(complaint) => vec![complaint],
        Ok(commands) => commands.iter().filter_map(|(line, words)| Some((*line, known.complaint(words)?))).collect(),
    }
}

/// One value, or one a line as our programs print them.
fn json(block: &Block<'_>) -> Vec<Complaint> {
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text);
    let Err(error) = read(&block.text) else { return Vec::new() };
    let lines = || block.text.lines().filter(|line| !line.trim().is_empty());
    if lines().count() > 1 && lines().all(|line| read(line).is_ok()) {
        return Vec::new();
    }
    vec![(error.line(), format!("is not JSON: {error}"))]
}

#[cfg(test)]
mod tests;
