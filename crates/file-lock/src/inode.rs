//! Which file a path or a descriptor means, whatever it is called.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// One file of one file system. The number is not given to another file while a descriptor of it is open, so two equal
/// identities, one of them of an open descriptor, are one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from(&metadata))
    }

    /// The file that `path` names now, or `None` when it names nothing. A symbolic link stands for itself, so it never
    /// equals the file it leads to.
    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        Ok(entry(path)?.map(|metadata| Self::from(&metadata)))
    }

    /// Major and minor number of the device, as Linux packs them (`makedev(3)`).
    pub(crate) fn device_numbers(self) -> (u64, u64) {
        let major = ((self.device >> 8) & 0xfff) | ((self.device >> 32) & !0xfff);
        let minor = (self.device & 0xff) | ((self.device >> 12) & !0xff);
        (major & 0xffff_ffff, minor & 0xffff_ffff)
    }
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// What `path` names itself, links not followed; `None` when it names nothing.
pub(crate) fn entry(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// What stands where a lock file should be, or `None` when it is a regular file (LOCK-7).
pub(crate) fn not_a_file(metadata: &Metadata) -> Option<&'static str> {
    match metadata.file_type() {
        kind if kind.is_file() => None,
        kind if kind.is_symlink() => Some("a symbolic link"),
        kind if kind.is_dir() => Some("a directory"),
        _ => Some("not a regular file"),
    }
}

/// Whether every user of the machine may write the file, and with it the record of who holds it (LOCK-7).
pub(crate) fn writable_by_all(metadata: &Metadata) -> bool {
    metadata.mode() & 0o002 != 0
}
