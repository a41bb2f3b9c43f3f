//! The proof that a position is closed. The wall behind which the reconcile crate will stand.

use std::collections::BTreeSet;

use backstop_broker::{ClientOrderId, Decimal, OrderList, Position as BrokerPosition};

use crate::SlotId;
use crate::state::State;

/// Evidence from the broker that it no longer holds a position of ours: the fills of closing orders that are at rest
/// cover it (that is what makes it flat in the book), no order of it works, and the broker's own positions agree.
///
/// Not `Clone`, no public constructor: only [`VerifiedClosed::check`] makes one, and only that removes a position
/// (REC-1).
#[must_use = "a proof that is not spent leaves the position in the book"]
#[derive(Debug)]
pub(super) struct VerifiedClosed {
    slot: SlotId,
    evidence: String,
}

impl VerifiedClosed {
    /// Judges one position by complete reads of orders and positions.
    ///
    /// The broker merges all that is held of a symbol into one row, so what is compared is the signed net quantity of
    /// each symbol against everything else in the book.
    ///
    /// An order of `old_doubts` does not stand in the way: had it filled anything, the quantities would not agree. Where
    /// they do not, it may be the reason, and the position stays.
    pub(super) fn check(
        state: &State,
        slot: &SlotId,
        orders: &OrderList,
        held: &[BrokerPosition],
        old_doubts: &BTreeSet<ClientOrderId>,
    ) -> Result<Self, String> {
        let Some(position) = state.positions.get(slot) else { return Err("it is not in the book".to_owned()) };
        if !position.is_flat() {
            return Err("the closing fills do not cover it".to_owned());
        }
        if let Some(id) = state.closing(slot) {
            return Err(format!("its exit {id} is not at rest"));
        }
        let working = orders.orders().iter().find(|order| {
            !order.status.is_terminal() && order.label.as_deref().and_then(SlotId::of_label).as_ref() == Some(slot)
        });
        if let Some(order) = working {
            return Err(format!("order {} of it still works", order.id));
        }
        let net = state.net();
        let young = state.operations.iter().filter(|(id, _)| !old_doubts.contains(*id));
        let in_flight: BTreeSet<_> =
            young.flat_map(|(_, operation)| operation.order.legs()).map(|leg| &leg.symbol).collect();
        let mut compared = Vec::new();
        for leg in &position.legs {
            if in_flight.contains(&leg.symbol) {
                return Err(format!("another order on {} is in flight", leg.symbol));
            }
            let tracked = net.get(&leg.symbol).copied().unwrap_or(Decimal::ZERO);
            let broker = net_of(held, &leg.symbol);
            if broker != tracked {
                return Err(format!("the broker shows {broker} {}, {tracked} is expected", leg.symbol));
            }
            compared.push(format!("{} {broker}", leg.symbol));
        }
        let evidence = format!("closing fills cover it; no order of it works; broker holds {}", compared.join(", "));
        Ok(Self { slot: slot.clone(), evidence })
    }

    /// On the word of an operator, who answers for it by name and reason. The broker's positions have to agree that it is
    /// gone, unless the operator says `despite` them.
    pub(super) fn by_operator(
        state: &State,
        slot: &SlotId,
        held: &[BrokerPosition],
        (by, reason): (&str, &str),
        despite: bool,
    ) -> Result<Self, String> {
        let Some(position) = state.positions.get(slot) else { return Err("it is not in the book".to_owned()) };
        if let Some(id) = state.closing(slot) {
            return Err(format!("its exit {id} is not at rest: settle that first"));
        }
        let net = state.net();
        let mut seen = Vec::new();
        for leg in &position.legs {
            let of_position =
                position.legs.iter().filter(|other| other.symbol == leg.symbol).map(|other| other.quantity);
            let own = of_position.fold(Decimal::ZERO, Decimal::saturating_add);
            let rest = net.get(&leg.symbol).copied().unwrap_or(Decimal::ZERO).saturating_sub(own);
            let broker = net_of(held, &leg.symbol);
            if broker != rest && !despite {
                return Err(format!("without it {rest} {} would be held, and the broker shows {broker}", leg.symbol));
            }
            seen.push(format!("{} {broker}", leg.symbol));
        }
        let evidence = format!("settled by {by}: {reason}; broker holds {}", seen.join(", "));
        Ok(Self { slot: slot.clone(), evidence })
    }

    pub(super) fn into_parts(self) -> (SlotId, String) {
        (self.slot, self.evidence)
    }
}

/// The broker's signed net quantity of a symbol: zero when no row has it.
pub(super) fn net_of(held: &[BrokerPosition], symbol: &backstop_broker::Symbol) -> Decimal {
    let rows = held.iter().filter(|row| row.symbol == *symbol);
    rows.fold(Decimal::ZERO, |sum, row| sum.saturating_add(row.quantity))
}

#[cfg(test)]
mod tests;
