use jiff::civil::date;

use super::*;
use crate::key::Scope;

fn key(day: i8) -> Key {
    Key::new(Scope::new("test").unwrap(), Session::of(date(2030, 1, day)))
}

fn record(day: i8, attempt: u64, event: Event) -> Record {
    Record { key: key(day), attempt, at: Timestamp::UNIX_EPOCH, event }
}

fn claimed(executed: u16) -> Event {
    Event::Claimed { by: "test".to_owned(), executed }
}

#[track_caller]
fn check(records: &[Record], expected: &[(i8, u64, u16, bool)]) {
    let mut claims = Claims::default();
    for record in records {
        claims.apply(record);
    }
    let found = claims
        .iter()
        .map(|(key, claim)| (key.session().day().day(), claim.attempt, claim.executed, claim.open.is_some()));
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn an_end_closes_its_own_attempt_only() {
    check(&[record(1, 1, claimed(0)), record(1, 1, Event::Executed)], &[(1, 1, 1, false)]);
    check(&[record(1, 2, claimed(0)), record(1, 1, Event::Executed)], &[(1, 2, 0, true)]);
    check(&[record(1, 1, Event::Executed)], &[]);
    let twice = [record(1, 1, claimed(0)), record(1, 1, Event::Executed), record(1, 1, Event::Executed)];
    check(&twice, &[(1, 1, 1, false)]);
}

#[test]
fn a_claim_carries_the_count_over_an_end_that_was_not_written() {
    check(&[record(1, 1, claimed(0)), record(1, 2, claimed(1))], &[(1, 2, 1, true)]);
    check(&[record(1, 2, claimed(1)), record(1, 1, claimed(0))], &[(1, 2, 1, true)]);
}

#[test]
fn of_a_session_that_is_over_only_what_is_open_is_kept() {
    let other = Record { key: key(1).with_slot(2), ..record(1, 1, claimed(0)) };
    let records = [record(1, 1, claimed(0)), record(1, 1, Event::Executed), other, record(2, 1, claimed(0))];
    check(&records, &[(1, 1, 0, true), (2, 1, 0, true)]);
    let resolved = Event::Resolved {
        verdict: Verdict::Executed,
        grounds: crate::Grounds::evidence("filled at the broker").unwrap(),
    };
    let settled = Record { key: key(1).with_slot(2), ..record(1, 1, resolved) };
    check(&[&records[..], &[settled]].concat(), &[(2, 1, 0, true)]);
}
