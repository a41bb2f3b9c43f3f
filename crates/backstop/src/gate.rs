//! The gates of an entry, one module each: what a later crate of its own will take over stands behind the same names.

mod cost;
mod limits;
mod quotes;

pub(crate) use cost::least_cost;
pub use limits::{LimitBreach, Limits};
pub use quotes::MarketView;
pub(crate) use quotes::{check_limit, judge, receive};
