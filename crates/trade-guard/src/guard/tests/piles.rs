//! What a guard keeps in memory.

use std::num::NonZeroU16;
use std::sync::Arc;

use backstop_clock::ManualClock;
use jiff::civil::date;

use crate::{Key, Scope, Session, TradeGuard};

#[test]
fn of_sessions_that_are_over_nothing_is_kept_but_what_is_open() {
    let clock = ManualClock::new("2030-01-02T14:46:30Z".parse().unwrap());
    let guard = TradeGuard::in_memory(NonZeroU16::MIN, Arc::new(clock));
    let mut still_inside = Vec::new();
    for number in 1..=500 {
        let key = |scope: &str| Key::new(Scope::new(scope).unwrap(), Session::numbered(date(2030, 1, 2), number));
        guard.try_enter(&key("executed")).unwrap().executed().unwrap();
        for slot in 1..=3 {
            let entered = guard.try_enter(&key("slots").with_slot(slot)).unwrap();
            entered.not_executed("only to see").unwrap();
        }
        let _handle = guard.handle(&key("looked-at")).unwrap();
        match number {
            100 => drop(guard.try_enter(&key("lost")).unwrap()),
            200 => still_inside.push(guard.try_enter(&key("inside")).unwrap()),
            _ => {}
        }
    }
    // Those of the last session, and the two that are open.
    assert_eq!(guard.shared.table.len(), 5 + 2);
    assert_eq!(guard.occupied().len(), 2);
    still_inside.pop().unwrap().executed().unwrap();
    assert_eq!(guard.occupied().len(), 1);
}
