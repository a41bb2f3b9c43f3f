//! How many flushes the device under a folder was asked for.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::subjects::Outcome;

/// The counter of one block device.
#[derive(Debug)]
pub struct Flushes(PathBuf);

impl Flushes {
    pub fn of(folder: &Path) -> Outcome<Self> {
        let device = std::fs::metadata(folder)?.dev();
        // As in makedev(3): twelve bits of major number above eight of minor.
        let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
        Ok(Self(PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"))))
    }

    /// The sixteenth number; see Documentation/block/stat of the kernel. Zero where there is no such counter.
    pub fn count(&self) -> Outcome<u64> {
        let Ok(text) = std::fs::read_to_string(&self.0) else { return Ok(0) };
        Ok(text.split_whitespace().nth(15).unwrap_or("0").parse()?)
    }
}
