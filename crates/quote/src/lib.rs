//! What a quote is, and the proof that one may be traded on.
//!
//! A [`Quote`] is what a source said about one [`Symbol`], with nothing filled in: a field that was missing or could
//! not be read says so ([`Field`]), each side has the source's own time stamp, and the moment of receipt is taken on
//! both of our clocks. A [`Feed`] takes quotes in as they come, and hands one out only as a [`Fresh`], which it makes
//! when every check of its [`Policy`] lets it; else it says why not, with the figure and the bound ([`Reason`]).
//!
//! # What holds
//!
//! * **QUOTE-1** The only way to a [`Fresh`] quote leads through every check. A message that is refused puts the one
//!   before it out of force.
//! * **QUOTE-2** No stamp, or too old by either clock: refused, until a new quote comes. The age since receipt is taken on
//!   the monotonic clock; the age by the stamp is the greater of two: how much longer ago it is than the fastest message
//!   makes it (on the monotonic clock, so that a wall clock that is set changes nothing), and how far it was behind our wall
//!   clock on receipt, less what that may be ahead. A stamp ahead of our clock is a fault of a clock, and has its own name.
//! * **QUOTE-3** What is not readable, below zero, enormous, crossed, too wide, or jumped is refused, each under its own name. A
//!   missing side refuses only who needs it. Prices are compared as whole numbers of 10⁻¹², exactly.
//! * **QUOTE-4** A silent connection is told from a silent symbol; rows that run backwards are rejected and counted; the
//!   same values with the same stamps are frozen, where the policy asks.
//! * **QUOTE-5** A [`Fresh`] has a deadline, the first moment at which any limit would run out, and is asked again when it is
//!   used. At a limit it holds, a nanosecond later it does not.
//! * **QUOTE-6** The legs of a spread are each fresh, and were seen close to each other; the stalest sets the deadline.
//! * **QUOTE-7** What is not [`MarketState::Open`], by a word that is young enough, lets no entry in.
//!
//! # Prices
//!
//! [`Feed::fresh_legs`] prices a spread: natural, mid, passive, and the worst that a limit may give, which
//! [`SpreadPrices::check_limit`] holds a limit price against. [`Feed::exit_price`] always has an answer: by fresh quotes, or
//! what the policy allows without ([`UnquotedExit`]): a market order, or a limit at the worst of what was last accepted.
//!
//! # What stamps mean
//!
//! Where they say *as of* ([`Stamps::AsOf`]), the older side counts. Where they say when a side last **changed**
//! ([`Stamps::LastChange`]: Tradier's `bid_date` and `ask_date`), the newer side shows that the symbol is alive, the newest of
//! all symbols that the feed is, and the older side has a wide limit of its own. The last trade's time is nobody's age.
//!
//! Stamps in whole seconds are known to a second. Cut off, they make a quote look older than it is, by less than one grain
//! ([`Source::stamp_grain`]). Rounded up, they make it look younger, by less than one grain, until the floor of the
//! latency has learnt of it: that falls by as much, and from then on the age is again never too low. So an age that is
//! within its limit is too high by at most a grain, and limits below a grain are refused.
//!
//! # Symbols
//!
//! The symbol lives here because a quote's meaning hangs on it: an option jumps where its underlying may not.
//! [`OptionSymbol`] reads and writes the form of the Options Clearing Corporation (OCC).
//!
//! # When to take something else
//!
//! For market data at volume (depth, trades, bars) take a market-data crate; this one holds the best bid and offer.

mod exit;
mod feed;
mod fresh;
mod legs;
mod market;
mod option;
mod policy;
mod quote;
mod refusal;
mod side;
mod symbol;
mod units;

pub use exit::ExitPrice;
pub use feed::{Feed, NotFresh, TooManySymbols};
pub use fresh::{Expired, Fresh, Now};
pub use legs::{LimitAstray, QuotedLeg, Spread, SpreadPrices};
pub use market::{Market, MarketState};
pub use option::{InvalidOption, OptionRight, OptionSymbol};
pub use policy::{Collar, Contradiction, Limits, Policy, PolicyConfig, Source, Stamps, UnquotedExit};
pub use quote::{Field, Quote, QuoteSide, Received};
pub use refusal::{FieldName, Reason, Refusal};
pub use side::{Need, Side};
pub use symbol::{InvalidSymbol, Symbol};

/// The number of all prices and sizes, and a moment in UTC. Re-exported so that users need not name their libraries.
pub use backstop_clock::Timestamp;
pub use rust_decimal::Decimal;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
