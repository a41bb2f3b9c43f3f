//! The files of the project, as a fresh clone has them.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// A file of the project.
#[derive(Debug)]
pub struct File {
    /// Relative to the root, with forward slashes.
    pub path: String,
    /// All that is in it.
    pub text: String,
}

/// All text files below `folder` of `root` whose names end in one of `endings`, in the order of their paths. What
/// builds and editors leave behind is not among them.
///
/// # Errors
/// What cannot be read.
pub fn with_endings(root: &Path, folder: &str, endings: &[&str]) -> Result<Vec<File>, Vec<String>> {
    let mut found = Vec::new();
    walk(root, &root.join(folder), endings, &mut found)
        .map_err(|error| vec![format!("cannot read the files of {}: {error}", root.join(folder).display())])?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(root: &Path, folder: &Path, endings: &[&str], found: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !matches!(&*name, ".git" | "target" | "backstop-state") {
                walk(root, &path, endings, found)?;
            }
        } else if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            found.push(File { path: relative, text: fs::read_to_string(&path)? });
        }
    }
    Ok(())
}

/// The text of the file at `path` below `root`.
///
/// # Errors
/// It cannot be read.
pub fn read(root: &Path, path: &str) -> Result<String, Vec<String>> {
    fs::read_to_string(root.join(path)).map_err(|error| vec![format!("cannot read {path}: {error}")])
}

/// Replaces the file at `path` below `root` if `text` differs from it; says whether it did.
///
/// # Errors
/// It cannot be read or written.
pub fn replace(root: &Path, path: &str, text: &str) -> Result<bool, Vec<String>> {
    if read(root, path)? == text {
        return Ok(false);
    }
    fs::write(root.join(path), text).map_err(|error| vec![format!("cannot write {path}: {error}")])?;
    Ok(true)
}
