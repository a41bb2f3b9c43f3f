//! A copy of the workspace with a target folder of its own, in which bugs are planted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The copy.
pub(super) struct Scratch {
    pub(super) workspace: PathBuf,
    /// Apart from the developer's own: cargo would put a program with a bug in it where he expects his.
    pub(super) target: PathBuf,
    pub(super) logs: PathBuf,
}

impl Scratch {
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |path| root.join(path));
        let folder = target.join("planted");
        let scratch =
            Self { workspace: folder.join("workspace"), target: folder.join("target"), logs: folder.join("logs") };
        for folder in [&scratch.workspace, &scratch.target, &scratch.logs] {
            fs::create_dir_all(folder)?;
        }
        Ok(scratch)
    }

    /// Makes the copy equal to `root`. Files that are equal already are not touched, so that only what changed is built
    /// again.
    pub(super) fn fill(&self, root: &Path) -> io::Result<()> {
        let mut wanted = BTreeSet::new();
        walk(root, root, &mut wanted)?;
        let mut present = BTreeSet::new();
        walk(&self.workspace, &self.workspace, &mut present)?;
        for gone in present.difference(&wanted) {
            fs::remove_file(self.workspace.join(gone))?;
        }
        for path in &wanted {
            self.put(path, &fs::read(root.join(path))?)?;
        }
        Ok(())
    }

    /// Does `work` while `files` have these texts.
    pub(super) fn with<T>(&self, files: &[(String, String)], work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut before = Vec::new();
        for (path, text) in files {
            before.push((path, fs::read(self.workspace.join(path))?));
            self.put(Path::new(path), text.as_bytes())?;
        }
        let done = work();
        for (path, bytes) in before {
            self.put(Path::new(path), &bytes)?;
        }
        done
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let path = self.workspace.join(path);
        if fs::read(&path).is_ok_and(|before| before == bytes) {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, bytes)
    }
}

/// The files below `folder`, relative to `root`. What builds leave behind is not among them.
fn walk(root: &Path, folder: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            if !matches!(entry.file_name().to_str(), Some(".git" | "target" | "backstop-state")) {
                walk(root, &path, found)?;
            }
        } else if kind.is_file() && entry.file_name() != ".git" {
            found.insert(path.strip_prefix(root).unwrap_or(&path).to_owned());
        }
    }
    Ok(())
}
