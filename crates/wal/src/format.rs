//! Frames and segment headers as bytes. The layout is in the crate's documentation.

/// The version of the layout that this code writes, and the only one that it reads.
pub(crate) const VERSION: u32 = 1;
/// Every segment begins with these bytes.
pub(crate) const MAGIC: [u8; 8] = *b"BSTPWAL\n";
/// The header of a segment, zeros behind its fields included. Frames begin here.
pub(crate) const HEADER_LEN: u64 = 64;
/// What a frame takes beside its payload.
pub(crate) const FRAME_LEN: usize = 16;
/// What stands before the copies in a restart frame.
pub(crate) const RESTART_LEN: usize = 32;
/// What a mark takes.
pub(crate) const MARK_LEN: usize = FRAME_LEN + 16;
/// What may come behind the last group of a segment: the mark of the opening, the one that a further segment is there, and
/// the seal or the mark of closing.
pub(crate) const TAIL_LEN: u64 = 3 * MARK_LEN as u64;
/// Left free behind the last group of a segment, so that a segment of the same length has room for a restart frame around
/// all that is in it.
pub(crate) const END_RESERVE: u64 = TAIL_LEN + (FRAME_LEN + RESTART_LEN) as u64;
/// What an opening writes beside the copies of what is not proven: a restart and a mark.
pub(crate) const REOPENING_LEN: usize = FRAME_LEN + RESTART_LEN + MARK_LEN;
/// The longest payload that the length field can say.
pub(crate) const MAX_PAYLOAD: usize = (1 << 24) - 1;
/// No segment is longer: one that is made for a single frame has room for the longest there may be, and its neighbors.
pub(crate) const MAX_CAPACITY: u64 = HEADER_LEN + (1 << 24) + 4096;

/// Where a header says how long the file is.
pub(crate) const CAPACITY_AT: u64 = 28;

/// No record has a greater number: a head that says so is none, and no sum of numbers overflows.
const MAX_SEQ: u64 = 1 << 62;

const HEADER_FIELDS: usize = 36;
const PROOF: u8 = 0x80;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One record.
    Record,
    /// Several records that are there together or not at all.
    Batch,
    /// The number of a segment whose name is durable; and whatever its proof says.
    Mark,
    /// The end of a segment; the next one exists.
    Seal,
    /// What a writer found behind the last proof when it opened the log.
    Restart,
    /// What all records before it amount to.
    Checkpoint,
    /// Records that a salvage did not find.
    Lost,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Record => 1,
            Self::Batch => 2,
            Self::Mark => 3,
            Self::Seal => 4,
            Self::Restart => 5,
            Self::Checkpoint => 6,
            Self::Lost => 7,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Record,
            2 => Self::Batch,
            3 => Self::Mark,
            4 => Self::Seal,
            5 => Self::Restart,
            6 => Self::Checkpoint,
            7 => Self::Lost,
            _ => return None,
        })
    }

    /// Whether readers are shown it.
    pub(crate) fn is_content(self) -> bool {
        matches!(self, Self::Record | Self::Batch | Self::Checkpoint | Self::Lost)
    }

    /// How many records a frame with this payload has; `None` if it makes no sense.
    pub(crate) fn records(self, payload: &[u8]) -> Option<u64> {
        match self {
            Self::Record => Some(1),
            Self::Batch => batch_records(payload).try_fold(0, |count, record| record.map(|_| count + 1)),
            Self::Mark => Mark::read(payload).filter(|_| payload.len() == MARK_LEN - FRAME_LEN).map(|_| 0),
            Self::Seal => payload.is_empty().then_some(0),
            Self::Restart | Self::Checkpoint | Self::Lost => Some(0),
        }
    }

    /// How many numbers it takes; `None` if it makes no sense.
    pub(crate) fn numbers(self, payload: &[u8]) -> Option<u64> {
        // Where nobody knows how many are lost, one number is left out.
        if self == Self::Lost { read_lost(payload).map(|count| count.max(1)) } else { self.records(payload) }
    }
}

