//! Preallocation: every call to `fs2`, so that another crate could replace it in one edit.

use std::fs::File;
use std::io;

/// Makes `file` at least `length` bytes long, with disk blocks behind them: a full disk shows here, not at a later write.
pub(crate) fn allocate(file: &File, length: u64) -> io::Result<()> {
    fs2::FileExt::allocate(file, length)
}
