//! Pre-trade limits: how large, how far from the market, how many, how often, how much lost. Pure checks, made before
//! anything else is asked.
//!
//! A strategy that has gone wrong sends orders that are too large, at prices of another world, again and again. No rule
//! inside the strategy stops that, because it is the strategy that is wrong. So what it may do at most is said once, by a
//! person, in a [`Config`]; and [`Limits::check`] judges each order by that and nothing else.
//!
//! # What holds
//!
//! * **LIMIT-1** Every limit is set by somebody: a [`Config`] has no default, and one that is read from a file lacks
//!   nothing and has nothing that is not known. While it runs a limit can only be tightened ([`Limits::tighten`]);
//!   loosened it is by a restart, and [`Limits::start`] returns what was loosened, for the record.
//! * **LIMIT-2** What is working and what nobody knows the end of counts as if it were filled ([`Exposure`]). What was
//!   counted survives a restart ([`Counters`] can be serialized).
//! * An order that opens nothing passes: no limit stands in the way of an exit.
//! * All that an order breaks is reported together, each with the figure and the bound ([`Breach`]).
//! * What cannot be judged is refused: no reference price, or an amount that cannot be counted.
//!
//! # What is judged
//!
//! Beside it the controls that rules and recommendations for automated trading ask for:
//!
//! | control | here | RTS 6, article 15 | SEC rule 15c3-5 | FIA, automated trading risk controls |
//! |---|---|---|---|---|
//! | size of one order | [`Config::order_quantity`] | 1 (c) maximum order volumes | (c)(1)(ii) size parameters | maximum order size |
//! | value of one order | [`Config::order_notional`] | 1 (b) maximum order values | (c)(1)(ii) size parameters | maximum order size |
//! | price against the market, market orders too | [`Config::collar`] | 1 (a) price collars, order by order | (c)(1)(ii) price parameters | price tolerance |
//! | price collar over a period of time | the collar of `backstop-quote` holds each reference against the last accepted | 1 (a) over a period | (c)(1)(ii) over a short period | market data reasonability |
//! | what is open, in positions and in value | [`Config::positions`], [`Config::positions_per_underlying`], [`Config::gross_notional`] | 4 market and credit risk; 5 exposures | (c)(1)(i) credit or capital thresholds | maximum intraday position |
//! | orders counted at once, not when filled | [`Exposure::may_open`] | 2 all orders sent are included | (c)(1)(i) in aggregate | – |
//! | loss | [`Config::loss`] | 4 risk tolerance | (c)(1)(i) capital thresholds | – |
//! | executions of one kind, until a person allows more | [`Config::repeats`], [`Counters::allow_repeats`] | 3 repeated automated execution throttles | – | repeated automated execution limit |
//! | look-alike orders | [`Config::look_alikes`] | – | (c)(1)(ii) duplicative orders | – |
//! | messages per time | [`Config::messages`] | 1 (d) maximum messages limits | – | outbound message rate |
//! | instruments that may be traded | [`Config::underlyings`] | 5 no permission to trade an instrument | (c)(2)(ii) restricted securities | – |
//! | entries of a session | [`Config::entries`] | 3 | – | repeated automated execution limit |
//! | kill switch | the desk's `halt` and `freeze`, not here | article 12 | – | kill switch |
//! | blocked orders sent all the same | none: there is no override | 6 procedure, temporary and authorised | – | – |
//! | buying power, margin | the ledger, not here | 4 | (c)(1)(i) | credit limits |
//! | who may use it; execution reports to surveillance | not here: it is one bot's library, not a broker's | 17 post-trade | (c)(2)(iii), (iv) | – |
//!
//! Sources: Commission Delegated Regulation (EU) 2017/589 (RTS 6), articles 12, 15 and 17; 17 CFR 240.15c3-5; FIA, *Best
//! Practices for Automated Trading Risk Controls and System Safeguards* (2024). A broker and a venue have such controls of
//! their own; these here are the bot's.
//!
//! # When to take something else
//!
//! To keep a request budget, take a rate limiter: [`Config::messages`] refuses what runs away, it does not pace. To trade a
//! slot once, take `backstop-trade-guard`.

mod breach;
mod change;
mod check;
mod config;
mod counters;
mod exposure;
mod price;
mod usage;

pub use breach::{Breach, Refused};
pub use change::{Loosened, TightenError};
pub use check::{Limits, Look, Within};
pub use config::{Collar, Config, ConfigError, Rate};
pub use counters::{Counters, Kind};
pub use exposure::{Exposure, Holding};
pub use price::{Reference, References};
pub use usage::Usage;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
