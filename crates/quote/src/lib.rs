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
//! # Defaults, and the figures behind them
//!
//! No number is right for every source: run `cargo run --release -p backstop-quote --example refusals -- FOLDER` over
//! recordings of yours. It counts the refusals of every quote when it came, and of a look at each symbol once a second, as a
//! table or with `--json`. Of 15 public recordings (121,596 quotes; minutes of crypto venues, half a minute of IEX before the
//! opening, a few of Deribit's options) it says, with the defaults for streams:
//!
//! | setting | default | because |
//! |---|---|---|
//! | late on arrival | 1 s | refuses 852 of 2,240 rows of a subscription that began with 5 s of backlog, and none of 6,765 whose latency wandered between -20 and 102 ms |
//! | wall clock ahead of the source | 0.5 s | with it, the first messages after subscribing that are 1.5 s old or more are refused as `behind`: 5 in 4 recordings, up to 16 s old |
//! | stamp ahead of us | 250 ms | accepts all recordings within 45 ms and refuses both whose recorder was 1.27 s slow, every one of 81,901 rows: no limit on age could have told their old quotes |
//! | no stamp | refused | all 28,040 rows of a venue that sends none: there is no telling their age |
//! | age of a share | 15 s | at 5 s, 54 % of the looks at 104 quiet shares before the opening and 34 % of those at 10 futures are stale, at 15 s 30 % and 11 %, at 30 s 3 % and none; in regular hours the quietest of three recorded shares is older than 15 s for 0.5 % of the day and one that is always busy never older than 5 s: give such a one an exception of 5 s |
//! | age of an option | 30 s | 11 % of the looks at 10 options are stale at 5 s, none at 15 s (30 s were recorded) |
//! | connection silent | 5 s | no recording with several symbols paused for longer, within a run |
//! | spread of a share | 1 % and 2 ticks | refuses 63 of 854 rows before the opening, 46 of 830 of thin coins, and none of the 8,153 of liquid futures that came this far |
//! | spread of an option | 10 % and 6 ticks | index options are 3 % wide at the median; without the ticks no cheap one would pass |
//! | jump of a share | 1 % within 30 s | 44 of 854 rows before the opening, where books are being filled, and none in continuous trading |
//! | jump of an option | off | a single tick may be 5 % |
//! | frozen | off | half of some venues' rows are repeats with nothing wrong |
//!
//! For Tradier, a quiet option may stand for 90 s, which was measured, while the newest of all stamps is at most 6 s old: 5 s and
//! the second to which its stamps are known; its stamps may be 1.25 s ahead, for the same reason.
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
