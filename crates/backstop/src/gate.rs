//! The gates of an entry, one module each: what a later crate of its own will take over stands behind the same names.

mod cost;
mod freshness;
mod limits;

pub(crate) use cost::least_cost;
pub(crate) use freshness::Fresh;
pub use freshness::{Freshness, MarketView, QuoteRefusal};
pub use limits::{LimitBreach, Limits};
