//! Why a quote may not be traded on, with the figure and the bound.

use std::time::Duration;

use backstop_clock::Timestamp;
use rust_decimal::Decimal;

use crate::{MarketState, Symbol};

/// A quote that may not be traded on, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{symbol}: {reason}")]
pub struct Refusal {
    /// Of what.
    pub symbol: Symbol,
    /// Why: the first reason that was found. What was wrong when it came goes before what has become of it since.
    pub reason: Reason,
}

/// Why a quote may not be traded on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    // Of a message that came.
    /// Nobody asked for this symbol. A quote for another symbol than asked never passes for the one that was.
    #[error("nobody asked for it")]
    NotFollowed,
    /// The source sent something that is no number, or no time.
    #[error("its {field} could not be read")]
    Unreadable {
        /// Which.
        field: FieldName,
    },
    /// A price or size below zero.
    #[error("its {field} is {value}, below zero")]
    Negative {
        /// Which.
        field: FieldName,
        /// What came.
        value: Decimal,
    },
    /// A price beyond what the symbol can cost.
    #[error("its {field} is {value}, above {max}")]
    Enormous {
        /// Which.
        field: FieldName,
        /// What came.
        value: Decimal,
        /// The bound.
        max: Decimal,
    },
    /// A price with more decimals than are judged.
    #[error("its {field} is {value}, with more than 12 decimals")]
    TooFine {
        /// Which.
        field: FieldName,
        /// What came.
        value: Decimal,
    },
    /// Neither bid nor ask.
    #[error("it has neither bid nor ask")]
    Empty,
    /// A price without a time stamp.
    #[error("its {field} is missing")]
    NoStamp {
        /// Which.
        field: FieldName,
    },
    /// A stamp that no quote can have: seconds were read as milliseconds, or milliseconds as microseconds.
    #[error("its {field} is {at}, which is no time of a quote; is it read in the right unit?")]
    Implausible {
        /// Which.
        field: FieldName,
        /// What came.
        at: Timestamp,
    },
    /// Received before one that was already taken. The one that was taken stands.
    #[error("it was received {by:?} before one that was already taken")]
    ReceivedBackwards {
        /// By how much.
        by: Duration,
    },
    /// Stamped earlier than one that was already taken. The one that was taken stands, and the row is counted.
    #[error("its {field} runs backwards by {by:?}")]
    Backwards {
        /// Which.
        field: FieldName,
        /// By how much.
        by: Duration,
    },
    /// Stamped later than our clock shows: one of the two is wrong. Neither fresh nor stale.
    #[error("it is stamped {ahead:?} ahead of our clock, at most {max:?} is allowed: one of the two clocks is wrong")]
    ClockAhead {
        /// By how much.
        ahead: Duration,
        /// The bound.
        max: Duration,
    },
    /// It took longer to arrive than the fastest messages do: a backlog.
    #[error("it came {late:?} late, at most {max:?} is allowed: a backlog")]
    Late {
        /// By how much.
        late: Duration,
        /// The bound.
        max: Duration,
    },
    /// Its stamp is far behind our clock, for all that is known of this source: an old message after subscribing, a delayed
    /// feed, or a clock of ours that runs ahead.
    #[error("its stamp is {behind:?} behind our clock, at most {max:?} is allowed{}", delayed(*behind))]
    Behind {
        /// By how much.
        behind: Duration,
        /// The bound.
        max: Duration,
    },
    /// Bid above ask.
    #[error("it is crossed: bid {bid}, ask {ask}")]
    Crossed {
        /// The bid.
        bid: Decimal,
        /// The ask.
        ask: Decimal,
    },
    /// Bid and ask too far apart.
    #[error("it is too wide: bid {bid}, ask {ask}, at most {widest} apart")]
    TooWide {
        /// The bid.
        bid: Decimal,
        /// The ask.
        ask: Decimal,
        /// The bound.
        widest: Decimal,
    },
    /// Too far from the last one that was accepted.
    #[error("it jumped from {from} to {to}, at most {max_bps} basis points are allowed at once")]
    Jumped {
        /// The mid price of the last accepted quote, or the price of the one side that both have.
        from: Decimal,
        /// Of this one.
        to: Decimal,
        /// The bound.
        max_bps: u32,
    },
    /// The same values with the same stamps, again and again.
    #[error("it came {repeats} times more with the same values and the same stamps, at most {max} is allowed: frozen")]
    Frozen {
        /// How many times after the first.
        repeats: u32,
        /// The bound.
        max: u32,
    },

    // Of what stands when it is to be used.
    /// The market is not open.
    #[error("the market is not open ({state:?})")]
    MarketNotOpen {
        /// What was said.
        state: MarketState,
    },
    /// The word that the market is open is too old.
    #[error("the word that the market is open is {age:?} old, at most {max:?} is allowed")]
    MarketStale {
        /// How old.
        age: Duration,
        /// The bound.
        max: Duration,
    },
    /// Nothing came over the connection, of any symbol.
    #[error("the connection has been silent for {silent:?}, at most {max:?} is allowed")]
    ConnectionSilent {
        /// For how long.
        silent: Duration,
        /// The bound.
        max: Duration,
    },
    /// No quote came of it.
    #[error("no quote came")]
    NoQuote,
    /// Received after now: it was dated by another clock.
    #[error("it was received {ahead:?} after now: it was dated by another clock")]
    ReceivedAhead {
        /// By how much.
        ahead: Duration,
    },
    /// The wall clock and the monotonic one moved apart since it came: the machine slept, or a clock was set.
    #[error("wall clock and monotonic clock moved {by:?} apart since it came, at most {max:?} is allowed")]
    ClockStep {
        /// By how much.
        by: Duration,
        /// The bound.
        max: Duration,
    },
    /// It came too long ago.
    #[error("it came {age:?} ago, at most {max:?} is allowed")]
    Stale {
        /// Its age by the monotonic clock.
        age: Duration,
        /// The bound.
        max: Duration,
    },
    /// By the source's own clock it is too old: as of then, or unchanged since then.
    #[error("by its stamp it is {age:?} old, at most {max:?} is allowed{}", delayed(*age))]
    StampStale {
        /// Its age by the stamp.
        age: Duration,
        /// The bound.
        max: Duration,
    },
    /// One of its sides has not changed for longer than even a quiet side may stand.
    #[error("one of its sides is {age:?} old, at most {max:?} is allowed{}", delayed(*age))]
    SideStale {
        /// The age of the older side by its stamp.
        age: Duration,
        /// The bound.
        max: Duration,
    },
    /// The newest stamp of all symbols is too old: answers come, but nothing in them moves.
    #[error("no symbol of the feed has changed for {age:?}, at most {max:?} is allowed{}", delayed(*age))]
    FeedStale {
        /// The age of the newest stamp.
        age: Duration,
        /// The bound.
        max: Duration,
    },
    /// The side that is needed is missing or zero.
    #[error("it has no {field}")]
    NoSide {
        /// Which.
        field: FieldName,
    },
    /// Less than the least size on the side that is needed, or none was said.
    #[error("its {field} is {}, at least {min} is needed", size.map_or_else(|| "missing".to_owned(), |size| size.to_string()))]
    TooSmall {
        /// Which.
        field: FieldName,
        /// What came.
        size: Option<Decimal>,
        /// The bound.
        min: Decimal,
    },
    /// The legs of a spread were not seen at the same time.
    #[error("it was seen {apart:?} apart from another leg, at most {max:?} is allowed")]
    LegsApart {
        /// By how much.
        apart: Duration,
        /// The bound.
        max: Duration,
    },
}

