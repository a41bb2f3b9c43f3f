use super::*;

fn spy() -> Symbol {
    "SPY".parse().unwrap()
}

fn dec(quantity: i64) -> Decimal {
    Decimal::from(quantity)
}

/// A day of January 2026, and its noon.
fn on(day: i8) -> (Date, Timestamp) {
    let date = jiff::civil::date(2026, 1, day);
    (date, date.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp())
}

/// Steps of the net quantity, each on a day.
fn closings(steps: &[(i64, i64, i8)]) -> Closings {
    let mut closings = Closings::default();
    for (before, after, day) in steps {
        closings.note(&spy(), dec(*before), dec(*after), on(*day).1);
    }
    closings
}

// A broker that goes from five long to two short has closed five lots, and opened two.
#[test]
fn past_zero_no_more_is_closed_than_there_was() {
    for (before, after, closed) in
        [(5, 2, 3), (5, 0, 5), (5, -2, 5), (-5, -2, 3), (-5, 0, 5), (-5, 2, 5), (2, 5, 0), (0, 5, 0), (0, -5, 0)]
    {
        assert_eq!(closings(&[(before, after, 5)]).since(&spy(), on(5).0), dec(closed), "{before} to {after}");
    }
}

#[test]
fn what_was_closed_on_a_day_counts_for_that_day_and_all_before_it() {
    let closings = closings(&[(9, 6, 5), (6, 5, 6), (5, 4, 6)]);
    for (day, closed) in [(4, 5), (5, 5), (6, 2), (7, 0)] {
        assert_eq!(closings.since(&spy(), on(day).0), dec(closed), "{day}");
    }
    assert_eq!(closings.since(&"QQQ".parse().unwrap(), on(4).0), dec(0));
}

#[test]
fn what_is_forgotten_is_what_was_before_the_day() {
    let mut kept = closings(&[(9, 6, 5), (6, 4, 6)]);
    kept.forget(on(6).0);
    assert_eq!(kept, closings(&[(6, 4, 6)]));
    kept.forget(on(7).0);
    assert_eq!(kept, Closings::default());
}
