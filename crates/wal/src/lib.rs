//! A write-ahead log that loses nothing and says so.

mod chain;
mod commit;
#[cfg(test)]
#[cfg(not(loom))]
mod crash;
mod dir;
mod engine;
mod error;
mod format;
mod journal;
mod log;
mod open;
mod operation;
mod reader;
mod salvage;
mod scan;
mod segment;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod storage;
mod sync;
mod sys;
mod window;

pub use commit::Append;
pub use dir::DirStorage;
pub use error::{AppendError, OpenError, ReadError, RemoveError};
pub use journal::{
    CheckpointError, Failed, InProgress, Journal, JournalError, OperationId, Pending, Recovered, Recovery, Schema,
    Shown, Unsettled, Verdict, WriteError,
};
pub use log::{Entry, Log};
pub use open::{Opened, Options, Torn};
pub use operation::State;
pub use reader::{DumpError, Reader, Verified, dump, verify};
pub use salvage::{Gap, SalvageError, Salvaged, salvage};
pub use storage::{Access, Storage, StorageFile, Tenure};
