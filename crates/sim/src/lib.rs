//! A hostile simulated broker, in memory and over HTTP.
//!
//! One exchange, two ways in. [`SimBroker`] is a `Broker` in memory: with tokio's paused time a session of hours runs
//! in milliseconds. [`SimServer`] serves the same exchange on 127.0.0.1 in the protocol of Tradier's REST API, so that
//! an adapter, its HTTP client and its time-outs are tested over real sockets. Past both, [`SimHandle`] sees and
//! changes what the bot cannot: the true [`Ledger`], the faults, the prices.
//!
//! # What it simulates
//!
//! * Orders: one leg (market, limit, stop, stop limit) or two to four options (market, debit, credit, even); pending,
//!   open, partly filled, filled, canceled, expired, rejected; resting limits that fill when the market comes.
//! * The market: underlyings that walk at random from a seed, options on them at prices without arbitrage, or recorded
//!   quotes ([`Replay`]).
//! * The account: cash, one net position per symbol, the most that spreads can lose as margin, refusals of closes that
//!   would cross zero, cash settlement of options at the end of their day.
//! * What goes wrong: [`FaultKind`], each at a rate of a [`FaultPlan`] or when a test [injects](SimHandle::inject) it.
//!
//! # What it guarantees
//!
//! * The same seed and the same calls at the same moments give the same ledger. Time comes from a clock that is handed
//!   in ([`SimConfig::with_clock`]); each kind of fault draws from a stream of its own, so that changing the rate of one
//!   does not move the others.
//! * No fault is silent: each that strikes is counted, and stands beside the request that it struck.
//! * Faults are in what is *told*. Fills meet the true market, and cash is always the start plus every fill and
//!   settlement, to the cent.
//! * [`SimBroker`] keeps the contract of `Broker`: BRK-1 (every call ends in time, nothing is repeated) and BRK-2 (a
//!   failed read is an error).
//!
//! # What it does not know
//!
//! Fees, queues at a price, market impact, holidays, early exercise, changes of orders, streaming. Its prices are
//! plausible, not realistic: it tests how a bot behaves, not whether it earns.
//!
//! # Features
//!
//! * `http` (default): [`SimServer`].

#![cfg_attr(docsrs, feature(doc_cfg))]

mod account;
mod book;
mod calendar;
mod config;
mod dice;
mod exchange;
mod faults;
mod handle;
#[cfg(feature = "http")]
mod http;
mod ledger;
mod market;
mod matching;
mod memory;
mod order;
mod replay;

pub use account::CashMovement;
pub use calendar::Hours;
pub use config::{RateLimits, SimConfig};
pub use faults::{FaultKind, FaultPlan, InvalidPlan, UnknownFault};
pub use handle::{SimHandle, StateError};
#[cfg(feature = "http")]
pub use http::{SimServer, StartError};
pub use ledger::{Ledger, LedgerOrder, QuotedLeg, WireCancel, WireRequest};
pub use market::{Underlying, UnderlyingKind};
pub use memory::SimBroker;
pub use order::OrderState;
pub use replay::{Replay, ReplayError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
