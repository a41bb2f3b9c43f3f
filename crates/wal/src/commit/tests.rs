#[cfg(not(loom))]
mod callers;
#[cfg(loom)]
mod models;
