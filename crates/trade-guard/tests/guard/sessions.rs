//! Days that begin and end, and clocks that lie about them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backstop_clock::nyse::Day;
use backstop_clock::{Clock, ManualClock};
use backstop_trade_guard::{Key, Refusal, Session, TradeGuard, Verdict};
use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;

use crate::rig::{FaultyStore, TODAY, clock, evidence, guard, key, limit, on, scope};

fn key_of(session: Session) -> Key {
    Key::new(*key().scope(), session)
}

// proves: GUARD-6
#[test]
fn a_session_older_than_the_newest_opens_nothing_for_any_scope() {
    let guard = guard(1);
    let handle = guard.handle(&key()).unwrap();
    let tomorrow = Session::of(TODAY.tomorrow().unwrap());
    guard.try_enter(&key_of(tomorrow)).unwrap().not_executed("only to see").unwrap();
    assert_eq!(guard.newest_session(), Some(tomorrow));
    let other = Key::new(scope("another"), Session::of(TODAY));
    for refused in [guard.try_enter(&key()), guard.try_enter(&other), handle.try_enter()] {
        assert!(matches!(refused, Err(Refusal::PastSession { newest, .. }) if newest == tomorrow));
    }
    assert!(guard.set_limit(key().scope(), key().session(), limit(5)).is_err());
    // The second session of a day is newer than the first.
    let second = Session::numbered(tomorrow.day(), 2);
    guard.try_enter(&key_of(second)).unwrap().executed().unwrap();
    assert!(matches!(guard.try_enter(&key_of(tomorrow)), Err(Refusal::PastSession { .. })));
}

// proves: GUARD-6
#[test]
fn a_session_that_cannot_be_yet_opens_nothing_and_shuts_nothing() {
    let guard = guard(1);
    for ahead in [2, 3, 400] {
        let session = Session::of(TODAY + ahead.days());
        let refused = guard.try_enter(&key_of(session));
        assert!(matches!(refused, Err(Refusal::FutureSession { .. })), "{ahead} days ahead: {refused:?}");
    }
    assert_eq!(guard.newest_session(), None);
    guard.try_enter(&key()).unwrap().executed().unwrap();
}

// proves: GUARD-6
#[test]
fn a_session_whose_day_is_over_does_not_begin_and_one_that_was_begun_goes_on() {
    let guard = guard(1);
    for behind in [2, 3, 400] {
        let session = Session::of(TODAY - behind.days());
        let refused = guard.try_enter(&key_of(session));
        assert!(matches!(refused, Err(Refusal::EndedSession { .. })), "{behind} days behind: {refused:?}");
    }
    assert_eq!(guard.newest_session(), None);
    guard.try_enter(&key_of(Session::of(TODAY.yesterday().unwrap()))).unwrap().executed().unwrap();
    guard.try_enter(&key()).unwrap().executed().unwrap();

    let store = Arc::new(FaultyStore::default());
    on(&store, 2).try_enter(&key()).unwrap().executed().unwrap();
    let clock = clock();
    clock.advance(Duration::from_hours(72));
    let guard = TradeGuard::open(limit(2), clock, store).unwrap();
    guard.try_enter(&key()).unwrap().executed().unwrap();
    assert!(matches!(guard.try_enter(&key()), Err(Refusal::Limit { taken: 2, limit: 2, .. })));
}

// proves: GUARD-6
#[test]
fn the_newest_session_is_known_after_a_restart() {
    let store = Arc::new(FaultyStore::default());
    let tomorrow = key_of(Session::of(TODAY.tomorrow().unwrap()));
    on(&store, 1).try_enter(&tomorrow).unwrap().executed().unwrap();
    let guard = on(&store, 1);
    for scope in [*key().scope(), scope("another")] {
        let today = Key::new(scope, Session::of(TODAY));
        assert!(matches!(guard.try_enter(&today), Err(Refusal::PastSession { .. })), "{scope}");
    }
    assert!(matches!(guard.try_enter(&tomorrow), Err(Refusal::Limit { .. })));
}

