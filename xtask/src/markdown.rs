//! What a Markdown page consists of, as far as it is checked: blocks of code, headings, and the prose between.

use std::collections::BTreeMap;

/// A fenced block of code.
#[derive(Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// The line of the page, from 1, on which it opens.
    pub line: usize,
    /// What stands behind the opening fence: the language, and what else is said of it.
    pub info: &'a str,
    /// What is in it, without the fence's own indentation.
    pub text: String,
    /// Whether it ends before the page does.
    pub closed: bool,
}

/// The fenced blocks of `page`.
pub fn blocks(page: &str) -> Vec<Block<'_>> {
    split(page).0
}

/// The lines of `page` outside of its blocks, each with its number from 1.
pub fn prose(page: &str) -> Vec<(usize, &str)> {
    split(page).1
}

/// What stands between single backticks in the prose of `page`, each with its line from 1.
pub fn code(page: &str) -> Vec<(usize, &str)> {
    let lines = prose(page).into_iter();
    lines.flat_map(|(number, line)| line.split('`').skip(1).step_by(2).map(move |code| (number, code))).collect()
}

/// The anchors of `page` by which a link can name its places: one of each heading, as GitHub makes them.
pub fn headings(page: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let titles = prose(page).into_iter().filter_map(|(_, line)| {
        let rest = line.trim_start_matches('#');
        let level = line.len() - rest.len();
        ((1..=6).contains(&level) && rest.starts_with(' ')).then(|| rest.trim())
    });
    titles
        .map(|title| {
            let slug = slug(title);
            let times = seen.entry(slug.clone()).and_modify(|times| *times += 1).or_insert(0);
            if *times == 0 { slug } else { format!("{slug}-{times}") }
        })
        .collect()
}

/// Of a link in a heading only the text counts; of punctuation, hyphens and underscores.
fn slug(title: &str) -> String {
    let mut shown = String::new();
    let mut rest = title;
    while let Some((before, link)) = rest.split_once("](") {
        shown.push_str(before);
        rest = link.split_once(')').map_or("", |(_, after)| after);
    }
    shown.push_str(rest);
    let kept = shown.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

fn split(page: &str) -> (Vec<Block<'_>>, Vec<(usize, &str)>) {
    let (mut blocks, mut prose) = (Vec::new(), Vec::new());
    let mut open: Option<(Block<'_>, &str, usize)> = None;
    for (index, line) in page.lines().enumerate() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        open = match open.take() {
            Some((mut block, fence, _)) if closes(bare, fence) => {
                block.closed = true;
                blocks.push(block);
                None
            }
            Some((mut block, fence, margin)) => {
                let (own, _) = line.split_at(indent.min(margin));
                block.text.push_str(line.strip_prefix(own).unwrap_or(line));
                block.text.push('\n');
                Some((block, fence, margin))
            }
            None => {
                let opened = fence(bare);
                if opened.is_none() {
                    prose.push((index + 1, line));
                }
                opened.map(|(fence, info)| {
                    (Block { line: index + 1, info, text: String::new(), closed: false }, fence, indent)
                })
            }
        };
    }
    blocks.extend(open.map(|(block, _, _)| block));
    (blocks, prose)
}

/// The fence at the start of `line`, and what follows it.
fn fence(line: &str) -> Option<(&str, &str)> {
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = line.trim_start_matches(mark);
    let (fence, _) = line.split_at(line.len() - rest.len());
    // Three backticks in a line of prose, with more of them behind, are no fence.
    (fence.len() >= 3 && !(mark == '`' && rest.contains('`'))).then(|| (fence, rest.trim()))
}

fn closes(line: &str, fence: &str) -> bool {
    let mark = fence.chars().next().unwrap_or('`');
    line.starts_with(fence) && line.trim_end().chars().all(|c| c == mark)
}

#[cfg(test)]
mod tests;
