//! Waiting, as a user of the crate does it.

mod waits;