// proves: GUARD-3
#[test]
fn what_is_unresolved_stays_so_when_its_day_is_over_and_can_be_settled_then() {
    let store = Arc::new(FaultyStore::default());
    let guard = on(&store, 1);
    let permit = guard.try_enter(&key()).unwrap();
    let attempt = permit.attempt();
    let tomorrow = key_of(Session::of(TODAY.tomorrow().unwrap()));
    guard.try_enter(&tomorrow).unwrap().executed().unwrap();
    assert_eq!(guard.occupied().len(), 1, "in progress still, over midnight");
    drop(permit);
    for guard in [guard, on(&store, 1)] {
        assert_eq!(guard.unresolved().iter().map(|left| left.attempt).collect::<Vec<_>>(), [attempt]);
    }
    let guard = on(&store, 1);
    guard.resolve(attempt, Verdict::Executed, &evidence()).unwrap();
    assert_eq!((guard.unresolved().len(), on(&store, 1).unresolved().len()), (0, 0));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Both clocks go on.
    Wait(u32),
    /// Somebody sets the wall clock.
    Set(i32),
    Try(bool),
}

fn steps() -> impl Strategy<Value = Step> {
    let day = 86_400;
    prop_oneof![
        3 => (0_u32..3 * 86_400).prop_map(Step::Wait),
        1 => (-40 * day..40 * day).prop_map(Step::Set),
        // Around midnight, and the changes of clocks.
        1 => prop_oneof![Just(-3600), Just(3600), Just(-day), Just(day)].prop_map(Step::Set),
        4 => any::<bool>().prop_map(Step::Try),
    ]
}

proptest! {
    // proves: GUARD-6
    #[test]
    fn whatever_the_clock_says_days_never_go_back_and_none_has_more_than_its_entries(
        start in 1_770_000_000_i64..1_850_000_000, history in prop::collection::vec(steps(), 0..80)
    ) {
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::from_second(start).unwrap()));
        let guard = TradeGuard::in_memory(limit(2), Arc::clone(&clock) as Arc<dyn Clock>);
        let mut executed: BTreeMap<Session, u32> = BTreeMap::new();
        for step in history {
            match step {
                Step::Wait(seconds) => clock.advance(Duration::from_secs(seconds.into())),
                Step::Set(seconds) => clock.step_wall(SignedDuration::from_secs(seconds.into())),
                Step::Try(executes) => {
                    // The bot's way: which day is it, and does it trade?
                    let Ok(Day::Trading(day)) = Day::at(clock.wall()) else { continue };
                    let session = Session::of(day.date);
                    let newest = executed.keys().next_back().copied();
                    match guard.try_enter(&key_of(session)) {
                        Ok(permit) if executes => {
                            prop_assert!(newest <= Some(session), "{newest:?}, then {session}");
                            permit.executed().unwrap();
                            *executed.entry(session).or_default() += 1;
                        }
                        Ok(permit) => {
                            prop_assert!(newest <= Some(session), "{newest:?}, then {session}");
                            permit.not_executed("not this time").unwrap();
                            executed.entry(session).or_default();
                        }
                        Err(Refusal::PastSession { .. }) => prop_assert!(Some(session) < newest),
                        Err(Refusal::Limit { .. }) => prop_assert_eq!(executed.get(&session), Some(&2)),
                        Err(other) => prop_assert!(false, "{}", other),
                    }
                }
            }
        }
        prop_assert!(executed.values().all(|count| *count <= 2), "{:?}", executed);
    }
}

// proves: GUARD-6
#[test]
fn a_clock_set_back_over_midnight_opens_no_second_entry() {
    // 23:30 in New York on Monday, 5 January 2026.
    let clock = Arc::new(ManualClock::new("2026-01-06T04:30:00Z".parse().unwrap()));
    let guard = TradeGuard::in_memory(limit(1), Arc::clone(&clock) as Arc<dyn Clock>);
    let today = || match Day::at(clock.wall()).unwrap() {
        Day::Trading(day) => key_of(Session::of(day.date)),
        Day::Closed(closed) => panic!("{closed:?}"),
    };
    guard.try_enter(&today()).unwrap().executed().unwrap();
    clock.advance(Duration::from_hours(1));
    guard.try_enter(&today()).unwrap().executed().unwrap();
    clock.step_wall(SignedDuration::from_hours(-1));
    assert!(matches!(guard.try_enter(&today()), Err(Refusal::PastSession { .. })));
    clock.step_wall(SignedDuration::from_hours(1));
    assert!(matches!(guard.try_enter(&today()), Err(Refusal::Limit { .. })));
}
