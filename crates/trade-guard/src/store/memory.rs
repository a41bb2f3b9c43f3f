//! A store in memory: outlives a guard and not the process.

use super::{Appending, ClaimStore, Claims, Record, StoreError};
use crate::sync::Mutex;

/// Keeps claims in memory: for tests of what happens after a restart, and for several guards one after another in one
/// process.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Claims>);

impl ClaimStore for MemoryStore {
    fn load(&self) -> Result<Claims, StoreError> {
        Ok(self.0.lock().clone())
    }

    fn append(&self, record: &Record) -> Result<(), StoreError> {
        self.0.lock().apply(record);
        Ok(())
    }

    fn append_async<'a>(&'a self, record: &'a Record) -> Appending<'a> {
        Box::pin(async { self.append(record) })
    }
}
