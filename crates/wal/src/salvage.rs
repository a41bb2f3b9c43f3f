//! Copies what is intact of a damaged log into a new one elsewhere, and reports the rest.
//!
//! Each segment is searched for frames, whatever lies between them, so no damage hides what is behind it. The numbers of
//! the records say what belongs together and what is gone: they are kept in the copy, since operations are known by them,
//! and where some are missing the copy says so in their place.

mod find;
mod read;
mod runs;
mod target;

use std::path::PathBuf;
use std::sync::Arc;

use self::runs::Survey;
use self::target::Target;
use crate::error::{OpenError, ReadError};
use crate::format::Kind;
use crate::open::Options;
use crate::storage::Storage;

/// What was copied and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Salvaged {
    /// How many records were copied. They keep their numbers.
    pub records: u64,
    /// How many checkpoints were copied.
    pub checkpoints: u64,
    /// Whether no record is missing behind the newest checkpoint, or at all where there is none: then the copy opens like
    /// any log. Otherwise opening it is refused ([`ReadError::Lost`]) until that is [accepted](Options::accept_lost).
    pub complete: bool,
    /// What could not be read, in order.
    pub gaps: Vec<Gap>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The segment; of several in a row that are gone the first.
    pub path: PathBuf,
    /// From where on, in bytes.
    pub from: u64,
    /// To where, in bytes; `None` for the end of the segment, or for all of one that is gone.
    pub to: Option<u64>,
    /// How many records are missing by the numbers of those around. Of several gaps in a row the last one says it for all,
    /// and the others say `None`; so does the end of the log, where nobody knows: a torn tail, as a crash leaves it, is
    /// among these gaps too.
    pub records: Option<u64>,
}

/// Why nothing was salvaged, or not all that could be. The damaged log is as it was. What is in the target by then is no
/// log that opens: empty it and try again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SalvageError {
    /// The damaged log cannot be read at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new log cannot be made.
    #[error(transparent)]
    Target(#[from] OpenError),
    /// There is not one frame that is intact.
    #[error("nothing in {} is intact; restore it from a copy", path.display())]
    Nothing {
        /// The damaged log.
        path: PathBuf,
    },
    /// There is a log already where the copy should go.
    #[error("{} holds {segments} segments already; give an empty directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// How many segments are in it.
        segments: usize,
    },
}

/// Copies everything that is intact from `damaged` into a new log in `target`, which must be empty: records with their
/// numbers, batches as batches, checkpoints. What a restart made void stays out.
///
/// Where records are missing the copy has a mark of that in their place ([`Entry::Lost`](crate::Entry::Lost)). Readers show
/// it. Opening is refused if it comes after the newest checkpoint; what comes before is in the checkpoint.
///
/// Nobody may write to `damaged` meanwhile; its lock is not taken, since that would change it.
///
/// # Errors
/// [`SalvageError`]; `damaged` was only read.
///
/// # Durability
/// The copy is on disk when this returns.
pub fn salvage(
    damaged: &Arc<dyn Storage>,
    target: Arc<dyn Storage>,
    options: &Options,
) -> Result<Salvaged, SalvageError> {
    let survey = Survey::take(damaged.as_ref())?;
    if survey.runs.is_empty() {
        return Err(SalvageError::Nothing { path: damaged.place().to_owned() });
    }
    let kept = survey.kept();
    // Where a checkpoint is left, it stands for the segments that are not there any more before the oldest.
    let is_removed = survey.first() > 1 && kept.iter().any(|run| run.checkpoint);
    let begins = kept.first().map_or(1, |run| if is_removed { run.seq } else { 1 });
    let mut copy = Target::make(target, options, begins)?;
    let mut salvaged = Salvaged { complete: true, gaps: survey.gaps(&kept, begins, is_removed), ..Salvaged::default() };
    let (mut next, mut last_checkpoint) = (begins, None);
    for run in &kept {
        if let Some(count) = run.seq.checked_sub(next).filter(|count| *count > 0) {
            copy.lose(next, Some(count))?;
            salvaged.complete = false;
        }
        next = run.next;
        read::each_frame(damaged.as_ref(), survey.log, run, |head, payload| -> Result<(), SalvageError> {
            match head.kind {
                // A restart may have copied it.
                Kind::Checkpoint if last_checkpoint.replace(head.seq) == Some(head.seq) => return Ok(()),
                Kind::Checkpoint => (salvaged.checkpoints, salvaged.complete) = (salvaged.checkpoints + 1, true),
                Kind::Lost => salvaged.complete = false,
                _ => salvaged.records += head.kind.records(payload).unwrap_or(0),
            }
            copy.push(head.kind, head.seq, payload)
        })?;
    }
    if survey.lost_its_end() {
        copy.lose(next, None)?;
        salvaged.complete = false;
    }
    copy.finish(survey.fence)?;
    Ok(salvaged)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
