//! Preallocation: every call to `fs2`, so that another crate could replace it in one edit.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Makes `file` at least `length` bytes long, with disk blocks behind them: a full disk shows here, not at a later write.
pub(crate) fn allocate(file: &File, length: u64) -> io::Result<()> {
    // WAL-8: what fs2 0.4 says of a failure is that of an earlier call, since `posix_fallocate` returns its error and does
    // not leave it where fs2 looks. So a full disk read "no such file". Writing the bytes says what is the matter.
    fs2::FileExt::allocate(file, length).or_else(|_| extend(file, length))
}

/// Writes zeros behind the end of `file` until it is `length` bytes long.
fn extend(file: &File, length: u64) -> io::Result<()> {
    const STEP: [u8; 4096] = [0; 4096];
    let mut at = file.metadata()?.len();
    while at < length {
        let step = usize::try_from(length - at).unwrap_or(STEP.len()).min(STEP.len());
        file.write_all_at(STEP.get(..step).unwrap_or_default(), at)?;
        at += step as u64;
    }
    Ok(())
}
