#[cfg(loom)]
mod models;
