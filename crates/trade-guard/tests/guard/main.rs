//! The guard as its users have it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod endings;
mod model;
mod refusals;
mod rig;
mod sessions;
mod stores;
mod tasks;
