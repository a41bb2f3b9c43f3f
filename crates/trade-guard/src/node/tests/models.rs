//! Every interleaving of a few attempts at one key, run by loom.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use backstop_clock::{Clock, Mono, Timestamp};
use jiff::civil::date;
use loom::cell::UnsafeCell;
use loom::thread::{self, JoinHandle};

use crate::key::{Key, Scope, Session};
use crate::node::{Budget, End, Node, NotTaken};
use crate::word::Phase;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn mono(&self) -> Mono {
        Mono::ORIGIN
    }

    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// A key, and what only one may touch at a time: loom complains when two do, or when one does not see what the one before
/// it did.
struct Guarded {
    node: Node,
    trade: UnsafeCell<()>,
    /// How many were executed. A plain count: no ordering of ours.
    executed: AtomicU32,
}

fn key() -> Key {
    Key::new(Scope::new("model").unwrap(), Session::of(date(2030, 1, 2)))
}

fn guarded(limit: u16) -> Arc<Guarded> {
    let node = Node::new(key(), limit, None, None);
    Arc::new(Guarded { node, trade: UnsafeCell::new(()), executed: AtomicU32::new(0) })
}

impl Guarded {
    /// One attempt; whether it got in.
    fn attempt(&self, end: End) -> bool {
        if self.node.claim(1, &Still).is_err() {
            return false;
        }
        self.trade.with_mut(|_| ());
        if end != End::NotExecuted {
            self.executed.fetch_add(1, Ordering::Relaxed);
        }
        self.node.end(end);
        true
    }

    fn try_once(&self, end: End) {
        let _got_in = self.attempt(end);
    }
}

fn spawn(guarded: &Arc<Guarded>, work: impl FnOnce(&Guarded) + 'static) -> JoinHandle<()> {
    let guarded = Arc::clone(guarded);
    thread::spawn(move || work(&guarded))
}

/// As many switches of threads as `bound` in each execution; one more in the deep run.
fn check(bound: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let deep = usize::from(std::env::var_os("BACKSTOP_DEEP").is_some_and(|value| value != "0"));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound.map(|bound| bound + deep);
    builder.check(model);
}

// proves: GUARD-1
#[test]
fn two_who_try_three_times_each_are_never_both_inside() {
    check(None, || {
        let guarded = guarded(1);
        let rounds = |guarded: &Guarded| (0..3).for_each(|_| guarded.try_once(End::NotExecuted));
        let other = spawn(&guarded, rounds);
        rounds(&guarded);
        other.join().unwrap();
        assert!(guarded.attempt(End::NotExecuted), "free in the end");
    });
}

