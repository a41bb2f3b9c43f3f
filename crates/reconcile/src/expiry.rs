//! Whether an option has expired, what it leaves, and whether it was worth anything then.

use std::time::Duration;

use backstop_broker::{Decimal, OptionRight, OptionSymbol, Symbol};
use backstop_clock::nyse::{Day, NoSuchDay, TradingDay};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::config::Config;
use crate::reads::Settlement;

/// An expiration falls on a day without trading at most so many days after the last one with it.
pub(crate) const DAYS_BACK: i32 = 7;

/// An option whose last day is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) option: OptionSymbol,
    /// The last day on which it could be traded.
    pub(crate) on: Date,
    pub(crate) settles_in_cash: bool,
}

/// What the underlying's value says of an expired option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It was worth nothing, by this value.
    Nothing { price: Decimal },
    /// It was worth something, or might have been.
    Something,
    /// Nobody has said what the underlying was worth.
    NotKnown,
}

impl Expired {
    /// `None` when `symbol` is no option, or can still be traded at `now`.
    ///
    /// # Errors
    /// [`NoSuchDay`] when the calendar does not know: then it counts as open.
    pub(crate) fn at(symbol: &Symbol, now: Timestamp, config: &Config) -> Result<Option<Self>, NoSuchDay> {
        let Some(option) = symbol.option() else { return Ok(None) };
        let last = last_day(option.expiration())?;
        let over = after(last.closes, config.expiry_margin);
        let settles_in_cash = config.cash_settled.contains(option.root());
        Ok((now >= over).then_some(Self { option, on: last.date, settles_in_cash }))
    }

    /// What it was worth, by what is known of its underlying on its last day. At the strike it may have been exercised.
    pub(crate) fn worth(&self, underlying: &Symbol, settlements: &[Settlement]) -> Worth {
        let days = [self.on, self.option.expiration()];
        let known = settlements.iter().find(|known| known.underlying == *underlying && days.contains(&known.on));
        let Some(price) = known.map(|known| known.price) else { return Worth::NotKnown };
        let worthless = match self.option.right() {
            OptionRight::Call => price < self.option.strike(),
            OptionRight::Put => price > self.option.strike(),
        };
        if worthless && price > Decimal::ZERO { Worth::Nothing { price } } else { Worth::Something }
    }
}

/// Whether the last day of options with that expiration is over. Unknown to the calendar, it is not.
pub(crate) fn is_over(expiration: Date, now: Timestamp, config: &Config) -> bool {
    last_day(expiration).is_ok_and(|last| now >= after(last.closes, config.expiry_margin))
}

/// How many more shares there are when `contracts` of an option are exercised or assigned; below zero is short.
pub(crate) fn shares_of(option: &OptionSymbol, contracts: Decimal) -> Decimal {
    let shares = contracts * Decimal::ONE_HUNDRED;
    match option.right() {
        OptionRight::Call => shares,
        OptionRight::Put => -shares,
    }
}

/// The last day with trading on or before an expiration: on a holiday nothing is traded, and nothing settled later.
fn last_day(expiration: Date) -> Result<TradingDay, NoSuchDay> {
    let mut date = expiration;
    for _ in 0..DAYS_BACK {
        match Day::on(date)? {
            Day::Trading(day) => return Ok(day),
            Day::Closed(_) => date = date.yesterday().map_err(|_| NoSuchDay::Outside { date })?,
        }
    }
    Err(NoSuchDay::Outside { date: expiration })
}

fn after(moment: Timestamp, by: Duration) -> Timestamp {
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
