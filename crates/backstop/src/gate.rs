//! The gates of an entry, one module each: what a later crate of its own will take over stands behind the same names.

mod cost;
mod leave;
mod limits;
mod quotes;
mod tally;

pub(crate) use cost::{least_cost, least_margin};
pub(crate) use leave::{closing_cash, priced_by_policy};
pub(crate) use limits::{Marks, references};
pub use quotes::MarketView;
pub(crate) use quotes::{check_limit, judge, judge_one, receive};
pub use tally::QuoteTally;
