//! A close that somebody else made, or the calendar: all that is left of a position is gone, and not by the list of positions
//! alone (REC-5).

use std::collections::BTreeMap;

use backstop_broker::Symbol;

use super::{Evidence, GoneLeg, VerifiedClosed};
use crate::id::PositionId;
use crate::look::Look;
use crate::position::Position;
use crate::suspicion::Suspicion;
use crate::tally::Witness;
use crate::verdict::Doubt;

/// Judges a position of which the broker has nothing that is left in the book. `suspicions` are of this look.
pub(crate) fn absent(
    look: &Look<'_>,
    id: &PositionId,
    position: &Position,
    suspicions: &BTreeMap<Symbol, Suspicion>,
) -> Result<VerifiedClosed, Vec<Doubt>> {
    let wanted = look.config.absence;
    let mut doubts: Vec<Doubt> = look.orders_at_rest(id).err().into_iter().collect();
    let mut legs = Vec::new();
    for leg in position.open_legs() {
        let symbol = &leg.symbol;
        // REC-3: not while an order of ours is in flight, nor before the broker's lag is over.
        let judged = look.judge(symbol, position.revision);
        let checks = [judged, look.is_settled(symbol), look.none_works(symbol), look.row_is_clear(symbol)];
        doubts.extend(checks.into_iter().filter_map(Result::err));
        let suspicion = suspicions.get(symbol).filter(|suspicion| suspicion.is_gone());
        match suspicion.and_then(|suspicion| suspicion.witnessed()) {
            None => doubts.push(Doubt::NoWitness { symbol: symbol.clone() }),
            Some(count) => match count.complete(wanted) {
                None => doubts.push(Doubt::Awaiting { reads: count.reads(), wanted: wanted.reads }),
                Some(reads) if has_shares(&reads.witnesses) => doubts.push(Doubt::Assigned { symbol: symbol.clone() }),
                Some(reads) => legs.push(GoneLeg { symbol: symbol.clone(), left: leg.left, reads }),
            },
        }
    }
    doubts.dedup();
    if !doubts.is_empty() || legs.is_empty() {
        return Err(doubts);
    }
    let expired = legs.iter().all(|leg| leg.reads.witnesses.iter().any(is_expiry));
    let evidence = if expired { Evidence::Expiry { legs } } else { Evidence::Absence { legs } };
    Ok(VerifiedClosed { position: id.clone(), revision: position.revision, evidence })
}

fn is_expiry(witness: &Witness) -> bool {
    matches!(witness, Witness::CashSettled { .. } | Witness::OutOfTheMoney { .. })
}

fn has_shares<'a>(witnesses: impl IntoIterator<Item = &'a Witness>) -> bool {
    witnesses.into_iter().any(|witness| matches!(witness, Witness::Shares { .. }))
}
