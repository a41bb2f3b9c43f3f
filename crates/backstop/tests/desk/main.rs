//! The desk against the simulated broker, in virtual time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test a failure is the message")]

mod account;
mod alerts;
mod bench;
mod book;
mod budget;
mod cash;
mod checkpoints;
mod comparison;
mod days;
mod dice;
mod doubts;
mod entries;
mod exactly_once;
mod exits;
mod guard;
mod halts;
mod hostile;
mod ledger;
mod limits;
mod limits_model;
mod limits_set;
mod removals;
mod resolving;
mod restarts;
mod sweeps;
mod watch;
mod writing;
