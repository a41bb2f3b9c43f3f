//! What the bot believes: a list in a file. docs/incidents/position-dropped.md

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use backstop::broker::{Decimal, Leg, Side, Symbol};
use backstop::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// Cash and positions, as far as the bot has heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Book {
    pub(super) cash: Decimal,
    /// Slots that are done.
    entered: BTreeSet<u32>,
    pub(super) positions: Vec<Held>,
}

/// A position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) slot: u32,
    pub(super) legs: Vec<HeldLeg>,
    pub(super) opened_at: Timestamp,
    /// What opening it did to cash.
    pub(super) cash_flow: Decimal,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeldLeg {
    pub(super) symbol: Symbol,
    /// Below zero for short.
    pub(super) quantity: i64,
}

impl From<&Leg> for HeldLeg {
    fn from(leg: &Leg) -> Self {
        let quantity = i64::from(leg.quantity.get());
        Self { symbol: leg.symbol.clone(), quantity: if leg.side == Side::Sell { -quantity } else { quantity } }
    }
}

impl HeldLeg {
    pub(super) fn side(&self) -> Side {
        if self.quantity < 0 { Side::Sell } else { Side::Buy }
    }
}

impl Book {
    pub(super) fn with_cash(cash: Decimal) -> Self {
        Self { cash, entered: BTreeSet::new(), positions: Vec::new() }
    }

    /// `None`: there is no file, or none that can be read, which is as good as none.
    pub(super) fn load(path: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    }

    /// Written over what was there.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        fs::write(path, serde_json::to_string(self)?)
    }

    pub(super) fn has_entered(&self, slot: u32) -> bool {
        self.entered.contains(&slot)
    }

    pub(super) fn enter(&mut self, position: Held) {
        self.cash += position.cash_flow;
        self.entered.insert(position.slot);
        self.positions.push(position);
    }

    /// Takes a slot's position off the list.
    pub(super) fn remove(&mut self, slot: u32) {
        self.positions.retain(|held| held.slot != slot);
    }

    pub(super) fn is_held(&self, symbol: &Symbol, side: Side) -> bool {
        self.positions.iter().flat_map(|held| &held.legs).any(|leg| leg.symbol == *symbol && leg.side() == side)
    }
}
