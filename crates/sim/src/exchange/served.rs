//! What only the protocol asks for, beyond the calls of a broker.

use backstop_broker::{Decimal, Symbol};
use backstop_clock::Timestamp;

use super::{Answer, Exchange};
use crate::ledger::WireRequest;
use crate::market::UnderlyingKind;
use crate::order::{NewOrder, Refusal};

impl Exchange {
    /// Takes down a request that was refused before it came here.
    pub(crate) fn note_refused(&mut self, now: Timestamp, tag: Option<String>, refusal: &str) {
        self.advance(now);
        let refusal = Some(refusal.to_owned());
        self.requests.push(WireRequest { at: self.now, tag, order_id: None, refusal, fault: None });
        self.revision += 1;
    }

    /// Checks an order without taking it: what it would cost.
    pub(crate) fn preview(&mut self, now: Timestamp, order: &NewOrder) -> Answer<Result<Decimal, Refusal>> {
        self.read(now, |exchange| {
            exchange.check(order).map(|()| exchange.cost_of_unit(order) * Decimal::from(order.units()))
        })
    }

    /// How many orders work.
    pub(crate) fn working_count(&self) -> usize {
        self.working().count()
    }

    /// The current price of the underlying of an option.
    pub(crate) fn underlying_price(&self, name: &str) -> Option<Decimal> {
        self.market.price(name)
    }

    /// What kind of instrument a symbol that walks or is played back is.
    pub(crate) fn kind_of(&self, symbol: &Symbol) -> Option<UnderlyingKind> {
        self.market.kind(symbol)
    }
}
