//! Orders that turn up after they were settled as having filled nothing: what they filled is held all the same.

use backstop_broker::{ClientOrderId, Decimal, Fill};
use jiff::Timestamp;

use super::{Contradiction, Issued, State, contradiction, held_legs};
use crate::SlotId;
use crate::record::Purpose;
use crate::state::Position;

impl State {
    /// Takes the fills of such an order into the book: an entry's as its position, an exit's out of the position that it
    /// was to close. Where that is gone, closing more than was opened has opened the opposite, and that is a position.
    pub(super) fn adopt(&mut self, id: &ClientOrderId, fills: &[Fill], at: Timestamp) -> Result<(), Contradiction> {
        let Some(operation) = self.absent.remove(id) else {
            return Err(contradiction("the adoption of", id));
        };
        self.issued.insert(id.clone(), Issued::Placed);
        self.turnover = self.turnover.saturating_add(1);
        let flow = self.pay(id, fills)?;
        match operation.purpose {
            Purpose::Open => self.settle_open(operation, id, fills, flow, at),
            Purpose::Close { .. } if self.positions.contains_key(&operation.slot) => {
                self.settle_close(&operation.slot, fills, flow)?;
            }
            Purpose::Close { .. } => {
                let close_attempts = self.attempts(&operation.slot);
                let position = Position {
                    legs: held_legs(fills),
                    client_order_id: id.clone(),
                    underlying: operation.order.underlying().clone(),
                    opened_at: at,
                    margin: Decimal::ZERO,
                    cash_flow: flow,
                    close_attempts,
                    pending_close: None,
                };
                self.positions.insert(operation.slot, position);
            }
        }
        Ok(())
    }

    /// How many exits of a slot have a name, so that the next one gets another.
    fn attempts(&self, slot: &SlotId) -> u32 {
        let of_slot = self.issued.keys().filter(|id| SlotId::of_label(id.as_str()).as_ref() == Some(slot));
        u32::try_from(of_slot.count()).unwrap_or(u32::MAX)
    }
}
