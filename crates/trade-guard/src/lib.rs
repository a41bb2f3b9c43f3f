//! The same trade never happens twice.
//!
//! A scheduler fires twice, a button is double-clicked, a retry comes late, a process dies in between. Whoever wants to
//! trade asks [`TradeGuard::try_enter`] first and gets a [`Permit`] or a [`Refusal`], at once.
//!
//! # Terms
//!
//! * A [`Scope`] is whose entries count together: a strategy, with account and symbol where those count apart.
//! * A [`Session`] is a day of the exchange's calendar, or the k-th session of one.
//! * A [`Key`] is both, and what is guarded. It may have a slot: then several slots can be in progress side by side, each
//!   is executed once at most, and together they count against the limit.
//! * An *attempt* is what has a permit. It ends [`executed`](Permit::executed), [`not_executed`](Permit::not_executed), or
//!   *unresolved*: its permit was dropped in any other way, and an order may live.
//!
//! ```text
//!             try_enter                 executed, not_executed
//!      free ------------> in progress ------------------------> free, one more executed or not
//!                          |       ^                             (at the limit nobody enters)
//!                  dropped |       | resolve, while it writes
//!                          v       |
//!                         unresolved      time, retries and restarts change nothing here
//! ```
//!
//! # What holds
//!
//! * **GUARD-1** For a key, never two live permits, in any interleaving. `try_enter` decides with one compare-and-swap. It
//!   never waits for whoever is inside and never spins; it waits for the look-up of its key (a lock of a shard of the
//!   table, held for that long; none with a [`Handle`]) and, with a claim store, for the disk.
//! * **GUARD-2** Per scope and session never more than the limit are executed or may have been: with a claim store also
//!   over crashes and restarts.
//! * **GUARD-3** A permit that is lost (error, panic, canceled task, crash) leaves its key unresolved: shut until
//!   [`TradeGuard::resolve`] is given a verdict with evidence, or with a person's name and reason. One that is forgotten
//!   leaves it in progress, shut too.
//! * **GUARD-4** A refusal says which layer refused, who is inside, since when, how long, and the count of the session.
//! * **GUARD-5** The claim is durable before the permit exists; a store that fails refuses, and nobody is inside.
//! * **GUARD-6** In a session older than the newest one seen nothing opens, for any scope; so a clock set back opens
//!   nothing. None begins more than a day before UTC's date, since nobody knows any more what it had, or more than a day ahead
//!   of it, since believing that would shut all days until then. A guard has one line of sessions: for exchanges with days of
//!   their own take a guard each.
//!
//! # Which day it is
//!
//! The caller says it: from the broker's market clock, or from `backstop_clock::nyse` (feature `nyse` of that crate).
//! Without a day that is certain there is no key.
//!
//! # Over a crash
//!
//! [`TradeGuard::open`] takes a [`ClaimStore`]: [`MemoryStore`] for tests, `WalStore` (feature `wal`) on disk, or one over
//! a journal of your own. Every entry is one append before its permit, and one after its end. What has no end when the
//! guard is opened again is unresolved. An end that could not be written ([`NotRecorded`]) counts in its process, and in
//! the next one if that key was claimed again in between; if not, it is unresolved there.
//!
//! Of sessions that are over a store and a guard keep what is unresolved and nothing else.
//!
//! # Cost
//!
//! In memory, an attempt through a handle is one compare-and-swap, one store at its end, and a reading of the monotonic
//! clock; by key a look-up more. Nothing is allocated once the key is known.
//!
//! # Features
//!
//! * `wal`: `WalStore`, claims in a write-ahead log.
//! * `serde`: what a store writes down can be serialized.
//!
//! # When to take something else
//!
//! To keep two processes apart, take `backstop-file-lock`: a guard knows its own process and its store. To wait for a
//! turn, take a mutex or a semaphore. To limit requests a minute, take a rate limiter.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod guard;
mod key;
mod node;
mod permit;
mod refusal;
mod resolve;
mod store;
mod sync;
mod table;
mod word;

pub use guard::{Handle, Occupied, TooManyCallers, TradeGuard};
pub use key::{InvalidScope, InvalidSession, Key, Scope, Session};
pub use permit::{Attempt, NotRecorded, Permit};
pub use refusal::{Inside, Refusal};
pub use resolve::ResolveError;
pub use store::{
    Appending, ClaimStore, Claims, Event, Grounds, InvalidGrounds, MemoryStore, Record, StoreError, Verdict,
};
#[cfg(feature = "wal")]
pub use store::{WalOpenError, WalStore};

/// A day of a calendar. Re-exported so that users need not name the time library.
pub use jiff::civil::Date;

#[cfg(all(doctest, feature = "wal"))]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
