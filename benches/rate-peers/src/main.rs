//! Backstop's request budget beside what a user would take instead, and beside the least that is exact, all in one run.
//!
//! A workspace of its own, so that nobody else compiles the peers:
//!
//! ```sh
//! cargo run --release --manifest-path benches/rate-peers/Cargo.toml
//! ```

mod overgrant;
mod speed;
mod subjects;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = runtime.enter();
    speed::run();
    overgrant::run();
}
