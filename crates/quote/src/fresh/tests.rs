use jiff::SignedDuration;

use super::*;

const STEP: Duration = Duration::from_millis(250);

fn at(mono: i64, wall: i64) -> Now {
    Now {
        mono: Mono::from_origin(Duration::from_secs(1000)).plus(duration(mono)),
        wall: Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_nanos(wall)).unwrap(),
    }
}

fn fresh(left: i64) -> Fresh<&'static str> {
    Fresh::proven("quote", at(left, 0).mono, at(0, 0), STEP)
}

// proves: QUOTE-5
#[test]
fn it_holds_up_to_its_deadline_and_never_after() {
    let fresh = fresh(1_000);
    assert_eq!(fresh.at(at(999, 999)), Ok(&"quote"));
    assert_eq!(fresh.at(at(1_000, 1_000)), Ok(&"quote"));
    assert_eq!(fresh.at(at(1_001, 1_001)), Err(Expired::TooLate { over: Duration::from_nanos(1) }));
    assert_eq!(fresh.until(), at(1_000, 0).mono);
    // Whatever the wall clock says.
    for wall in [-1_000_000, 0, 1_000] {
        assert!(matches!(fresh.at(at(1_001, wall)), Err(Expired::TooLate { .. })), "{wall}");
    }
}

// proves: QUOTE-5
#[test]
fn a_machine_that_slept_or_a_clock_that_was_set_ends_it() {
    let (fresh, step) = (fresh(1_000), nanos(STEP));
    for (wall, holds) in [(step + 500, true), (step + 501, false), (500 - step, true), (499 - step, false)] {
        assert_eq!(fresh.at(at(500, wall)).is_ok(), holds, "{wall}");
    }
    assert_eq!(fresh.at(at(500, step + 501)), Err(Expired::ClockStep { by: STEP + Duration::from_nanos(1) }));
}