/// The head of a frame, not yet checked against its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    /// Everything before this frame was durable when it was written.
    pub(crate) proof: bool,
    pub(crate) payload_len: usize,
    /// Of its first record, or of the next record to come.
    pub(crate) seq: u64,
    crc: u32,
}

impl Head {
    /// Reads the head at the start of `bytes`, if that can be one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (crc, rest) = bytes.split_first_chunk::<4>()?;
        let (word, rest) = rest.split_first_chunk::<4>()?;
        let (seq, _) = rest.split_first_chunk::<8>()?;
        let word = u32::from_le_bytes(*word);
        let [.., tag] = word.to_le_bytes();
        if !(1..=MAX_SEQ).contains(&u64::from_le_bytes(*seq)) {
            return None;
        }
        Some(Self {
            kind: Kind::from_code(tag & !PROOF)?,
            proof: tag & PROOF != 0,
            payload_len: usize::try_from(word & 0x00ff_ffff).ok()?,
            seq: u64::from_le_bytes(*seq),
            crc: u32::from_le_bytes(*crc),
        })
    }

    /// The whole frame.
    pub(crate) fn frame_len(&self) -> usize {
        FRAME_LEN + self.payload_len
    }

    /// What its checksum should be.
    pub(crate) fn crc(&self) -> u32 {
        self.crc
    }

    /// Whether `frame`, head included, is what was written, into this log.
    pub(crate) fn matches(&self, log: LogId, frame: &[u8]) -> bool {
        frame.len() == self.frame_len() && frame.get(4..).is_some_and(|covered| log.checksum(covered) == self.crc)
    }
}

/// Which log a frame belongs to. Part of every checksum, so that frames of another log are no frames here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogId(pub(crate) u64);

impl LogId {
    pub(crate) fn checksum(self, covered: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.0.to_le_bytes()), covered)
    }
}

/// Appends a frame to `out`; the payload is written by `fill`. Returns `false`, with `out` as it was, if the payload is
/// longer than can be said.
pub(crate) fn push_frame(
    out: &mut Vec<u8>,
    log: LogId,
    kind: Kind,
    proof: bool,
    seq: u64,
    fill: impl FnOnce(&mut Vec<u8>),
) -> bool {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_LEN]);
    fill(out);
    let written = finish(out, start, log, kind, proof, seq);
    if written.is_none() {
        out.truncate(start);
    }
    written.is_some()
}

/// Sets or clears the proof of the frame that begins at `start` of `buffer`.
pub(crate) fn set_proof(buffer: &mut [u8], start: usize, log: LogId, proof: bool) {
    if let Some(head) = buffer.get(start..).and_then(Head::read)
        && let Some(frame) = buffer.get_mut(start..start + head.frame_len())
    {
        let written = finish(frame, 0, log, head.kind, proof, head.seq);
        debug_assert!(written.is_some(), "a frame that was read has a length that can be said");
    }
}

/// Writes the head of the frame from `start` to the end of `buffer`.
fn finish(buffer: &mut [u8], start: usize, log: LogId, kind: Kind, proof: bool, seq: u64) -> Option<()> {
    let frame = buffer.get_mut(start..)?;
    let payload_len = frame.len().checked_sub(FRAME_LEN).filter(|len| *len <= MAX_PAYLOAD)?;
    let [a, b, c, _] = u32::try_from(payload_len).ok()?.to_le_bytes();
    let tag = kind.code() | if proof { PROOF } else { 0 };
    frame.get_mut(4..8)?.copy_from_slice(&[a, b, c, tag]);
    frame.get_mut(8..16)?.copy_from_slice(&seq.to_le_bytes());
    let crc = log.checksum(frame.get(4..)?);
    frame.get_mut(..4)?.copy_from_slice(&crc.to_le_bytes());
    Some(())
}

/// Appends one record of a batch.
pub(crate) fn push_batch_record(out: &mut Vec<u8>, record: &[u8]) {
    // A record that does not fit its own length makes the frame too long, which is refused.
    let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(record);
}

