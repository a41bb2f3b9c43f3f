//! The guard beside a plain model, over random histories with failing stores, crashes and restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use backstop_trade_guard::{
    Attempt, Key, NotRecorded, Permit, Refusal, ResolveError, Scope, Session, TradeGuard, Verdict,
};
use jiff::ToSpan;
use proptest::prelude::*;

use crate::rig::{Fault, FaultyStore, TODAY, evidence, on, scope};

const LIMIT: u16 = 2;

/// Four keys a session: a scope without slots, and three slots of another.
fn key(session: usize, number: usize) -> Key {
    // Two sessions on the first day, one on the next.
    let session = [Session::of(TODAY), Session::numbered(TODAY, 2), Session::of(TODAY + 1.day())][session];
    match number {
        0 => Key::new(scope("whole"), session),
        slot => Key::new(scope("slots"), session).with_slot(u32::try_from(slot).unwrap()),
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Enter(Key, Option<Fault>),
    End(Key, Verdict, Option<Fault>),
    Drop(Key),
    Resolve(Key, u64, Verdict, Option<Fault>),
    /// The process dies and another one begins.
    Restart,
}

fn steps() -> impl Strategy<Value = Step> {
    let keys =
        || (prop_oneof![8 => Just(0_usize), 2 => Just(1), 1 => Just(2)], 0_usize..4).prop_map(|(s, n)| key(s, n));
    let faults = || {
        prop_oneof![
            6 => Just(None),
            1 => Just(Some(Fault::Refuse)),
            1 => Just(Some(Fault::FailLost)),
            1 => Just(Some(Fault::FailWritten)),
        ]
    };
    let verdicts = || prop_oneof![Just(Verdict::Executed), Just(Verdict::NotExecuted)];
    prop_oneof![
        6 => (keys(), faults()).prop_map(|(key, fault)| Step::Enter(key, fault)),
        4 => (keys(), verdicts(), faults()).prop_map(|(key, verdict, fault)| Step::End(key, verdict, fault)),
        1 => keys().prop_map(Step::Drop),
        2 => (keys(), 0_u64..2, verdicts(), faults()).prop_map(|(k, off, v, fault)| Step::Resolve(k, off, v, fault)),
        1 => Just(Step::Restart),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Free,
    InProgress,
    Unresolved,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    phase: Phase,
    executed: u16,
    attempt: u64,
}

#[derive(Debug, Default)]
struct Model {
    /// What the guard should know.
    now: BTreeMap<Key, State>,
    newest: Option<Session>,
    /// What should be on disk; in progress there is unresolved after a restart.
    disk: BTreeMap<Key, State>,
    disk_newest: Option<Session>,
    /// The truth: entries that were executed, or that somebody had a permit for and nobody said what became of.
    possible: BTreeSet<Attempt>,
    /// What was shown not to be executed and may be known on disk only.
    shown: BTreeSet<Attempt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Entered,
    InProgress,
    Unresolved,
    Spent,
    Limit,
    Past,
    Store,
}

fn told(entered: &Result<Permit<'static>, Refusal>) -> Told {
    match entered {
        Ok(_) => Told::Entered,
        Err(Refusal::InProgress(_)) => Told::InProgress,
        Err(Refusal::Unresolved(_)) => Told::Unresolved,
        Err(Refusal::Spent { .. }) => Told::Spent,
        Err(Refusal::Limit { .. }) => Told::Limit,
        Err(Refusal::PastSession { .. }) => Told::Past,
        Err(Refusal::Store { .. }) => Told::Store,
        Err(other) => panic!("{other}"),
    }
}

impl Model {
    fn state(&self, key: Key) -> State {
        self.now.get(&key).copied().unwrap_or_default()
    }

    fn taken(&self, key: Key) -> u16 {
        let of_scope =
            self.now.iter().filter(|(other, _)| other.scope() == key.scope() && other.session() == key.session());
        of_scope.map(|(_, state)| state.executed + u16::from(state.phase != Phase::Free)).sum()
    }

    fn is_written(fault: Option<Fault>) -> bool {
        matches!(fault, None | Some(Fault::FailWritten))
    }

    fn enter(&mut self, key: Key, fault: Option<Fault>) -> Told {
        if Some(key.session()) < self.newest {
            return Told::Past;
        }
        self.newest = Some(key.session());
        let state = self.state(key);
        match state.phase {
            Phase::InProgress => return Told::InProgress,
            Phase::Unresolved => return Told::Unresolved,
            Phase::Free if key.slot().is_some() && state.executed > 0 => return Told::Spent,
            Phase::Free if self.taken(key) >= LIMIT => return Told::Limit,
            Phase::Free => {}
        }
        let entered = State { phase: Phase::InProgress, attempt: state.attempt + 1, ..state };
        if Self::is_written(fault) {
            self.disk.insert(key, entered);
            self.disk_newest = Some(key.session());
        }
        if fault.is_some() {
            self.now.insert(key, State { phase: Phase::Free, ..entered });
            return Told::Store;
        }
        self.now.insert(key, entered);
        self.possible.insert(Attempt { key, number: entered.attempt });
        Told::Entered
    }

    /// An end, as the guard and the disk should know it.
    fn end(&mut self, key: Key, verdict: Verdict, written: bool) {
        let count = u16::from(verdict == Verdict::Executed);
        let state = self.state(key);
        self.now.insert(key, State { phase: Phase::Free, executed: state.executed + count, ..state });
        self.note(key, state.attempt, count, written);
        if verdict == Verdict::NotExecuted {
            self.possible.remove(&Attempt { key, number: state.attempt });
        }
    }

    fn resolve(&mut self, attempt: Attempt, verdict: Verdict, fault: Option<Fault>) {
        let Attempt { key, number } = attempt;
        if fault.is_none() {
            return self.end(key, verdict, true);
        }
        // Found at the next opening, if it is there.
        let is_written = Self::is_written(fault);
        self.note(key, number, u16::from(verdict == Verdict::Executed), is_written);
        if verdict == Verdict::NotExecuted && is_written {
            self.possible.remove(&attempt);
            self.shown.insert(attempt);
        }
    }

    fn note(&mut self, key: Key, attempt: u64, count: u16, written: bool) {
        if written
            && let Some(on_disk) = self.disk.get_mut(&key).filter(|on_disk| on_disk.attempt == attempt)
            && on_disk.phase != Phase::Free
        {
            *on_disk = State { phase: Phase::Free, executed: on_disk.executed + count, attempt };
        }
    }

    fn restart(&mut self) {
        self.newest = self.disk_newest;
        let newest = self.newest;
        // Of older sessions only what is open is known.
        self.disk.retain(|key, state| Some(key.session()) == newest || state.phase != Phase::Free);
        self.now = self.disk.clone();
        for state in self.now.values_mut().filter(|state| state.phase == Phase::InProgress) {
            state.phase = Phase::Unresolved;
        }
    }

    fn occupied(&self) -> Vec<(Attempt, bool)> {
        let listed = |(key, state): (&Key, &State)| {
            let attempt = Attempt { key: *key, number: state.attempt };
            (state.phase != Phase::Free).then_some((attempt, state.phase == Phase::Unresolved))
        };
        self.now.iter().filter_map(listed).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if deep() { 20_000 } else { 500 }, ..ProptestConfig::default() })]
    // proves: GUARD-2, GUARD-3, GUARD-5, GUARD-6
    #[test]
    fn behaves_as_the_model_does(history in prop::collection::vec(steps(), 0..80)) {
        let store = Arc::new(FaultyStore::default());
        let mut guard = on(&store, LIMIT);
        let mut model = Model::default();
        let mut permits: BTreeMap<Key, Permit<'static>> = BTreeMap::new();
        for step in history {
            match step {
                Step::Enter(key, fault) => {
                    store.plan(fault);
                    let entered = guard.try_enter(&key);
                    prop_assert_eq!(told(&entered), model.enter(key, fault), "{:?}", step);
                    if let Ok(permit) = entered {
                        prop_assert_eq!(permit.attempt().number, model.state(key).attempt);
                        permits.insert(key, permit);
                    }
                }
                Step::End(key, verdict, fault) => {
                    let Some(permit) = permits.remove(&key) else { continue };
                    store.plan(fault);
                    let ended = end(permit, verdict);
                    prop_assert_eq!(ended.is_ok(), fault.is_none());
                    model.end(key, verdict, Model::is_written(fault));
                }
                Step::Drop(key) => {
                    if permits.remove(&key).is_some() {
                        model.now.entry(key).or_default().phase = Phase::Unresolved;
                    }
                }
                Step::Resolve(key, behind, verdict, fault) => {
                    let state = model.state(key);
                    let Some(number) = state.attempt.checked_sub(behind) else { continue };
                    let attempt = Attempt { key, number };
                    // Evidence does not contradict itself.
                    let verdict = if model.shown.contains(&attempt) { Verdict::NotExecuted } else { verdict };
                    store.plan(fault);
                    let resolved = guard.resolve(attempt, verdict, &evidence());
                    let expected = match (state.phase, behind, fault) {
                        (Phase::Free, ..) => "not unresolved",
                        (Phase::InProgress, ..) => "in progress",
                        (Phase::Unresolved, 1, _) => "later attempt",
                        (Phase::Unresolved, ..) => {
                            model.resolve(attempt, verdict, fault);
                            if fault.is_none() { "resolved" } else { "store" }
                        }
                    };
                    let told = match resolved {
                        Ok(()) => "resolved",
                        Err(ResolveError::NotUnresolved { .. }) => "not unresolved",
                        Err(ResolveError::InProgress { .. }) => "in progress",
                        Err(ResolveError::LaterAttempt { .. }) => "later attempt",
                        Err(_) => "store",
                    };
                    prop_assert_eq!(told, expected, "{:?}", step);
                }
                Step::Restart => {
                    guard = on(&store, LIMIT);
                    model.restart();
                    // They die with their process, and say nothing to the new one.
                    permits.clear();
                }
            }
            store.plan(None);
            check(&guard, &model)?;
        }
    }
}

fn end(permit: Permit<'_>, verdict: Verdict) -> Result<(), NotRecorded> {
    match verdict {
        Verdict::Executed => permit.executed(),
        Verdict::NotExecuted => permit.not_executed("the model says so"),
    }
}

fn check(guard: &TradeGuard, model: &Model) -> Result<(), TestCaseError> {
    let listed: Vec<_> = guard.occupied().iter().map(|left| (left.attempt, left.is_unresolved)).collect();
    prop_assert_eq!(listed, model.occupied());
    prop_assert_eq!(guard.newest_session(), model.newest);
    // GUARD-2, on the truth and not on what the guard believes.
    let mut counts: BTreeMap<(&Scope, Session), u16> = BTreeMap::new();
    for Attempt { key, .. } in &model.possible {
        let count = counts.entry((key.scope(), key.session())).or_default();
        *count += 1;
        prop_assert!(*count <= LIMIT, "{}: {}", key, count);
    }
    Ok(())
}

fn deep() -> bool {
    std::env::var_os("BACKSTOP_DEEP").is_some()
}
