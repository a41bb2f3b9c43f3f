//! The concurrency models: which crates have them, and their run.

use std::path::Path;

use crate::Verdict;
use crate::cargo::{cargo, run as run_command};
use crate::files::{File, with_endings};
use crate::metadata::{Kind, Metadata, Package};

pub(crate) fn run(root: &Path) -> Verdict {
    let metadata = Metadata::read(root)?;
    let sources = with_endings(root, "crates", &[".rs"])?;
    let crates = with_models(metadata.members(), &sources)?;
    let mut command = cargo(root, &["test", "--release", "--lib", "--locked"]);
    for name in &crates {
        command.args(["--package", name]);
    }
    command.env("RUSTFLAGS", "--cfg loom");
    // Another flag is another build of everything: kept apart, neither throws the other's away.
    command.env("CARGO_TARGET_DIR", "target/loom");
    if std::env::var_os("LOOM_MAX_PREEMPTIONS").is_none() {
        command.env("LOOM_MAX_PREEMPTIONS", "3");
    }
    run_command(command)?;
    Ok(format!("models of {}", crates.join(", ")))
}

/// The packages with models. One that only declares loom, or only writes models, is a complaint: its models would
/// never run.
fn with_models<'a>(members: impl Iterator<Item = &'a Package>, sources: &[File]) -> Result<Vec<String>, Vec<String>> {
    let (mut crates, mut complaints) = (Vec::new(), Vec::new());
    for package in members {
        let folder = package.manifest.trim_end_matches("Cargo.toml");
        let declares = package
            .dependencies
            .iter()
            .any(|line| line.name == "loom" && line.kind == Kind::Dev && line.target.as_deref() == Some("cfg(loom)"));
        let models = sources.iter().any(|file| file.path.starts_with(folder) && file.text.contains("loom::model"));
        match (declares, models) {
            (true, true) => crates.push(package.name.clone()),
            (true, false) => complaints.push(format!("{}: depends on loom and has no model", package.manifest)),
            (false, true) => complaints.push(format!(
                "{}: has models, which run only with loom under [target.'cfg(loom)'.dev-dependencies]",
                package.manifest
            )),
            (false, false) => {}
        }
    }
    if complaints.is_empty() { Ok(crates) } else { Err(complaints) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::example;

    #[track_caller]
    fn check(dependency: &str, source: &str, expected: Result<&[&str], &str>) {
        let metadata = example(&format!(
            "{{\"workspace_root\":\"/w\",\"workspace_members\":[\"a\"],\"packages\":[{{\"id\":\"a\",\"name\":\"a\",\
             \"version\":\"1.0.0\",\"manifest_path\":\"/w/crates/a/Cargo.toml\",\"dependencies\":[{dependency}]}}]}}"
        ));
        let file = File { path: "crates/a/src/lib.rs".to_owned(), text: source.to_owned() };
        match (with_models(metadata.members(), &[file]), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(words)) => assert!(found.join("").contains(words), "{found:?}"),
            (found, _) => assert!(found.is_ok() == expected.is_ok(), "{found:?}"),
        }
    }

    const LOOM: &str = "{\"name\":\"loom\",\"kind\":\"dev\",\"target\":\"cfg(loom)\"}";

    #[test]
    fn a_crate_with_models_is_run_and_half_a_model_is_a_complaint() {
        check(LOOM, "loom::model(|| {})", Ok(&["a"]));
        check("", "fn f() {}", Ok(&[]));
        check(LOOM, "fn f() {}", Err("has no model"));
        check("", "loom::model(|| {})", Err("cfg(loom)"));
        check("{\"name\":\"loom\",\"kind\":\"dev\"}", "loom::model(|| {})", Err("cfg(loom)"));
    }
}
