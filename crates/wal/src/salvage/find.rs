//! Finds the frames in the bytes of a segment, whatever lies between them.
//!
//! Any byte may be where a frame begins, and any three bytes behind it may say how long it is. So that this costs no more
//! than a few passes over the bytes, the checksum of any stretch is computed from those of the two beginnings that it is
//! the difference of: a checksum is linear.

use crate::format::{FRAME_LEN, Head, LogId};

/// Looks for frames.
pub(super) struct Finder<'a> {
    log: LogId,
    bytes: &'a [u8],
    /// Made once there is damage.
    sums: Option<Sums>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(log: LogId, bytes: &'a [u8]) -> Self {
        Self { log, bytes, sums: None }
    }

    /// The first sound frame that begins at `from` or later, and where.
    pub(super) fn next(&mut self, from: usize) -> Option<(usize, Head)> {
        if let Some(head) = self.frame_at(from) {
            return Some((from, head));
        }
        let rest = self.bytes.get(from..).unwrap_or_default();
        let somewhere = from + rest.iter().position(|byte| *byte != 0)?;
        self.sums.get_or_insert_with(|| Sums::new(self.bytes));
        // The first bytes of a frame are a checksum, and may be zeros.
        let first = somewhere.saturating_sub(FRAME_LEN).max(from);
        (first..self.bytes.len()).find_map(|at| self.frame_at(at).map(|head| (at, head)))
    }

    /// The frame that begins at `at`, if it is sound.
    pub(super) fn frame_at(&self, at: usize) -> Option<Head> {
        let head = Head::read(self.bytes.get(at..)?)?;
        let end = at.checked_add(head.frame_len())?;
        let frame = self.bytes.get(at..end)?;
        let sound = match &self.sums {
            None => head.matches(self.log, frame),
            Some(sums) => sums.of(self.log.checksum(&[]), at + 4, end) == Some(head.crc()),
        };
        sound.then_some(head)
    }

    /// The payload of the frame at `at`.
    pub(super) fn payload(&self, at: usize, head: &Head) -> &'a [u8] {
        self.bytes.get(at + FRAME_LEN..at + head.frame_len()).unwrap_or_default()
    }
}

/// What 32 bits of a checksum become when as many zero bytes follow as the power of two says whose turn it is.
type Shift = [u32; 32];

/// The checksums of all beginnings of some bytes.
struct Sums {
    of_beginnings: Vec<u32>,
    shifts: Vec<Shift>,
}

impl Sums {
    fn new(bytes: &[u8]) -> Self {
        let mut sum = 0;
        let mut of_beginnings = Vec::with_capacity(bytes.len() + 1);
        of_beginnings.push(sum);
        for byte in bytes {
            sum = crc32c::crc32c_append(sum, std::slice::from_ref(byte));
            of_beginnings.push(sum);
        }
        let mut shift: Shift = std::array::from_fn(|bit| crc32c::crc32c_combine(1 << bit, 0, 1));
        let mut shifts = vec![shift];
        while bytes.len() >> shifts.len() > 0 {
            shift = shift.map(|column| apply(&shift, column));
            shifts.push(shift);
        }
        Self { of_beginnings, shifts }
    }

    /// The checksum of the bytes `from..to` behind something that has the checksum `before`.
    fn of(&self, before: u32, from: usize, to: usize) -> Option<u32> {
        let (begin, end) = (*self.of_beginnings.get(from)?, *self.of_beginnings.get(to)?);
        let length = to.checked_sub(from)?;
        let set = self.shifts.iter().enumerate().filter(|(power, _)| length >> power & 1 == 1);
        Some(set.fold(before ^ begin, |sum, (_, shift)| apply(shift, sum)) ^ end)
    }
}

fn apply(shift: &Shift, sum: u32) -> u32 {
    shift.iter().enumerate().filter(|(bit, _)| sum >> bit & 1 == 1).fold(0, |sum, (_, column)| sum ^ column)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
