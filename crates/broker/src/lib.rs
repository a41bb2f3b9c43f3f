//! A thin broker trait whose answers cannot be misread.
//!
//! Two families of calls, two shapes of answer:
//!
//! | call | ends in | because |
//! |---|---|---|
//! | submit, cancel | [`Outcome`]: accepted, rejected, not sent, **unknown** | after the bytes left, silence does not mean no |
//! | everything else | `Result<T, `[`ReadError`]`>` | a read that failed is an error, never an empty list |
//!
//! # What an adapter guarantees
//!
//! * **BRK-1** Every call ends within [`Broker::call_timeout`], and no layer below repeats a submit or a cancel by
//!   itself.
//! * **BRK-2** A failed or partial read is an error and can never be mistaken for an empty one; a status that the
//!   adapter does not know is neither terminal nor filled.
//!
//! The feature `conformance` brings the suite that states this as a function over any [`Broker`]; see
//! [`conformance`].
//!
//! # Money
//!
//! Every price, quantity and amount is a [`Decimal`]. Prices of options are per share of the underlying, as quoted;
//! one contract is usually a hundred of them.
//!
//! # When to take something else
//!
//! The trait holds what the safety layer needs, not what a broker offers: no charts, no chains, no watchlists. Call
//! your broker's own client for those, beside it.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod account;
mod broker;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod id;
mod list;
mod order;
mod outcome;
mod report;

pub use account::{Balances, ClosedLot, MarketClock, Position, Quotes};
pub use backstop_quote::{Field, MarketState, OptionRight, OptionSymbol, Quote, QuoteSide, Received, Side, Symbol};
pub use broker::{Broker, Grant, NotGranted, Priority};
pub use error::ReadError;
pub use id::{BrokerOrderId, ClientOrderId, InvalidId};
pub use list::{Lookup, NotPlaced, OrderList};
pub use order::{InvalidOrder, Leg, OrderKind, OrderRequest, PositionEffect, Quantity, TimeInForce};
pub use outcome::{Doubt, DoubtCause, NotSent, Outcome, Rejection};
pub use report::{Fill, Order, OrderLeg, OrderStatus, Progress};

/// The number of all prices, quantities and amounts. Re-exported so that adapters agree on it.
pub use rust_decimal::Decimal;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
