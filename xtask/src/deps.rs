//! Policy over dependencies: arrows of the workspace and their picture, licenses, sources, bans, duplicates, and the page
//! that says why each is there.

mod arrows;
mod picture;
mod weights;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::cargo::{cargo, has, output, run};
use crate::files::{read, replace};
use crate::metadata::{Kind, Metadata, Package};
use crate::{Verdict, license, manifest, table};

/// The page of direct dependencies.
const PAGE: &str = "docs/dependencies.md";
/// Its columns.
const CRATE: &str = "crate";
const USED_BY: usize = 1;
const WHY: usize = 2;

/// Where the lists of licenses, bans and known duplicates stand, for us and for cargo-deny.
const RULES: &str = "deny.toml";

/// Crates of the workspace that a bot may do without: what they pull in may come in two versions.
const NOT_SAFETY: [&str; 2] = ["backstop-tradier", "backstop-sim"];

pub(crate) fn check(root: &Path) -> Verdict {
    let metadata = Metadata::read(root)?;
    let rules = read(root, RULES)?;
    let declared = manifest::keys(&read(root, "Cargo.toml")?, "workspace.dependencies");
    let page = read(root, PAGE)?;

    let mut complaints = arrows::check(&metadata);
    complaints.extend(outdated(&read(root, picture::PAGE)?, &metadata));
    complaints.extend(licenses(&metadata, &manifest::list(&rules, "licenses", "allow")));
    complaints.extend(sources(&metadata));
    complaints.extend(bans(&metadata, &manifest::list(&rules, "bans", "deny")));
    complaints.extend(duplicates(&built(root, &metadata)?, &manifest::list(&rules, "bans", "skip")));
    complaints.extend(declarations(&metadata, &declared, &page));
    complaints.extend(weights::complaints(&page, &weights::weigh(root, &metadata)?, PAGE));
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let remark = format!("{} packages, {} declared here", metadata.packages.len(), declared.len());
    if has(root, "deny") {
        run(cargo(root, &["deny", "--offline", "check", "licenses", "bans", "sources"]))?;
        return Ok(remark);
    }
    Ok(remark + "; SKIPPED: cargo-deny is not installed (the checks here cover the same ground)")
}

/// Fills in the column "used by" and what each crate brings along, and draws the picture of the workspace's arrows.
pub(crate) fn write(root: &Path) -> Verdict {
    let metadata = Metadata::read(root)?;
    let page = read(root, PAGE)?;
    let users = |row: &table::Row| Some(users(&metadata, row.cell(0).trim_matches('`')));
    let page = weights::written(&table::with_column(&page, CRATE, USED_BY, users), &weights::weigh(root, &metadata)?);
    let filled_in = replace(root, PAGE, &page)?;
    let redrawn = picture::redrawn(&read(root, picture::PAGE)?, &metadata).map_err(|complaint| vec![complaint])?;
    let drawn = replace(root, picture::PAGE, &redrawn)?;
    let said = |changed: bool| if changed { "written" } else { "was up to date" };
    Ok(format!("{PAGE} {}, {} {}", said(filled_in), picture::PAGE, said(drawn)))
}

/// The picture on `page`, where it is not that of the manifests.
fn outdated(page: &str, metadata: &Metadata) -> Option<String> {
    match picture::redrawn(page, metadata) {
        Ok(redrawn) if redrawn == page => None,
        Ok(_) => Some(format!(
            "{}: the arrows are not those of the manifests: run `cargo xtask deps --write`",
            picture::PAGE
        )),
        Err(complaint) => Some(complaint),
    }
}

fn licenses(metadata: &Metadata, allowed: &[String]) -> Vec<String> {
    let refused = metadata.packages.iter().filter_map(|package| match &package.license {
        None => Some(format!("{} says nothing of its license", shown(package))),
        Some(text) if license::permits(text, allowed) => None,
        Some(text) => Some(format!("{} comes under {text:?}, of which {RULES} allows no choice", shown(package))),
    });
    refused.collect()
}

