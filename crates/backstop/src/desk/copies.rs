//! The book from before and after each removal, as files for people. Nothing reads them back: the journal is the record.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use backstop_clock::Timestamp;
use backstop_reconcile::PositionId;

use super::Inner;

/// So many removals are kept.
const KEPT: usize = 50;

impl Inner {
    /// Writes both, and waits for nothing: a disk that takes its time holds up no order.
    pub(super) fn keep_copies(self: &Arc<Self>, position: &PositionId, at: Timestamp, before: String, after: String) {
        let Some(dir) = self.config.copies.clone() else { return };
        let name = format!("{}-{position}", at.strftime("%Y%m%dT%H%M%S%.6fZ"));
        self.in_a_task(|_| async move {
            let written = tokio::task::spawn_blocking(move || write(&dir, &name, &before, &after)).await;
            if let Ok(Err(error)) = written {
                tracing::warn!(%error, "a copy of the book could not be written; the journal has it all");
            }
        });
    }
}

fn write(dir: &Path, name: &str, before: &str, after: &str) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join(format!("{name}-before.json")), before)?;
    fs::write(dir.join(format!("{name}-after.json")), after)?;
    let mut names: Vec<_> = fs::read_dir(dir)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    names.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_copy));
    names.sort();
    let surplus = names.len().saturating_sub(KEPT.saturating_mul(2));
    names.iter().take(surplus).try_for_each(|path| match fs::remove_file(path) {
        // Another removal's copies were written at the same time.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    })
}

/// Whether a file is one of ours, by its name: whatever else is in the directory is somebody's.
fn is_copy(name: &str) -> bool {
    let stamp = name.split_once('-').map_or("", |(stamp, _)| stamp);
    let is_stamp = stamp.len() == "20300102T150000.000000Z".len()
        && stamp.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'.' | b'Z'));
    is_stamp && (name.ends_with("-before.json") || name.ends_with("-after.json"))
}

#[cfg(test)]
mod tests;
