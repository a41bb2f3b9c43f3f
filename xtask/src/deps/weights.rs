//! How much each published crate brings along: the table in docs/dependencies.md.

use std::collections::BTreeSet;
use std::path::Path;

use crate::cargo::{cargo, output};
use crate::metadata::Metadata;
use crate::table::{self, Row};

/// The first heading of the table.
const PACKAGE: &str = "package";
const BUILT: usize = 1;
const LINKED: usize = 2;
const NAMES: usize = 3;
/// A longer list of names is not read.
const MOST_NAMES: usize = 15;

/// One platform, so that the table is the same on every machine.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What `package` builds with it, by its default features.
pub(super) struct Weight {
    package: String,
    /// Everything but itself.
    built: BTreeSet<String>,
    /// Without what only runs in the compiler.
    linked: BTreeSet<String>,
}

pub(super) fn weigh(root: &Path, metadata: &Metadata) -> Result<Vec<Weight>, Vec<String>> {
    let public = metadata.members().filter(|member| member.manifest.starts_with("crates/"));
    let weight = |package: &str| {
        let built = others(&tree(root, package, "normal")?, package);
        let linked = others(&tree(root, package, "normal,no-proc-macro")?, package);
        Ok(Weight { package: package.to_owned(), built, linked })
    };
    public.map(|member| weight(&member.name)).collect()
}

/// `page` with the numbers of `weights`.
pub(super) fn written(page: &str, weights: &[Weight]) -> String {
    let fill = |page: String, column: usize, cell: &dyn Fn(&Weight) -> String| {
        table::with_column(&page, PACKAGE, column, |row| of(weights, row).map(cell))
    };
    let page = fill(page.to_owned(), BUILT, &|weight| weight.built.len().to_string());
    let page = fill(page, LINKED, &|weight| weight.linked.len().to_string());
    fill(page, NAMES, &names)
}

/// Rows that are missing, of nobody, or not what cargo says.
pub(super) fn complaints(page: &str, weights: &[Weight], place: &str) -> Vec<String> {
    let rows = table::rows(page, PACKAGE);
    let missing = weights.iter().filter(|weight| !rows.iter().any(|row| name(row) == weight.package));
    let mut complaints: Vec<String> =
        missing.map(|weight| format!("{place} does not weigh {}: add a row", weight.package)).collect();
    let strange = rows.iter().filter(|row| of(weights, row).is_none());
    complaints.extend(strange.map(|row| format!("{place}:{}: {} is not published", row.line, name(row))));
    if written(page, weights) != page {
        complaints.push(format!("{place}: the weights are not cargo's: run `cargo xtask deps --write`"));
    }
    complaints
}

fn of<'a>(weights: &'a [Weight], row: &Row) -> Option<&'a Weight> {
    weights.iter().find(|weight| weight.package == name(row))
}

fn name(row: &Row) -> &str {
    row.cell(0).trim_matches('`')
}

fn names(weight: &Weight) -> String {
    if weight.linked.len() > MOST_NAMES {
        return "–".to_owned();
    }
    weight.linked.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn others(tree: &str, package: &str) -> BTreeSet<String> {
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != package).map(str::to_owned).collect()
}

fn tree(root: &Path, package: &str, edges: &str) -> Result<String, Vec<String>> {
    const FORM: [&str; 8] = ["tree", "--prefix", "none", "--format", "{p}", "--locked", "--offline", "--target"];
    let mut tree = cargo(root, &FORM);
    tree.args([TARGET, "--package", package, "--edges", edges]);
    output(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(package: &str, built: &str, linked: &str) -> Weight {
        Weight { package: package.to_owned(), built: others(built, package), linked: others(linked, package) }
    }

    const PAGE: &str = "| package | builds | links | names |\n|---|---|---|---|\n| `a` | 9 | 9 | x |\n| `b` | | | |\n";

    #[test]
    fn a_crate_is_not_counted_with_itself_nor_twice_and_long_lists_have_no_names() {
        let many = (0..16).map(|number| number.to_string()).collect::<Vec<_>>().join("\n");
        let weights =
            [weight("a", "a v1 (/w)\nx v1\nm v1 (proc-macro)\nx v1 (*)\n", "x v1\n"), weight("b", &many, &many)];
        let page = written(PAGE, &weights);
        assert!(page.ends_with("| `a` | 2 | 1 | x |\n| `b` | 16 | 16 | – |\n"), "{page}");
        assert_eq!(complaints(&page, &weights, "p.md"), [""; 0]);
        assert_eq!(complaints(PAGE, &weights, "p.md").len(), 1);
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_named() {
        let weights = [weight("a", "", ""), weight("c", "", "")];
        let complaints = complaints(&written(PAGE, &weights), &weights, "p.md");
        assert_eq!(complaints, ["p.md does not weigh c: add a row", "p.md:4: b is not published"]);
    }
}
