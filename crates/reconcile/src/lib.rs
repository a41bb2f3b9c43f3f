//! The book of open positions, the proof that one is closed, and what differs from the broker. Pure decisions: nothing here
//! reads, writes or waits; reads come in as values, and what follows comes out as values.
//!
//! A position that falls out of the records while it is open is watched by nobody. It falls out in ordinary ways: a list that
//! came back empty once, a fill that was not in the list yet, an order that was closed twice, a file that was rewritten. So
//! there is one way out of the [`Book`], and it takes a [`VerifiedClosed`], which only evidence makes.
//!
//! # How it is used
//!
//! Fills of orders at rest are [booked](Book::book). A [`Reconciler`] is [given](Reconciler::run) the book, the orders that
//! we meant to send ([`Intents`]) and what the broker answered ([`Reads`]: one request a source), and returns a [`Run`]:
//! proofs, adoptions and corrections to spend on the book, and findings to tell. The caller reads, spends, writes the
//! [`Change`]s and [`Finding`]s down, tells people, and asks for what the run [needs](Run::needs). The same reads again give
//! the same run.
//!
//! # What holds
//!
//! * **REC-1** [`Book::remove`] takes a proof, and a proof is for the position as it stood. It takes one of: fills of orders at
//!   rest that cover it, with the broker's positions in agreement in several spaced reads and no order working; expiry, by the
//!   exchange's days, with the option gone and worthless or settled in cash; absence that is corroborated; a person's name
//!   and reason ([`Override`]).
//! * **REC-2** A read that failed is an `Err`, and moves nothing. What cannot be told is [`Verdict::CannotTell`], with
//!   everything that stands in the way, and stays in the book with growing pauses and an alert ([`PendingClose`]).
//! * **REC-3** What changed more recently than the broker's lag, and what has an order in flight, is not judged
//!   ([`Run::unjudged`]). After a restart that is everything, for the length of the lag.
//! * **REC-4** Signed net quantities per symbol are compared, because a broker keeps one row for all that is held of a symbol.
//!   Every difference is a [`Drift`], with the positions that it may belong to.
//! * **REC-5** Absence is counted in reads that are spaced, complete, and each beside a complete list of orders in which nothing
//!   works on the symbol; and each needs a [`Witness`] that is not that list: orders of somebody else that traded exactly it, an
//!   account down to its cash, the clearing firm's report, the shares of an assignment, or the calendar. So a list that stands
//!   still, lacks a row or is empty for an hour is not one vote. A witness speaks once: orders that the book has followed, lots
//!   that it has closed itself, and trades that an earlier look has shown explain nothing more. Where too much is missing at
//!   once, or all of it with no witness, nothing is concluded from that answer about anybody ([`Glitch`]).
//! * **REC-6** What changes the book returns a [`Change`] with its evidence, and [`Book::replay`] makes the same book of them.
//!   What is found or refused is a [`Finding`].
//! * **REC-7** Orders and intents are compared both ways; what does not fit is a [`Violation`], and a reason to halt.
//! * **REC-8** A difference has a [named state](DriftState) with a [`Plan`].
//! * **REC-9** Drift shuts its symbol for entries until a judged look finds it as it should be ([`Reconciler::gate`]).
//!   [`Run::needs`] names what was missed while nobody looked.
//!
//! # What becomes of a difference
//!
//! | state | looks like | plan |
//! |---|---|---|
//! | partial fill, unbooked | fills of ours that are in no position make up the difference | book them |
//! | overfill | an order filled more than it was for, or the broker has the opposite of what was closed | halt; a person closes the excess |
//! | assigned | options are gone, and exactly their shares came or went | by policy the position becomes the shares |
//! | expired | the last day of the option is over | send nothing; once it is gone, the proof is expiry |
//! | broken spread | one leg is gone and another is there | close the rest |
//! | manual trade | orders of somebody else make up the difference | by policy the book follows |
//! | missing, smaller | nothing says why | look again, then a person |
//! | larger | nothing says why | by policy the book follows, which forgets nothing |
//! | flipped | it is on the other side | halt; a person |
//! | orphan | at the broker and nobody's | a person, or by policy adopted with a stop |
//! | unclear | several rows of a symbol, a part of a contract | look again, then a person |
//!
//! The book follows the broker only where one position holds the symbol. To less only with a witness, as for a removal.
//!
//! # What it trusts
//!
//! An answer that the adapter calls whole is whole (BRK-2): a list cut short has to be an `Err`. Two endpoints that lie alike,
//! often enough and over a long enough time, are believed. The wall clock says which day it is; set forward by a day it makes
//! options look expired, and they still have to be gone before they leave. Whose positions an answer lists nobody can see in
//! it: another account's takes nothing out, but with an empty book its positions are orphans.
//!
//! One row a symbol holds what is ours and what is somebody's who was not declared. What is gone has to be what was traded since
//! the row was last seen. A process that has just come, or that last saw an old list that was right by chance, takes
//! somebody's sale of exactly as much as is ours for a sale of ours, if the broker then lists none of it. The report of
//! closed lots does not say whose they were either: bought and sold again by somebody on a day on which a position of ours
//! stood, they count.
//!
//! Cost: linear in symbols and orders; an answer that comes unsorted is sorted once.
//!
//! # When to take something else
//!
//! For books of many accounts, currencies and prime brokers take a portfolio system; this holds one bot's positions at one
//! broker. Tax lots and realized results are not here.

mod book;
mod classify;
mod compare;
mod config;
mod corrections;
mod drift;
mod executed;
mod expiry;
#[cfg(test)]
mod fixture;
mod id;
mod intents;
mod key;
mod look;
mod moment;
mod needs;
mod position;
mod proof;
mod reads;
mod reconciler;
mod rows;
mod run;
mod suspicion;
mod tally;
mod units;
mod verdict;
mod watermark;

pub use book::{Book, BookError, Change, LegChange};
pub use config::{Config, ConfigError, Names, Orphans, Others, Pauses, Portion, Repeat, Sizes};
pub use drift::{Adoption, Correction, Drift, DriftState, Plan, Stake};
pub use executed::Executed;
pub use id::{InvalidPositionId, PositionId};
pub use intents::{Intent, Intents, Stage, Violation};
pub use moment::Moment;
pub use position::{HeldLeg, Origin, Pending, Position};
pub use proof::{Evidence, GoneLeg, Override, OverrideRefused, SeenLeg, VerifiedClosed};
pub use reads::{Read, Reads, Settlement};
pub use reconciler::{Gate, Reconciler};
pub use rows::RowFault;
pub use run::{Finding, Glitch, Need, Run, Unjudged};
pub use tally::{Tally, Witness};
pub use verdict::{Doubt, Left, PendingClose, Source, Verdict};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
