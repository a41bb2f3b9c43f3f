#[cfg(not(loom))]
mod cases;
#[cfg(loom)]
mod models;
