//! A file with a process id, as a lock. docs/incidents/lock-file-deleted.md

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backstop::clock::Clock;

use super::say::say;

/// Who has not written its file anew for so long has died, or hangs.
const STALE: Duration = Duration::from_secs(2);

/// The right to run, as far as the file goes.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Looks whether the process that the file names is there, and well; if not, the file is "stale" and removed. Between the look and
    /// the new file another process may do the same.
    pub(super) fn take(path: PathBuf, clock: &dyn Clock) -> Result<Self, String> {
        if let Ok(text) = fs::read_to_string(&path) {
            let pid = text.trim();
            if !pid.is_empty() && Path::new("/proc").join(pid).exists() && !is_stale(&path, clock) {
                return Err(format!("already running, process {pid}"));
            }
            say(&format!("stale lock of process {pid} removed"));
            let _gone = fs::remove_file(&path);
        }
        let file = Self(path);
        file.beat();
        Ok(file)
    }

    /// Shows that this process lives.
    pub(super) fn beat(&self) {
        let _beaten = fs::write(&self.0, std::process::id().to_string());
    }

    /// Deletes the file, whoever's it is by now.
    pub(super) fn release(&self) {
        let _gone = fs::remove_file(&self.0);
    }
}

fn is_stale(path: &Path, clock: &dyn Clock) -> bool {
    let beaten = fs::metadata(path).and_then(|of| of.modified()).ok().and_then(|at| at.try_into().ok());
    beaten.is_none_or(|at| Duration::try_from(clock.wall().duration_since(at)).is_ok_and(|age| age > STALE))
}
