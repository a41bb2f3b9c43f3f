//! Segment files: their names, and how they come to be.

use std::io;
use std::sync::Arc;

use crate::error::ReadError;
use crate::format::{BadHeader, CAPACITY_AT, HEADER_LEN, Header, LogId, MAX_CAPACITY, VERSION};
use crate::storage::{Access, Storage, StorageFile, read_full, write_full, zero_fill};

/// The lock file, which stays for ever.
pub(crate) const LOCK_NAME: &str = "lock";

/// What segment `index` is called.
pub(crate) fn name(index: u64) -> String {
    format!("{index:020}.wal")
}

fn temporary_name(index: u64) -> String {
    format!("{index:020}.wal.tmp")
}

/// What a name in the directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    Segment(u64),
    /// Left by a writer that died while it made a segment; holds nothing that was ever acknowledged.
    Temporary,
    Lock,
    Foreign,
}

pub(crate) fn named(text: &str) -> Named {
    let index = |stem: &str| stem.parse::<u64>().ok().filter(|index| *index > 0 && format!("{index:020}") == stem);
    if text == LOCK_NAME {
        Named::Lock
    } else if let Some(index) = text.strip_suffix(".wal").and_then(index) {
        Named::Segment(index)
    } else if text.strip_suffix(".wal.tmp").and_then(index).is_some() {
        Named::Temporary
    } else {
        Named::Foreign
    }
}

/// What is in a log's directory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// In ascending order.
    pub(crate) segments: Vec<u64>,
    pub(crate) temporary: Vec<String>,
}

/// Lists the directory. A file that is no part of a log is an error, since nothing may be made or removed beside it.
pub(crate) fn list(storage: &dyn Storage) -> Result<Listing, ReadError> {
    let names =
        storage.names().map_err(|source| ReadError::Io { action: "list", path: storage.place().to_owned(), source })?;
    let mut listing = Listing::default();
    for text in names {
        match named(&text) {
            Named::Segment(index) => listing.segments.push(index),
            Named::Temporary => listing.temporary.push(text),
            Named::Lock => {}
            Named::Foreign => return Err(ReadError::Foreign { path: storage.place().join(text) }),
        }
    }
    listing.segments.sort_unstable();
    Ok(listing)
}

/// An open segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) header: Header,
    pub(crate) file: Arc<dyn StorageFile>,
}

/// Opens segment `index`; `None` if there is none.
pub(crate) fn open(storage: &dyn Storage, index: u64, access: Access) -> Result<Option<Segment>, ReadError> {
    let path = || storage.place().join(name(index));
    let io = |action| move |source| ReadError::Io { action, path: storage.place().join(name(index)), source };
    let file = match storage.open(&name(index), access) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("open")(error)),
    };
    let mut bytes = [0; 64];
    let count = read_full(file.as_ref(), &mut bytes, 0).map_err(io("read"))?;
    let header = match Header::read(bytes.get(..count).unwrap_or_default()) {
        Ok(header) if header.segment == index => header,
        // Cut off, or renamed: it was sound once.
        Ok(_) | Err(BadHeader::Damaged) => return Err(ReadError::Damaged { path: path(), offset: 0, intact: 0 }),
        Err(BadHeader::Foreign) => {
            // A segment is made under another name and gets its own when it is whole: this never was one, unless its
            // first bytes were lost since.
            let lost = bytes.get(..8).is_some_and(|magic| magic.iter().all(|byte| *byte == 0));
            return Err(if lost {
                ReadError::Damaged { path: path(), offset: 0, intact: 0 }
            } else {
                ReadError::Foreign { path: path() }
            });
        }
        Err(BadHeader::Newer(version)) => {
            return Err(ReadError::Newer { path: path(), version, supported: VERSION });
        }
    };
    // A length that no writer makes is damage by a hand that knows checksums; memory is not spent on it.
    if !(HEADER_LEN..=MAX_CAPACITY).contains(&header.capacity) {
        return Err(ReadError::Damaged { path: path(), offset: CAPACITY_AT, intact: 0 });
    }
    let length = file.length().map_err(io("read the length of"))?;
    if length < header.capacity {
        return Err(ReadError::Damaged { path: path(), offset: length, intact: 0 });
    }
    Ok(Some(Segment { header, file: Arc::from(file) }))
}

/// Whether there is nothing but zeros behind the header.
pub(crate) fn is_zero(segment: &Segment) -> io::Result<bool> {
    let mut buffer = vec![0; 64 * 1024];
    let mut at = HEADER_LEN;
    while at < segment.header.capacity {
        let count = read_full(segment.file.as_ref(), &mut buffer, at)?;
        let read = buffer.get(..count).unwrap_or_default();
        if count == 0 || read.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += count as u64;
    }
    Ok(true)
}

/// Why a segment was not made.
#[derive(Debug)]
pub(crate) struct CreateError {
    pub(crate) action: &'static str,
    pub(crate) source: io::Error,
    /// The segment may have got its name and may lose it in a crash: it must not be used, and nor may it be made again
    /// by this writer.
    pub(crate) uncertain: bool,
}

impl CreateError {
    pub(crate) fn is_full(&self) -> bool {
        !self.uncertain && is_full(&self.source)
    }
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Makes segment `index` with `frames` in it and zeros behind them, in place of the one of that name, if there is one and
/// `held` still says that it may be replaced. Where there is a `donor`, a segment of that length that was never used, its file
/// is taken instead of new room on the disk; it loses its own name first.
///
/// # Durability
/// It is whole before it has its name, and it has its name for good when this returns.
pub(crate) fn create(
    storage: &dyn Storage,
    log: LogId,
    index: u64,
    capacity: u64,
    frames: &[u8],
    donor: Option<u64>,
    held: &dyn Fn() -> io::Result<()>,
) -> Result<Segment, CreateError> {
    let failed = |action, uncertain| move |source| CreateError { action, source, uncertain };
    let temporary = temporary_name(index);
    match storage.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove a leftover in", false)(error));
        }
        _ => {}
    }
    let header = Header { log, segment: index, capacity };
    let file = match donor {
        Some(donor) => {
            storage.rename(&name(donor), &temporary).map_err(failed("rename a segment in", false))?;
            // Before anything is written to it: under its old name it must not be found with something in it.
            storage.sync_directory().map_err(failed("sync", true))?;
            storage.open(&temporary, Access::ReadWrite).map_err(failed("open a segment in", false))?
        }
        None => storage.create(&temporary).map_err(failed("make a file in", false))?,
    };
    let fill = || {
        if donor.is_none() {
            file.allocate(capacity)?;
            // Zeros are written although the blocks are there: a block that was never written costs each later sync a write
            // of the file's metadata.
            zero_fill(file.as_ref(), 0, capacity)?;
        }
        write_full(file.as_ref(), &header.write(), 0)?;
        write_full(file.as_ref(), frames, HEADER_LEN)?;
        file.sync_data()
    };
    if let Err(error) = fill() {
        // Its room is wanted back on a full disk. If that fails too, the next one to open the log removes it.
        let _removed = storage.remove(&temporary);
        return Err(failed("make a segment in", false)(error));
    }
    held().map_err(failed("name a segment in", true))?;
    // The sync came first: a name that is kept in a crash leads to a whole segment.
    storage.rename(&temporary, &name(index)).map_err(failed("name a segment in", true))?;
    storage.sync_directory().map_err(failed("sync", true))?;
    Ok(Segment { header, file: Arc::from(file) })
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