/// The default registry or this workspace: nothing from git, nothing from a folder elsewhere.
fn sources(metadata: &Metadata) -> Vec<String> {
    let foreign = metadata.packages.iter().filter(|package| match &package.source {
        None => !package.member,
        // The registry's name is cargo's own; a mirror set in cargo's configuration keeps it.
        Some(source) => !(source.starts_with("registry+") && source.ends_with("/crates.io-index")),
    });
    foreign.map(|package| format!("{} comes from {:?}", shown(package), package.source)).collect()
}

fn bans(metadata: &Metadata, banned: &[String]) -> Vec<String> {
    let found = metadata.packages.iter().filter(|package| banned.contains(&package.name));
    found.map(|package| format!("{} is banned in {RULES}", shown(package))).collect()
}

/// The packages that a user of all safety crates builds on this machine, as cargo prints them: name and version.
///
/// Asked of `cargo tree`, because the graph of `cargo metadata` also holds what weak features and other platforms might
/// bring and do not.
fn built(root: &Path, metadata: &Metadata) -> Result<String, Vec<String>> {
    let mut tree = cargo(
        root,
        &[
            "tree",
            "--edges",
            "normal",
            "--all-features",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--locked",
            "--offline",
        ],
    );
    for member in metadata.members() {
        if member.manifest.starts_with("crates/") && !NOT_SAFETY.contains(&member.name.as_str()) {
            tree.args(["--package", &member.name]);
        }
    }
    output(tree)
}

/// What a user of the safety crates builds comes in one version each.
fn duplicates(built: &str, known: &[String]) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in built.lines() {
        let mut words = line.split(' ');
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            versions.entry(name).or_default().insert(version);
        }
    }
    let mut complaints = Vec::new();
    for (name, versions) in &versions {
        if versions.len() > 1 && !known.iter().any(|known| known == name) {
            let versions = versions.iter().copied().collect::<Vec<_>>().join(" and ");
            complaints.push(format!(
                "the safety crates build {name} in {versions}; settle on one (`cargo tree -i {name}` says whose), or add \
                 it to `skip` in {RULES} with the reason"
            ));
        }
    }
    for known in known {
        if versions.get(known.as_str()).is_none_or(|versions| versions.len() < 2) {
            complaints.push(format!("{RULES} skips {known}, which is no duplicate any more: take it out"));
        }
    }
    complaints
}

/// Each dependency that the root manifest declares is used, and its reason is written down.
fn declarations(metadata: &Metadata, declared: &[String], page: &str) -> Vec<String> {
    let rows = table::rows(page, CRATE);
    let mut complaints = Vec::new();
    for name in declared {
        let used_by = users(metadata, name);
        if used_by.is_empty() {
            complaints.push(format!("Cargo.toml declares {name}, which no member uses: take it out"));
        }
        if metadata.members().any(|member| member.name == *name) {
            continue;
        }
        match rows.iter().find(|row| row.cell(0).trim_matches('`') == name) {
            None => complaints.push(format!("{PAGE} does not say why {name} is here: add a row")),
            Some(row) if row.cell(WHY).is_empty() => {
                complaints.push(format!("{PAGE}:{}: no reason for {name}", row.line));
            }
            Some(row) if row.cell(USED_BY) != used_by => complaints
                .push(format!("{PAGE}:{}: {name} is used by {used_by:?}: run `cargo xtask deps --write`", row.line)),
            Some(_) => {}
        }
    }
    for row in rows {
        let name = row.cell(0).trim_matches('`');
        if !declared.iter().any(|declared| declared == name) {
            complaints.push(format!("{PAGE}:{}: {name} is not in Cargo.toml: take the row out", row.line));
        }
    }
    complaints
}

/// The members that name `dependency`, shortest names, in order; those that only test with it in brackets.
fn users(metadata: &Metadata, dependency: &str) -> String {
    let mut users: Vec<String> = metadata
        .members()
        .filter_map(|member| {
            let mut lines = member.dependencies.iter().filter(|line| line.name == dependency).peekable();
            lines.peek()?;
            let short = member.name.strip_prefix("backstop-").unwrap_or(&member.name);
            Some(if lines.all(|line| line.kind == Kind::Dev) { format!("({short})") } else { short.to_owned() })
        })
        .collect();
    users.sort_by_key(|user| (user.starts_with('('), user.clone()));
    users.join(", ")
}

fn shown(package: &Package) -> String {
    format!("{} {}", package.name, package.version)
}

#[cfg(test)]
mod tests;
