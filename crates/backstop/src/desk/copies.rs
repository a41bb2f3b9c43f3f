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
    names.sort();
    let surplus = names.len().saturating_sub(KEPT.saturating_mul(2));
    names.iter().take(surplus).try_for_each(fs::remove_file)
}

#[cfg(test)]
mod tests;
