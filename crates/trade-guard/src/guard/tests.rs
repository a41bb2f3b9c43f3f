#[cfg(loom)]
mod histories;
#[cfg(loom)]
mod models;
#[cfg(not(loom))]
mod piles;
