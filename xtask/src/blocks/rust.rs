//! Blocks of Rust are compiled, and run where they can be: rustdoc does it where a crate includes the page.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use xtask::files::File;
use xtask::markdown::Block;

use super::Complaint;

/// What rustdoc still compiles.
const ATTRIBUTES: [&str; 4] = ["rust", "no_run", "should_panic", "compile_fail"];

/// The pages that some source includes as documentation.
pub(super) fn compiled(sources: &[File]) -> BTreeSet<String> {
    let mut pages = BTreeSet::new();
    for source in sources {
        for rest in source.text.split("#[doc = include_str!(\"").skip(1) {
            let Some((path, _)) = rest.split_once("\")]") else { continue };
            let folder = Path::new(&source.path).parent().unwrap_or(Path::new(""));
            pages.extend(plain(&folder.join(path)));
        }
    }
    pages
}

/// `path` without `..`.
fn plain(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(parts.pop()?),
            Component::Normal(name) => parts.push(name.to_str()?),
            _ => {}
        }
    }
    Some(parts.join("/"))
}

pub(super) fn complaints(block: &Block<'_>, page: &str, compiled: &BTreeSet<String>) -> Vec<Complaint> {
    let unknown = block.info.split([',', ' ']).filter(|word| !word.is_empty() && !ATTRIBUTES.contains(word));
    let mut complaints: Vec<Complaint> = unknown
        .map(|word| (0, format!("{word:?}: rustdoc would not compile the block; what cannot be compiled is ```text")))
        .collect();
    if !compiled.contains(page) {
        complaints.push((0, format!(
            "nothing compiles this block: put #[doc = include_str!(\"../../{page}\")] over a struct in tests/src/lib.rs"
        )));
    }
    complaints
}
