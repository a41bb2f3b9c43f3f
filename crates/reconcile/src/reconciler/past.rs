//! How a symbol stood before it differed as it does: what is different now is told from what was different all the time.

use std::collections::BTreeMap;

use backstop_broker::{Decimal, Symbol};
use backstop_clock::Mono;

use super::Reconciler;
use crate::compare::Difference;
use crate::intents::Traded;
use crate::look::Look;
use crate::moment::Moment;
use crate::suspicion::{Before, Suspicion};

impl Reconciler {
    /// What was known of a symbol before it differed as it does in an answer that was asked for at `asked`, and since when it
    /// does.
    pub(super) fn past(&self, difference: &Difference<'_>, asked: Moment) -> (Before, Mono) {
        let same = self.suspicions.get(difference.symbol).filter(|known| known.is_of(difference));
        let began = same.map_or(asked.mono, Suspicion::began);
        let before = same.map_or_else(|| self.stood(difference.symbol), Suspicion::before);
        (before.of(difference.revision()), began)
    }

    /// How a symbol stood when it was last looked at.
    fn stood(&self, symbol: &Symbol) -> Before {
        let not_conclusive = || self.returned.get(symbol).or_else(|| self.unsure.get(symbol));
        if let Some(known) = self.suspicions.get(symbol) {
            known.now()
        } else if let Some(before) = not_conclusive() {
            *before
        } else if let Some(last) = self.differing.get(symbol) {
            Before { agreed: None, last: Some(*last) }
        } else {
            let last = self.compared.map(|compared| (Decimal::ZERO, compared.asked.mono));
            Before { agreed: self.compared, last }
        }
    }

    /// Symbols that agree in this look, while orders of others on them are at rest for less than the lag.
    pub(super) fn unsure(&self, look: &Look<'_>, compared: &[Difference<'_>]) -> BTreeMap<Symbol, Before> {
        let asked = look.reads.positions.asked.mono;
        let is_young = |traded: &Traded<'_>| {
            let since = self.at_rest.get(&traded.order.id);
            since.is_none_or(|since| asked.since(*since) < look.config.lag)
        };
        let foreign = look.orders.iter().flat_map(|orders| &orders.foreign);
        let young = foreign.filter(|(_, traded)| traded.iter().any(is_young)).map(|(symbol, _)| *symbol);
        let agrees = |symbol: &&Symbol| !compared.iter().any(|difference| difference.symbol == *symbol);
        young.filter(agrees).map(|symbol| (symbol.clone(), self.stood(symbol))).collect()
    }

    /// Notes which orders of others are at rest, and forgets those that the broker lists no more.
    pub(super) fn note_others(&mut self, look: &Look<'_>) {
        let Some(orders) = &look.orders else { return };
        let asked = look.reads.orders.asked.mono;
        self.at_rest.retain(|order, _| orders.listed.contains(order));
        for traded in orders.foreign.values().flatten() {
            self.at_rest.entry(traded.order.id.clone()).or_insert(asked);
        }
    }
}
