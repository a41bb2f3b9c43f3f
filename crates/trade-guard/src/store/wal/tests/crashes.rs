//! Crashes at every point of histories of a guard, and disks that fail at every operation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use backstop_wal::sim::{Depth, Fault, FaultKind, SimStorage};

use super::{LIMIT, claims_of, evidence, guard, key, open, options};
use crate::store::{ClaimStore, Claims, WalStore};
use crate::{Attempt, Key, Permit, Refusal, ResolveError, TradeGuard, Verdict};

/// Numbers that are the same for the same seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Attempts that somebody got a permit for and that are not known to have opened nothing.
type Possible = BTreeSet<Attempt>;

/// A history of a guard; after each promise to a caller it notes in the recording which promise that was.
struct History {
    storage: SimStorage,
    store: Arc<WalStore>,
    guard: TradeGuard,
    permits: Vec<Permit<'static>>,
    possible: Possible,
    /// By number of the note: what may have been executed, and what the store says.
    promised: Vec<(Possible, Claims)>,
}

impl History {
    fn new() -> Self {
        let storage = SimStorage::default();
        let store = Arc::new(open(&storage).unwrap());
        let clock = backstop_clock::ManualClock::new("2030-01-02T14:46:30Z".parse().unwrap());
        let limit = std::num::NonZeroU16::new(LIMIT).unwrap();
        let guard = TradeGuard::open(limit, Arc::new(clock), Arc::clone(&store) as Arc<dyn ClaimStore>).unwrap();
        let promised = vec![(Possible::new(), claims_of(&store))];
        Self { storage, store, guard, permits: Vec::new(), possible: Possible::new(), promised }
    }

    fn promise(&mut self) {
        self.promised.push((self.possible.clone(), claims_of(&self.store)));
        self.storage.note(self.promised.len() as u64 - 1);
    }

    fn step(&mut self, dice: &mut Dice) {
        match dice.below(10) {
            0..4 => {
                let wanted = key(u32::try_from(dice.below(4)).unwrap());
                if let Ok(permit) = self.guard.try_enter(&wanted) {
                    self.possible.insert(permit.attempt());
                    self.permits.push(permit);
                    self.promise();
                }
            }
            4..7 if !self.permits.is_empty() => {
                let at = usize::try_from(dice.below(self.permits.len() as u64)).unwrap();
                let permit = self.permits.swap_remove(at);
                if dice.below(2) == 0 {
                    permit.executed().unwrap();
                } else {
                    self.possible.remove(&permit.attempt());
                    permit.not_executed("the dice say so").unwrap();
                }
                self.promise();
            }
            7 => drop(self.permits.pop()),
            8 => {
                if let Some(left) = self.guard.unresolved().first() {
                    let verdict = if dice.below(2) == 0 { Verdict::Executed } else { Verdict::NotExecuted };
                    if verdict == Verdict::NotExecuted {
                        self.possible.remove(&left.attempt);
                    }
                    self.guard.resolve(left.attempt, verdict, &evidence()).unwrap();
                    self.promise();
                }
            }
            _ => assert!(self.store.checkpoint().unwrap(), "nobody appends"),
        }
    }
}

fn count(possible: &Possible, of: &Key) -> u16 {
    let same = possible.iter().filter(|attempt| attempt.key.scope() == of.scope());
    u16::try_from(same.count()).unwrap()
}

/// How many more entries a guard lets in that nobody ever resolves anything for.
fn more(guard: &TradeGuard) -> BTreeMap<Key, u16> {
    let mut more = BTreeMap::new();
    for number in 0..=4 {
        let key = key(number);
        while let Ok(permit) = guard.try_enter(&key) {
            *more.entry(key.with_slot(0)).or_default() += 1;
            permit.executed().unwrap();
        }
    }
    more
}

// proves: GUARD-2, GUARD-5
#[test]
fn after_a_crash_at_any_point_no_key_has_more_entries_than_it_may() {
    let (mut states, mut stuck) = (0_u64, 0_u64);
    let deep = std::env::var_os("BACKSTOP_DEEP").is_some();
    for seed in 0..if deep { 600 } else { 8 } {
        let (mut dice, mut history) = (Dice(seed), History::new());
        for _ in 0..14 {
            history.step(&mut dice);
        }
        let recording = history.storage.recording();
        recording.crashes(Depth { exhaustive_up_to: 3, random: 1 }, seed, None, &mut |crash| {
            states += 1;
            let storage = SimStorage::new(crash.image.clone());
            let last = usize::try_from(crash.notes.last().copied().unwrap_or(0)).unwrap();
            // Nothing that was promised is missing, and nothing else is there but the next promise in the making.
            let claims = claims_of(&open(&storage).unwrap());
            let promised = &history.promised[last..(last + 2).min(history.promised.len())];
            let found = promised.iter().find(|(_, promised)| *promised == claims);
            let Some((possible, _)) = found else { panic!("seed {seed}, step {}: {claims:?}", crash.step) };
            let guard = guard(&storage);
            stuck += guard.unresolved().len() as u64;
            for (key, more) in more(&guard) {
                assert!(count(possible, &key) + more <= LIMIT, "seed {seed}, step {}: {key}", crash.step);
            }
            true
        });
    }
    assert!(states > 5_000 && stuck > 1000, "{states} states, {stuck} unresolved");
}

/// A day with a failing disk: who got in, and who was told that the disk failed.
fn day(storage: &SimStorage, possible: &mut Possible) -> Result<(), ()> {
    let Ok((store, _)) = WalStore::open(Arc::new(storage.clone()), &options()) else { return Err(()) };
    let guard = super::guard_on(store);
    let mut failed = false;
    for number in [0, 1, 2, 0, 3, 0] {
        match guard.try_enter(&key(number)) {
            Ok(permit) if number == 2 => {
                let attempt = permit.attempt();
                possible.insert(attempt);
                drop(permit);
                // True from here on, whether it can be written down or not.
                possible.remove(&attempt);
                match guard.resolve(attempt, Verdict::NotExecuted, &evidence()) {
                    Ok(()) => {}
                    Err(ResolveError::Store { .. }) => failed = true,
                    Err(other) => panic!("{other}"),
                }
            }
            Ok(permit) => {
                possible.insert(permit.attempt());
                failed |= permit.executed().is_err();
            }
            Err(Refusal::Store { .. }) => failed = true,
            Err(Refusal::Limit { .. } | Refusal::Spent { .. } | Refusal::Unresolved(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    if failed { Err(()) } else { Ok(()) }
}

// proves: GUARD-2, GUARD-5
#[test]
fn whichever_operation_of_the_disk_fails_nobody_gets_in_without_a_claim() {
    let quiet = SimStorage::default();
    day(&quiet, &mut Possible::new()).unwrap();
    let operations = quiet.operations();
    let mut failures = 0;
    for at in 0..operations {
        for kind in [FaultKind::Error(5), FaultKind::Error(28), FaultKind::Torn(5), FaultKind::Short] {
            for lasting in [false, true] {
                let storage = SimStorage::default();
                storage.plan(Fault { at, kind, lasting });
                let mut possible = Possible::new();
                failures += u32::from(day(&storage, &mut possible).is_err());
                storage.heal();
                // The next process, which may find the first half of the day.
                let mut again = possible.clone();
                day(&storage, &mut again).unwrap();
                for number in [0, 1] {
                    assert!(count(&again, &key(number)) <= LIMIT, "operation {at}, {kind:?}: {again:?}");
                }
            }
        }
    }
    assert!(operations > 20 && u64::from(failures) > operations, "{operations} operations, {failures} failures");
}
