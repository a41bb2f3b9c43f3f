//! Tasks do not wait for the disk on their runtime's threads.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use backstop_wal::sim::SimStorage;
use backstop_wal::{Access, AcquireError, Storage, StorageFile, Tenure};

use super::{evidence, guard_on, key, options};
use crate::{Refusal, Verdict, WalStore};

/// A disk that remembers which threads it made wait.
#[derive(Debug)]
struct Watched {
    disk: SimStorage,
    synced_by: Arc<Mutex<Vec<ThreadId>>>,
}

#[derive(Debug)]
struct WatchedFile {
    file: Box<dyn StorageFile>,
    synced_by: Arc<Mutex<Vec<ThreadId>>>,
}

impl Watched {
    fn watch(&self, file: Box<dyn StorageFile>) -> Box<dyn StorageFile> {
        Box::new(WatchedFile { file, synced_by: Arc::clone(&self.synced_by) })
    }
}

impl Storage for Watched {
    fn place(&self) -> &Path {
        self.disk.place()
    }

    fn lock(&self, name: &str, claim: &backstop_wal::Claim) -> Result<Box<dyn Tenure>, AcquireError> {
        self.disk.lock(name, claim)
    }

    fn entropy(&self) -> u64 {
        self.disk.entropy()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        Ok(self.watch(self.disk.create(name)?))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn StorageFile>> {
        Ok(self.watch(self.disk.open(name, access)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.synced_by.lock().unwrap().push(thread::current().id());
        self.disk.sync_directory()
    }
}

impl StorageFile for WatchedFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.synced_by.lock().unwrap().push(thread::current().id());
        self.file.sync_data()
    }
}

#[tokio::test]
async fn a_task_enters_ends_and_resolves_without_syncing_on_its_thread() {
    let synced_by = Arc::default();
    let disk = SimStorage::default();
    let (store, _) =
        WalStore::open(Arc::new(Watched { disk: disk.clone(), synced_by: Arc::clone(&synced_by) }), &options())
            .unwrap();
    let guard = guard_on(store);
    synced_by.lock().unwrap().clear();
    // Many, so that checkpoints are made on the way.
    for number in 1..700 {
        let key = crate::Key::new(*key(0).scope(), super::session(number));
        guard.try_enter_async(&key).await.unwrap().executed_async().await.unwrap();
        let permit = guard.try_enter_async(&key).await.unwrap();
        let attempt = permit.attempt();
        drop(permit);
        guard.resolve_async(attempt, Verdict::NotExecuted, &evidence()).await.unwrap();
        guard.try_enter_async(&key).await.unwrap().not_executed_async("only to see").await.unwrap();
        guard.try_enter_async(&key).await.unwrap().executed_async().await.unwrap();
        assert!(matches!(guard.try_enter_async(&key).await, Err(Refusal::Limit { .. })));
    }
    let synced_by = synced_by.lock().unwrap().clone();
    assert!(synced_by.len() > 700 && !synced_by.contains(&thread::current().id()));
    drop(guard);
    let bytes: usize = disk.image().values().map(Vec::len).sum();
    assert!(bytes < 800 * 1024, "{bytes} bytes: no checkpoint was made on the way");
}
