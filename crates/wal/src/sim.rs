//! A simulated disk that keeps what POSIX promises and nothing else, for tests of the log and of what stands on it.
//!
//! [`SimStorage`] is a directory in memory. It records what is done to it; a [`Recording`] is then played again, and after
//! each operation every disk that a crash could leave there is built ([`Recording::crashes`]) and handed to the test.
//!
//! # What a crash may do
//!
//! * Data that was not synced is there, or not, or in part, sector (512 bytes) by sector and in any order. In a sector
//!   that was being written, the bytes of that write may also be zeros, garbage, or cut off anywhere. Bytes outside the
//!   write stay: the *powersafe overwrite* that other databases rely on too.
//! * A file's length that was not synced may be any that it had since.
//! * A name that was not made durable by a sync of the directory means what it meant at any moment since, each name for
//!   itself: a renamed file may have both names, or none.
//! * After a sync that failed, what was to be synced may be there or not, readers are shown it all the same, and later
//!   syncs that succeed do nothing about it. At any later moment readers may be shown what the disk has instead
//!   ([`FaultKind::Evict`]).
//!
//! A lock is taken or not, its number durable before the caller sees it: that is what the crate of the lock promises.

#![expect(clippy::indexing_slicing, reason = "a simulator: an index that is wrong is a bug in it, to be seen at once")]

mod crashes;
mod disk;
mod faults;
mod recording;
mod storage;

pub use self::crashes::Depth;
pub use self::disk::Image;
pub use self::faults::{Fault, FaultKind};
pub use self::recording::{Crash, Recording};
pub use self::storage::SimStorage;

/// Pseudo-random numbers that are the same for the same seed on every machine (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; zero if that is zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.roll() % bound).unwrap_or(0)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
