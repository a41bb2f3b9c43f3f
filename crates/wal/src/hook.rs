//! A disk that calls the test before each change, which may wait there, fail or panic.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use backstop_file_lock::{AcquireError, Claim};

use crate::storage::{Access, Storage, StorageFile, Tenure};
use crate::sync::Mutex;

/// What is about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Create,
    Write,
    Sync,
    SyncDirectory,
}

type OnCall = dyn Fn(Call) -> io::Result<()> + Send + Sync;
type Hook = Arc<Mutex<Option<Arc<OnCall>>>>;

pub(crate) struct Hooked<S> {
    inner: S,
    hook: Hook,
    beside: bool,
}

impl<S: Storage> Hooked<S> {
    /// `beside`: the next segment is made by a thread of its own.
    pub(crate) fn new(inner: S, beside: bool) -> Arc<Self> {
        Arc::new(Self { inner, hook: Hook::default(), beside })
    }

    pub(crate) fn on_call(&self, hook: impl Fn(Call) -> io::Result<()> + Send + Sync + 'static) {
        *self.hook.lock() = Some(Arc::new(hook));
    }
}

fn call(hook: &Hook, call: Call) -> io::Result<()> {
    let hook = hook.lock().clone();
    hook.map_or(Ok(()), |hook| hook(call))
}

impl<S> fmt::Debug for Hooked<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooked")
    }
}

impl<S: Storage> Storage for Hooked<S> {
    fn place(&self) -> &Path {
        self.inner.place()
    }

    fn lock(&self, name: &str, claim: &Claim) -> Result<Box<dyn Tenure>, AcquireError> {
        self.inner.lock(name, claim)
    }

    fn entropy(&self) -> u64 {
        self.inner.entropy()
    }

    fn may_be_used_beside(&self) -> bool {
        self.beside
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.inner.names()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        call(&self.hook, Call::Create)?;
        Ok(Box::new(HookedFile { inner: self.inner.create(name)?, hook: Arc::clone(&self.hook) }))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(HookedFile { inner: self.inner.open(name, access)?, hook: Arc::clone(&self.hook) }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        call(&self.hook, Call::SyncDirectory)?;
        self.inner.sync_directory()
    }
}

struct HookedFile {
    inner: Box<dyn StorageFile>,
    hook: Hook,
}

impl fmt::Debug for HookedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookedFile")
    }
}

impl StorageFile for HookedFile {
    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        call(&self.hook, Call::Write)?;
        self.inner.write_at(bytes, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.inner.allocate(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        call(&self.hook, Call::Sync)?;
        self.inner.sync_data()
    }
}
