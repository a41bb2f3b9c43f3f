//! What is held, as far as we know.

use backstop_broker::{Decimal, Fill, PositionEffect, Symbol};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::executed::Executed;

/// A position: its legs, and the orders that made them what they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    pub(crate) underlying: Symbol,
    pub(crate) legs: Vec<HeldLeg>,
    pub(crate) orders: Vec<Executed>,
    pub(crate) origin: Origin,
    pub(crate) opened_at: Timestamp,
    pub(crate) cash_flow: Decimal,
    pub(crate) pending: Option<Pending>,
    /// The number of the book's change that last touched it.
    pub(crate) revision: u64,
}

/// One leg of a position. A leg that is closed stays, with nothing left of it, until the position leaves the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HeldLeg {
    /// The symbol.
    pub symbol: Symbol,
    /// What was opened: positive long, negative short.
    pub opened: Decimal,
    /// What is left of it. Of the other sign when more was closed than was opened.
    pub left: Decimal,
    /// The average price at which it was opened, per share: the strike for shares of an assignment. Zero where nobody knows.
    pub price: Decimal,
}

/// Where a position comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Origin {
    /// From orders of ours.
    Traded,
    /// It was at the broker and nobody's.
    Adopted {
        /// How far the price may move against it, as a share of it, before it is to be closed.
        stop: Decimal,
    },
}

/// A close that is not verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Pending {
    /// Since when.
    pub since: Timestamp,
    /// How often it was found so.
    pub attempts: u32,
    /// Why, for people.
    pub reason: String,
}

impl Position {
    /// The symbol that its orders were about: for options the underlying.
    pub fn underlying(&self) -> &Symbol {
        &self.underlying
    }

    /// Its legs.
    pub fn legs(&self) -> &[HeldLeg] {
        &self.legs
    }

    /// The orders that made it, in the order in which they were booked.
    pub fn orders(&self) -> &[Executed] {
        &self.orders
    }

    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// When it was first booked.
    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// What its fills have done to cash so far, and shares that came or went at the strike, without fees: below zero is what
    /// it cost.
    pub fn cash_flow(&self) -> Decimal {
        self.cash_flow
    }

    /// Since when, how often and why its close could not be verified.
    pub fn pending(&self) -> Option<&Pending> {
        self.pending.as_ref()
    }

    /// Whether its fills have closed all of it. That is no proof yet.
    pub fn is_flat(&self) -> bool {
        self.legs.iter().all(|leg| leg.left.is_zero())
    }

    /// The legs of which something is left.
    pub fn open_legs(&self) -> impl Iterator<Item = &HeldLeg> {
        self.legs.iter().filter(|leg| !leg.left.is_zero())
    }

    /// Adds one fill. `None`, with nothing settled, when an amount cannot be counted.
    pub(crate) fn add(&mut self, fill: &Fill) -> Option<()> {
        self.cash_flow = self.cash_flow.checked_add(fill.cash()?)?;
        let signed = fill.signed_quantity();
        let at = self.legs.iter().position(|leg| leg.symbol == fill.symbol);
        let Some(leg) = at.and_then(|at| self.legs.get_mut(at)) else {
            let (symbol, price) = (fill.symbol.clone(), fill.price);
            self.legs.push(HeldLeg { symbol, opened: signed, left: signed, price });
            return Some(());
        };
        leg.left = leg.left.checked_add(signed)?;
        if fill.effect == PositionEffect::Open {
            let paid = leg.opened.checked_mul(leg.price)?.checked_add(signed.checked_mul(fill.price)?)?;
            leg.opened = leg.opened.checked_add(signed)?;
            // Opened both ways, there is no average.
            leg.price = paid.checked_div(leg.opened).unwrap_or(fill.price);
        }
        Some(())
    }
}
