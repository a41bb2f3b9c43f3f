//! What whoever is turned away is told.

use std::sync::Arc;
use std::time::Duration;

use backstop_clock::Clock;
use backstop_trade_guard::{Inside, Refusal, TradeGuard};

use crate::rig::{FaultyStore, clock, key, limit, on};

// proves: GUARD-4
#[test]
fn who_is_turned_away_learns_who_is_inside_since_when_and_how_many_were() {
    let clock = clock();
    let guard = TradeGuard::in_memory(limit(3), Arc::clone(&clock) as Arc<dyn Clock>);
    let (scheduler, button) = (guard.named("scheduler").unwrap(), guard.named("button").unwrap());
    button.try_enter(&key()).unwrap().executed().unwrap();
    clock.advance(Duration::from_secs(2));
    let permit = scheduler.try_enter(&key()).unwrap();
    clock.advance(Duration::from_millis(1500));
    // The date on the wall may change meanwhile; how long it took does not, and since when is said by the new one.
    clock.step_wall(jiff::SignedDuration::from_hours(5));
    let entered = clock.wall() - Duration::from_millis(1500);

    let expect = |inside: &Inside| {
        assert_eq!((inside.key(), inside.by()), (&key(), "scheduler"));
        assert_eq!((inside.since(), inside.held_for()), (entered, Duration::from_millis(1500)));
        assert_eq!((inside.taken(), inside.limit()), (2, 3));
    };
    let refusal = button.try_enter(&key()).unwrap_err();
    assert_eq!((refusal.layer(), refusal.key()), ("in progress", &key()));
    assert_eq!(
        refusal.to_string(),
        "scalper:SPY in 20300102-1 is in progress by scheduler since 2030-01-02T19:46:32Z (1.5s ago), 2 of 3 entries \
         taken; it ends with that attempt's verdict"
    );
    let Refusal::InProgress(inside) = refusal else { panic!("{refusal}") };
    expect(&inside);

    drop(permit);
    let refusal = button.try_enter(&key()).unwrap_err();
    assert_eq!(refusal.layer(), "unresolved");
    let Refusal::Unresolved(inside) = refusal else { panic!("{refusal}") };
    expect(&inside);
    let listed = guard.unresolved();
    assert_eq!((listed.len(), listed[0].is_unresolved, listed[0].attempt.number), (1, true, 2));
    expect(&listed[0].inside);
}

// proves: GUARD-4
#[test]
fn a_limit_that_is_reached_is_named_with_its_count() {
    let guard = crate::rig::guard(1);
    guard.try_enter(&key()).unwrap().executed().unwrap();
    let refusal = guard.try_enter(&key()).unwrap_err();
    assert_eq!(refusal.layer(), "limit");
    assert_eq!(
        refusal.to_string(),
        "scalper:SPY in 20300102-1 had 1 of 1 entries, those that may have been executed included"
    );
}

// proves: GUARD-4
#[test]
fn a_limit_that_another_slot_takes_up_names_who_is_in_there_for_longest() {
    let clock = clock();
    let guard = TradeGuard::in_memory(limit(3), Arc::clone(&clock) as Arc<dyn Clock>);
    let scheduler = guard.named("scheduler").unwrap();
    guard.try_enter(&key().with_slot(1)).unwrap().executed().unwrap();
    let entered = clock.wall();
    drop(scheduler.try_enter(&key().with_slot(2)).unwrap());
    clock.advance(Duration::from_secs(90));
    let _later = guard.try_enter(&key().with_slot(3)).unwrap();
    let refusal = guard.try_enter(&key().with_slot(4)).unwrap_err();
    let Refusal::Limit { holding: Some(inside), taken: 3, .. } = &refusal else { panic!("{refusal:?}") };
    assert_eq!((inside.key().slot(), inside.by(), inside.since()), (Some(2), "scheduler", entered));
    assert!(refusal.to_string().contains("slot 2") && refusal.to_string().contains("by scheduler since"), "{refusal}");
}

// proves: GUARD-4
#[test]
fn who_was_inside_when_an_earlier_process_died_is_named_too() {
    let store = Arc::new(FaultyStore::default());
    let entered = clock().wall();
    let dead = on(&store, 2).named("scheduler").unwrap();
    std::mem::forget(dead.try_enter(&key()).unwrap());

    let clock = clock();
    clock.advance(Duration::from_hours(1));
    let guard = TradeGuard::open(limit(2), Arc::clone(&clock) as Arc<dyn Clock>, store).unwrap();
    let Err(Refusal::Unresolved(inside)) = guard.try_enter(&key()) else { panic!("it is open") };
    assert_eq!((inside.by(), inside.since()), ("scheduler", entered));
    assert_eq!((inside.held_for(), inside.taken(), inside.limit()), (Duration::from_hours(1), 1, 2));
    assert_eq!(guard.stuck(Duration::from_secs(3599)).len(), 1);
    assert_eq!(guard.stuck(Duration::from_hours(1)).len(), 0);
    clock.step_wall(jiff::SignedDuration::from_hours(-48));
    assert_eq!(guard.unresolved()[0].inside.held_for(), Duration::ZERO, "a clock set back does not make it young");
}

#[test]
fn what_is_stuck_is_found_by_its_age() {
    let clock = clock();
    let guard = TradeGuard::in_memory(limit(1), Arc::clone(&clock) as Arc<dyn Clock>);
    let _old = guard.try_enter(&key().with_slot(1)).unwrap();
    guard.set_limit(key().scope(), key().session(), limit(9)).unwrap();
    clock.advance(Duration::from_mins(1));
    let _young = guard.try_enter(&key().with_slot(2)).unwrap();
    let stuck = |bound| {
        guard.stuck(Duration::from_secs(bound)).iter().map(|stuck| stuck.attempt.key.slot()).collect::<Vec<_>>()
    };
    assert_eq!(stuck(59), [Some(1)]);
    assert_eq!(stuck(60), []);
    clock.advance(Duration::from_mins(1));
    assert_eq!(stuck(59), [Some(1), Some(2)]);
}

#[test]
fn a_guard_knows_its_callers_by_name_and_not_too_many() {
    let guard = crate::rig::guard(1);
    let names: Vec<&'static str> = (0..64).map(|n| &*format!("caller {n}").leak()).collect();
    for name in &names[..63] {
        guard.named(name).unwrap();
        guard.named(name).unwrap();
    }
    let refused = guard.named(names[63]).unwrap_err();
    assert_eq!(refused.name, "caller 63");
    assert!(refused.to_string().starts_with("a guard knows 63 callers by name"), "{refused}");
    let _inside = guard.named("caller 62").unwrap().try_enter(&key()).unwrap();
    assert_eq!(guard.occupied()[0].inside.by(), "caller 62");
    let unnamed = crate::rig::guard(1);
    let _inside = unnamed.try_enter(&key()).unwrap();
    assert_eq!(unnamed.occupied()[0].inside.by(), "an unnamed caller");
}
