//! Pre-trade limits: pure checks of an order against what is open.

use std::collections::BTreeSet;
use std::fmt;

use backstop_broker::{Leg, OrderRequest, Side, Symbol};

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
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitBreach {
    /// Too many positions.
    Positions {
        /// Open, working and unknown ones.
        open: usize,
        /// The bound.
        max: u32,
    },
    /// A leg that would meet its own opposite: the broker merges all that is held of a symbol into one row, so it would
    /// refuse the order, or take it for the close of another position.
    Opposite {
        /// The symbol.
        symbol: Symbol,
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
            Self::Opposite { symbol } => {
                write!(
                    f,
                    "{symbol} is held or being opened in the opposite direction, and the broker would merge the two"
                )
            }
            Self::Quantity { asked, max } => write!(f, "a leg of {asked}, the limit is {max}"),
        }
    }
}

impl Limits {
    /// Every limit that `order` would break on top of `state` and of the legs of `claimed` entries that are about to be
    /// written down. What is working or unknown counts as open (LIMIT-2).
    pub(crate) fn breaches(self, order: &OrderRequest, state: &State, claimed: &[&[Leg]]) -> Vec<LimitBreach> {
        let entries = || state.operations.values().filter(|operation| operation.purpose == Purpose::Open);
        // One that is closed by its fills and awaits the broker's word takes nobody's place.
        let positions = state.positions.values().filter(|position| !position.is_flat()).count();
        let open = positions + entries().count() + claimed.len();
        let held = state.positions.values().flat_map(|position| &position.legs);
        let held = held
            .filter(|leg| !leg.quantity.is_zero())
            .map(|leg| (&leg.symbol, if leg.quantity.is_sign_negative() { Side::Sell } else { Side::Buy }));
        let opening = entries().map(|entry| entry.order.legs()).chain(claimed.iter().copied()).flatten();
        let taken: BTreeSet<_> = held.chain(opening.map(|leg| (&leg.symbol, leg.side))).collect();
        let opposite = order.legs().iter().filter(|leg| taken.contains(&(&leg.symbol, leg.side.opposite())));
        let opposite = opposite.map(|leg| LimitBreach::Opposite { symbol: leg.symbol.clone() });
        let asked = order.legs().iter().map(|leg| leg.quantity.get()).max().unwrap_or(0);
        let positions = (open >= usize::try_from(self.max_positions).unwrap_or(usize::MAX))
            .then_some(LimitBreach::Positions { open, max: self.max_positions });
        let quantity = (asked > self.max_quantity).then_some(LimitBreach::Quantity { asked, max: self.max_quantity });
        positions.into_iter().chain(quantity).chain(opposite).collect()
    }
}
