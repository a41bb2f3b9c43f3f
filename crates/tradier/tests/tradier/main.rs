//! The adapter over real sockets: against servers that refuse, reset, cut, trickle, lie and keep silent.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, outside of test functions"
)]

mod cancel;
mod once;
mod positions;
mod reads;
mod secrets;
mod server;
mod submit;
