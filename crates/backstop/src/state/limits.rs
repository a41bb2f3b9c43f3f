//! What the limits count and what is open by the records (LIMIT-2).

use backstop_broker::{Decimal, OrderRequest, Symbol};
use backstop_limits::{Counters, Exposure, Holding, Kind, Look, References, Usage};
use backstop_reconcile::{HeldLeg, Position};
use jiff::Timestamp;

use super::State;
use crate::SlotId;
use crate::record::Purpose;

impl State {
    /// All that is open or may become so, without a position that its fills have closed: it takes nobody's place. `price` is
    /// the market's for one of a symbol, where it is known; a position is worth that or what it was opened at, whichever is
    /// more.
    pub(crate) fn exposure(&self, price: impl Fn(&Symbol) -> Option<Decimal>) -> Exposure {
        let mut exposure = Exposure::new();
        for position in self.book.positions().values() {
            let worth = |leg: &HeldLeg| {
                let price = price(&leg.symbol).map_or(leg.price, |price| price.max(leg.price));
                let value = leg.left.abs().checked_mul(price)?.checked_mul(leg.symbol.multiplier());
                value.map(|value| value.abs())
            };
            // More than can be counted is more than any limit.
            let values = position.legs().iter().map(|leg| worth(leg).unwrap_or(Decimal::MAX));
            let notional = values.fold(Decimal::ZERO, Decimal::saturating_add);
            let legs = position.legs().iter().map(|leg| (leg.symbol.clone(), leg.left)).collect();
            exposure.held(Holding { underlying: position.underlying().clone(), legs, notional });
        }
        for entry in self.operations.values().filter(|operation| operation.purpose == Purpose::Open) {
            exposure.may_open(&entry.order, entry.notional);
        }
        exposure
    }

    /// What the limits count, with entries that may still be filled as executions.
    pub(crate) fn counted(&self) -> Counters {
        let mut counters = self.counters.clone();
        for entry in self.operations.values().filter(|operation| operation.purpose == Purpose::Open) {
            counters.executed(&kind_of(&entry.slot));
        }
        counters
    }

    /// How much of the limits is used by the records: what is open counts at what it was opened at, and a loss on paper is
    /// not known here. Empty before limits were set.
    pub fn limits_used(&self, now: Timestamp) -> Vec<Usage> {
        let flat = self.book.positions().values().filter(|position| position.is_flat()).map(Position::cash_flow);
        let look = Look {
            references: &References::new(),
            exposure: &self.exposure(|_| None),
            counters: &self.counted(),
            open_result: Ok(flat.fold(Decimal::ZERO, Decimal::saturating_add)),
            now,
        };
        self.limits.as_ref().map(|limits| limits.usage(look)).unwrap_or_default()
    }

    pub(super) fn count_intent(&mut self, purpose: Purpose, order: &OrderRequest, at: Timestamp) {
        if purpose == Purpose::Open {
            self.counters.entry(order, at);
        }
        self.count_message(at);
    }

    pub(super) fn count_message(&mut self, at: Timestamp) {
        self.counters.message(at);
        if let Some(limits) = &self.limits {
            self.counters.forget(limits.config());
        }
    }

    pub(super) fn count_execution(&mut self, slot: &SlotId) {
        self.counters.executed(&kind_of(slot));
    }

    /// What a position that leaves the book has brought. One whose end was not measured by fills brings no gain.
    pub(super) fn count_result(&mut self, position: &Position) {
        let result = position.cash_flow();
        self.counters.closed(if position.is_flat() { result } else { result.min(Decimal::ZERO) });
    }
}

/// What executions of a slot's strategy have in common.
pub(crate) fn kind_of(slot: &SlotId) -> Kind {
    Kind::new(slot.strategy.to_string())
}
