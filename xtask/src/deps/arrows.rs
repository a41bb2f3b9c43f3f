//! Which crate of the workspace may depend on which.

use crate::metadata::{Kind, Metadata};

/// Folder below `crates/`, and what it may name under `[dependencies]`. A `?` marks what must be optional, so that the
/// crate is useful without it. What is in use of it is drawn in docs/architecture.md.
const MAY_DEPEND_ON: [(&str, &[&str]); 13] = [
    ("clock", &[]),
    ("file-lock", &[]),
    ("trade-guard", &["clock", "wal?"]),
    ("wal", &["file-lock"]),
    ("rollback", &["clock", "wal?"]),
    ("rate-limiter", &["clock", "file-lock?"]),
    ("quote", &["clock"]),
    ("broker", &["quote"]),
    ("limits", &["broker"]),
    ("reconcile", &["broker", "clock"]),
    ("tradier", &["broker", "clock", "rate-limiter"]),
    ("sim", &["broker", "clock"]),
    (
        "backstop",
        &[
            "broker",
            "clock",
            "file-lock",
            "limits",
            "quote",
            "rate-limiter",
            "reconcile",
            "rollback",
            "trade-guard",
            "wal",
        ],
    ),
];

/// Every arrow that is not in the table. Dev-dependencies are free: they bind no user.
pub(super) fn check(metadata: &Metadata) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in metadata.members() {
        let Some(folder) = package.manifest.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml"))
        else {
            continue;
        };
        let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|(name, _)| *name == folder) else {
            complaints.push(format!("crates/{folder} is not in MAY_DEPEND_ON (xtask/src/deps/arrows.rs): add its row"));
            continue;
        };
        for line in package.dependencies.iter().filter(|line| line.kind != Kind::Dev) {
            let Some(target) = folder_of(metadata, &line.name) else { continue };
            let optional = format!("{target}?");
            if allowed.contains(&optional.as_str()) {
                if !line.optional {
                    complaints.push(format!("{}: {folder} -> {target} must be optional", package.manifest));
                }
            } else if !allowed.contains(&target) {
                complaints.push(format!(
                    "{}: {folder} -> {target} is not allowed; {folder} may depend on: {}",
                    package.manifest,
                    if allowed.is_empty() { "nothing in this workspace".to_owned() } else { allowed.join(", ") }
                ));
            }
        }
    }
    complaints
}

/// What a member is called in the table: its folder below `crates/`, or its manifest, which no row allows.
fn folder_of<'a>(metadata: &'a Metadata, package: &str) -> Option<&'a str> {
    let member = metadata.members().find(|member| member.name == package)?;
    let folder = member.manifest.strip_suffix("/Cargo.toml").unwrap_or(&member.manifest);
    Some(folder.strip_prefix("crates/").unwrap_or(folder))
}
