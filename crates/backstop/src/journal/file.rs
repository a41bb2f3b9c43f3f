//! The journal on disk: a text file of one batch a line, synced before it is acknowledged.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::frame;
use super::{Journal, JournalError};
use crate::record::Batch;

/// The first line of every journal.
const MAGIC: &str = "backstop-journal ";
/// The format that this version writes.
const FORMAT: u32 = 1;

/// A journal in one file. The caller sees to it that only one process writes (WAL-5): it holds the state directory's
/// lock.
#[derive(Debug)]
pub struct FileJournal {
    path: PathBuf,
    writer: Arc<Mutex<Writer>>,
}

#[derive(Debug)]
pub(super) struct Writer {
    file: File,
    failed: bool,
}

#[cfg(test)]
impl Writer {
    pub(super) fn for_test(file: File) -> Self {
        Self { file, failed: false }
    }
}

/// What a journal's file holds.
#[derive(Debug, Default)]
pub struct Contents {
    /// Every whole batch, in order.
    pub batches: Vec<Batch>,
    /// How many bytes of a last, half-written batch follow.
    pub torn: usize,
}

impl FileJournal {
    /// Opens or creates the journal at `path` for writing, and reads what it holds. A torn tail is cut off.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] for damage anywhere before the tail; nothing is changed then.
    ///
    /// # Durability
    /// A new file and its name are durable when this returns.
    pub fn open(path: &Path) -> Result<(Self, Contents), JournalError> {
        let fail = |action| move |source| JournalError::Io { action, path: path.to_owned(), source };
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(fail("open"))?;
        let bytes = read_all(&mut file).map_err(fail("read"))?;
        let contents = parse(path, &bytes)?;
        let whole = bytes.len() - contents.torn;
        if contents.torn > 0 {
            // WAL-3: the tail was never acknowledged. Cut it, so that the next batch does not grow on it.
            file.set_len(u64::try_from(whole).unwrap_or(u64::MAX)).map_err(fail("cut the torn tail of"))?;
        }
        if whole == 0 {
            file.write_all(format!("{MAGIC}{FORMAT}\n").as_bytes()).map_err(fail("begin"))?;
        }
        file.sync_all().map_err(fail("sync"))?;
        sync_directory(path).map_err(fail("sync the directory of"))?;
        let writer = Arc::new(Mutex::new(Writer { file, failed: false }));
        Ok((Self { path: path.to_owned(), writer }, contents))
    }

    /// Reads the journal at `path` beside a live writer: takes no lock, changes nothing. No file, no batches.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] for damage anywhere before the tail.
    pub fn read(path: &Path) -> Result<Contents, JournalError> {
        let fail = |action| move |source| JournalError::Io { action, path: path.to_owned(), source };
        let bytes = match File::open(path) {
            Ok(mut file) => read_all(&mut file).map_err(fail("read"))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
            Err(error) => return Err(fail("open")(error)),
        };
        parse(path, &bytes)
    }
}

fn read_all(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Splits a file into its batches. Only what follows the last line feed may be incomplete: a batch is acknowledged
/// after its line feed is on disk.
fn parse(path: &Path, bytes: &[u8]) -> Result<Contents, JournalError> {
    let mut contents = Contents::default();
    let mut offset = 0;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let damaged = |what: String| JournalError::Damaged { path: path.to_owned(), line: index + 1, offset, what };
        match line.strip_suffix(b"\n") {
            // Half a header is a file that was just begun; anything else without a line feed is somebody else's.
            None if index == 0 && !format!("{MAGIC}{FORMAT}").as_bytes().starts_with(line) => {
                return Err(damaged("this is not a journal of Backstop".to_owned()));
            }
            None => contents.torn = line.len(),
            Some(header) if index == 0 => check_header(path, header)
                .map_err(|error| error.unwrap_or_else(|| damaged("this is not a journal of Backstop".to_owned())))?,
            Some(line) => {
                let batch = frame::decode(line);
                // A machine that stopped may have kept the file's new size and not the bytes: zeros, or half a line
                // with a line feed in it. Only the last line can be such.
                let last = offset + line.len() + 1 == bytes.len();
                match batch {
                    Ok(batch) => contents.batches.push(batch),
                    // It was written whole and acknowledged, so it is not a torn tail, last or not.
                    Err(frame::BadLine::Foreign(what)) => {
                        return Err(JournalError::Foreign { path: path.to_owned(), line: index + 1, what });
                    }
                    Err(frame::BadLine::Damaged(_)) if last => contents.torn = line.len() + 1,
                    Err(frame::BadLine::Damaged(what)) => return Err(damaged(what)),
                }
            }
        }
        offset += line.len();
    }
    Ok(contents)
}

/// `Err(None)`: not a header at all.
fn check_header(path: &Path, header: &[u8]) -> Result<(), Option<JournalError>> {
    let text = std::str::from_utf8(header).map_err(|_| None)?;
    let found = text.strip_prefix(MAGIC).and_then(|format| format.parse().ok()).ok_or(None)?;
    if found > FORMAT {
        return Err(Some(JournalError::Newer { path: path.to_owned(), found, known: FORMAT }));
    }
    Ok(())
}

#[async_trait]
impl Journal for FileJournal {
    async fn append(&self, batch: Arc<Batch>) -> Result<(), JournalError> {
        let writer = Arc::clone(&self.writer);
        let path = self.path.clone();
        // The sync would hold up every other task of a runtime worker.
        let written = tokio::task::spawn_blocking(move || write(&mut writer.lock(), &path, &batch)).await;
        written.unwrap_or_else(|_| Err(JournalError::Failed { path: self.path.clone() }))
    }
}

pub(super) fn write(writer: &mut Writer, path: &Path, batch: &Batch) -> Result<(), JournalError> {
    if writer.failed {
        return Err(JournalError::Failed { path: path.to_owned() });
    }
    let line = frame::encode(batch).map_err(|error| JournalError::Encode { what: error.to_string() })?;
    // WAL-4: until both have succeeded the file's end is unknown. A failed sync is never repeated: the kernel reports
    // the loss of a dirty page once and then forgets it (fsync(2), "Errors").
    writer.failed = true;
    let fail = |action| move |source| JournalError::Io { action, path: path.to_owned(), source };
    // What is appended to a file that was moved away would be durable where no restart looks for it.
    let same = |one: Metadata, other: Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    let found = fs::metadata(path).map_err(fail("find"))?;
    if !same(found, writer.file.metadata().map_err(fail("look at"))?) {
        return Err(JournalError::Moved { path: path.to_owned() });
    }
    writer.file.write_all(&line).map_err(fail("append to"))?;
    writer.file.sync_data().map_err(fail("sync"))?;
    writer.failed = false;
    Ok(())
}
