//! Wall and monotonic time as a parameter.
//!
//! Everything in Backstop that asks what time it is asks a [`Clock`]. Programs hand in [`SystemClock`]; tests hand in
//! [`ManualClock`], so that every schedule, however unlucky, can be replayed.
//!
//! # Two times
//!
//! * [`Clock::mono`] is for *how long*: ages, deadlines, windows. It never runs backwards, says nothing about the date
//!   and means nothing in another process. [`Mono::since`] saturates at zero, so a faulty clock grants nothing extra.
//! * [`Clock::wall`] is for *when*: records, log lines, comparison with a broker's stamps. It may jump either way at
//!   any moment; nothing safe may be concluded from the difference of two readings.
//!
//! # Features
//!
//! * `nyse`: trading days and hours of the New York Stock Exchange (`nyse::Day`), from a table with a range.
//! * `tokio`: [`ManualClock::following_tokio`], a clock that shares tokio's paused time.
//!
//! # When to take something else
//!
//! A program without tests of its timing needs no trait: call the standard library.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod manual;
#[cfg(feature = "nyse")]
pub mod nyse;
mod sync;
mod system;

pub use clock::{Clock, Mono};
pub use manual::ManualClock;
pub use system::SystemClock;

/// A moment on the wall clock, in UTC. Re-exported so that users need not name the time library.
pub use jiff::Timestamp;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
