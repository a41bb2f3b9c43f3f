//! What was last told of each symbol: the quotes that whoever sends an order can have looked at.

use backstop_broker::{Side, Symbol};
use backstop_clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Exchange, RawQuote, RawValue};
use crate::faults::FaultKind;
use crate::ledger::QuotedLeg;
use crate::order::NewOrder;

/// The quote of a symbol as it was last told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Told {
    fault: Option<FaultKind>,
    /// When its values were the market's: for one that stands still, when it stopped.
    as_of: Timestamp,
    /// The newer stamp of its two sides.
    stamp: Option<Timestamp>,
    has_bid: bool,
    has_ask: bool,
    /// When a quote with nothing wrong was last told.
    #[serde(default)]
    good_at: Option<Timestamp>,
}

impl Exchange {
    /// Takes down what is told of `symbol` now. `None`: that it is unknown.
    pub(super) fn note_told(
        &mut self,
        symbol: &Symbol,
        fault: Option<FaultKind>,
        as_of: Timestamp,
        quote: Option<&RawQuote>,
    ) {
        let is_number = |value: &RawValue| matches!(value, RawValue::Number(_));
        let good_before = self.told.get(symbol).and_then(|told| told.good_at);
        let told = Told {
            fault,
            as_of,
            stamp: quote.and_then(|quote| quote.bid.at.max(quote.ask.at)),
            has_bid: quote.is_some_and(|quote| is_number(&quote.bid.price)),
            has_ask: quote.is_some_and(|quote| is_number(&quote.ask.price)),
            good_at: if fault.is_none() { Some(self.now) } else { good_before },
        };
        self.told.insert(symbol.clone(), told);
    }

    /// What whoever sends `order` now was last told of its legs.
    pub(super) fn quoted(&self, order: &NewOrder) -> Vec<QuotedLeg> {
        let age = |at: Timestamp| u64::try_from(self.now.duration_since(at).as_millis()).unwrap_or(0);
        let legs = order.legs.iter().filter_map(|leg| Some((leg, self.told.get(&leg.symbol)?)));
        legs.map(|(leg, told)| {
            // Who sells can do without the ask, and who buys without the bid.
            let is_there = if leg.side == Side::Sell { told.has_bid } else { told.has_ask };
            QuotedLeg {
                symbol: leg.symbol.clone(),
                fault: told.fault.filter(|fault| *fault != FaultKind::QuoteMissing || !is_there),
                age_ms: age(told.as_of),
                stamp_age_ms: told.stamp.map(age),
                good_ms: told.good_at.map(age),
            }
        })
        .collect()
    }
}
