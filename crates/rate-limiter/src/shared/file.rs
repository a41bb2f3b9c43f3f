//! The file of a shared window: every call to the file system is here.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use super::SharedError;

/// How often a lock is asked for, giving way in between: others grant in microseconds. On a busy machine giving way takes
/// milliseconds, and the caller waits better than a thread that holds up everybody else in its process.
const TRIES: u32 = 100;
/// How often a file that is not at its path any more is opened again.
const REPLACED: u32 = 16;

#[derive(Debug)]
pub(super) struct WindowFile {
    path: PathBuf,
    file: File,
}

/// The file, locked until this is dropped. The kernel's lock (`flock(2)`) goes with the process, however that ends.
pub(super) struct Locked<'a> {
    window: &'a WindowFile,
    /// How long it was when it was locked.
    length: u64,
}

impl WindowFile {
    pub(super) fn open(path: &Path) -> Result<Self, SharedError> {
        let failed = |source| SharedError::Io { action: "resolve", path: path.to_owned(), source };
        let path = std::path::absolute(path).map_err(failed)?;
        let file = open(&path)?;
        Ok(Self { path, file })
    }

    /// Locks the file that is at the path, and says whether it is another one than before. Not the one that is open: if
    /// somebody deleted that, others have another.
    pub(super) fn lock(&mut self) -> Result<(Locked<'_>, bool), SharedError> {
        let mut replaced = false;
        for _ in 0..REPLACED {
            self.lock_open()?;
            let length = self.length_at_path();
            if let Ok(Some(length)) = length {
                return Ok((Locked { window: self, length }, replaced));
            }
            // Whatever comes of it here, it may come back to its path, and others must get it then.
            let _unlocked = self.file.unlock();
            length?;
            self.file = open(&self.path)?;
            replaced = true;
        }
        Err(SharedError::Busy { path: self.path.clone() })
    }

    fn lock_open(&self) -> Result<(), SharedError> {
        for _ in 0..TRIES {
            match self.file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => thread::yield_now(),
                Err(TryLockError::Error(source)) => return Err(self.failed("lock", source)),
            }
        }
        Err(SharedError::Busy { path: self.path.clone() })
    }

    /// How long the open file is, if it is the one at the path. A symbolic link is another file than what it leads to, so it
    /// never is.
    fn length_at_path(&self) -> Result<Option<u64>, SharedError> {
        let open = self.file.metadata().map_err(|source| self.failed("look at", source))?;
        match fs::symlink_metadata(&self.path) {
            Ok(there) => Ok(((there.dev(), there.ino()) == (open.dev(), open.ino())).then_some(open.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.failed("look at", source)),
        }
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn reopen(&mut self, read_only: bool) -> io::Result<()> {
        self.file = OpenOptions::new().read(true).write(!read_only).open(&self.path)?;
        Ok(())
    }

    fn failed(&self, action: &'static str, source: io::Error) -> SharedError {
        SharedError::Io { action, path: self.path.clone(), source }
    }
}

impl Locked<'_> {
    /// So many numbers from `offset` on; zero behind the end of the file.
    pub(super) fn read_all(&self, offset: u64, count: u64) -> Result<Vec<u64>, SharedError> {
        let mut bytes = vec![0; usize::try_from(count).unwrap_or(0) * 8];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.window.file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(more) => done += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(self.window.failed("read", source)),
            }
        }
        Ok(bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default())).collect())
    }

    /// The number at `offset`; zero behind the end of the file.
    pub(super) fn read(&self, offset: u64) -> Result<u64, SharedError> {
        let mut bytes = [0; 8];
        match self.window.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(u64::from_le_bytes(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            Err(source) => Err(self.window.failed("read", source)),
        }
    }

    pub(super) fn write(&mut self, offset: u64, number: u64) -> Result<(), SharedError> {
        // Eight bytes in place: no signal leaves half of them.
        self.window
            .file
            .write_all_at(&number.to_le_bytes(), offset)
            .map_err(|source| self.window.failed("write", source))
    }

    pub(super) fn write_all(&mut self, offset: u64, numbers: impl Iterator<Item = u64>) -> Result<(), SharedError> {
        let bytes: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
        self.window.file.write_all_at(&bytes, offset).map_err(|source| self.window.failed("write", source))
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn foreign(&self) -> SharedError {
        SharedError::Foreign { path: self.window.path.clone() }
    }

    pub(super) fn other_limits(&self) -> SharedError {
        SharedError::OtherLimits { path: self.window.path.clone() }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // What fails here is undone when the file is closed.
        let _unlocked = self.window.file.unlock();
    }
}

/// Readable and writable by its owner only. Never cut short and never deleted: others have it open.
fn open(path: &Path) -> Result<File, SharedError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|source| SharedError::Io { action: "open", path: path.to_owned(), source })
}

/// Which start of the machine this is, where the system says so (Linux).
pub(super) fn boot() -> [u64; 2] {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let half = |range| digits.get(range).and_then(|half| u64::from_str_radix(half, 16).ok()).unwrap_or(0);
    [half(0..16), half(16..32)]
}
