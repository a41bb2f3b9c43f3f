//! Setting the book by the broker, where the policy says so and the evidence says why.

use std::collections::{BTreeMap, BTreeSet};

use backstop_broker::{Decimal, Symbol};

use crate::book::LegChange;
use crate::config::Sizes;
use crate::drift::{Correction, Drift, DriftState};
use crate::id::PositionId;
use crate::look::Look;
use crate::position::Position;
use crate::run::Run;
use crate::suspicion::Suspicion;
use crate::tally::{Count, Tally};
use crate::units::shrinks;

/// The corrections that this run has the evidence for: one for each position, with all of its legs.
///
/// Law 3: less than before takes a witness, as a removal does; more than before, which forgets nothing, takes reads that
/// agree. Where several positions share the symbol nobody can tell whose it is, and a person decides.
pub(crate) fn corrections(look: &Look<'_>, run: &Run, suspicions: &BTreeMap<Symbol, Suspicion>) -> Vec<Correction> {
    if look.config.sizes == Sizes::Report || run.glitch.is_some() || look.orders.is_none() {
        return Vec::new();
    }
    let mut found: BTreeMap<PositionId, Vec<Part>> = BTreeMap::new();
    for drift in &run.drift {
        if let Some((id, part)) = part(look, drift, suspicions, &run.drift) {
            found.entry(id).or_default().push(part);
        }
    }
    let gone = run.drift.iter().filter(|drift| drift.broker.is_zero()).map(|drift| &drift.symbol).collect();
    found.into_iter().filter_map(|(id, parts)| correction(look, id, parts, &gone)).collect()
}

struct Part {
    legs: Vec<LegChange>,
    cause: DriftState,
    reads: Tally,
}

fn part(
    look: &Look<'_>,
    drift: &Drift,
    suspicions: &BTreeMap<Symbol, Suspicion>,
    all: &[Drift],
) -> Option<(PositionId, Part)> {
    let [only] = drift.may_belong.as_slice() else { return None };
    let delta = drift.difference();
    let less = !drift.tracked.is_zero() && shrinks(drift.tracked, delta);
    let fits = match &drift.state {
        DriftState::Assigned { option, .. } => *option == drift.symbol,
        DriftState::ManualTrade { .. } => !drift.tracked.is_zero(),
        DriftState::Expired { .. } | DriftState::BrokenSpread { .. } | DriftState::Smaller | DriftState::Larger => true,
        _ => false,
    };
    let settled = look.is_settled(&drift.symbol).is_ok() && look.none_works(&drift.symbol).is_ok();
    let at_rest = look.orders_at_rest(&only.position).is_ok() && settled;
    let to = only.left + delta;
    // A trade that turned it to the other side is not its own any more.
    let turned = !to.is_zero() && !only.left.is_zero() && to.is_sign_negative() != only.left.is_sign_negative();
    if !fits || !at_rest || turned {
        return None;
    }
    let suspicion = suspicions.get(&drift.symbol)?;
    let count = if less { suspicion.witnessed() } else { suspicion.stable() };
    let reads = count.and_then(|count| count.complete(look.config.absence))?;
    let mut legs = vec![LegChange { symbol: drift.symbol.clone(), from: only.left, to }];
    if let DriftState::Assigned { shares_of, shares, .. } = &drift.state {
        legs.push(shares_leg(look, &only.position, (shares_of, *shares), suspicions, all)?);
    }
    Some((only.position.clone(), Part { legs, cause: drift.state.clone(), reads }))
}

/// The shares of an assignment, as a leg of the position whose option is gone.
fn shares_leg(
    look: &Look<'_>,
    id: &PositionId,
    (symbol, shares): (&Symbol, Decimal),
    suspicions: &BTreeMap<Symbol, Suspicion>,
    all: &[Drift],
) -> Option<LegChange> {
    // Only what is all of the difference: of several options nobody can tell which brought how many.
    let drift = all.iter().find(|drift| drift.symbol == *symbol)?;
    let settled = look.is_settled(symbol).is_ok() && look.none_works(symbol).is_ok();
    if drift.difference() != shares || !settled {
        return None;
    }
    let stable = suspicions.get(symbol).and_then(Suspicion::stable);
    stable.and_then(|count: &Count| count.complete(look.config.absence))?;
    let held = look.book.get(id)?.legs.iter().find(|leg| leg.symbol == *symbol);
    let from = held.map_or(Decimal::ZERO, |leg| leg.left);
    Some(LegChange { symbol: symbol.clone(), from, to: from + shares })
}

fn correction(look: &Look<'_>, id: PositionId, parts: Vec<Part>, gone: &BTreeSet<&Symbol>) -> Option<Correction> {
    let position = look.book.get(&id)?;
    let causes: Vec<DriftState> = parts.iter().map(|part| part.cause.clone()).collect();
    let reads = parts.iter().map(|part| part.reads.clone()).reduce(Tally::weaker)?;
    let legs: Vec<LegChange> = parts.into_iter().flat_map(|part| part.legs).collect();
    // What has gone whole leaves by a proof, not by a correction. A leg that no order is to be sent for may go alone.
    let leaves_something = leaves_something(position, &legs);
    let is_assignment = causes.iter().any(|cause| matches!(cause, DriftState::Assigned { .. }));
    let all_gone = position.open_legs().all(|leg| gone.contains(&leg.symbol));
    if (all_gone && !is_assignment) || !leaves_something {
        return None;
    }
    Some(Correction { position: id, revision: position.revision, legs, causes, reads })
}

fn leaves_something(position: &Position, legs: &[LegChange]) -> bool {
    let changed = |symbol: &Symbol| legs.iter().find(|leg| leg.symbol == *symbol);
    let of_position = position.legs.iter().any(|leg| match changed(&leg.symbol) {
        Some(change) => !change.to.is_zero(),
        None => !leg.left.is_zero(),
    });
    of_position || legs.iter().any(|leg| leg.from.is_zero() && !leg.to.is_zero())
}
