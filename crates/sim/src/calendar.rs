//! Days and hours of the exchange, in New York.

use std::time::Duration;

use backstop_broker::MarketState;
use backstop_clock::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::{self, TimeZone};
use serde::{Deserialize, Serialize};

/// When the simulated market trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hours {
    /// At any hour. The trading day is the New York date at which the exchange was created (or loaded from its file)
    /// and lasts until [`SimHandle::close_session`](crate::SimHandle::close_session), so that a session can be
    /// simulated at midnight or over a weekend.
    #[default]
    Always,
    /// 09:30 to 16:00 in New York, Monday to Friday; holidays and early closes are not known.
    Regular,
}

/// New York's zone. The bundled data always has it; without, the standard offset is the best guess.
fn new_york() -> TimeZone {
    TimeZone::get("America/New_York").unwrap_or_else(|_| TimeZone::fixed(tz::offset(-5)))
}

pub(crate) fn day_of(at: Timestamp) -> Date {
    at.to_zoned(new_york()).date()
}

/// The moment when clocks in New York show `hour:minute` on `day`.
pub(crate) fn moment(day: Date, hour: i8, minute: i8) -> Timestamp {
    day.at(hour, minute, 0, 0).to_zoned(new_york()).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

/// The end of the regular session of `day`.
pub(crate) fn close_of(day: Date) -> Timestamp {
    moment(day, 16, 0)
}

pub(crate) fn is_weekday(day: Date) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// The state of the regular market, and the wall time in New York at which it changes next, as `HH:MM`.
pub(crate) fn regular_state(at: Timestamp) -> (MarketState, &'static str) {
    let zoned = at.to_zoned(new_york());
    let minute = i32::from(zoned.hour()) * 60 + i32::from(zoned.minute());
    match minute {
        _ if !is_weekday(zoned.date()) => (MarketState::Closed, "07:00"),
        420..570 => (MarketState::PreMarket, "09:30"),
        570..960 => (MarketState::Open, "16:00"),
        960..1200 => (MarketState::PostMarket, "20:00"),
        _ => (MarketState::Closed, "07:00"),
    }
}

/// The next regular opening at or after `at`.
pub(crate) fn next_open(at: Timestamp) -> Timestamp {
    let mut day = day_of(at);
    for _ in 0..7 {
        let open = moment(day, 9, 30);
        if is_weekday(day) && open >= at {
            return open;
        }
        day = day.tomorrow().unwrap_or(day);
    }
    Timestamp::MAX
}

/// `at` plus `by`, or the last moment that can be expressed.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// `at` minus `by`, or the epoch.
pub(crate) fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
