//! Blocks of TOML are parts of a manifest: cargo reads them, and what they take of this workspace is there.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::Complaint;
use crate::cargo::{cargo, output};
use crate::metadata::Metadata;

pub(super) fn complaints(root: &Path, text: &str, metadata: &Metadata) -> Vec<Complaint> {
    match read(root, text) {
        Err(complaint) => vec![(0, complaint)],
        Ok(value) => dependencies(&value).filter_map(|dependency| Some((0, wrong(dependency, metadata)?))).collect(),
    }
}

/// Cargo's reading of `text` in a package of its own, which it does not resolve: nothing is downloaded.
fn read(root: &Path, text: &str) -> Result<Value, String> {
    let folder = root.join("target/blocks");
    let head = if text.contains("[package]") { "" } else { "[package]\nname = \"shown\"\nedition = \"2024\"\n\n" };
    let write = || {
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("src/lib.rs"), "")?;
        // Its own workspace: it lies below another one.
        fs::write(folder.join("Cargo.toml"), format!("{head}{text}\n[workspace]\n"))
    };
    write().map_err(|error| format!("cannot write to {}: {error}", folder.display()))?;
    let mut command = cargo(root, &["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    command.arg("--manifest-path").arg(folder.join("Cargo.toml"));
    let answer =
        output(command).map_err(|complaints| format!("is no part of a manifest: {}", complaints.join("; ")))?;
    serde_json::from_str(&answer).map_err(|error| format!("unreadable answer of cargo metadata: {error}"))
}

fn dependencies(value: &Value) -> impl Iterator<Item = &Value> {
    let packages = value["packages"].as_array().into_iter().flatten();
    packages.flat_map(|package| package["dependencies"].as_array().into_iter().flatten())
}

/// What is not so of a dependency that is named like one of ours.
fn wrong(dependency: &Value, metadata: &Metadata) -> Option<String> {
    let name = dependency["name"].as_str()?;
    let Some(member) = metadata.members().find(|member| member.name == name) else {
        return name.starts_with("backstop").then(|| format!("there is no package {name} in the workspace"));
    };
    let wanted = dependency["req"].as_str().unwrap_or("*").trim_start_matches(['^', '=', ' ']);
    if wanted != "*" && !format!("{}.", member.version).starts_with(&format!("{wanted}.")) {
        return Some(format!("{name} is of version {}, not {wanted}", member.version));
    }
    let mut features = dependency["features"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let missing = features.find(|feature| !member.features.contains(*feature))?;
    Some(format!("{name} has no feature {missing:?}"))
}
