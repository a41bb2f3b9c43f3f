//! The text of a symbol in place: comparing symbols follows a pointer to memory that is far away, and over many of them that is
//! most of what a comparison costs.

use backstop_broker::Symbol;

/// A symbol's text, in the order of symbols: it has no zero byte, so that padding sorts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Key([u64; Symbol::MAX_LEN / 8]);

impl Key {
    pub(crate) fn of(symbol: &Symbol) -> Self {
        let mut bytes = [0; Symbol::MAX_LEN];
        let text = symbol.as_str().as_bytes();
        if let Some(start) = bytes.get_mut(..text.len()) {
            start.copy_from_slice(text);
        }
        let mut words = [0; Symbol::MAX_LEN / 8];
        for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*chunk);
        }
        Self(words)
    }
}
