//! A disk that counts what is asked of it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use backstop_wal::sim::SimStorage;
use backstop_wal::{Access, AcquireError, Claim, Storage, StorageFile, Tenure};

/// A simulated disk; no buffer that is to be filled from it may be longer than the file.
#[derive(Debug)]
pub(crate) struct Counting {
    disk: SimStorage,
    read: Arc<AtomicU64>,
}

impl Counting {
    pub(crate) fn new(disk: SimStorage) -> Arc<Self> {
        Arc::new(Self { disk, read: Arc::default() })
    }

    /// How many bytes were read, and how many files opened, as bytes of their headers.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl Storage for Counting {
    fn place(&self) -> &Path {
        self.disk.place()
    }

    fn lock(&self, name: &str, claim: &Claim) -> Result<Box<dyn Tenure>, AcquireError> {
        self.disk.lock(name, claim)
    }

    fn entropy(&self) -> u64 {
        self.disk.entropy()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        self.disk.create(name)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(CountingFile { file: self.disk.open(name, access)?, read: Arc::clone(&self.read) }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
    }
}

#[derive(Debug)]
struct CountingFile {
    file: Box<dyn StorageFile>,
    read: Arc<AtomicU64>,
}

impl StorageFile for CountingFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = self.file.length()?;
        assert!(buffer.len() as u64 <= length.max(64), "{} bytes wanted of a file of {length}", buffer.len());
        let count = self.file.read_at(buffer, offset)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
