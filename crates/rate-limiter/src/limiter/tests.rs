//! The limiter among threads, and what a refusal says.

#[cfg(loom)]
mod models;
#[cfg(not(loom))]
mod refusals;
