//! What is done to the book beside the fills of our own orders: notes, removals with their proof, adoptions, corrections.

use backstop_broker::Decimal;
use backstop_reconcile::Change;
use jiff::Timestamp;

use super::{Contradiction, State, contradiction, uncountable, watched};
use crate::SlotId;

impl State {
    /// Takes in one change, as the book has made it (REC-6).
    pub(super) fn change(&mut self, change: &Change, at: Timestamp) -> Result<(), Contradiction> {
        let id = change.position();
        let Some(slot) = SlotId::of_position(id) else {
            return Err(contradiction("a position that bears no slot's name:", id));
        };
        if matches!(change, Change::Booked { .. }) {
            // Fills come with the end of their order.
            return Err(contradiction("fills without an order for", id));
        }
        let taken = self.book.replay(change);
        taken.map_err(|error| Contradiction { what: format!("what became of position {id} ({error})") })?;
        match change {
            Change::Pending { .. } => return Ok(()),
            Change::Removed { was, .. } => {
                self.count_result(was);
                self.account.forget(&slot).map_err(|error| uncountable(&error, &slot))?;
                self.alerts.remove(&slot.to_string());
                self.alerts.remove(&watched(&slot));
                self.checks.remove(&slot);
                self.exits.remove(&slot);
            }
            // What was paid for it, no fill of ours says. The next balance does.
            _ => {
                let underlying = self.position(&slot)?.underlying().clone();
                self.follow_fills(&slot, &underlying, Decimal::ZERO, &[])?;
            }
        }
        self.book_changed = Some(at);
        Ok(())
    }
}
