use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use stateright::{Checker, HasDiscoveries};

use super::*;
use crate::inode::FileId;
use crate::{Claim, Holder, NetworkFs, acquire, sys};

// proves: LOCK-1
// proves: LOCK-6
#[test]
fn in_no_order_of_steps_do_two_act_on_one_lock_unless_the_path_changes_between_answer_and_act() {
    let checker = OURS.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    // All of them, and so many: a model that lost its steps would pass as well.
    assert!(checker.is_done());
    assert!(checker.unique_state_count() > 1_000_000, "{} states", checker.unique_state_count());
}

// proves: LOCK-1
#[test]
fn while_nobody_else_touches_the_file_not_even_the_window_is_there() {
    let checker = Protocol { vandal: false, ..OURS }.checker().threads(2).spawn_bfs().join();
    checker.assert_no_discovery(ALONE);
    checker.assert_no_discovery(THE_WINDOW);
}

/// Leaves out a mechanism and expects the harm.
#[track_caller]
fn check_harm(protocol: Protocol, property: &'static str) {
    let harm = HasDiscoveries::AnyOf([property].into());
    let checker = protocol.checker().finish_when(harm).spawn_bfs().join();
    checker.assert_any_discovery(property);
}

#[test]
fn a_file_that_is_not_compared_after_it_was_locked_lets_two_in() {
    check_harm(Protocol { compares: false, ..OURS }, ALONE);
}

#[test]
fn a_holder_that_does_not_ask_acts_beside_its_successor() {
    check_harm(Protocol { asks: false, ..OURS }, ALONE_IN_ACTING);
}

#[test]
fn an_answer_that_is_not_remembered_turns_back_when_the_file_does() {
    check_harm(Protocol { remembers: false, ..OURS }, LOST_FOR_GOOD);
}

// Comparing does not help here: the file is deleted after its next holder compared it.
#[test]
fn a_holder_that_deletes_the_file_after_unlocking_lets_two_in_without_any_vandal() {
    check_harm(Protocol { deletes: Deletes::AfterUnlocking, vandal: false, ..OURS }, ALONE);
}

// The incident.
#[test]
fn a_holder_that_deletes_the_file_before_unlocking_lets_two_in_if_they_do_not_compare() {
    let protocol = Protocol { deletes: Deletes::BeforeUnlocking, compares: false, vandal: false, ..OURS };
    check_harm(protocol, ALONE);
}

/// What a process of the model has in reality. All in one process of the system: a lock belongs to an open file, not to
/// a process.
enum Real {
    Nothing,
    File(File, FileId),
    Lock(crate::Lock),
}

/// The model's world on a real file system.
struct Replica {
    world: World,
    real: [Real; PROCESSES],
    dir: tempfile::TempDir,
    path: PathBuf,
}

/// How often the real functions said yes and no.
#[derive(Default)]
struct Answers {
    locked: [Cell<u32>; 2],
    compared: [Cell<u32>; 2],
    asked: [Cell<u32>; 2],
}

fn count(answers: &[Cell<u32>; 2], answer: bool) -> bool {
    let counter = &answers[usize::from(answer)];
    counter.set(counter.get() + 1);
    answer
}

impl Replica {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = OURS.init_states().remove(0);
        Self { world, real: [const { Real::Nothing }; PROCESSES], path: dir.path().join("lock"), dir }
    }

    /// Does `action` in both worlds and compares what comes of it.
    fn apply(&mut self, action: Action, answers: &Answers) -> Result<(), TestCaseError> {
        let after = OURS.next_state(&self.world, action).unwrap();
        match action {
            // `acquire::open` makes both calls, so it is made for the one that succeeds.
            Action::Open(i) | Action::Create(i) => {
                if let Stage::Opened(_) = after.processes[i] {
                    let (file, id) = acquire::open(&self.path, NetworkFs::Refuse).unwrap().unwrap();
                    self.real[i] = Real::File(file, id);
                }
            }
            Action::Lock(i) => {
                let Real::File(file, _) = &self.real[i] else { panic!("{action:?}") };
                prop_assert!(count(&answers.locked, sys::try_lock(file).unwrap()));
            }
            Action::Compare(i) => {
                let Real::File(file, id) = std::mem::replace(&mut self.real[i], Real::Nothing) else {
                    panic!("{action:?}")
                };
                let expected = matches!(after.processes[i], Stage::Inside(_));
                prop_assert_eq!(count(&answers.compared, acquire::is_at(&self.path, id).unwrap()), expected);
                if expected {
                    let claim = Claim { label: "model".to_owned(), since: crate::Timestamp::UNIX_EPOCH };
                    let holder = Holder::ours(&claim, 1);
                    self.real[i] = Real::Lock(crate::Lock::held(file, id, self.path.clone(), holder));
                }
            }
            Action::Ask(i) => {
                let Real::Lock(lock) = &self.real[i] else { panic!("{action:?}") };
                let expected = matches!(after.processes[i], Stage::Told { .. });
                prop_assert_eq!(count(&answers.asked, lock.still_held()), expected);
            }
            Action::Unlock(i) | Action::Close(i) | Action::Kill(i) => self.real[i] = Real::Nothing,
            Action::Act(_) => {}
            Action::Delete(_) => panic!("we do not"),
            Action::Vandal(change) => vandalize(change, &self.path, self.dir.path()),
        }
        self.world = after;
        // Whoever cannot lock the file in the model cannot lock it in reality.
        for (stage, real) in self.world.processes.iter().zip(&self.real) {
            if let (Stage::Opened(ino), Real::File(file, _)) = (stage, real)
                && self.world.is_locked(*ino)
            {
                prop_assert!(!count(&answers.locked, sys::try_lock(file).unwrap()));
            }
        }
        prop_assert_eq!(self.path.exists(), self.world.path.is_some());
        Ok(())
    }
}

fn vandalize(change: Change, path: &Path, dir: &Path) {
    let (away, new) = (dir.join("away"), dir.join("new"));
    match change {
        Change::Remove => fs::remove_file(path).unwrap(),
        Change::MoveAway => fs::rename(path, away).unwrap(),
        Change::PutBack => fs::rename(away, path).unwrap(),
        Change::Replace => {
            fs::write(&new, "").unwrap();
            fs::rename(new, path).unwrap();
        }
    }
}

// proves: LOCK-1
// proves: LOCK-6
#[test]
fn the_real_functions_answer_as_they_do_in_the_model() {
    let answers = Answers::default();
    // One step in eight is a death or the vandal's: more often than that, and hardly anybody gets in.
    let steps = prop::collection::vec((0..8, any::<prop::sample::Index>()), 1..120);
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRunner::deterministic().new_rng())
        .run(&steps, |steps| {
            let mut replica = Replica::new();
            for (disturbance, step) in steps {
                let mut actions = Vec::new();
                OURS.actions(&replica.world, &mut actions);
                actions.retain(|action| matches!(action, Action::Vandal(_) | Action::Kill(_)) == (disturbance == 0));
                replica.apply(actions[step.index(actions.len())], &answers)?;
            }
            Ok(())
        })
        .unwrap();
    for answers in [answers.locked, answers.compared, answers.asked] {
        assert!(answers.iter().all(|answer| answer.get() >= 50), "seldom asked: {answers:?}");
    }
}
