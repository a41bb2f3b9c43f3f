#[cfg(not(loom))]
mod callers;
#[cfg(not(loom))]
mod failures;
#[cfg(not(loom))]
mod full;
#[cfg(not(loom))]
mod looks;
#[cfg(loom)]
mod models;