/// The records in the payload of a batch; `None` in place of one that does not fit.
pub(crate) fn batch_records(mut payload: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        if payload.is_empty() {
            return None;
        }
        let record = payload.split_first_chunk::<4>().and_then(|(length, rest)| {
            let (record, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
            payload = rest;
            Some(record)
        });
        if record.is_none() {
            payload = &[];
        }
        Some(record)
    })
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// What stands before the copies in a restart frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Restart {
    /// From here to the restart frame nothing counts: what did is copied into it.
    pub(crate) void_from: Place,
    /// The number of the writer's lock.
    pub(crate) fence: u64,
    /// All segments up to this number have names that are durable.
    pub(crate) named: u64,
}

impl Restart {
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        for field in [self.void_from.segment, self.void_from.offset, self.fence, self.named] {
            out.extend_from_slice(&field.to_le_bytes());
        }
    }

    /// Reads it from the payload of a restart frame.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let (segment, rest) = payload.split_first_chunk::<8>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (fence, rest) = rest.split_first_chunk::<8>()?;
        let (named, _) = rest.split_first_chunk::<8>()?;
        let void_from = Place { segment: u64::from_le_bytes(*segment), offset: u64::from_le_bytes(*offset) };
        Some(Self { void_from, fence: u64::from_le_bytes(*fence), named: u64::from_le_bytes(*named) })
    }
}

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// All segments up to this number have names that are durable.
    pub(crate) named: u64,
    /// The number of the writer's lock.
    pub(crate) fence: u64,
}

impl Mark {
    pub(crate) fn push(&self, out: &mut Vec<u8>, log: LogId, seq: u64) {
        push_frame(out, log, Kind::Mark, false, seq, |out| {
            out.extend_from_slice(&self.named.to_le_bytes());
            out.extend_from_slice(&self.fence.to_le_bytes());
        });
    }

    /// Reads it from the payload of a mark.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let (named, rest) = payload.split_first_chunk::<8>()?;
        let (fence, _) = rest.split_first_chunk::<8>()?;
        Some(Self { named: u64::from_le_bytes(*named), fence: u64::from_le_bytes(*fence) })
    }
}

/// Appends the payload of a frame that says how many records are lost, if that is known.
pub(crate) fn push_lost(out: &mut Vec<u8>, count: Option<u64>) {
    out.extend_from_slice(&count.unwrap_or(0).to_le_bytes());
}

/// Reads it: how many there are, zero if nobody knows.
pub(crate) fn read_lost(payload: &[u8]) -> Option<u64> {
    let count = u64::from_le_bytes(*payload.first_chunk::<8>()?);
    (payload.len() == 8 && count <= MAX_SEQ).then_some(count)
}

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) log: LogId,
    pub(crate) segment: u64,
    /// The length of the whole file.
    pub(crate) capacity: u64,
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// It does not begin as a segment does.
    Foreign,
    /// It was written by a later version of this crate.
    Newer(u32),
    /// Its checksum is wrong.
    Damaged,
}

impl Header {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        for field in [self.log.0, self.segment, self.capacity] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out.resize(64, 0);
        out
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BadHeader> {
        let (fields, rest) = bytes.split_at_checked(HEADER_FIELDS).ok_or(BadHeader::Foreign)?;
        if !fields.starts_with(&MAGIC) {
            return Err(BadHeader::Foreign);
        }
        let sound = rest.split_first_chunk::<4>().is_some_and(|(crc, zeros)| {
            u32::from_le_bytes(*crc) == crc32c::crc32c(fields) && zeros.iter().all(|byte| *byte == 0)
        });
        let number = |at: usize| {
            fields.get(at..).and_then(|rest| rest.first_chunk::<8>()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        let version = fields.get(8..).and_then(|rest| rest.first_chunk::<4>()).map_or(0, |v| u32::from_le_bytes(*v));
        // The checksum stands where it stood in version 1 for ever, so that a new version is told from a bad sector.
        match (sound, version) {
            (false, _) => Err(BadHeader::Damaged),
            (true, VERSION) => Ok(Self { log: LogId(number(12)), segment: number(20), capacity: number(28) }),
            (true, newer) => Err(BadHeader::Newer(newer)),
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
