//! The record in the lock file: who holds it, and the fence number, in two slots of fixed size.
//!
//! ```text
//! byte 0          503         511   512                    1023
//! | JSON, spaces | CRC-32C hex | \n | the same, other slot |
//! ```
//!
//! The JSON begins with the fence number, `{"fence":7,`, so that the newer slot can be told without reading the rest.
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

use serde::Deserialize;

use crate::Holder;

/// One record with its checksum. A disk writes a sector of 512 bytes whole or not at all; nothing relies on it.
const SLOT_LEN: usize = 512;
const CRC_LEN: usize = 9;
const BODY_LEN: usize = SLOT_LEN - CRC_LEN;
const SLOTS: usize = 2;

/// What the record asks of its file: so that tests can crash the machine between any two of these.
pub(crate) trait Medium {
    /// Reads at `offset`; less than asked, perhaps, and nothing only at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn sync_data(&self) -> io::Result<()>;
    fn length(&self) -> io::Result<u64>;
}

impl Medium for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// The bytes of both slots.
#[derive(Debug)]
pub(crate) struct Slots {
    bytes: [u8; SLOTS * SLOT_LEN],
    length: usize,
}

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
    newest_fence: u64,
    newest_slot: usize,
    /// The other slot holds something that cannot be read.
    damaged: bool,
}

impl Slots {
    pub(crate) fn read(file: &impl Medium) -> io::Result<Self> {
        let (mut bytes, mut length) = ([0; SLOTS * SLOT_LEN], 0);
        while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, u64::try_from(length).map_err(io::Error::other)?) {
                Ok(0) => break,
                Ok(n) => length += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(Self { bytes, length })
    }

    /// What is there, as far as the next record depends on it.
    pub(crate) fn content(&self) -> Content {
        if self.length == 0 {
            return Content::Empty;
        }
        let (mut newest, mut damaged) = (None, false);
        for (slot, body) in self.bodies().enumerate() {
            match body.and_then(number) {
                Some(fence) => newest = newest.max(Some((fence, slot))),
                None => damaged = true,
            }
        }
        match newest {
            Some((newest_fence, newest_slot)) => Content::Records(Records { newest_fence, newest_slot, damaged }),
            None => Content::Foreign,
        }
    }

    /// The newest record, where there is one that can be read (LOCK-4).
    pub(crate) fn holder(&self) -> Option<Holder> {
        let numbered = self.bodies().flatten().filter_map(|body| Some((number(body)?, body)));
        numbered.max_by_key(|&(number, _)| number).and_then(|(_, body)| parse(body))
    }

    /// Each slot's JSON, where the checksum agrees.
    fn bodies(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.bytes.get(..self.length).unwrap_or_default().chunks(SLOT_LEN).map(body)
    }
}

impl Content {
    /// What the next record is written beside, where there is anything.
    pub(crate) fn records(&self) -> Option<&Records> {
        match self {
            Self::Records(records) => Some(records),
            Self::Empty | Self::Foreign => None,
        }
    }
}

impl Records {
    /// A fence greater than any that was handed out (LOCK-5), or `None` when there is none left.
    pub(crate) fn next_fence(&self) -> Option<u64> {
        self.newest_fence.checked_add(if self.damaged { 2 } else { 1 })
    }
}

/// Writes `holder` beside the newest of `before`, durably.
pub(crate) fn write(file: &impl Medium, before: Option<&Records>, holder: &Holder) -> io::Result<()> {
    let bytes = encode(holder)?;
    let newest_slot = before.map_or(SLOTS - 1, |records| records.newest_slot);
    let other_slot = SLOTS - 1 - newest_slot;
    write_slot(file, other_slot, &bytes)?;
    // LOCK-5: a leap goes into both slots, the second only once the first is durable. The very first record is no leap,
    // whatever its number: there is no other slot that could be taken for its predecessor.
    if before.is_some_and(|records| records.newest_fence.checked_add(1) != Some(holder.fence)) {
        write_slot(file, newest_slot, &bytes)?;
    }
    Ok(())
}

fn write_slot(file: &impl Medium, slot: usize, bytes: &[u8]) -> io::Result<()> {
    let offset = u64::try_from(slot * SLOT_LEN).map_err(io::Error::other)?;
    file.write_all_at(bytes, offset)?;
    file.sync_data()
}

fn encode(holder: &Holder) -> io::Result<Vec<u8>> {
    let mut slot = Vec::with_capacity(SLOT_LEN);
    serde_json::to_writer(&mut slot, holder)?;
    if slot.len() > BODY_LEN {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the record is longer than its slot"));
    }
    slot.resize(BODY_LEN, b' ');
    let checksum = checksum(&slot);
    slot.extend_from_slice(&checksum);
    Ok(slot)
}

/// What of `slot` the checksum is of, where it agrees.
fn body(slot: &[u8]) -> Option<&[u8]> {
    let (body, found) = slot.split_at_checked(BODY_LEN)?;
    (found == checksum(body)).then_some(body)
}

/// The fence number of a record, without the rest of it.
fn number(body: &[u8]) -> Option<u64> {
    let rest = body.strip_prefix(b"{\"fence\":")?;
    let digits = rest.split(|byte| !byte.is_ascii_digit()).next()?;
    str::from_utf8(digits).ok()?.parse().ok()
}

/// What follows the JSON is not looked at: by its checksum the slot is ours, and we wrote spaces.
fn parse(body: &[u8]) -> Option<Holder> {
    Holder::deserialize(&mut serde_json::Deserializer::from_str(str::from_utf8(body).ok()?)).ok()
}

/// Eight hexadecimal digits and a newline.
fn checksum(body: &[u8]) -> [u8; CRC_LEN] {
    let crc = crc32c::crc32c(body);
    let mut text = [b'\n'; CRC_LEN];
    for (digit, shift) in text.iter_mut().zip((0..u32::BITS).step_by(4).rev()) {
        let nibble = (crc >> shift) & 0xf;
        *digit = char::from_digit(nibble, 16).and_then(|c| u8::try_from(c).ok()).unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests;
