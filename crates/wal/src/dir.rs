//! The real disk: a directory of the file system. The only file that names `std::fs`.

mod tenure;

use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::BuildHasher;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use backstop_file_lock::{AcquireError, Claim, Lock};

use self::tenure::DirTenure;
use crate::storage::{Access, Storage, StorageFile, Tenure};
use crate::sys;

/// A directory of the file system.
#[derive(Debug, Clone)]
pub struct DirStorage {
    path: PathBuf,
}

impl DirStorage {
    /// The directory at `path`, which is made if there is none; its parent must exist. A relative path is resolved now.
    ///
    /// # Errors
    /// What the system said; [`io::ErrorKind::NotADirectory`] if something else is there.
    ///
    /// # Durability
    /// A directory that was made is on disk when this returns.
    pub fn create_or_open(path: impl AsRef<Path>) -> io::Result<Self> {
        let storage = Self { path: std::path::absolute(path)? };
        // Readable by its owner only: what a bot intends is nobody else's business.
        match DirBuilder::new().mode(0o700).create(&storage.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        // Also when it was there before: its maker may have been killed before its own sync.
        if let Some(parent) = storage.path.parent() {
            File::open(parent)?.sync_all()?;
        }
        storage.checked()
    }

    /// The directory at `path`, which must exist.
    ///
    /// # Errors
    /// What the system said.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self { path: std::path::absolute(path)? }.checked()
    }

    fn checked(self) -> io::Result<Self> {
        if fs::metadata(&self.path)?.is_dir() { Ok(self) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }
}

impl Storage for DirStorage {
    fn place(&self) -> &Path {
        &self.path
    }

    fn lock(&self, name: &str, claim: &Claim) -> Result<Box<dyn Tenure>, AcquireError> {
        Ok(Box::new(DirTenure::new(Lock::acquire(self.path.join(name), claim)?)))
    }

    fn entropy(&self) -> u64 {
        // The standard library seeds it from the system. Only has to differ from log to log.
        RandomState::new().hash_one(&self.path)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(self.path.join(name))?;
        Ok(Box::new(DirFile(file)))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(access == Access::ReadWrite).open(self.path.join(name))?;
        Ok(Box::new(DirFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

#[derive(Debug)]
struct DirFile(File);

impl StorageFile for DirFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(&self.0, bytes, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        sys::allocate(&self.0, length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
