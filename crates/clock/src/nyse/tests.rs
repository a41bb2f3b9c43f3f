use jiff::civil::date;
use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;

use super::*;
use crate::{Clock, ManualClock};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn trading(date: Date) -> Option<TradingDay> {
    match Day::on(date).unwrap() {
        Day::Trading(day) => Some(day),
        Day::Closed(_) => None,
    }
}

fn every_day() -> impl Iterator<Item = Date> {
    let last = date(LAST_YEAR, 12, 31);
    date(FIRST_YEAR, 1, 1).series(1.day()).take_while(move |date| *date <= last)
}

/// The nth `weekday` of a month, from 1.
fn nth(year: i16, month: i8, weekday: Weekday, nth: i8) -> Date {
    date(year, month, 1).nth_weekday_of_month(nth, weekday).unwrap()
}

/// Easter Sunday, by Gauss's rule for 1900 to 2099 (without its exceptions of 1954, 1981, 2049 and 2076).
fn easter(year: i16) -> Date {
    let year_of_moon = (19 * (year % 19) + 24) % 30;
    let weekday = (2 * (year % 4) + 4 * (year % 7) + 6 * year_of_moon + 5) % 7;
    date(year, 3, 22) + i64::from(year_of_moon + weekday).days()
}

/// A day of fixed date as it is observed: Friday for Saturday, Monday for Sunday (NYSE rule 7.2).
fn observed(day: Date) -> Date {
    match day.weekday() {
        Weekday::Saturday => day.yesterday().unwrap(),
        Weekday::Sunday => day.tomorrow().unwrap(),
        _ => day,
    }
}

fn holidays_by_rule(year: i16) -> Vec<Date> {
    let mut days = vec![
        nth(year, 1, Weekday::Monday, 3),
        nth(year, 2, Weekday::Monday, 3),
        easter(year) - 2.days(),
        nth(year, 5, Weekday::Monday, -1),
        observed(date(year, 6, 19)),
        observed(date(year, 7, 4)),
        nth(year, 9, Weekday::Monday, 1),
        nth(year, 11, Weekday::Thursday, 4),
        observed(date(year, 12, 25)),
    ];
    let new_year = date(year, 1, 1);
    // Not moved into the old year, whose accounts are closed on its last trading day.
    if new_year.weekday() != Weekday::Saturday {
        days.push(observed(new_year));
    }
    days
}

// proves: GUARD-6
#[test]
fn the_table_is_what_the_rules_of_the_exchange_give_and_the_day_of_mourning() {
    let mut expected: Vec<Date> = (FIRST_YEAR..=LAST_YEAR).flat_map(holidays_by_rule).collect();
    expected.push(date(2025, 1, 9));
    expected.sort();
    let is_holiday = |day: &Date| matches!(Day::on(*day), Ok(Day::Closed(Closed { holiday: Some(_), .. })));
    assert_eq!(every_day().filter(is_holiday).collect::<Vec<_>>(), expected);
}

