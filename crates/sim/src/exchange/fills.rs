//! Fills: when an order meets the market, at what prices, and what that does to cash and holdings.

use std::time::Duration;

use backstop_broker::{Decimal, Leg, Symbol};

use super::{Event, Exchange};
use crate::account::CashMovement;
use crate::book::BookQuote;
use crate::calendar::later;
use crate::faults::FaultKind;
use crate::matching::{self, UnitMarket};
use crate::order::{Awaits, NewOrder, OrderState, SimOrder, UnitFill};

/// The chance, each quarter of a second, that somebody takes a resting limit at mid or better.
const REST_FILL_PER_MILLE: u16 = 60;

impl Exchange {
    /// Whether a working order fills now, soon or not yet.
    pub(super) fn consider(&mut self, id: u64) {
        if !self.is_open() {
            return;
        }
        let Some(mut order) = self.orders.get(&id).filter(|order| is_at_market(order)).cloned() else { return };
        if order.awaits == Awaits::Stop {
            let quote = order.request.legs.first().and_then(|leg| self.true_quote(&leg.symbol));
            if !quote.is_some_and(|quote| matching::stop_reached(&order.request, &quote)) {
                return;
            }
            order.awaits = Awaits::Market;
            self.orders.insert(id, order.clone());
            self.revision += 1;
        }
        let Some(market) = self.unit_market(&order.request) else { return };
        let limit = matching::limit(&order.request);
        if limit.is_none_or(|limit| market.natural <= limit) {
            let (min, max) = self.settings.fill_delay;
            let delay = self.delay_dice.between(min, max);
            if let Some(order) = self.orders.get_mut(&id) {
                order.awaits = Awaits::Fill;
            }
            self.schedule(delay, Event::Fill(id));
        } else if let Some(limit) = limit.filter(|limit| market.mid <= *limit)
            && self.fill_dice.chance(REST_FILL_PER_MILLE)
        {
            self.fill(id, &market, limit);
        }
    }

    /// A fill that was on its way arrives: if the market is still there.
    pub(super) fn attempt(&mut self, id: u64) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        if order.awaits == Awaits::Fill {
            order.awaits = Awaits::Market;
        }
        if !is_at_market(order) {
            return;
        }
        let request = order.request.clone();
        let Some(market) = self.unit_market(&request) else { return };
        if matching::limit(&request).is_none_or(|limit| market.natural <= limit) {
            let natural = market.natural;
            self.fill(id, &market, natural);
        }
    }

    /// Fills an order at `net` per unit: all that is left of it, or a part.
    fn fill(&mut self, id: u64, market: &UnitMarket, net: Decimal) {
        let Some(order) = self.orders.get(&id) else { return };
        let left = order.units_left();
        let mut units = left;
        let mut stuck = false;
        if left > 1 && !order.by_hand {
            match self.faults.first_of(&[FaultKind::PartialFillStuck, FaultKind::PartialFill]) {
                None => {}
                Some(kind) => {
                    units = self.part_dice.roll().u32(1..left);
                    stuck = kind == FaultKind::PartialFillStuck;
                }
            }
        }
        self.fill_units(id, market, net, units);
        if let Some(order) = self.orders.get_mut(&id).filter(|_| stuck) {
            order.awaits = Awaits::Nothing;
        }
    }

    pub(super) fn fill_units(&mut self, id: u64, market: &UnitMarket, net: Decimal, units: u32) {
        let Some(prices) = market.prices(net) else { return };
        let completes = self.orders.get(&id).is_some_and(|order| order.units_left() == units);
        let hidden = completes && self.faults.strikes(FaultKind::FilledBeforeQuantities);
        let hidden = if hidden { self.faults.delay(FaultKind::FilledBeforeQuantities) } else { Duration::ZERO };
        let now = self.now;
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.filled_units += units;
        order.fills.push(UnitFill { at: now, units, prices: prices.clone() });
        order.state = if order.units_left() == 0 { OrderState::Filled } else { OrderState::PartiallyFilled };
        order.updated_at = now;
        order.measured_at = later(now, hidden);
        let request = order.request.clone();
        for (leg, price) in request.legs.iter().zip(prices) {
            let quantity = leg.side.signed(request.ratio(leg) * Decimal::from(units));
            self.trade(&leg.symbol, quantity, price, Some(id));
        }
    }

    /// Moves cash and holdings, and shows it in the list of positions after its lag.
    pub(super) fn trade(&mut self, symbol: &Symbol, quantity: Decimal, price: Decimal, order_id: Option<u64>) {
        let paid = quantity * price * symbol.multiplier();
        let row = self.next_row;
        self.next_row += 1;
        self.account.held.apply(symbol, quantity, paid, self.now, row);
        self.account.move_cash(CashMovement { at: self.now, amount: -paid, symbol: symbol.clone(), order_id });
        let lag = if self.faults.strikes(FaultKind::PositionsLag) {
            self.faults.delay(FaultKind::PositionsLag)
        } else {
            self.settings.positions_lag
        };
        let show = Event::Show { symbol: symbol.clone(), quantity, paid, traded_at: self.now };
        self.schedule(lag, show);
    }

    pub(super) fn unit_market(&self, request: &NewOrder) -> Option<UnitMarket> {
        let quotes: Vec<(&Leg, BookQuote)> =
            request.legs.iter().map(|leg| Some((leg, self.true_quote(&leg.symbol)?))).collect::<Option<_>>()?;
        UnitMarket::new(request, |leg| quotes.iter().find(|(of, _)| *of == leg).map(|(_, quote)| quote))
    }
}

/// Whether the order stands at the market and nothing is on its way to it.
pub(super) fn is_at_market(order: &SimOrder) -> bool {
    matches!(order.state, OrderState::Open | OrderState::PartiallyFilled)
        && matches!(order.awaits, Awaits::Stop | Awaits::Market)
        && !order.by_hand
}
