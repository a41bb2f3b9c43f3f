//! What an adapter must guarantee, as a function over any broker and a way to disturb it.
//!
//! An adapter is easy to get right while the network works. What loses money is the call that ended badly, so the
//! suite does not only call the broker: it asks a [`Rig`] to refuse connections, lose requests and answers, hold
//! answers back beyond the time-out, cut them at each byte and put nonsense in their place, and then compares what the
//! adapter said with what really happened. The rig knows the truth because it owns the other side, or a proxy in front
//! of it.
//!
//! # How to use it
//!
//! 1. Put `backstop-broker` with the feature `conformance` among the dev-dependencies of your adapter.
//! 2. Implement [`Rig`] over a simulated server, or over a proxy before a sandbox account. What it cannot do, it
//!    declines, and the report says *skipped*: never passed.
//! 3. Run the suite and look at the whole report once: what is skipped is not proven.
//!
//! ```
//! use backstop_broker::conformance::{Rig, run};
//!
//! async fn my_adapter_keeps_its_promises(rig: &dyn Rig) {
//!     let report = run(rig).await;
//!     println!("{report}");
//!     assert!(report.conforms());
//!     // The rig can do everything, so nothing may be left out:
//!     assert_eq!(report.skipped().count(), 0);
//! }
//! ```
//!
//! Time is tokio's: under a paused runtime (`#[tokio::test(start_paused = true)]`) the suite takes no real time, and
//! over real sockets as long as the time-outs it provokes; a rig with real sockets wants a short
//! [`call_timeout`](crate::Broker::call_timeout).
//!
//! # What it checks
//!
//! * **BRK-1**: every call ends in time. A submit or a cancel is [`NotSent`](crate::Outcome::NotSent) when nothing
//!   left, [`Unknown`](crate::Outcome::Unknown) under every doubt, and arrives at most once whatever happens.
//! * **BRK-2**: a disturbed read is an error or the whole truth; lists are complete over all pages; a status that
//!   nobody knows is neither terminal nor filled.
//! * The rest of the trait's contract: labels, lookups, rejections, fills that stay final, positions that follow.
//!
//! It does not check budgets, credentials or order types. A broker that promises more than the trait needs tests of
//! its own.

mod bench;
mod cancels;
mod orders;
mod reads;
mod report;
mod rig;
mod submits;

pub use report::{Check, Report, Verdict};
pub use rig::{Calls, Disturbance, Rig};

use bench::Bench;

/// Runs every check against the rig's broker, one after the other, and reports each.
///
/// The account should be flat and the market open. Working orders that the suite placed are canceled after each check;
/// the position that the marketable orders open stays.
///
/// # Cancel safety
/// A dropped run leaves working orders and the last disturbance behind.
pub async fn run(rig: &dyn Rig) -> Report {
    let mut bench = Bench::new(rig);
    // First, while the list of orders is short: this one reads every answer once per byte.
    reads::check(&mut bench).await;
    orders::check(&mut bench).await;
    cancels::check(&mut bench).await;
    submits::check(&mut bench).await;
    // Last, for the opposite reason: these place an order per byte.
    cancels::check_cuts(&mut bench).await;
    submits::check_cuts(&mut bench).await;
    bench.into_report()
}

#[cfg(test)]
mod tests;
