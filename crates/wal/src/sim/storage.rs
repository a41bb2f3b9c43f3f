//! The simulated disk as a [`Storage`].

#[cfg(test)]
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use backstop_file_lock::{AcquireError, Claim, RaiseError};

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
    start_fence: u64,
    operations: Vec<Operation>,
    count: u64,
    faults: Vec<Fault>,
    capacity: Option<usize>,
    read_only: bool,
    locked: bool,
    fence: u64,
    #[cfg(test)]
    fired: BTreeSet<(&'static str, FaultKind)>,
}

impl Default for SimStorage {
    fn default() -> Self {
        Self::new(Image::new())
    }
}

impl SimStorage {
    /// A disk with these files, all durable, on which no lock was ever taken.
    pub fn new(image: Image) -> Self {
        Self::after(image, 0)
    }

    /// A disk as a crash left it; `fence` is the number of the last lock that was taken before.
    pub fn after(image: Image, fence: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            disk: Disk::from_image(&image),
            start: image,
            start_fence: fence,
            operations: Vec::new(),
            count: 0,
            faults: Vec::new(),
            capacity: None,
            read_only: false,
            locked: false,
            fence,
            #[cfg(test)]
            fired: BTreeSet::new(),
        })))
    }

    /// What was done so far.
    pub fn recording(&self) -> Recording {
        let state = self.0.lock();
        Recording { start: state.start.clone(), start_fence: state.start_fence, operations: state.operations.clone() }
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

    /// Which operations were hit by which faults.
    #[cfg(test)]
    pub(crate) fn fired(&self) -> BTreeSet<(&'static str, FaultKind)> {
        self.0.lock().fired.clone()
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
    #[cfg_attr(not(test), expect(unused_variables, reason = "for `fired`"))]
    fn begin(&mut self, operation: &'static str) -> Option<FaultKind> {
        let now = self.count;
        self.count += 1;
        let planned = |fault: &&Fault| fault.at == now || (fault.lasting && fault.at < now);
        let kinds: Vec<FaultKind> = self.faults.iter().filter(planned).map(|fault| fault.kind).collect();
        #[cfg(test)]
        self.fired.extend(kinds.iter().map(|kind| (operation, *kind)));
        for kind in &kinds {
            if let FaultKind::Evict(sectors) = *kind {
                self.apply(Operation::Evict { sectors });
            }
        }
        kinds.into_iter().find(|kind| !matches!(kind, FaultKind::Evict(_)))
    }

    /// For an operation that can only fail whole.
    fn begin_whole(&mut self, operation: &'static str) -> io::Result<()> {
        self.begin(operation).and_then(FaultKind::error).map_or(Ok(()), Err)
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
        let path = self.place().join(name);
        let fault = state.begin("lock");
        let failed = |source| AcquireError::Io { action: "lock", path: path.clone(), source };
        if let Some(FaultKind::Error(code)) = fault {
            return Err(failed(io::Error::from_raw_os_error(code)));
        }
        state.may_change().map_err(failed)?;
        if state.locked {
            return Err(AcquireError::Held { path, holder: None });
        }
        let fence = state.fence + 1;
        state.fence = fence;
        state.apply(Operation::Lock { fence });
        // Its number was used up all the same.
        if let Some(error) = fault.and_then(FaultKind::error) {
            return Err(failed(error));
        }
        state.locked = true;
        Ok(Box::new(SimTenure { state: Arc::clone(&self.0), fence }))
    }

    fn entropy(&self) -> u64 {
        0x6c6f_6720_6964_0001
    }

    fn may_be_used_beside(&self) -> bool {
        false
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut state = self.0.lock();
        state.begin_whole("list")?;
        Ok(state.disk.names())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let mut state = self.0.lock();
        state.begin_whole("create")?;
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
        state.begin_whole("open")?;
        if access == Access::ReadWrite {
            state.may_change()?;
        }
        let file = state.find(name)?;
        Ok(Box::new(SimFile { state: Arc::clone(&self.0), file, access }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.begin_whole("rename")?;
        state.may_change()?;
        state.find(from)?;
        state.apply(Operation::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.begin_whole("remove")?;
        state.may_change()?;
        state.find(name)?;
        state.apply(Operation::Remove { name: name.to_owned() });
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        if let Err(error) = state.begin_whole("sync directory") {
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
        state.begin_whole("length")?;
        Ok(state.disk.view(self.file).len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state.lock();
        let fault = state.begin("read");
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
        let fault = state.begin("write");
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
        state.begin_whole("allocate")?;
        self.may_write(&state)?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        state.may_grow(self.file, length)?;
        state.apply(Operation::Allocate { file: self.file, length });
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if let Err(error) = state.begin_whole("sync") {
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

    fn raise_fence_above(&mut self, floor: u64) -> Result<(), RaiseError> {
        if self.fence <= floor {
            self.fence = floor.checked_add(1).ok_or(RaiseError::FenceSpent { floor })?;
            self.state.lock().fence = self.fence;
        }
        Ok(())
    }
}

impl Drop for SimTenure {
    fn drop(&mut self) {
        self.state.lock().locked = false;
    }
}
