//! Reads the segments of a damaged log, also those whose header says nothing that can be believed.

use std::collections::BTreeMap;

use super::runs::Run;
use crate::chain;
use crate::error::ReadError;
use crate::format::{BadHeader, FRAME_LEN, HEADER_LEN, Head, Header, LogId, MAX_CAPACITY, VERSION};
use crate::segment;
use crate::storage::{Access, Storage, StorageFile, read_full};

/// The id that most of `segments` have.
pub(super) fn log_id(storage: &dyn Storage, segments: &[u64]) -> Result<LogId, ReadError> {
    let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
    for index in segments {
        if let (_, Ok(header)) = read_header(storage, *index)?
            && header.segment == *index
        {
            *votes.entry(header.log.0).or_default() += 1;
        }
    }
    let path = || chain::path(storage, segments.first().copied().unwrap_or(1));
    let most = votes.into_iter().max_by_key(|(_, votes)| *votes);
    most.map(|(log, _)| LogId(log)).ok_or_else(|| ReadError::Damaged { path: path(), offset: 0, intact: 0 })
}

/// What segment `index` of `log` has, without what is behind its end; and its header, if that can be believed.
pub(super) fn read_segment(
    storage: &dyn Storage,
    index: u64,
    log: LogId,
) -> Result<(Option<Header>, Vec<u8>), ReadError> {
    let io = |action| move |source| ReadError::Io { action, path: chain::path(storage, index), source };
    let (file, header) = read_header(storage, index)?;
    let header = header.ok().filter(|header| {
        header.segment == index && header.log == log && (HEADER_LEN..=MAX_CAPACITY).contains(&header.capacity)
    });
    let length = file.length().map_err(io("read the length of"))?;
    let length = length.min(header.map_or(MAX_CAPACITY, |header| header.capacity));
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let count = read_full(file.as_ref(), &mut bytes, 0).map_err(io("read"))?;
    bytes.truncate(count);
    Ok((header, bytes))
}

/// Shows `visit` the frames of `run` that count, with their payloads.
pub(super) fn each_frame<E: From<ReadError>>(
    storage: &dyn Storage,
    log: LogId,
    run: &Run,
    mut visit: impl FnMut(&Head, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let path = || chain::path(storage, run.start.segment);
    let io = |action| move |source| ReadError::Io { action, path: path(), source };
    let file = storage.open(&segment::name(run.start.segment), Access::Read).map_err(io("open"))?;
    let mut bytes = vec![0; usize::try_from(run.to.saturating_sub(run.from)).unwrap_or(0)];
    let count = read_full(file.as_ref(), &mut bytes, run.from).map_err(io("read"))?;
    bytes.truncate(count);
    let mut at = 0;
    while at < bytes.len() || count as u64 != run.to - run.from {
        let rest = bytes.get(at..).unwrap_or_default();
        let head = Head::read(rest).filter(|head| rest.get(..head.frame_len()).is_some_and(|f| head.matches(log, f)));
        let Some(head) = head else {
            // It was whole a moment ago.
            return Err(ReadError::Damaged { path: path(), offset: run.from + at as u64, intact: 0 }.into());
        };
        let payload = rest.get(FRAME_LEN..head.frame_len()).unwrap_or_default();
        // Cut short by what came later.
        if head.seq.saturating_add(head.kind.numbers(payload).unwrap_or(0)) <= run.next {
            visit(&head, payload)?;
        }
        at += head.frame_len();
    }
    Ok(())
}

type FileAndHeader = (Box<dyn StorageFile>, Result<Header, BadHeader>);

fn read_header(storage: &dyn Storage, index: u64) -> Result<FileAndHeader, ReadError> {
    let io = |action| move |source| ReadError::Io { action, path: chain::path(storage, index), source };
    let file = storage.open(&segment::name(index), Access::Read).map_err(io("open"))?;
    let mut bytes = [0; 64];
    let count = read_full(file.as_ref(), &mut bytes, 0).map_err(io("read"))?;
    let header = Header::read(bytes.get(..count).unwrap_or_default());
    if let Err(BadHeader::Newer(version)) = header {
        return Err(ReadError::Newer { path: chain::path(storage, index), version, supported: VERSION });
    }
    Ok((file, header))
}
