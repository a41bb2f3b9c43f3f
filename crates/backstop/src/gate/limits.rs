//! Pre-trade limits: pure checks of an order against what is open.

use std::fmt;

use backstop_broker::OrderRequest;

use crate::State;
use crate::record::Purpose;

/// How much may be open. There is no default: a limit that nobody set is no limit (LIMIT-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Positions at once, orders that may still become one included.
    pub max_positions: u32,
    /// Shares or contracts of any leg of one order.
    pub max_quantity: u32,
}

/// A limit that an order would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitBreach {
    /// Too many positions.
    Positions {
        /// Open, working and unknown ones.
        open: usize,
        /// The bound.
        max: u32,
    },
    /// Too many shares or contracts.
    Quantity {
        /// What the order asks for.
        asked: u32,
        /// The bound.
        max: u32,
    },
}

impl fmt::Display for LimitBreach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Positions { open, max } => write!(f, "{open} position(s) are open or may be, the limit is {max}"),
            Self::Quantity { asked, max } => write!(f, "a leg of {asked}, the limit is {max}"),
        }
    }
}

impl Limits {
    /// Every limit that `order` would break on top of `state` and of `claimed` entries that are about to be written
    /// down. What is working or unknown counts as open (LIMIT-2).
    pub(crate) fn breaches(self, order: &OrderRequest, state: &State, claimed: usize) -> Vec<LimitBreach> {
        let entries = state.operations.values().filter(|operation| operation.purpose == Purpose::Open).count();
        let open = state.positions.len() + entries + claimed;
        let asked = order.legs().iter().map(|leg| leg.quantity.get()).max().unwrap_or(0);
        let positions = (open >= usize::try_from(self.max_positions).unwrap_or(usize::MAX))
            .then_some(LimitBreach::Positions { open, max: self.max_positions });
        let quantity = (asked > self.max_quantity).then_some(LimitBreach::Quantity { asked, max: self.max_quantity });
        positions.into_iter().chain(quantity).collect()
    }
}
