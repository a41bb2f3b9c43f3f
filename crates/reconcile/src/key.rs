//! The text of a symbol in place: comparing symbols follows a pointer to memory that is far away, and over many of them that is
//! most of what a comparison costs.

use backstop_broker::Symbol;

/// A symbol's text, in the order of symbols: it has no zero byte, so that padding sorts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Key([u64; Symbol::MAX_LEN / 8]);

impl Key {
    pub(crate) fn of(symbol: &Symbol) -> Self {
        let text = symbol.as_str().as_bytes();
        let (chunks, rest) = text.as_chunks::<8>();
        let mut words = [0; Symbol::MAX_LEN / 8];
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = u64::from_be_bytes(*chunk);
        }
        // Not by a copy of so many bytes: a call for each of a hundred thousand would be half of what they cost.
        if let Some(word) = words.get_mut(chunks.len()) {
            *word = match text.last_chunk::<8>() {
                Some(last) => u64::from_be_bytes(*last).unbounded_shl(64 - 8 * u32::try_from(rest.len()).unwrap_or(0)),
                None => rest.iter().rev().fold(0, |word, byte| (word >> 8) | (u64::from(*byte) << 56)),
            };
        }
        Self(words)
    }
}