// proves: GUARD-1
#[test]
fn three_who_try_twice_each_are_never_two_inside() {
    check(Some(3), || {
        let guarded = guarded(1);
        let rounds = |guarded: &Guarded| (0..2).for_each(|_| guarded.try_once(End::NotExecuted));
        let others = [spawn(&guarded, rounds), spawn(&guarded, rounds)];
        rounds(&guarded);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

// proves: GUARD-1, GUARD-2
#[test]
fn of_three_who_execute_as_many_do_as_may() {
    check(Some(3), || {
        let guarded = guarded(2);
        let once = |guarded: &Guarded| guarded.try_once(End::Executed);
        let others = [spawn(&guarded, once), spawn(&guarded, once)];
        once(&guarded);
        others.into_iter().for_each(|other| other.join().unwrap());
        while guarded.attempt(End::Executed) {}
        assert_eq!(guarded.executed.load(Ordering::Relaxed), 2);
        assert_eq!(guarded.node.word().executed(), 2);
    });
}

// proves: GUARD-1, GUARD-3
#[test]
fn what_is_lost_shuts_the_key_until_it_is_resolved_and_only_for_the_attempt_that_is_meant() {
    check(Some(3), || {
        let guarded = guarded(1);
        let loser = spawn(&guarded, |guarded| guarded.try_once(End::Lost));
        let resolver = spawn(&guarded, |guarded| {
            // On evidence about the first attempt. It was the loser's, or the other's, who opened nothing and says so.
            match guarded.node.take_up(1) {
                Ok(()) => {
                    assert_eq!(guarded.node.attempt(), 1, "what it has evidence about");
                    guarded.trade.with_mut(|_| ());
                    guarded.executed.fetch_sub(1, Ordering::Relaxed);
                    guarded.node.end(End::NotExecuted);
                }
                Err(NotTaken::Later(found)) => assert_eq!(found, 2),
                Err(NotTaken::InProgress | NotTaken::Settled) => {}
            }
        });
        let _got_in = guarded.attempt(End::NotExecuted);
        loser.join().unwrap();
        resolver.join().unwrap();
        let possible = guarded.executed.load(Ordering::Relaxed);
        let shut = guarded.node.word().phase() == Phase::Unresolved;
        assert_eq!(possible, u32::from(shut), "shut as long as an order may live, and no longer");
        assert_eq!(guarded.attempt(End::NotExecuted), !shut);
    });
}

// proves: GUARD-2
#[test]
fn slots_side_by_side_share_what_the_session_may_have() {
    check(Some(3), || {
        let budget = Arc::new(Budget::new(1, 0));
        let slots: Arc<Vec<Node>> = Arc::new(
            (1..=2).map(|slot| Node::new(key().with_slot(slot), 1, Some(Arc::clone(&budget)), None)).collect(),
        );
        let executed = Arc::new(AtomicU32::new(0));
        let enter = |slots: &[Node], slot: usize, end: End, executed: &AtomicU32| {
            let node = &slots[slot];
            if node.claim(0, &Still).is_ok() {
                executed.fetch_add(u32::from(end == End::Executed), Ordering::Relaxed);
                node.end(end);
            }
        };
        let others: Vec<_> = [(0, End::Executed), (1, End::NotExecuted)]
            .into_iter()
            .map(|(slot, end)| {
                let (slots, executed) = (Arc::clone(&slots), Arc::clone(&executed));
                thread::spawn(move || enter(&slots, slot, end, &executed))
            })
            .collect();
        enter(&slots, 1, End::Executed, &executed);
        others.into_iter().for_each(|other| other.join().unwrap());
        let taken = executed.load(Ordering::Relaxed);
        assert!(taken <= 1);
        // What was given back can be had again.
        enter(&slots, 0, End::Executed, &executed);
        enter(&slots, 1, End::Executed, &executed);
        assert_eq!(executed.load(Ordering::Relaxed), 1);
    });
}

// proves: GUARD-1
#[test]
fn who_finds_no_room_for_a_slot_hands_it_on_as_it_was() {
    check(Some(3), || {
        let budget = Arc::new(Budget::new(1, 0));
        let slot = |number| {
            let node = Node::new(key().with_slot(number), 1, Some(Arc::clone(&budget)), None);
            Arc::new(Guarded { node, trade: UnsafeCell::new(()), executed: AtomicU32::new(0) })
        };
        let (first, second) = (slot(1), slot(2));
        let before = spawn(&first, |first| first.try_once(End::NotExecuted));
        let beside = {
            let first = Arc::clone(&first);
            spawn(&second, move |second| {
                if second.node.claim(0, &Still).is_ok() {
                    assert!(!first.attempt(End::NotExecuted), "one has the room for both");
                    second.node.end(End::NotExecuted);
                }
            })
        };
        first.try_once(End::NotExecuted);
        before.join().unwrap();
        beside.join().unwrap();
        assert!(first.attempt(End::Executed), "free in the end");
    });
}

// proves: GUARD-1, GUARD-3
#[test]
fn a_key_that_is_let_go_of_has_nobody_inside_and_lets_nobody_in() {
    check(None, || {
        let guarded = guarded(1);
        let lost = spawn(&guarded, |guarded| guarded.try_once(End::Lost));
        let retired = guarded.node.retire();
        lost.join().unwrap();
        let phase = guarded.node.word().phase();
        assert_eq!(phase, if retired { Phase::Retired } else { Phase::Unresolved });
        assert!(!guarded.attempt(End::NotExecuted));
    });
}
