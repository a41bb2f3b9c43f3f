//! What is refused before an order is taken.

use backstop_broker::{Decimal, Leg, OrderKind, PositionEffect, Side, Symbol, TimeInForce};

use super::Exchange;
use crate::account::requirement;
use crate::book::HIGHEST_PRICE;
use crate::market::{UnderlyingKind, underlying_of};
use crate::matching;
use crate::order::{NewOrder, Refusal, SimOrder};

impl Exchange {
    /// The checks of the broker, in its order: parameters, instruments, what is held, and the money.
    pub(super) fn check(&self, order: &NewOrder) -> Result<(), Refusal> {
        check_parameters(order)?;
        self.check_instruments(order)?;
        for leg in &order.legs {
            self.check_effect(leg)?;
        }
        self.check_money(order)
    }

    fn check_instruments(&self, order: &NewOrder) -> Result<(), Refusal> {
        let mut last_day = None;
        for leg in &order.legs {
            let unknown = || Refusal::sentence(format!("Undefined symbol: {}", leg.symbol));
            if let Some(option) = leg.symbol.option() {
                if self.is_expired(&option) {
                    return Err(Refusal::code("InvalidOrderExpiration"));
                }
                if underlying_of(option.root()) != underlying_of(order.underlying.as_str()) {
                    return Err(unknown());
                }
                if *last_day.get_or_insert(option.expiration()) != option.expiration() {
                    return Err(Refusal::code("IndexOptionsOneExparyDate"));
                }
            } else if self.market.kind(&leg.symbol) == Some(UnderlyingKind::Index) {
                return Err(Refusal::code("TradingDeniedForSecurity"));
            }
            self.true_quote(&leg.symbol).ok_or_else(unknown)?;
        }
        Ok(())
    }

    /// Whether the leg fits what is held: a close never crosses zero, pending closes counted.
    fn check_effect(&self, leg: &Leg) -> Result<(), Refusal> {
        let held = self.account.held.quantity(&leg.symbol);
        let option = leg.symbol.option().is_some();
        let code = |shares: &str, options: &str| Err(Refusal::code(if option { options } else { shares }));
        match (leg.effect, leg.side) {
            (PositionEffect::Open, Side::Buy) if held < Decimal::ZERO => {
                return code("UnexpectedBuyOrder", "UnexpectedBuyOrderOption");
            }
            (PositionEffect::Open, Side::Sell) if held > Decimal::ZERO => {
                return code("UnexpectedSellShortOrder", "UnexpectedSellShortOrderOption");
            }
            (PositionEffect::Open, _) => return Ok(()),
            (PositionEffect::Close, Side::Buy) if held >= Decimal::ZERO => {
                return code("UnexpectedBuyToCoverOrder", "UnexpectedBuyToCoverOrderOption");
            }
            (PositionEffect::Close, Side::Sell) if held <= Decimal::ZERO => {
                return code("UnexpectedSellOrder", "UnexpectedSellOrderOption");
            }
            (PositionEffect::Close, _) => {}
        }
        let pending: Decimal = self
            .orders
            .values()
            .flat_map(|order| order.request.legs.iter().map(move |leg| (order, leg)))
            .filter(|(_, of)| of.symbol == leg.symbol && of.side == leg.side && of.effect == PositionEffect::Close)
            .map(|(order, of)| order.remaining(of))
            .sum();
        if pending + Decimal::from(leg.quantity) <= held.abs() {
            return Ok(());
        }
        Err(Refusal::code(if leg.side == Side::Sell { "LongPositionCrossZero" } else { "ShortPositionCrossZero" }))
    }

