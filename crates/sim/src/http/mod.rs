//! The exchange over HTTP, in the protocol of Tradier's REST API, version 1.

mod answer;
mod form;
mod json;
mod markets;
mod quota;
mod routes;
mod server;
mod shapes;
mod truth;

pub use server::{SimServer, StartError};
