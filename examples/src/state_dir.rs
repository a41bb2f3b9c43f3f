//! What lies where in the state directory.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The state directory.
#[derive(Debug, Clone)]
pub(crate) struct StateDir(PathBuf);

impl StateDir {
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes it, if it is not there, for its owner only.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0).map_err(|source| Failure::StateDir { path: self.0.clone(), source })
    }

    /// Complains if it is not there.
    pub(crate) fn exists(&self) -> Result<(), Failure> {
        if self.0.is_dir() { Ok(()) } else { Err(Failure::NoState(self.0.clone())) }
    }

    /// Complains if neither a bot nor a kill switch was ever there, either: then it is another directory that is meant.
    pub(crate) fn is_used(&self) -> Result<(), Failure> {
        self.exists()?;
        let is_used = [self.lock(), self.journal(), self.switch()].iter().any(|path| path.exists());
        if is_used { Ok(()) } else { Err(Failure::NothingTraded(self.0.clone())) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// The book from before and after each removal.
    pub(crate) fn copies(&self) -> PathBuf {
        self.0.join("book")
    }

    /// The kill switch.
    pub(crate) fn switch(&self) -> PathBuf {
        self.0.join("switch")
    }

    /// When which request was granted lately, by whichever process.
    pub(crate) fn requests(&self) -> PathBuf {
        self.0.join("requests")
    }

    /// Held by whoever serves the simulated account.
    pub(crate) fn simulator_lock(&self) -> PathBuf {
        self.0.join("simulator.lock")
    }

    /// The account of the embedded simulator.
    pub(crate) fn simulator(&self) -> PathBuf {
        self.0.join("simulator.json")
    }
}
