//! What became of each slot, as whoever is turned away there is told it (GUARD-4), for readers beside the desk.

use std::collections::BTreeMap;

use backstop_broker::ClientOrderId;
use backstop_reconcile::Position;
use jiff::Timestamp;

use super::{SlotState, Stage, State};
use crate::SlotId;
use crate::record::Purpose;

/// A slot that somebody entered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotRow {
    /// The slot.
    pub slot: SlotId,
    /// How it stands.
    pub standing: SlotStanding,
    /// Who entered it, while that has no end.
    pub by: Option<String>,
    /// Since when, while that has no end; of one that is executed since when its position is open.
    pub since: Option<Timestamp>,
    /// The order that is to open it, while that is not at rest.
    pub client_order_id: Option<ClientOrderId>,
}

/// How a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "complete by definition: it has an end, or not, and then somebody is on it or not"
)]
pub enum SlotStanding {
    /// Somebody is inside.
    InProgress,
    /// Nobody knows how it ended, and an order may live.
    Unresolved,
    /// Something was filled.
    Executed,
    /// Provably nothing was.
    NotExecuted,
}

impl State {
    /// Every slot of the newest session that somebody entered, and older ones without an end. `is_running`: whether a desk
    /// is at work on these records; what it has not ended is in progress, what a dead one has not ended is unresolved.
    pub fn slot_rows(&self, is_running: bool) -> Vec<SlotRow> {
        let mut rows: BTreeMap<SlotId, SlotRow> = BTreeMap::new();
        let open = if is_running { SlotStanding::InProgress } else { SlotStanding::Unresolved };
        let row = |slot: &SlotId, standing| SlotRow {
            slot: slot.clone(),
            standing,
            by: None,
            since: None,
            client_order_id: None,
        };
        for (slot, became) in &self.slots {
            let standing = match became {
                SlotState::InFlight => open,
                SlotState::Executed => SlotStanding::Executed,
                SlotState::NotExecuted => SlotStanding::NotExecuted,
            };
            let since = self.held(slot).map(Position::opened_at);
            rows.insert(slot.clone(), SlotRow { since, ..row(slot, standing) });
        }
        for (key, by, since) in self.claims.open() {
            let Some(slot) = SlotId::of_key(key) else { continue };
            let row = rows.entry(slot.clone()).or_insert_with(|| row(&slot, open));
            (row.by, row.since) = (Some(by.to_owned()), Some(since));
        }
        let entries = self.operations.iter().filter(|(_, operation)| operation.purpose == Purpose::Open);
        for (id, operation) in entries {
            let row = rows.entry(operation.slot.clone()).or_insert_with(|| row(&operation.slot, open));
            row.client_order_id = Some(id.clone());
            row.since = row.since.or(Some(operation.since));
            if matches!(operation.stage, Stage::Unknown { .. }) {
                row.standing = SlotStanding::Unresolved;
            }
        }
        rows.into_values().collect()
    }
}

impl SlotStanding {
    /// In one word, as `status` shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Unresolved => "unresolved",
            Self::Executed => "executed",
            Self::NotExecuted => "not_executed",
        }
    }
}
