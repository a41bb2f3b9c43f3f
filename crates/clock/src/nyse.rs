//! Trading days and regular hours of the New York Stock Exchange.
//!
//! A table of what the exchange has announced, from 2024 to 2028: see [`LAST_YEAR`]. For a day outside it there is an
//! error and no guess, because a wrong day opens a session that must not be opened. Closures that are announced later (a
//! day of mourning, a storm) are not in it either: where the broker has a market clock, the broker's word goes first, and
//! a difference between the two is a reason to stop.
//!
//! The hours are those of the cash market: 09:30 to 16:00 in New York, 13:00 on early closes. Some options trade 15
//! minutes longer. New York's time zone is compiled in; the system's tables are not asked.

mod table;

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use self::table::{EARLY_CLOSES, HOLIDAYS};
pub use self::table::{FIRST_YEAR, LAST_YEAR};

/// From the tables that are compiled in: the system's may be missing or old.
static NEW_YORK: LazyLock<Option<TimeZone>> = LazyLock::new(|| TimeZone::get("America/New_York").ok());

/// What a day is to the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: it trades or it does not")]
pub enum Day {
    /// It trades.
    Trading(TradingDay),
    /// It does not.
    Closed(Closed),
}

/// A day without trading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Closed {
    /// The day.
    pub date: Date,
    /// The holiday, for people; `None` on a weekend.
    pub holiday: Option<&'static str>,
}

/// A day with trading, and its regular hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct TradingDay {
    /// The day.
    pub date: Date,
    /// The first moment of regular trading.
    pub opens: Timestamp,
    /// The first moment after it.
    pub closes: Timestamp,
}

/// Why there is no saying what a day is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoSuchDay {
    /// The table does not cover it.
    #[error(
        "the calendar of the exchange is known from {FIRST_YEAR} to {LAST_YEAR}, which {date} is not in; check the clock, \
         ask the broker, or update"
    )]
    Outside {
        /// The day.
        date: Date,
    },
    /// New York's time zone is not among those that were compiled in.
    #[error("the time zone of New York was not compiled in; build with jiff's bundled tables")]
    NoTimeZone,
}

fn new_york() -> Result<&'static TimeZone, NoSuchDay> {
    NEW_YORK.as_ref().ok_or(NoSuchDay::NoTimeZone)
}

impl Day {
    /// What `date` is.
    ///
    /// # Errors
    /// [`NoSuchDay`] before [`FIRST_YEAR`] and after [`LAST_YEAR`].
    pub fn on(date: Date) -> Result<Self, NoSuchDay> {
        let outside = NoSuchDay::Outside { date };
        if !(FIRST_YEAR..=LAST_YEAR).contains(&date.year()) {
            return Err(outside);
        }
        if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
            return Ok(Self::Closed(Closed { date, holiday: None }));
        }
        let day = (date.year(), date.month(), date.day());
        if let Some((_, holiday)) = HOLIDAYS.iter().find(|(holiday, _)| *holiday == day) {
            return Ok(Self::Closed(Closed { date, holiday: Some(holiday) }));
        }
        let close = if EARLY_CLOSES.contains(&day) { 13 } else { 16 };
        let moment = |hour, minute| {
            // Never in the hour that clocks skip or repeat: those are at night, on Sundays.
            let zoned = new_york()?.to_ambiguous_timestamp(date.at(hour, minute, 0, 0)).unambiguous();
            zoned.map_err(|_| outside)
        };
        Ok(Self::Trading(TradingDay { date, opens: moment(9, 30)?, closes: moment(close, 0)? }))
    }

    /// What the day is on which New York is at `moment`, whatever the hour.
    ///
    /// # Errors
    /// [`NoSuchDay`] before [`FIRST_YEAR`] and after [`LAST_YEAR`].
    pub fn at(moment: Timestamp) -> Result<Self, NoSuchDay> {
        Self::on(new_york()?.to_datetime(moment).date())
    }
}

impl TradingDay {
    /// The trading day that goes on at `moment`, or else the next one.
    ///
    /// # Errors
    /// [`NoSuchDay`] when it is not in the table.
    pub fn current_or_next(moment: Timestamp) -> Result<Self, NoSuchDay> {
        let mut date = new_york()?.to_datetime(moment).date();
        // Ends at the edge of the table at the latest.
        loop {
            match Day::on(date)? {
                Day::Trading(day) if moment < day.closes => return Ok(day),
                Day::Trading(_) | Day::Closed(_) => date = date.tomorrow().map_err(|_| NoSuchDay::Outside { date })?,
            }
        }
    }

    /// Whether regular trading goes on at `moment`.
    pub fn is_open_at(&self, moment: Timestamp) -> bool {
        (self.opens..self.closes).contains(&moment)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
