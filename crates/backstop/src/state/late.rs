//! Orders that turn up after their name was settled: one that had been settled as having filled nothing, or another one that
//! the broker made of the same request. What they filled is held all the same.

use backstop_broker::{BrokerOrderId, ClientOrderId, Decimal, Fill};
use jiff::Timestamp;

use super::{Contradiction, Issued, Placed, State, contradiction, flow_of, held_legs, uncountable};
use crate::SlotId;
use crate::record::Purpose;
use crate::state::Position;

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
        match placed.purpose {
            Purpose::Open => {
                self.count(&slot);
                self.hold(&slot, &placed, (id, fills), at)?;
            }
            Purpose::Close { .. } if self.positions.contains_key(&slot) => self.settle_close(&slot, fills)?,
            Purpose::Close { .. } => {
                let nothing = Placed { margin: Decimal::ZERO, ..placed.clone() };
                self.hold(&slot, &nothing, (id, fills), at)?;
            }
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
        (id, fills): (&ClientOrderId, &[Fill]),
        at: Timestamp,
    ) -> Result<(), Contradiction> {
        let too_much = || contradiction("more than can be counted in", slot);
        let close_attempts = self.attempts(slot);
        let position = self.positions.entry(slot.clone()).or_insert_with(|| Position {
            legs: Vec::new(),
            client_order_id: id.clone(),
            underlying: placed.underlying.clone(),
            opened_at: at,
            cash_flow: Decimal::ZERO,
            close_attempts,
            pending_close: None,
        });
        position.cash_flow = position.cash_flow.checked_add(flow_of(fills, id)?).ok_or_else(too_much)?;
        for more in held_legs(fills) {
            let Some(leg) = position.legs.iter_mut().find(|leg| leg.symbol == more.symbol) else {
                position.legs.push(more);
                continue;
            };
            let quantity = leg.quantity.checked_add(more.quantity).ok_or_else(too_much)?;
            let paid = leg.quantity.saturating_mul(leg.price).saturating_add(more.quantity.saturating_mul(more.price));
            leg.price = paid.checked_div(quantity).unwrap_or(more.price);
            leg.quantity = quantity;
        }
        let symbol = placed.underlying.to_string();
        let taken_in = self.account.take_fills(slot, &symbol, (&position.legs, placed.margin_of(fills)), fills);
        taken_in.map_err(|error| uncountable(&error, id))
    }

    /// How many exits of a slot have a name, so that the next one gets another.
    fn attempts(&self, slot: &SlotId) -> u32 {
        let of_slot = self.issued.keys().filter(|id| SlotId::of_label(id.as_str()).as_ref() == Some(slot));
        u32::try_from(of_slot.count()).unwrap_or(u32::MAX)
    }
}
