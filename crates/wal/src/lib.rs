//! A write-ahead log that loses nothing and says so.

mod chain;
mod commit;
#[cfg(test)]
mod crash;
mod dir;
mod engine;
mod error;
mod format;
mod log;
mod open;
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
pub use error::{AppendError, OpenError, ReadError};
pub use log::{Entry, Log};
pub use open::{Opened, Options, Torn};
pub use storage::{Access, Storage, StorageFile, Tenure};
