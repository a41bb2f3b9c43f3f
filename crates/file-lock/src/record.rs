//! The record in the lock file: who holds it, and the fence number, in two slots of fixed size.
//!
//! ```text
//! byte 0          503         511   512                    1023
//! | JSON, spaces | CRC-32C hex | \n | the same, other slot |
//! ```
//!
//! A record is written in place over the slot that does not hold the newest one, and synced. A write that is torn by a
//! crash therefore costs the record that was being written and never the one before it. Never truncated: some file
//! systems flush a truncated file when it is closed, and a reader would find it empty.
//!
//! Two neighboring slots never differ by more than one in their fence, because a record that leaps is written over both,
//! one after the other. So a slot that cannot be read held at most the other's fence plus one, whether it was torn or
//! went bad years later, and the next fence leaves that one out (LOCK-5).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::Holder;

/// One record with its checksum. A disk writes a sector of 512 bytes whole or not at all; nothing relies on it.
const SLOT_LEN: usize = 512;
/// Eight hexadecimal digits and a newline.
const CRC_LEN: usize = 9;
const BODY_LEN: usize = SLOT_LEN - CRC_LEN;
const SLOTS: usize = 2;

/// What a lock file was found to hold.
#[derive(Debug)]
pub(crate) enum Content {
    /// Nothing: no acquisition was ever completed.
    Empty,
    /// At least one record.
    Records(Records),
    /// Something, and none of it a record.
    Foreign,
}

/// What is needed to write the next record.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) newest: Holder,
    newest_slot: usize,
    /// The other slot holds something that cannot be read.
    damaged: bool,
}

impl Content {
    /// Reads both slots.
    pub(crate) fn read(file: &File) -> io::Result<Self> {
        let bytes = read_slots(file)?;
        if bytes.is_empty() {
            return Ok(Self::Empty);
        }
        let slots: Vec<_> = bytes.chunks(SLOT_LEN).map(decode).collect();
        let damaged = slots.iter().any(Option::is_none);
        let readable = slots.into_iter().enumerate().filter_map(|(slot, holder)| Some((slot, holder?)));
        Ok(match readable.max_by_key(|(_, holder)| holder.fence) {
            Some((newest_slot, newest)) => Self::Records(Records { newest, newest_slot, damaged }),
            None => Self::Foreign,
        })
    }

    /// What the next record is written beside, where there is anything.
    pub(crate) fn records(&self) -> Option<&Records> {
        match self {
            Self::Records(records) => Some(records),
            Self::Empty | Self::Foreign => None,
        }
    }

    /// The newest record, where there is one.
    pub(crate) fn newest(self) -> Option<Holder> {
        match self {
            Self::Records(records) => Some(records.newest),
            Self::Empty | Self::Foreign => None,
        }
    }
}

impl Records {
    /// A fence greater than any that was handed out (LOCK-5), or `None` when there is none left.
    pub(crate) fn next_fence(&self) -> Option<u64> {
        self.newest.fence.checked_add(if self.damaged { 2 } else { 1 })
    }
}

/// Writes `holder` beside the newest of `before`, durably.
pub(crate) fn write(file: &File, before: Option<&Records>, holder: &Holder) -> io::Result<()> {
    let bytes = encode(holder)?;
    let newest_slot = before.map_or(SLOTS - 1, |records| records.newest_slot);
    let other_slot = SLOTS - 1 - newest_slot;
    write_slot(file, other_slot, &bytes)?;
    // LOCK-5: a leap goes into both slots, the second only once the first is durable. The very first record is no leap,
    // whatever its number: there is no other slot that could be taken for its predecessor.
    if before.is_some_and(|records| records.newest.fence.checked_add(1) != Some(holder.fence)) {
        write_slot(file, newest_slot, &bytes)?;
    }
    Ok(())
}

fn write_slot(file: &File, slot: usize, bytes: &[u8]) -> io::Result<()> {
    let offset = u64::try_from(slot * SLOT_LEN).map_err(io::Error::other)?;
    file.write_all_at(bytes, offset)?;
    file.sync_data()
}

fn read_slots(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; SLOTS * SLOT_LEN];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, u64::try_from(filled).map_err(io::Error::other)?) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn encode(holder: &Holder) -> io::Result<Vec<u8>> {
    let mut slot = serde_json::to_vec(holder)?;
    if slot.len() > BODY_LEN {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the record is longer than its slot"));
    }
    slot.resize(BODY_LEN, b' ');
    let checksum = checksum(&slot);
    slot.extend_from_slice(checksum.as_bytes());
    Ok(slot)
}

fn decode(slot: &[u8]) -> Option<Holder> {
    let (body, found) = slot.split_at_checked(BODY_LEN)?;
    if found != checksum(body).as_bytes() {
        return None;
    }
    serde_json::from_slice(body).ok()
}

fn checksum(body: &[u8]) -> String {
    format!("{:08x}\n", crc32c::crc32c(body))
}

#[cfg(test)]
mod tests;
