//! One life of a writer process: it opens the log, goes on where it ended, and says what was acknowledged.
//!
//! One line is written, at once, for each thing that happens:
//!
//! | line | meaning |
//! |---|---|
//! | `opened SEQ` | the log is open; the next record has this number |
//! | `ack SEQ WRITER ACTION` | acknowledged as durable; SEQ is the number of its first record |
//! | `buffered SEQ WRITER ACTION` | acknowledged as buffered |
//! | `full WRITER ACTION` | refused, because no room is left beside the reserve; it is tried again from the reserve |
//! | `checkpoint SEQ` | acknowledged |
//! | `kept …` | history was not removed, and why |
//! | `failed WRITER` | a write or a sync failed; whatever of this writer is acknowledged behind this line is wrong |
//! | `closed` | the log was closed |

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use backstop_wal::{Append, AppendError, Claim, DirStorage, Entry, Log, OpenError, Options, RemoveError, Storage};
use parking_lot::{Mutex, RwLock};

use super::alone::Alone;
use super::unsynced::Unsynced;
use super::{Action, Name, Script, next_of};

/// What a writer process is to do.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "its command line")]
pub struct Session {
    /// The directory of the log.
    pub path: PathBuf,
    /// What is written.
    pub script: Script,
    /// How many actions each writer does in this life.
    pub actions: u64,
    /// How many writers. Every second one is a task.
    pub writers: usize,
    /// How long segments are, in bytes.
    pub segment_len: u64,
    /// Whether syncs are left out, so that the log loses what it acknowledged: a test must notice.
    pub unsynced: bool,
}

/// Why a session ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriterError {
    /// The directory of the log cannot be reached or made.
    #[error("cannot make or open {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The log was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Something was not appended.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Nobody listens.
    #[error("cannot say what was acknowledged")]
    Output(#[from] io::Error),
    /// The log holds what no script would write.
    #[error("the log holds what nobody wrote, at record {0}")]
    Foreign(u64),
}

impl Session {
    /// How the log is kept.
    pub fn options(&self) -> Options {
        let claim = Claim { label: "wal-writer".to_owned(), since: backstop_wal::Timestamp::UNIX_EPOCH };
        Options::new(claim).segment_len(self.segment_len)
    }

    /// Opens the log, does the actions, closes it.
    ///
    /// # Errors
    /// [`WriterError`]; then the log was not closed.
    pub fn run(&self, out: &mut (dyn Write + Send)) -> Result<(), WriterError> {
        let disk = DirStorage::create_or_open(&self.path)
            .map_err(|source| WriterError::Directory { path: self.path.clone(), source })?;
        let storage: Arc<dyn Storage> = match (self.unsynced, self.writers) {
            (true, _) => Arc::new(Unsynced(disk)),
            (false, 1) => Arc::new(Alone(disk)),
            (false, _) => Arc::new(disk),
        };
        let mut next = vec![0; self.writers];
        let (mut last, mut foreign) = (0, None);
        let (log, _) = self.options().open(storage, |entry| match entry {
            Entry::Checkpoint { seq, state } => {
                last = seq - 1;
                match next_of(state) {
                    Some(state) if state.len() == next.len() => next = state,
                    _ => foreign = Some(seq),
                }
            }
            Entry::Record { seq, bytes } => {
                last = seq;
                match Name::of(bytes).and_then(|name| Some((name, next.get_mut(name.writer)?))) {
                    Some((name, next)) => *next = name.action + 1,
                    None => foreign = Some(seq),
                }
            }
            Entry::Lost { seq, .. } => foreign = Some(seq),
        })?;
        if let Some(seq) = foreign {
            return Err(WriterError::Foreign(seq));
        }
        writeln!(out, "opened {}", last + 1)?;
        let shared = Shared {
            log,
            script: self.script,
            next: RwLock::new(next.iter().copied().map(Mutex::new).collect()),
            out: Mutex::new(out),
        };
        let ended: Vec<Result<(), WriterError>> =
            std::thread::scope(|scope| {
                let threads: Vec<_> = (1..self.writers)
                    .map(|writer| {
                        let shared = &shared;
                        scope.spawn(move || shared.write(writer, self.actions))
                    })
                    .collect();
                // The first one writes on this thread: whoever counts system calls finds them all in one place.
                let first = shared.write(0, self.actions);
                std::iter::once(first)
                    .chain(threads.into_iter().map(|thread| {
                        thread.join().unwrap_or_else(|_| Err(io::Error::other("a writer panicked").into()))
                    }))
                    .collect()
            });
        ended.into_iter().collect::<Result<Vec<()>, _>>()?;
        shared.log.close()?;
        writeln!(shared.out.into_inner(), "closed")?;
        Ok(())
    }
}

