//! What goes wrong, how often, and what did.

mod engine;
mod kind;
mod plan;

pub(crate) use engine::{Faults, Wire};
pub use kind::{FaultKind, UnknownFault};
pub use plan::{FaultPlan, InvalidPlan};
