use std::collections::BTreeMap;
use std::num::NonZeroU32;

use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::ids::StrategyName;
use crate::record::{Batch, Record};

const LIMIT: u32 = 3;

fn session(number: u32) -> SessionId {
    SessionId { day: date(2030, 1, 2), number: NonZeroU32::new(number).unwrap() }
}

fn slot(number: u32) -> SlotId {
    SlotId { strategy: StrategyName::new("test").unwrap(), session: session(1), slot: NonZeroU32::new(number).unwrap() }
}

fn begun() -> State {
    let begun = Record::SessionBegun { session: session(1), limit: LIMIT };
    State::replay(&[Batch { at: Timestamp::UNIX_EPOCH, records: vec![begun] }]).unwrap()
}

fn guard() -> Arc<Guard> {
    let guard = Arc::new(Guard::default());
    guard.begin(&begun());
    guard
}

fn enter(guard: &Arc<Guard>, number: u32) -> Result<Permit, GuardRefusal> {
    guard.try_enter(&slot(number), Timestamp::UNIX_EPOCH)
}

#[test]
fn of_many_threads_that_try_one_slot_at_once_one_gets_in() {
    for _ in 0..50 {
        let guard = guard();
        let barrier = std::sync::Barrier::new(8);
        let permits: Vec<_> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        enter(&guard, 1)
                    })
                })
                .collect();
            tries.into_iter().filter_map(|tried| tried.join().unwrap().ok()).collect()
        });
        assert_eq!(permits.len(), 1);
    }
}

// proves: GUARD-3
#[test]
fn a_permit_that_is_lost_to_a_panic_leaves_the_slot_unresolved() {
    let guard = guard();
    let held = Arc::clone(&guard);
    let died = std::thread::spawn(move || {
        let _permit = enter(&held, 1).unwrap();
        panic!("the strategy is wrong");
    });
    died.join().unwrap_err();
    assert!(matches!(enter(&guard, 1), Err(GuardRefusal::Unresolved { .. })));
    guard.resolve(&slot(1), Verdict::NotExecuted);
    assert!(matches!(enter(&guard, 1), Err(GuardRefusal::Spent { .. })), "its order's name is used up");
    enter(&guard, 2).unwrap().end(Verdict::Executed);
}

#[test]
fn a_session_that_is_begun_again_knows_whose_permit_is_out() {
    let guard = guard();
    let permit = enter(&guard, 1).unwrap();
    let mut state = begun();
    state.slots.extend([(slot(1), SlotState::InFlight), (slot(2), SlotState::InFlight)]);
    guard.begin(&state);
    assert!(matches!(enter(&guard, 1), Err(GuardRefusal::InProgress { .. })));
    assert!(matches!(enter(&guard, 2), Err(GuardRefusal::Unresolved { .. })), "nobody here has a permit for it");
    permit.end(Verdict::Executed);
    assert!(matches!(enter(&guard, 1), Err(GuardRefusal::Spent { .. })));
}

#[test]
fn a_refusal_says_who_is_inside_and_how_many_were() {
    let guard = guard();
    let _inside = enter(&guard, 1).unwrap();
    let refusal = enter(&guard, 1).unwrap_err();
    assert_eq!(refusal, GuardRefusal::InProgress { slot: slot(1), since: Timestamp::UNIX_EPOCH });
    drop(enter(&guard, 2).unwrap());
    enter(&guard, 3).unwrap().end(Verdict::Executed);
    assert_eq!(enter(&guard, 4).unwrap_err(), GuardRefusal::Limit { session: session(1), taken: 3, limit: LIMIT });
}

#[test]
fn a_slot_of_another_session_is_refused() {
    let other = SlotId { session: session(2), ..slot(1) };
    assert!(matches!(guard().try_enter(&other, Timestamp::UNIX_EPOCH), Err(GuardRefusal::OtherSession { .. })));
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Enter(u32),
    End(u32, Verdict),
    Drop(u32),
    Resolve(u32, Verdict),
    /// The session is begun once more.
    Begin,
}

fn moves() -> impl Strategy<Value = Move> {
    let verdict = || prop_oneof![Just(Verdict::Executed), Just(Verdict::NotExecuted)];
    let ending = prop_oneof![Just(Verdict::Executed), Just(Verdict::NotExecuted), Just(Verdict::Refused)];
    prop_oneof![
        (1u32..6).prop_map(Move::Enter),
        (1u32..6, ending).prop_map(|(slot, verdict)| Move::End(slot, verdict)),
        (1u32..6).prop_map(Move::Drop),
        (1u32..6, verdict()).prop_map(|(slot, verdict)| Move::Resolve(slot, verdict)),
        Just(Move::Begin),
    ]
}

proptest! {
    // proves: GUARD-2
    #[test]
    fn behaves_as_a_plain_table_of_slots_does(history in prop::collection::vec(moves(), 0..60)) {
        let guard = guard();
        let mut permits: BTreeMap<u32, Permit> = BTreeMap::new();
        // What became of each slot: `None` is in progress or unresolved.
        let mut model: BTreeMap<u32, Option<Verdict>> = BTreeMap::new();
        for step in history {
            match step {
                Move::Enter(number) => {
                    let taken = model.values().filter(|became| **became != Some(Verdict::NotExecuted)).count();
                    let free = !model.contains_key(&number) && taken < LIMIT as usize;
                    let entered = enter(&guard, number);
                    prop_assert_eq!(entered.is_ok(), free, "slot {}", number);
                    if let Ok(permit) = entered {
                        permits.insert(number, permit);
                        model.insert(number, None);
                    }
                }
                Move::End(number, verdict) => if let Some(permit) = permits.remove(&number) {
                    permit.end(verdict);
                    if verdict == Verdict::Refused { model.remove(&number); } else { model.insert(number, Some(verdict)); }
                },
                Move::Drop(number) => drop(permits.remove(&number)),
                // The desk resolves only what no permit is out for.
                Move::Resolve(number, verdict) => if !permits.contains_key(&number) && model.get(&number) == Some(&None) {
                    guard.resolve(&slot(number), verdict);
                    model.insert(number, Some(verdict));
                },
                Move::Begin => {
                    // The records know what is settled; permits that are out, or were lost, only the guard knows.
                    let mut state = begun();
                    for (number, became) in &model {
                        match became {
                            Some(Verdict::Executed) => state.slots.insert(slot(*number), SlotState::Executed),
                            Some(_) => state.slots.insert(slot(*number), SlotState::NotExecuted),
                            None => None,
                        };
                    }
                    guard.begin(&state);
                }
            }
            let executed_or_possible = model.values().filter(|became| **became != Some(Verdict::NotExecuted)).count();
            prop_assert!(executed_or_possible <= LIMIT as usize);
        }
    }
}
