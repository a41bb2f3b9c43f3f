//! Which day it is and whether there is trading is the broker's word; the exchange's calendar is the cross-check (GUARD-6).

use std::time::Duration;

use backstop::broker::{MarketClock, MarketState};
use backstop::clock::Timestamp;
use backstop_clock::nyse::Day;

/// How far the broker's clock and ours may differ around the opening and the close.
const TOLERANCE: Duration = Duration::from_mins(1);

/// What a difference between the two comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calendar {
    /// Nothing: the embedded simulator is open at any hour.
    Unasked,
    /// It is said.
    Warns,
    /// It is said, and no session begins.
    Refuses,
}

/// What is to be said about a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) text: String,
    pub(crate) is_refused: bool,
}

impl Calendar {
    /// Compares the broker's word with the calendar. A day that the calendar does not know counts as a difference: there is
    /// no cross-check then.
    pub(crate) fn check(self, market: &MarketClock, now: Timestamp) -> Option<Difference> {
        if self == Self::Unasked {
            return None;
        }
        let text = difference(market, now)?;
        Some(Difference { text, is_refused: self == Self::Refuses })
    }
}

fn difference(market: &MarketClock, now: Timestamp) -> Option<String> {
    let day = match Day::at(now) {
        Ok(day) => day,
        Err(error) => return Some(error.to_string()),
    };
    let (date, hours) = match day {
        Day::Trading(day) => (day.date, Some((day.opens, day.closes))),
        Day::Closed(closed) => (closed.date, None),
    };
    if market.date != date {
        return Some(format!("the broker says that today is {}, and our clock says {date} in New York", market.date));
    }
    let near = |edge: Timestamp| now.duration_since(edge).unsigned_abs() <= TOLERANCE;
    if hours.is_some_and(|(opens, closes)| near(opens) || near(closes)) {
        return None;
    }
    let trades = hours.is_some_and(|(opens, closes)| (opens..closes).contains(&now));
    match (&market.state, trades) {
        (MarketState::Open, false) => {
            Some(format!("the broker says that the market is open, and by the calendar it is shut at {now}"))
        }
        (state, true) if *state != MarketState::Open => {
            Some(format!("by the calendar the market is open at {now}, and the broker says that it is not ({state:?})"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(date: &str, state: MarketState) -> MarketClock {
        MarketClock { date: date.parse().unwrap(), state, at: None }
    }

    // proves: GUARD-6
    #[test]
    fn a_difference_between_broker_and_calendar_is_told_and_live_refused() {
        use MarketState::{Closed, Open, PostMarket};
        let cases = [
            // A Monday, 10:00 in New York.
            ("2026-11-23", Open, "2026-11-23T15:00:00Z", false),
            ("2026-11-23", Closed, "2026-11-23T15:00:00Z", true),
            ("2026-11-22", Open, "2026-11-23T15:00:00Z", true),
            // At night in UTC it is the evening of the day before.
            ("2026-11-23", PostMarket, "2026-11-24T02:00:00Z", false),
            // Thanksgiving, and the early close on the day after it.
            ("2026-11-26", Open, "2026-11-26T15:00:00Z", true),
            ("2026-11-26", Closed, "2026-11-26T15:00:00Z", false),
            ("2026-11-27", Open, "2026-11-27T19:00:00Z", true),
            ("2026-11-27", PostMarket, "2026-11-27T19:00:00Z", false),
            // Saturday.
            ("2026-11-21", Open, "2026-11-21T15:00:00Z", true),
            // Around the opening the two clocks may differ a little, and no more.
            ("2026-11-23", Open, "2026-11-23T14:29:10Z", false),
            ("2026-11-23", Open, "2026-11-23T14:28:50Z", true),
            // A year that the table does not know.
            ("2040-01-03", Open, "2040-01-03T15:00:00Z", true),
        ];
        for (date, state, now, differs) in cases {
            let (market, now) = (says(date, state), now.parse().unwrap());
            let told = Calendar::Warns.check(&market, now);
            assert_eq!(told.is_some(), differs, "{market:?} at {now}: {told:?}");
            assert!(told.is_none_or(|told| !told.is_refused), "{market:?} at {now}");
            let refused = Calendar::Refuses.check(&market, now).is_some_and(|told| told.is_refused);
            assert_eq!(refused, differs, "{market:?} at {now}");
            assert_eq!(Calendar::Unasked.check(&market, now), None);
        }
    }
}
