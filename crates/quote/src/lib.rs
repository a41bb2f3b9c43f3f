//! What a quote is.
//!
//! A [`Quote`] is what a source said about one [`Symbol`], with nothing filled in: a field that was missing or could
//! not be read says so ([`Field`]), each side has the source's own time stamp, and the moment of receipt is taken on
//! both of our clocks. Whether a quote may be traded on is not decided here.
//!
//! The symbol lives here because a quote's meaning hangs on it: an option jumps where its underlying may not.
//! [`OptionSymbol`] reads and writes the form of the Options Clearing Corporation (OCC).
//!
//! # When to take something else
//!
//! For market data at volume (depth, trades, bars) take a market-data crate; this one holds the best bid and offer.

mod option;
mod quote;
mod symbol;

pub use option::{InvalidOption, OptionRight, OptionSymbol};
pub use quote::{Field, Quote, QuoteSide, Received};
pub use symbol::{InvalidSymbol, Symbol};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
