//! How much of a limit is used, for people.

use backstop_broker::Decimal;

/// How much of a limit is used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The field of [`Config`](crate::Config).
    pub name: &'static str,
    /// How much is used.
    pub used: Decimal,
    /// The bound.
    pub limit: Decimal,
}
