//! What is open, or may become so (LIMIT-2).

use std::collections::BTreeSet;

use backstop_broker::{Decimal, OrderRequest, Side, Symbol};

/// A position that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what is left out would not be counted")]
pub struct Holding {
    /// The symbol that its orders were about.
    pub underlying: Symbol,
    /// Its legs: shares or contracts, negative where it is short.
    pub legs: Vec<(Symbol, Decimal)>,
    /// What it is worth, each leg counted whether long or short. In the account's currency.
    pub notional: Decimal,
}

/// All that is open or may become so: filled, working and unknown alike.
#[derive(Debug, Clone, Default)]
pub struct Exposure {
    holdings: Vec<Holding>,
    /// Some amount was more than can be counted.
    overflown: bool,
    notional: Decimal,
}

impl Exposure {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a position. One without quantity on any leg is closed and counts for nothing.
    pub fn held(&mut self, holding: Holding) {
        if holding.legs.iter().all(|(_, quantity)| quantity.is_zero()) {
            return;
        }
        match self.notional.checked_add(holding.notional.abs()) {
            Some(notional) => self.notional = notional,
            None => self.overflown = true,
        }
        self.holdings.push(holding);
    }

    /// Counts an order that works, or of which nobody knows whether it does: all of it, as if it were filled. `notional` is
    /// what [`Within::notional`](crate::Within::notional) said when it was judged.
    pub fn may_open(&mut self, order: &OrderRequest, notional: Decimal) {
        let legs = order.legs().iter().map(|leg| (leg.symbol.clone(), leg.side.signed(leg.quantity.into()))).collect();
        self.held(Holding { underlying: order.underlying().clone(), legs, notional });
    }

    pub(crate) fn positions(&self) -> usize {
        self.holdings.len()
    }

    pub(crate) fn positions_on(&self, underlying: &Symbol) -> usize {
        self.holdings.iter().filter(|holding| holding.underlying == *underlying).count()
    }

    /// `None` if it cannot be counted.
    pub(crate) fn notional(&self) -> Option<Decimal> {
        (!self.overflown).then_some(self.notional)
    }

    /// Which symbols are held, or being opened, on which side.
    pub(crate) fn sides(&self) -> BTreeSet<(&Symbol, Side)> {
        let legs = self.holdings.iter().flat_map(|holding| &holding.legs);
        let side = |quantity: Decimal| if quantity.is_sign_negative() { Side::Sell } else { Side::Buy };
        legs.filter(|(_, quantity)| !quantity.is_zero()).map(|(symbol, quantity)| (symbol, side(*quantity))).collect()
    }
}
