//! A hostile simulated broker.

mod account;
mod book;
mod calendar;
mod config;
mod dice;
mod exchange;
mod faults;
mod handle;
#[cfg(feature = "http")]
mod http;
mod ledger;
mod market;
mod matching;
mod memory;
mod order;
mod replay;

pub use account::CashMovement;
pub use calendar::Hours;
pub use config::{RateLimits, SimConfig};
pub use faults::{FaultKind, FaultPlan, InvalidPlan, UnknownFault};
pub use handle::{SimHandle, StateError};
#[cfg(feature = "http")]
pub use http::{SimServer, StartError};
pub use ledger::{Ledger, LedgerOrder, WireRequest};
pub use market::{Underlying, UnderlyingKind};
pub use memory::SimBroker;
pub use order::OrderState;
pub use replay::{Replay, ReplayError};
