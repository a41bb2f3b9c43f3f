//! What `cargo metadata` says: packages, and what they ask for.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::cargo::{cargo, output};

/// The workspace and all that it may depend on, on any platform, with all features.
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
}

pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    /// `None` for a package of the workspace.
    pub(crate) source: Option<String>,
    /// Relative to the workspace where it lies in it.
    pub(crate) manifest: String,
    pub(crate) member: bool,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: BTreeSet<String>,
    pub(crate) targets: Vec<Target>,
}

/// What cargo builds of a package.
pub(crate) struct Target {
    /// `lib`, `bin`, `test`, `bench`, `example`.
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// A line of a manifest.
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
    /// The `cfg(…)` it is bound to.
    pub(crate) target: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Dev,
    Build,
}

impl Metadata {
    /// Asks cargo, offline and with the lock file as it is.
    pub(crate) fn read(root: &Path) -> Result<Self, Vec<String>> {
        Ok(Self::from_value(&ask(root, &["--all-features"])?))
    }

    fn from_value(value: &Value) -> Self {
        let prefix = format!("{}/", text(value, "workspace_root").unwrap_or_default());
        let members: BTreeSet<&str> = list(value, "workspace_members").filter_map(Value::as_str).collect();
        let packages = list(value, "packages").filter_map(|package| {
            let id = text(package, "id")?;
            let manifest = text(package, "manifest_path")?;
            let package = Package {
                name: text(package, "name")?,
                version: text(package, "version")?,
                license: text(package, "license"),
                source: text(package, "source"),
                manifest: manifest.strip_prefix(&prefix).unwrap_or(&manifest).to_owned(),
                member: members.contains(id.as_str()),
                dependencies: list(package, "dependencies").filter_map(dependency).collect(),
                features: package["features"].as_object().into_iter().flat_map(|all| all.keys().cloned()).collect(),
                targets: list(package, "targets").filter_map(target).collect(),
            };
            Some(package)
        });
        Self { packages: packages.collect() }
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.member)
    }
}

/// What cargo metadata answers, offline and with the lock file as it is.
pub(crate) fn ask(root: &Path, arguments: &[&str]) -> Result<Value, Vec<String>> {
    let mut command = cargo(root, &["metadata", "--format-version", "1", "--locked", "--offline"]);
    command.args(arguments);
    serde_json::from_str(&output(command)?)
        .map_err(|error| vec![format!("unreadable answer of cargo metadata: {error}")])
}

fn dependency(value: &Value) -> Option<Dependency> {
    Some(Dependency {
        name: text(value, "name")?,
        kind: kind_of(value),
        optional: value["optional"].as_bool().unwrap_or(false),
        target: text(value, "target"),
    })
}

fn target(value: &Value) -> Option<Target> {
    let kind = list(value, "kind").find_map(Value::as_str)?;
    Some(Target { kind: kind.to_owned(), name: text(value, "name")? })
}

fn kind_of(value: &Value) -> Kind {
    match value["kind"].as_str() {
        Some("dev") => Kind::Dev,
        Some("build") => Kind::Build,
        _ => Kind::Normal,
    }
}

pub(crate) fn text(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().map(str::to_owned)
}

pub(crate) fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

#[cfg(test)]
pub(crate) fn example(json: &str) -> Metadata {
    Metadata::from_value(&serde_json::from_str(json).unwrap())
}