    /// Whether cash covers the order, everything that works, and what must stay for the positions that would be held
    /// then. An order that only closes needs no money: a broker that refuses exits for want of it would be a trap.
    fn check_money(&self, order: &NewOrder) -> Result<(), Refusal> {
        if !order.opens() {
            return Ok(());
        }
        let working = self.working().filter(|order| order.request.opens());
        let mut cash = self.account.cash;
        let mut then: Vec<(&Symbol, Decimal)> = self.account.held.iter().map(|(s, held)| (s, held.quantity)).collect();
        for (request, left) in working.map(|order| (&order.request, order.units_left())).chain([(order, order.units())])
        {
            cash -= self.cost_of_unit(request) * Decimal::from(left);
            let change = |leg: &'_ Leg| leg.side.signed(request.ratio(leg) * Decimal::from(left));
            then.extend(request.legs.iter().map(|leg| (&leg.symbol, change(leg))));
        }
        if cash >= self.requirement_of(&merged(then)) { Ok(()) } else { Err(Refusal::code("InitialMargin")) }
    }

    /// What one unit costs at worst, contract multiplier included; negative when it brings money.
    pub(super) fn cost_of_unit(&self, request: &NewOrder) -> Decimal {
        let times = request.legs.first().map_or(Decimal::ONE, |leg| leg.symbol.multiplier());
        let natural = || self.unit_market(request).map(|market| market.natural);
        let stop = match request.kind {
            OrderKind::Stop { stop } => Some(request.legs.first().map_or(stop, |leg| leg.side.signed(stop))),
            _ => None,
        };
        stop.or_else(|| matching::limit(request)).or_else(natural).unwrap_or(Decimal::ZERO) * times
    }

    fn requirement_of(&self, holdings: &[(Symbol, Decimal)]) -> Decimal {
        requirement(holdings.iter().map(|(symbol, quantity)| (symbol, *quantity)), |name| self.market.price(name))
    }

    /// The money that must stay for what is held.
    pub(crate) fn requirement(&self) -> Decimal {
        let held = self.account.held.iter().map(|(symbol, held)| (symbol, held.quantity));
        requirement(held, |name| self.market.price(name))
    }

    /// The orders that work.
    pub(super) fn working(&self) -> impl Iterator<Item = &SimOrder> {
        self.orders.values().filter(|order| order.state.is_working())
    }
}

/// Net quantities: a short share that a working order covers needs no money twice.
fn merged(holdings: Vec<(&Symbol, Decimal)>) -> Vec<(Symbol, Decimal)> {
    let mut net = std::collections::BTreeMap::<Symbol, Decimal>::new();
    for (symbol, quantity) in holdings {
        *net.entry(symbol.clone()).or_default() += quantity;
    }
    net.into_iter().collect()
}

fn check_parameters(order: &NewOrder) -> Result<(), Refusal> {
    if let Some(tag) = &order.tag {
        // Both sentences as measured in the sandbox.
        if tag.chars().any(|c| !c.is_ascii_alphanumeric() && c != '-') {
            return Err(Refusal::Parameter("Invalid parameter, tag: contains invalid characters.".to_owned()));
        }
        if tag.len() > 255 {
            return Err(Refusal::Parameter("Invalid parameter, tag: contains more than 255 characters.".to_owned()));
        }
    }
    let highest = match order.kind {
        OrderKind::Market | OrderKind::Even => Decimal::ZERO,
        OrderKind::Limit { price } | OrderKind::Debit { price } | OrderKind::Credit { price } => price,
        OrderKind::Stop { stop } => stop,
        OrderKind::StopLimit { stop, price } => stop.max(price),
    };
    if highest > HIGHEST_PRICE {
        return Err(Refusal::code("OrderPriceIsInvalid"));
    }
    match (order.time_in_force, order.kind) {
        (TimeInForce::PreMarket, _) => {
            Err(Refusal::Parameter("Invalid parameter, duration: pre market no longer available".to_owned()))
        }
        (TimeInForce::PostMarket, _) => {
            Err(Refusal::Parameter("Invalid parameter, duration: post market not available".to_owned()))
        }
        (TimeInForce::GoodTilCanceled, OrderKind::Market) => Err(Refusal::code("MarketOrderIsGtc")),
        _ => Ok(()),
    }
}
