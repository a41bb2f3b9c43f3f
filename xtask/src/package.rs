//! What goes to the registry: the manifests say what a reader there needs, the pages have one form, and cargo can pack it.

use std::path::Path;

use serde_json::Value;

use crate::Verdict;
use crate::cargo::{cargo, run};
use crate::files::read;
use crate::metadata::{self, list, text};

/// The headings of each crate's README, in order. Others stand below them, with three signs.
const SECTIONS: [&str; 7] = [
    "What it prevents",
    "Example",
    "Guarantees",
    "Features",
    "What it does not do",
    "When to take something else",
    "Rust version and license",
];

/// Slugs that the registry knows, of its longer list: those that fit what is here.
const CATEGORIES: [&str; 12] = [
    "api-bindings",
    "asynchronous",
    "concurrency",
    "data-structures",
    "database-implementations",
    "date-and-time",
    "development-tools::testing",
    "filesystem",
    "finance",
    "network-programming",
    "os::unix-apis",
    "simulation",
];

const LICENSES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

pub(crate) fn check(root: &Path) -> Verdict {
    let metadata = metadata::ask(root, &["--no-deps"])?;
    let (public, private): (Vec<&Value>, Vec<&Value>) =
        list(&metadata, "packages").partition(|package| published(package));
    let mut complaints = Vec::new();
    for package in &public {
        let name = text(package, "name").unwrap_or_default();
        let found = fields(package).into_iter().chain(local_dependencies(package, &private));
        complaints.extend(found.chain(files(root, package)).map(|complaint| format!("{name}: {complaint}")));
    }
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let mut pack = cargo(root, &["package", "--workspace", "--allow-dirty", "--locked", "--offline"]);
    let deep = std::env::var_os("BACKSTOP_DEEP").is_some();
    if !deep {
        pack.args(["--no-verify", "--quiet"]);
    }
    for name in private.iter().filter_map(|package| text(package, "name")) {
        pack.args(["--exclude", &name]);
    }
    run(pack)?;
    let built =
        if deep { "each built from what was packed" } else { "not built from what was packed: BACKSTOP_DEEP=1 does" };
    Ok(format!("{} packages; {built}", public.len()))
}

/// `publish = false` is an empty list of registries.
fn published(package: &Value) -> bool {
    package["publish"].as_array().is_none_or(|registries| !registries.is_empty())
}

/// What the registry shows or asks for.
fn fields(package: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    for field in ["license", "repository", "rust_version", "readme"] {
        if text(package, field).is_none() {
            complaints.push(format!("the manifest has no {field}"));
        }
    }
    match text(package, "description") {
        Some(words) if !words.is_empty() && words.len() <= 120 && !words.ends_with('.') => {}
        words => complaints.push(format!("the description is a line without a full stop, and not {words:?}")),
    }
    let keywords: Vec<&str> = list(package, "keywords").filter_map(Value::as_str).collect();
    let fits = |word: &&str| {
        word.len() <= 20
            && word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if keywords.is_empty() || keywords.len() > 5 || !keywords.iter().all(fits) {
        complaints.push(format!("the registry takes one to five keywords of at most 20 letters, and not {keywords:?}"));
    }
    let categories: Vec<&str> = list(package, "categories").filter_map(Value::as_str).collect();
    if categories.is_empty() || categories.len() > 5 {
        complaints.push(format!("the registry takes one to five categories, and not {categories:?}"));
    }
    for unknown in categories.iter().filter(|slug| !CATEGORIES.contains(slug)) {
        complaints.push(format!("category {unknown:?} is not in CATEGORIES (xtask/src/package.rs)"));
    }
    if package.pointer("/metadata/docs/rs/all-features") != Some(&Value::Bool(true)) {
        complaints.push("[package.metadata.docs.rs] does not say all-features = true".to_owned());
    }
    complaints
}

/// A path without a version is refused by the registry, or left out without a word where it is for tests.
fn local_dependencies(package: &Value, private: &[&Value]) -> Vec<String> {
    let local = list(package, "dependencies").filter(|line| line["path"].is_string());
    let complaints = local.filter_map(|line| {
        let name = text(line, "name")?;
        if private.iter().any(|member| member["name"] == line["name"]) {
            Some(format!("depends on {name}, which is not published"))
        } else if line["req"] == "*" {
            Some(format!("depends on {name} by path alone: give the version too"))
        } else {
            None
        }
    });
    complaints.collect()
}

/// What lies beside the manifest.
fn files(root: &Path, package: &Value) -> Vec<String> {
    let manifest = text(package, "manifest_path").unwrap_or_default();
    let folder = Path::new(&manifest).parent().unwrap_or(root);
    let mut complaints = Vec::new();
    for license in LICENSES {
        if read(root, license).ok() != read(folder, license).ok() {
            complaints.push(format!("{license} is not the one of the workspace: copy it"));
        }
    }
    match read(folder, "README.md") {
        Ok(page) => complaints.extend(page_form(&page, package)),
        Err(missing) => complaints.extend(missing),
    }
    if !read(folder, "src/lib.rs").is_ok_and(|code| code.contains("include_str!(\"../README.md\")")) {
        complaints.push("src/lib.rs does not test what README.md says".to_owned());
    }
    complaints
}

/// One form for all pages, so that a reader of two knows where to look in the third.
fn page_form(page: &str, package: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    if headings != SECTIONS {
        complaints.push(format!("README.md: the sections are {headings:?}, and not {SECTIONS:?}"));
    }
    if let Some(version) = text(package, "rust_version")
        && !page.contains(&format!("Rust {version}"))
    {
        complaints.push(format!("README.md does not say that it takes Rust {version}"));
    }
    for number in hidden(page) {
        complaints
            .push(format!("README.md:{number}: rustdoc hides this line, other readers see it: say it or leave it out"));
    }
    let section = page.split("\n## ").find(|section| section.starts_with("Features\n")).unwrap_or_default();
    let rows: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let features = package["features"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let mut features: Vec<&str> = features.filter(|name| *name != "default").collect();
    let mut named = rows.clone();
    features.sort_unstable();
    named.sort_unstable();
    if named != features {
        complaints.push(format!("README.md: the table of features names {named:?}, the manifest {features:?}"));
    }
    complaints
}

/// The lines of Rust that begin with `# `, counted from 1.
fn hidden(page: &str) -> Vec<usize> {
    let (mut found, mut is_rust) = (Vec::new(), false);
    for (number, line) in page.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            is_rust = language.starts_with("rust");
        } else if is_rust && (line == "#" || line.starts_with("# ")) {
            found.push(number + 1);
        }
    }
    found
}

#[cfg(test)]
mod tests;
