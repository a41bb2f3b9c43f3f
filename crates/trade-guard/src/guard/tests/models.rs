//! Keys that come and go, in every interleaving, run by loom.

use std::num::NonZeroU16;
use std::sync::Arc;

use backstop_clock::ManualClock;
use jiff::civil::{Date, date};
use loom::thread;

use crate::{Key, Refusal, Scope, Session, TradeGuard};

fn guard() -> TradeGuard {
    let clock = ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap());
    TradeGuard::in_memory(NonZeroU16::MIN, Arc::new(clock))
}

fn key(day: Date) -> Key {
    Key::new(Scope::new("model").unwrap(), Session::of(day))
}

const TODAY: Date = date(2030, 1, 2);
const TOMORROW: Date = date(2030, 1, 3);

// proves: GUARD-1
#[test]
fn of_three_who_come_first_to_a_key_one_gets_in() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let guard = guard();
        let enter = |guard: TradeGuard| guard.try_enter(&key(TODAY)).ok();
        let others = [0, 1].map(|_| {
            let guard = guard.clone();
            thread::spawn(move || enter(guard))
        });
        let mine = enter(guard.clone());
        let permits = others.map(|other| other.join().unwrap()).into_iter().chain([mine]).flatten();
        assert_eq!(permits.count(), 1);
        assert_eq!(guard.unresolved().len(), 1);
    });
}

// proves: GUARD-3, GUARD-4, GUARD-6
#[test]
fn what_is_entered_while_a_session_ends_stays_in_sight() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = None;
    builder.check(|| {
        let guard = guard();
        let handle = guard.handle(&key(TODAY)).unwrap();
        let late = thread::spawn(move || match handle.try_enter() {
            // Dropped: an order may live.
            Ok(_permit) => true,
            Err(Refusal::PastSession { newest, .. }) => {
                assert_eq!(newest, Session::of(TOMORROW), "who is turned away is told by what");
                false
            }
            Err(other) => panic!("{other}"),
        });
        let tomorrow = guard.try_enter(&key(TOMORROW)).unwrap();
        let got_in = late.join().unwrap();
        let left = guard.unresolved();
        assert_eq!(left.iter().map(|left| left.attempt.key).collect::<Vec<_>>(), vec![key(TODAY); usize::from(got_in)]);
        assert!(matches!(guard.try_enter(&key(TODAY)), Err(Refusal::PastSession { .. })));
        tomorrow.executed().unwrap();
    });
}
