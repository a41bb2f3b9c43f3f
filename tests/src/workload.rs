//! What processes write to a log in order to be killed at it: everything is a function of a seed, so that whoever reads
//! the log back knows what may be in it.
//!
//! One or several writers each do their actions 0, 1, 2, …. An action is one record or a batch; a record names its writer,
//! its action and its place in the batch. A checkpoint is the number of each writer's next action.

mod alone;
mod session;
mod unsynced;

pub use self::session::{Session, WriterError};

use std::fmt::Write as _;

/// What the writers of one log write.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// Another seed, other actions.
    pub seed: u64,
}

/// What a writer does in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Action {
    /// Appended together.
    pub records: Vec<Vec<u8>>,
    /// Acknowledged only once they are on disk.
    pub durable: bool,
    /// A checkpoint comes first, and then the removal of all history but so many segments.
    pub checkpoint: Option<u64>,
}

/// Which record of which action a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name with four parts")]
pub struct Name {
    /// The number of the writer.
    pub writer: usize,
    /// The number of its action.
    pub action: u64,
    /// The place in the batch.
    pub index: u64,
    /// How many records the batch has.
    pub count: u64,
}

impl Script {
    /// What `writer` does in its step `action`.
    pub fn action(self, writer: usize, action: u64) -> Action {
        let dice = |what| mix(self.seed, [writer as u64, action, what]);
        let count = if dice(1) % 4 == 0 { 2 + dice(2) % 3 } else { 1 };
        let name = |index| Name { writer, action, index, count };
        Action {
            records: (0..count).map(|index| self.record(name(index))).collect(),
            durable: dice(3) % 4 != 0,
            checkpoint: (writer == 0 && dice(4) % 8 == 0).then(|| dice(5) % 2),
        }
    }

    /// The record of that name: its name, then bytes that nobody else would write.
    pub fn record(self, name: Name) -> Vec<u8> {
        let Name { writer, action, index, count } = name;
        let text = format!("{writer} {action} {index} {count} ");
        let length = mix(self.seed, [writer as u64, action, 16 + index]) % 200;
        self.filled(text, length, [writer as u64, action, index])
    }

    /// A checkpoint that stands for all actions before `next` of each writer.
    pub fn state(self, next: &[u64]) -> Vec<u8> {
        let mut text = String::new();
        for next in next {
            let _infallible = write!(text, "{next} ");
        }
        let sum = next.iter().sum();
        self.filled(text + ".", mix(self.seed, [6, sum, 0]) % 900, [7, sum, 0])
    }

    fn filled(self, text: String, length: u64, whose: [u64; 3]) -> Vec<u8> {
        let mut bytes = text.into_bytes();
        let end = bytes.len() + usize::try_from(length).unwrap_or(0);
        let mut at = 0;
        while bytes.len() < end {
            bytes.extend(mix(self.seed ^ at, whose).to_le_bytes());
            at += 1;
        }
        bytes.truncate(end);
        bytes
    }
}

impl Name {
    /// The name that a record claims to have.
    pub fn of(record: &[u8]) -> Option<Self> {
        let mut words =
            record.splitn(5, |byte| *byte == b' ').map(|word| str::from_utf8(word).ok()?.parse::<u64>().ok());
        let mut next = || words.next().flatten();
        Some(Self { writer: usize::try_from(next()?).ok()?, action: next()?, index: next()?, count: next()? })
    }
}

/// The numbers of the next actions that a checkpoint gives.
pub fn next_of(state: &[u8]) -> Option<Vec<u64>> {
    let end = state.iter().position(|byte| *byte == b'.')?;
    let text = str::from_utf8(state.get(..end)?).ok()?;
    text.split_terminator(' ').map(|word| word.parse().ok()).collect()
}

/// A number that is the same for the same arguments on every machine (the end of `SplitMix64`, for each word in turn).
pub fn mix(seed: u64, words: [u64; 3]) -> u64 {
    words.into_iter().fold(seed, |state, word| {
        let mut z = (state ^ word.rotate_left(32)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}
