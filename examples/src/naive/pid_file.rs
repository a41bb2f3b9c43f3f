//! A file with a process id, as a lock. docs/incidents/lock-file-deleted.md

use std::fs;
use std::path::{Path, PathBuf};

use super::say::say;

/// The right to run, as far as the file goes.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Looks whether the process that the file names is there; if not, the file is "stale" and removed. Between the look and the
    /// new file another process may do the same.
    pub(super) fn take(path: PathBuf) -> Result<Self, String> {
        if let Ok(text) = fs::read_to_string(&path) {
            let pid = text.trim();
            if Path::new("/proc").join(pid).exists() && !pid.is_empty() {
                return Err(format!("already running, process {pid}"));
            }
            say(&format!("stale lock of process {pid} removed"));
            let _gone = fs::remove_file(&path);
        }
        fs::write(&path, std::process::id().to_string()).map_err(|error| error.to_string())?;
        Ok(Self(path))
    }

    /// Deletes the file, whoever's it is by now.
    pub(super) fn release(self) {
        let _gone = fs::remove_file(self.0);
    }
}
