//! Orders that turn up after their name was settled: one that had been settled as having filled nothing, or another one that
//! the broker made of the same request. What they filled is held all the same.

use backstop_broker::{BrokerOrderId, ClientOrderId, Decimal, Fill};
use backstop_reconcile::Executed;
use jiff::Timestamp;

use super::{Contradiction, Issued, Placed, State, contradiction};
use crate::SlotId;
use crate::record::Purpose;

impl State {
    /// Takes the fills of such an order into the book: an entry's into its position, an exit's out of the position that it
    /// was to close. Where that is gone, closing more than was opened has opened the opposite, and that is a position.
    pub(super) fn adopt(
        &mut self,
        id: &ClientOrderId,
        order: &BrokerOrderId,
        fills: &[Fill],
        at: Timestamp,
    ) -> Result<(), Contradiction> {
        let (slot, mut placed) = match (self.absent.remove(id), self.placed.remove(id)) {
            (Some(absent), _) => (absent.slot.clone(), absent.placed()),
            // Without a number nobody can say which order is in the book.
            (None, Some(placed)) if !placed.orders.is_empty() && !placed.orders.contains(order) => {
                let slot = SlotId::of_label(id.as_str());
                (slot.ok_or_else(|| contradiction("the adoption of", id))?, placed)
            }
            _ => return Err(contradiction("the adoption of", id)),
        };
        self.issued.insert(id.clone(), Issued::Placed);
        self.turnover = self.turnover.saturating_add(1);
        let executed = Executed::recorded(id.clone(), order.clone(), fills.to_vec());
        match placed.purpose {
            Purpose::Open => {
                self.count(&slot);
                self.hold(&slot, &placed, placed.margin_of(fills), &executed, at)?;
            }
            Purpose::Close { .. } => self.hold(&slot, &placed, Decimal::ZERO, &executed, at)?,
        }
        placed.orders.insert(order.clone());
        self.placed.insert(id.clone(), placed);
        Ok(())
    }

    /// Adds fills to a position, or makes it.
    fn hold(
        &mut self,
        slot: &SlotId,
        placed: &Placed,
        margin: Decimal,
        executed: &Executed,
        at: Timestamp,
    ) -> Result<(), Contradiction> {
        if self.held(slot).is_none() {
            // Its exits have names already, and the next one gets another.
            self.exits.insert(slot.clone(), self.attempts(slot));
        }
        self.take(slot, &placed.underlying, executed, at)?;
        self.follow_fills(slot, &placed.underlying, margin, executed.fills())
    }

    /// How many exits of a slot have a name, so that the next one gets another.
    fn attempts(&self, slot: &SlotId) -> u32 {
        let of_slot = self.issued.keys().filter(|id| SlotId::of_label(id.as_str()).as_ref() == Some(slot));
        u32::try_from(of_slot.count()).unwrap_or(u32::MAX)
    }
}
