//! The simulated disk as a [`Storage`].

use std::io;
use std::path::Path;
use std::sync::Arc;

use backstop_file_lock::{AcquireError, Claim};

use super::disk::{Disk, Image};
use super::recording::{Operation, Recording};
use super::{Fault, FaultKind};
use crate::storage::{Access, Storage, StorageFile, Tenure};
use crate::sync::Mutex;

/// A directory in memory that loses what was not synced. Clones share it.
#[derive(Debug, Clone)]
pub struct SimStorage(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    disk: Disk,
    start: Image,
    operations: Vec<Operation>,
    count: u64,
    faults: Vec<Fault>,
    capacity: Option<usize>,
    read_only: bool,
    locked: bool,
    fence: u64,
}

impl Default for SimStorage {
    fn default() -> Self {
        Self::new(Image::new())
    }
}

impl SimStorage {
    /// A disk with these files, all durable.
    pub fn new(image: Image) -> Self {
        Self(Arc::new(Mutex::new(State {
            disk: Disk::from_image(&image),
            start: image,
            operations: Vec::new(),
            count: 0,
            faults: Vec::new(),
            capacity: None,
            read_only: false,
            locked: false,
            fence: 0,
        })))
    }

    /// What was done so far.
    pub fn recording(&self) -> Recording {
        let state = self.0.lock();
        Recording { start: state.start.clone(), operations: state.operations.clone() }
    }

    /// Puts a note into the recording: what the caller has just been promised.
    pub fn note(&self, note: u64) {
        self.0.lock().operations.push(Operation::Note(note));
    }

    /// How many operations there were, reads included.
    pub fn operations(&self) -> u64 {
        self.0.lock().count
    }

    /// Plans a fault.
    pub fn plan(&self, fault: Fault) {
        self.0.lock().faults.push(fault);
    }

    /// Forgets the faults that were planned.
    pub fn heal(&self) {
        self.0.lock().faults.clear();
    }

    /// Lets the files take at most `bytes` together; `None` for no limit.
    pub fn limit(&self, bytes: Option<usize>) {
        self.0.lock().capacity = bytes;
    }

    /// Refuses every change from now on, as a file system that is mounted for reading only does.
    pub fn set_read_only(&self, read_only: bool) {
        self.0.lock().read_only = read_only;
    }

    /// What readers are shown now: also what is left when the process dies and the machine does not.
    pub fn image(&self) -> Image {
        let state = self.0.lock();
        let content = |name: String| {
            let bytes = state.disk.lookup(&name).map(|file| state.disk.view(file).to_vec()).unwrap_or_default();
            (name, bytes)
        };
        state.disk.names().into_iter().map(content).collect()
    }
}

impl State {
    /// Counts an operation; what is planned for it.
    fn begin(&mut self) -> Option<FaultKind> {
        let now = self.count;
        self.count += 1;
        self.faults.iter().find(|fault| fault.at == now || (fault.lasting && fault.at < now)).map(|fault| fault.kind)
    }

    /// For an operation that can only fail whole.
    fn begin_whole(&mut self) -> io::Result<()> {
        self.begin().and_then(FaultKind::error).map_or(Ok(()), Err)
    }

    fn may_change(&self) -> io::Result<()> {
        if self.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    fn may_grow(&self, file: usize, end: usize) -> io::Result<()> {
        let growth = end.saturating_sub(self.disk.view(file).len());
        match self.capacity {
            Some(limit) if growth > 0 && self.disk.used() + growth > limit => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.disk.lookup(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn apply(&mut self, operation: Operation) {
        self.disk.apply(&operation);
        self.operations.push(operation);
    }
}

impl Storage for SimStorage {
    fn place(&self) -> &Path {
        Path::new("simulated")
    }

    fn lock(&self, name: &str, _claim: &Claim) -> Result<Box<dyn Tenure>, AcquireError> {
        let mut state = self.0.lock();
        if state.locked {
            return Err(AcquireError::Held { path: self.place().join(name), holder: None });
        }
        state.locked = true;
        state.fence += 1;
        Ok(Box::new(SimTenure { state: Arc::clone(&self.0), fence: state.fence }))
    }

    fn entropy(&self) -> u64 {
        0x6c6f_6720_6964_0001
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut state = self.0.lock();
        state.begin_whole()?;
        Ok(state.disk.names())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let mut state = self.0.lock();
        state.begin_whole()?;
        state.may_change()?;
        if state.disk.lookup(name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.disk.next_file();
        state.apply(Operation::Create { name: name.to_owned() });
        Ok(Box::new(SimFile { state: Arc::clone(&self.0), file, access: Access::ReadWrite }))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let mut state = self.0.lock();
        state.begin_whole()?;
        if access == Access::ReadWrite {
            state.may_change()?;
        }
        let file = state.find(name)?;
        Ok(Box::new(SimFile { state: Arc::clone(&self.0), file, access }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.begin_whole()?;
        state.may_change()?;
        state.find(from)?;
        state.apply(Operation::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.begin_whole()?;
        state.may_change()?;
        state.find(name)?;
        state.apply(Operation::Remove { name: name.to_owned() });
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        if let Err(error) = state.begin_whole() {
            state.apply(Operation::SyncDirectoryFailed);
            return Err(error);
        }
        state.apply(Operation::SyncDirectory);
        Ok(())
    }
}

#[derive(Debug)]
struct SimFile {
    state: Arc<Mutex<State>>,
    file: usize,
    access: Access,
}

impl SimFile {
    fn may_write(&self, state: &State) -> io::Result<()> {
        if self.access == Access::Read {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        state.may_change()
    }
}

impl StorageFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        let mut state = self.state.lock();
        state.begin_whole()?;
        Ok(state.disk.view(self.file).len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state.lock();
        let fault = state.begin();
        if let Some(error) = fault.and_then(FaultKind::error) {
            return Err(error);
        }
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let rest = state.disk.view(self.file).get(from..).unwrap_or_default();
        let mut count = rest.len().min(buffer.len());
        if fault.is_some() {
            count = count.min((buffer.len() / 2).max(1));
        }
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state.lock();
        let fault = state.begin();
        if let Some(FaultKind::Error(code)) = fault {
            return Err(io::Error::from_raw_os_error(code));
        }
        self.may_write(&state)?;
        let count = if fault.is_some() { (bytes.len() / 2).max(1).min(bytes.len()) } else { bytes.len() };
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        state.may_grow(self.file, offset + count)?;
        state.apply(Operation::Write { file: self.file, offset, bytes: bytes[..count].to_vec() });
        match fault {
            Some(FaultKind::Torn(code)) => Err(io::Error::from_raw_os_error(code)),
            _ => Ok(count),
        }
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin_whole()?;
        self.may_write(&state)?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        state.may_grow(self.file, length)?;
        state.apply(Operation::Allocate { file: self.file, length });
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if let Err(error) = state.begin_whole() {
            state.apply(Operation::SyncFailed { file: self.file });
            return Err(error);
        }
        state.apply(Operation::Sync { file: self.file });
        Ok(())
    }
}

#[derive(Debug)]
struct SimTenure {
    state: Arc<Mutex<State>>,
    fence: u64,
}

impl Tenure for SimTenure {
    fn still_held(&self) -> bool {
        let state = self.state.lock();
        state.locked && state.fence == self.fence
    }

    fn fence(&self) -> u64 {
        self.fence
    }
}

impl Drop for SimTenure {
    fn drop(&mut self) {
        self.state.lock().locked = false;
    }
}
