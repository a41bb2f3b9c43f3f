//! The strategies: deliberately plain, and pure. They plan by fresh quotes and nothing else; the desk decides.

mod equity;
mod spread;

use std::time::Duration;

use backstop::broker::{Decimal, OrderKind, Quote, Side, Symbol};
use backstop::clock::Timestamp;
use backstop::quote::Need;
use backstop::reconcile::{Origin, Position};
use backstop::{EntryPlan, ExitAt, ExitPlan, State};
use backstop_clock::nyse::TradingDay;
use jiff::civil::Date;

pub(crate) use equity::Equity;
pub(crate) use spread::Spread;

/// Attempts to leave at a price; after that it is at whatever price there is.
pub(crate) const PATIENCE: u32 = 2;

/// What to trade and when to leave.
#[derive(Debug, Clone)]
pub(crate) enum Strategy {
    Spread(Spread),
    Equity(Equity),
}

impl Strategy {
    /// The name that client order ids carry.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Spread(_) => "spread",
            Self::Equity(_) => "equity",
        }
    }

    /// What to look at first; a second look may need what [`legs`](Strategy::legs) adds.
    pub(crate) fn reference(&self) -> &Symbol {
        match self {
            Self::Spread(spread) => spread.underlying(),
            Self::Equity(equity) => equity.symbol(),
        }
    }

    /// What is needed of its quote.
    pub(crate) fn reference_need(&self) -> Need {
        match self {
            Self::Spread(_) => Need::Both,
            Self::Equity(_) => Need::Buy,
        }
    }

    /// What an entry in `slot` would buy and sell, from a fresh quote of the reference. Options expire on `day`.
    pub(crate) fn legs(
        &self,
        day: Date,
        reference: &Quote,
        slot: u32,
        state: &State,
    ) -> Result<Vec<(Symbol, Side)>, String> {
        match self {
            Self::Spread(spread) => spread.legs(day, reference, slot, state),
            Self::Equity(equity) => Ok(equity.legs()),
        }
    }

    /// The same for a bot with a book of its own: `is_held` says whether a symbol is held, or may be, in a direction.
    pub(crate) fn legs_beside(
        &self,
        day: Date,
        reference: &Quote,
        slot: u32,
        is_held: impl Fn(&Symbol, Side) -> bool,
    ) -> Result<Vec<(Symbol, Side)>, String> {
        match self {
            Self::Spread(spread) => spread.legs_beside(day, reference, slot, is_held),
            Self::Equity(equity) => Ok(equity.legs()),
        }
    }

    /// The entry, from fresh quotes of its legs in their order. `Err` says why there is none.
    pub(crate) fn entry(&self, quotes: &[&Quote]) -> Result<EntryPlan, String> {
        match self {
            Self::Spread(spread) => spread.entry(quotes),
            Self::Equity(equity) => equity.entry(quotes),
        }
    }

    /// Whether to leave, and how. `closing` is what closing now would do to cash, by fresh quotes; without them it is the
    /// time alone that says so. `attempts` exits were tried before.
    pub(crate) fn exit(
        &self,
        position: &Position,
        attempts: u32,
        closing: Option<Decimal>,
        moment: &Moment,
    ) -> Option<ExitPlan> {
        let reason = moment.must_leave(position).map(str::to_owned).or_else(|| match (position.origin(), self) {
            (Origin::Adopted { stop }, _) => stopped_out(position, *stop, closing?),
            _ => self.by_result(position.cash_flow(), closing?),
        })?;
        let at = if attempts < PATIENCE { ExitAt::Policy } else { ExitAt::Order(OrderKind::Market) };
        Some(ExitPlan { at, reason })
    }

    /// Why to leave a position by what it has brought so far and what closing would: `None`, it is kept.
    pub(crate) fn by_result(&self, cash_flow: Decimal, closing: Decimal) -> Option<String> {
        match self {
            Self::Spread(_) => spread::wants_out(cash_flow, closing),
            Self::Equity(_) => equity::wants_out(cash_flow, closing),
        }
    }
}

/// The day on which options that are traded now expire at the earliest: today, or the next trading day where today is none or
/// its session is over. The simulator trades at any hour; an option of yesterday is nothing to hold all the same.
pub(crate) fn expiration(today: Date, now: Timestamp) -> Date {
    TradingDay::current_or_next(now).map_or(today, |day| day.date.max(today))
}

/// What time says about leaving.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    pub(crate) hold: Duration,
    /// Everything is to be closed, whatever the price.
    pub(crate) flatten: bool,
}

impl Moment {
    fn must_leave(&self, position: &Position) -> Option<&'static str> {
        if self.flatten {
            return Some("leaving");
        }
        // An exit that did not come through is tried again, whatever made us want it.
        if position.pending().is_some() {
            return Some("trying again");
        }
        // What was adopted is not the strategy's: it has its stop, where it is known what it cost.
        if matches!(position.origin(), Origin::Adopted { .. }) && !cost_of(position).is_zero() {
            return None;
        }
        let held = self.now.duration_since(position.opened_at());
        Duration::try_from(held).is_ok_and(|held| held >= self.hold).then_some("time")
    }
}

/// Out at the stop that an adopted position came with.
fn stopped_out(position: &Position, stop: Decimal, closing: Decimal) -> Option<String> {
    let cost = cost_of(position);
    let most = cost.abs().saturating_mul(stop);
    (!cost.is_zero() && closing.saturating_sub(cost) <= -most).then(|| "stop loss of what was adopted".to_owned())
}

/// What is left of a position cost when it was opened; below zero, what it brought. Zero where nobody knows.
fn cost_of(position: &Position) -> Decimal {
    let value = |left: Decimal, price: Decimal, multiplier| left.saturating_mul(price).saturating_mul(multiplier);
    let costs = position.open_legs().map(|leg| value(leg.left, leg.price, leg.symbol.multiplier()));
    costs.fold(Decimal::ZERO, Decimal::saturating_add)
}

#[cfg(test)]
mod tests;