impl Reason {
    /// One word or two, for tables and counters. Stable.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFollowed => "not followed",
            Self::Unreadable { .. } => "unreadable",
            Self::Negative { .. } => "negative",
            Self::Enormous { .. } => "enormous",
            Self::TooFine { .. } => "too fine",
            Self::Empty => "empty",
            Self::NoStamp { .. } => "no stamp",
            Self::Implausible { .. } => "implausible",
            Self::ReceivedBackwards { .. } => "received backwards",
            Self::Backwards { .. } => "backwards",
            Self::ClockAhead { .. } => "clock ahead",
            Self::Late { .. } => "late",
            Self::Behind { .. } => "behind",
            Self::Crossed { .. } => "crossed",
            Self::TooWide { .. } => "too wide",
            Self::Jumped { .. } => "jumped",
            Self::Frozen { .. } => "frozen",
            Self::MarketNotOpen { .. } => "market not open",
            Self::MarketStale { .. } => "market stale",
            Self::ConnectionSilent { .. } => "connection silent",
            Self::NoQuote => "no quote",
            Self::ReceivedAhead { .. } => "received ahead",
            Self::ClockStep { .. } => "clock step",
            Self::Stale { .. } => "stale",
            Self::StampStale { .. } => "stamp stale",
            Self::SideStale { .. } => "side stale",
            Self::FeedStale { .. } => "feed stale",
            Self::NoSide { .. } => "no side",
            Self::TooSmall { .. } => "too small",
            Self::LegsApart { .. } => "legs apart",
        }
    }
}

/// Fifteen minutes are what delayed data is delayed by; Tradier's sandbox was measured at 901 s and 976 s.
pub(crate) const DELAYED: std::ops::Range<Duration> = Duration::from_mins(14)..Duration::from_mins(18);

fn delayed(age: Duration) -> &'static str {
    if DELAYED.contains(&age) { "; this looks like a 15-minute delayed feed, as Tradier's sandbox serves" } else { "" }
}

/// A field of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: the fields of the two sides")]
pub enum FieldName {
    /// The bid's price.
    Bid,
    /// The ask's price.
    Ask,
    /// The bid's size.
    BidSize,
    /// The ask's size.
    AskSize,
    /// The bid's stamp.
    BidStamp,
    /// The ask's stamp.
    AskStamp,
}

impl std::fmt::Display for FieldName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Bid => "bid",
            Self::Ask => "ask",
            Self::BidSize => "bid size",
            Self::AskSize => "ask size",
            Self::BidStamp => "bid stamp",
            Self::AskStamp => "ask stamp",
        })
    }
}
