//! Whether there is trading, as somebody said, and when they were asked.

use backstop_clock::Mono;

/// Whether there is trading.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarketState {
    /// Before the opening.
    PreMarket,
    /// The regular session.
    Open,
    /// After the close.
    PostMarket,
    /// No session.
    Closed,
    /// Trading is halted.
    Halted,
    /// A word that the adapter does not know: not open.
    Unrecognized(String),
}

/// What was said of the market, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Market {
    /// The word.
    pub state: MarketState,
    /// When it was asked for: an answer may have been true only then.
    pub asked: Mono,
}