#[test]
fn early_closes_are_before_independence_day_after_thanksgiving_and_on_christmas_eve() {
    let candidates = |year| [date(year, 7, 3), nth(year, 11, Weekday::Thursday, 4) + 1.day(), date(year, 12, 24)];
    let expected = (FIRST_YEAR..=LAST_YEAR).flat_map(candidates).filter(|day| trading(*day).is_some());
    let is_early = |day: &Date| {
        trading(*day).is_some_and(|day| day.closes.duration_since(day.opens) < SignedDuration::from_hours(6))
    };
    assert_eq!(every_day().filter(is_early).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn years_have_as_many_trading_days_as_the_exchange_counted() {
    for (year, count) in [(2024, 252), (2025, 250), (2026, 251)] {
        assert_eq!(every_day().filter(|day| day.year() == year && trading(*day).is_some()).count(), count, "{year}");
    }
}

// proves: GUARD-6
#[test]
fn outside_the_table_there_is_no_day() {
    for outside in [date(FIRST_YEAR - 1, 12, 29), date(LAST_YEAR + 1, 1, 2), Date::MIN, Date::MAX] {
        assert_eq!(Day::on(outside), Err(NoSuchDay::Outside { date: outside }));
    }
    for moment in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX, at("2029-01-01T05:00:00Z")] {
        assert!(Day::at(moment).is_err());
        assert!(TradingDay::current_or_next(moment).is_err());
    }
    // The last second of the last year, in New York.
    assert!(Day::at(at("2029-01-01T04:59:59Z")).is_ok());
    assert!(TradingDay::current_or_next(at("2028-12-29T21:00:00Z")).is_err(), "the next one is not known");
}

// proves: GUARD-6
#[test]
fn hours_follow_new_york_through_the_changes_of_clocks() {
    for (day, opens, closes) in [
        (date(2026, 3, 6), "2026-03-06T14:30:00Z", "2026-03-06T21:00:00Z"),
        (date(2026, 3, 9), "2026-03-09T13:30:00Z", "2026-03-09T20:00:00Z"),
        (date(2026, 10, 30), "2026-10-30T13:30:00Z", "2026-10-30T20:00:00Z"),
        (date(2026, 11, 2), "2026-11-02T14:30:00Z", "2026-11-02T21:00:00Z"),
        (date(2026, 11, 27), "2026-11-27T14:30:00Z", "2026-11-27T18:00:00Z"),
    ] {
        assert_eq!(trading(day), Some(TradingDay { date: day, opens: at(opens), closes: at(closes) }));
    }
}

// proves: GUARD-6
#[test]
fn the_date_rolls_at_midnight_of_new_york() {
    let day = |text| match Day::at(at(text)).unwrap() {
        Day::Trading(TradingDay { date, .. }) | Day::Closed(Closed { date, .. }) => date,
    };
    // Winter, summer, and the nights in which clocks change: 23 and 25 hours long.
    assert_eq!(day("2026-01-06T04:59:59Z"), date(2026, 1, 5));
    assert_eq!(day("2026-01-06T05:00:00Z"), date(2026, 1, 6));
    assert_eq!(day("2026-07-07T03:59:59Z"), date(2026, 7, 6));
    assert_eq!(day("2026-07-07T04:00:00Z"), date(2026, 7, 7));
    assert_eq!(day("2026-03-08T05:00:00Z"), date(2026, 3, 8));
    assert_eq!(day("2026-03-09T04:00:00Z"), date(2026, 3, 9));
    assert_eq!(day("2026-11-01T04:00:00Z"), date(2026, 11, 1));
    assert_eq!(day("2026-11-02T04:59:59Z"), date(2026, 11, 1));
}

#[test]
fn the_next_day_is_the_current_one_until_its_close() {
    let next = |text| TradingDay::current_or_next(at(text)).unwrap().date;
    assert_eq!(next("2026-11-25T20:59:59Z"), date(2026, 11, 25));
    assert_eq!(next("2026-11-25T21:00:00Z"), date(2026, 11, 27), "over Thanksgiving");
    assert_eq!(next("2026-11-27T18:00:00Z"), date(2026, 11, 30), "after an early close, over the weekend");
    assert_eq!(next("2025-01-08T21:30:00Z"), date(2025, 1, 10), "over the day of mourning");
}

#[test]
fn a_clock_that_jumps_is_taken_at_its_word_of_the_moment() {
    let clock = ManualClock::new(at("2026-07-02T15:00:00Z"));
    let is_open = || matches!(Day::at(clock.wall()), Ok(Day::Trading(day)) if day.is_open_at(clock.wall()));
    assert!(is_open());
    clock.step_wall(SignedDuration::from_hours(24));
    assert!(!is_open(), "Independence Day, observed");
    clock.step_wall(SignedDuration::from_hours(-24));
    assert!(is_open());
    clock.step_wall(SignedDuration::from_hours(24 * 365 * 20));
    assert!(Day::at(clock.wall()).is_err());
}

proptest! {
    #[test]
    fn what_is_open_is_a_weekday_between_its_hours(second in 1_704_000_000_i64..1_861_000_000) {
        let moment = Timestamp::from_second(second).unwrap();
        let zoned = moment.to_zoned(new_york().unwrap().clone());
        match Day::at(moment) {
            Ok(Day::Trading(day)) => {
                prop_assert_eq!(day.date, zoned.date());
                prop_assert!(!matches!(day.date.weekday(), Weekday::Saturday | Weekday::Sunday));
                let minute = i32::from(zoned.hour()) * 60 + i32::from(zoned.minute());
                let close = if EARLY_CLOSES.contains(&(day.date.year(), day.date.month(), day.date.day())) { 780 } else { 960 };
                prop_assert_eq!(day.is_open_at(moment), (570..close).contains(&minute));
            }
            Ok(Day::Closed(closed)) => prop_assert_eq!(closed.date, zoned.date()),
            Err(NoSuchDay::Outside { date }) => prop_assert!(!(FIRST_YEAR..=LAST_YEAR).contains(&date.year())),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