struct Shared<'a> {
    log: Log,
    script: Script,
    /// The next action of each writer. Whoever appends has the lock for reading, whoever writes a checkpoint alone.
    next: RwLock<Vec<Mutex<u64>>>,
    out: Mutex<&'a mut (dyn Write + Send)>,
}

impl Shared<'_> {
    fn say(&self, line: std::fmt::Arguments<'_>) -> Result<(), WriterError> {
        Ok(writeln!(self.out.lock(), "{line}")?)
    }

    fn write(&self, writer: usize, actions: u64) -> Result<(), WriterError> {
        let first = self.next.read().get(writer).map_or(0, |next| *next.lock());
        for number in first..first + actions {
            let action = self.script.action(writer, number);
            let done = self.act(writer, number, &action);
            if let Err(WriterError::Append(AppendError::Failed { .. } | AppendError::Poisoned { .. })) = done {
                self.say(format_args!("failed {writer}"))?;
                // WAL-4: the log must refuse these.
                for later in number + 1..=number + 3 {
                    let _refused = self.append(writer, later, &self.script.action(writer, later), Append::DURABLE);
                }
            }
            done?;
        }
        Ok(())
    }

    fn act(&self, writer: usize, number: u64, action: &Action) -> Result<(), WriterError> {
        if let Some(keep) = action.checkpoint {
            self.checkpoint(keep)?;
        }
        let how = if action.durable { Append::DURABLE } else { Append::BUFFERED };
        match self.append(writer, number, action, how) {
            Err(WriterError::Append(AppendError::Full { .. })) => {
                self.say(format_args!("full {writer} {number}"))?;
                self.append(writer, number, action, how.from_reserve())
            }
            other => other,
        }
    }

    fn checkpoint(&self, keep: u64) -> Result<(), WriterError> {
        let mut alone = self.next.write();
        let next: Vec<u64> = alone.iter_mut().map(|next| *next.get_mut()).collect();
        let written = self.log.checkpoint(&self.script.state(&next));
        drop(alone);
        match written {
            Ok(seq) => self.say(format_args!("checkpoint {seq}"))?,
            // It can wait.
            Err(AppendError::Full { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        match self.log.remove_history(keep) {
            Ok(_) => Ok(()),
            Err(RemoveError::Poisoned(error)) => Err(error.into()),
            // It can wait too: the log goes on.
            Err(error) => self.say(format_args!("kept history: {error}")),
        }
    }

    fn append(&self, writer: usize, number: u64, action: &Action, how: Append) -> Result<(), WriterError> {
        let tallies = self.next.read();
        let records: Vec<&[u8]> = action.records.iter().map(Vec::as_slice).collect();
        let seq = match (records.as_slice(), writer % 2) {
            ([record], 0) => self.log.append(record, how)?,
            (records, 0) => self.log.append_batch(records, how)?,
            ([record], _) => block_on(self.log.append_async(record, how))?,
            (records, _) => block_on(self.log.append_batch_async(records, how))?,
        };
        if let Some(next) = tallies.get(writer) {
            *next.lock() = number + 1;
        }
        let word = if action.durable { "ack" } else { "buffered" };
        self.say(format_args!("{word} {seq} {writer} {number}"))
    }
}

fn block_on(append: impl Future<Output = Result<u64, AppendError>>) -> Result<u64, WriterError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(runtime.block_on(append)?)
}
