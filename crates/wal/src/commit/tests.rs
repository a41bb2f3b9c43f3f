#[cfg(not(loom))]
mod callers;
#[cfg(not(loom))]
mod looks;
#[cfg(loom)]
mod models;
