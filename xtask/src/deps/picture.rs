//! The picture of the workspace's own arrows in docs/architecture.md, drawn from the manifests.

use std::collections::BTreeSet;

use crate::metadata::{Kind, Metadata, Package};

/// The page that holds it.
pub(super) const PAGE: &str = "docs/architecture.md";
/// The lines around it.
const BEGIN: &str = "<!-- arrows: written by `cargo xtask deps --write` -->";
const END: &str = "<!-- end of arrows -->";

/// `page` with the picture as it should be, or what is wrong with the page.
pub(super) fn redrawn(page: &str, metadata: &Metadata) -> Result<String, String> {
    let missing = || format!("{PAGE} has no lines {BEGIN:?} and {END:?}, between which the picture stands");
    let (before, rest) = page.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n```text\n{}```\n{END}{after}", picture(metadata)))
}

/// A line for each member, below those that it names.
fn picture(metadata: &Metadata) -> String {
    let mut left: Vec<&Package> = metadata.members().collect();
    left.sort_by_key(|member| (!member.manifest.starts_with("crates/"), short(&member.name)));
    let width = left.iter().map(|member| short(&member.name).len()).max().unwrap_or(0);
    let mut drawn: BTreeSet<&str> = BTreeSet::new();
    let mut picture = String::new();
    while !left.is_empty() {
        let ready = |member: &&Package| arrows(metadata, member).iter().all(|arrow| drawn.contains(arrow.0));
        // A circle of arrows is cargo's to refuse; here it must only not turn for ever.
        let next = left.iter().position(ready).unwrap_or(0);
        let member = left.remove(next);
        let line = match arrows(metadata, member).as_slice() {
            [] => short(&member.name).to_owned(),
            arrows => {
                let named: Vec<&str> = arrows.iter().map(|arrow| arrow.1.as_str()).collect();
                format!("{:<width$} -> {}", short(&member.name), named.join(", "))
            }
        };
        picture.push_str(&line);
        picture.push('\n');
        drawn.insert(&member.name);
    }
    picture
}

/// The members that `member` names, and how the picture writes each: in brackets what only its tests need, with a `?`
/// what a feature brings.
fn arrows<'m>(metadata: &'m Metadata, member: &Package) -> Vec<(&'m str, String)> {
    let mut arrows: Vec<_> = metadata
        .members()
        .filter_map(|target| {
            let lines: Vec<_> = member.dependencies.iter().filter(|line| line.name == target.name).collect();
            let name = short(&target.name);
            let drawn = match lines.iter().find(|line| line.kind != Kind::Dev) {
                Some(line) if line.optional => format!("{name}?"),
                Some(_) => name.to_owned(),
                None if lines.is_empty() => return None,
                None => format!("({name})"),
            };
            Some((target.name.as_str(), drawn))
        })
        .collect();
    arrows.sort_by_key(|(_, drawn)| (drawn.starts_with('('), drawn.clone()));
    arrows
}

fn short(name: &str) -> &str {
    name.strip_prefix("backstop-").unwrap_or(name)
}
