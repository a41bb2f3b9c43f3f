#[cfg(not(loom))]
mod cases;
#[cfg(not(loom))]
mod kept;
#[cfg(loom)]
mod models;
#[cfg(not(loom))]
mod stops;
