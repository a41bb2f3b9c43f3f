//! The limiter among threads, and what a refusal says.

#[cfg(all(unix, not(loom)))]
mod lost;
#[cfg(loom)]
mod models;
#[cfg(not(loom))]
mod refusals;
