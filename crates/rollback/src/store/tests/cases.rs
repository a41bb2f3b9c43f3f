use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::super::*;

type Undo = Box<dyn FnOnce(&mut Vec<i64>) -> Result<(), CannotUndo> + Send>;

/// Adds to one of some amounts.
fn add(at: usize, amount: i64) -> impl FnOnce(&mut Vec<i64>) -> Result<((), Undo), &'static str> {
    move |state| {
        *state.get_mut(at).ok_or("no such amount")? += amount;
        let undo: Undo = Box::new(move |state| {
            state[at] -= amount;
            Ok(())
        });
        Ok(((), undo))
    }
}

fn seen(store: &Store<Vec<i64>>) -> Vec<i64> {
    store.read(Clone::clone).unwrap()
}

// proves: TXN-1
#[test]
fn committed_it_stays_and_dropped_in_any_other_way_it_is_taken_back() {
    let store = Store::new(vec![0, 0]);
    let mut kept = store.begin();
    kept.apply(add(0, 1)).unwrap();
    kept.apply(add(1, 10)).unwrap();
    kept.commit().unwrap();
    assert_eq!(seen(&store), [1, 10]);

    let fails = || -> Result<(), ApplyError<&'static str>> {
        let mut failing = store.begin();
        failing.apply(add(0, 5))?;
        failing.apply(add(7, 5))?;
        failing.commit().map_err(ApplyError::Aborted)
    };
    assert_eq!(fails(), Err(ApplyError::Refused("no such amount")));
    assert_eq!(seen(&store), [1, 10], "an error");

    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut panicking = store.begin();
        panicking.apply(add(0, 5)).unwrap();
        panic!("between two changes");
    }));
    assert!(panicked.is_err());
    assert_eq!(seen(&store), [1, 10], "a panic");
}

/// A future that is polled once and dropped, as a time-out does it.
// proves: TXN-1
#[test]
fn a_canceled_task_takes_back_what_it_changed_and_holds_no_lock_while_it_waits() {
    let store = Store::new(vec![0]);
    let mut task = Box::pin(async {
        let mut trade = store.begin();
        trade.apply(add(0, 5)).unwrap();
        std::future::pending::<()>().await;
        trade.commit().unwrap();
    });
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(task.as_mut().poll(&mut context).is_pending());
    assert_eq!(seen(&store), [5], "another looks while the task waits for its broker");
    drop(task);
    assert_eq!(seen(&store), [0]);
}

// proves: TXN-2
#[test]
fn what_another_trade_did_in_between_survives_a_rollback() {
    let store = Store::new(vec![100]);
    let mut failing = store.begin();
    failing.apply(add(0, -30)).unwrap();
    let mut other = store.begin();
    other.apply(add(0, -5)).unwrap();
    other.commit().unwrap();
    drop(failing);
    assert_eq!(seen(&store), [95]);
}

// proves: TXN-2
#[test]
fn changes_are_taken_back_in_reverse() {
    let store = Store::new(Vec::new());
    let mut trade = store.begin();
    for number in 0..5_i64 {
        trade
            .apply(move |state: &mut Vec<i64>| {
                state.push(number);
                let pop = move |state: &mut Vec<i64>| match state.pop() {
                    Some(last) if last == number => Ok(()),
                    other => Err(CannotUndo::new(format!("{other:?} is on top of {number}"))),
                };
                Ok::<_, ()>(((), pop))
            })
            .unwrap();
    }
    drop(trade);
    assert_eq!(store.read(Clone::clone).unwrap(), Vec::<i64>::new());
}

// proves: TXN-2
#[test]
fn an_inverse_that_fails_keeps_none_of_the_others_and_shuts_the_store() {
    for panics in [false, true] {
        let store = Store::new(vec![0, 0, 0]);
        let mut trade = store.begin();
        trade.apply(add(0, 1)).unwrap();
        trade
            .apply(|state| {
                state[1] += 1;
                Ok::<_, ()>(((), move |_: &mut Vec<i64>| {
                    assert!(!panics, "an inverse");
                    Err(CannotUndo::new("it was spent"))
                }))
            })
            .unwrap();
        trade.apply(add(2, 1)).unwrap();
        drop(trade);
        let unsound = store.read(Clone::clone).unwrap_err();
        let fault =
            if panics { Fault::InversePanicked } else { Fault::InverseFailed { reason: "it was spent".to_owned() } };
        assert_eq!(unsound.faults(), [fault]);
        assert!(unsound.to_string().contains("compare it with what is true"), "{unsound}");
        assert!(matches!(store.begin().apply(add(0, 1)), Err(ApplyError::Unsound(_))));
        let mended = store.mend(|state| {
            assert_eq!(*state, [0, 1, 0], "the others were taken back");
            state[1] = 0;
        });
        assert_eq!(mended.len(), 1);
        assert_eq!(seen(&store), [0, 0, 0]);
    }
}

// proves: TXN-1
#[test]
fn a_change_that_panics_halfway_shuts_the_store_and_the_rest_is_taken_back() {
    let store = Store::new(vec![0, 0]);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut trade = store.begin();
        trade.apply(add(0, 1)).unwrap();
        let _never = trade.apply(|state: &mut Vec<i64>| {
            state[1] += 1;
            assert!(state[1] != 1, "halfway");
            Ok::<((), Undo), ()>(((), Box::new(|_| Ok(()))))
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(store.read(Clone::clone).unwrap_err().faults(), [Fault::ChangePanicked]);
    store.mend(|state| assert_eq!(*state, [0, 1]));
}

// proves: TXN-4
#[test]
fn rolling_back_to_a_savepoint_keeps_what_came_before_it() {
    let store = Store::new(vec![0]);
    let mut trade = store.begin();
    trade.apply(add(0, 1)).unwrap();
    let mut outer = trade.savepoint();
    outer.apply(add(0, 10)).unwrap();
    let mut inner = outer.savepoint();
    inner.apply(add(0, 100)).unwrap();
    drop(inner);
    assert_eq!(seen(&store), [11]);
    let mut inner = outer.savepoint();
    inner.apply(add(0, 1_000)).unwrap();
    inner.keep();
    assert_eq!(seen(&store), [1_011]);
    drop(outer);
    assert_eq!(seen(&store), [1], "what the inner one left to the outer one goes with it");
    trade.commit().unwrap();
    assert_eq!(seen(&store), [1]);
}

// proves: TXN-1
#[test]
fn who_swallows_a_refusal_or_a_panic_does_not_keep_half() {
    for panics in [false, true] {
        let store = Store::new(vec![0, 0]);
        let mut trade = store.begin();
        trade.apply(add(0, 1)).unwrap();
        let swallowed = catch_unwind(AssertUnwindSafe(|| {
            trade.apply(|_: &mut Vec<i64>| {
                assert!(!panics, "in a change");
                Err::<((), Undo), _>("refused")
            })
        }));
        assert_eq!(swallowed.is_err(), panics);
        store.mend(|_| {});
        assert_eq!(trade.apply(add(1, 1)), Err(ApplyError::Aborted(Aborted)));
        assert_eq!(trade.commit(), Err(Aborted));
        assert_eq!(seen(&store), [0, 0]);
    }
}

// proves: TXN-4
#[test]
fn what_is_refused_in_a_savepoint_aborts_it_and_what_keeps_it_and_nothing_else() {
    let store = Store::new(vec![0, 0]);
    for keep in [false, true] {
        let mut trade = store.begin();
        trade.apply(add(0, 1)).unwrap();
        let mut part = trade.savepoint();
        part.apply(add(1, 1)).unwrap();
        let _swallowed = part.apply(add(7, 1));
        let mut inner = part.savepoint();
        assert_eq!(inner.apply(add(1, 1)), Err(ApplyError::Aborted(Aborted)));
        drop(inner);
        assert_eq!(part.apply(add(1, 1)), Err(ApplyError::Aborted(Aborted)), "the inner one cured nothing");
        if keep {
            part.keep();
        } else {
            drop(part);
        }
        assert_eq!(trade.commit(), if keep { Err(Aborted) } else { Ok(()) });
        assert_eq!(seen(&store), [1, 0]);
    }
}

/// Whoever is asked to compare the state with what is true can panic as well.
// proves: TXN-1
#[test]
fn a_mend_that_panics_halfway_leaves_the_store_shut() {
    for is_sound in [true, false] {
        let store = Store::new(vec![0]);
        if !is_sound {
            let mut trade = store.begin();
            trade
                .apply(|_: &mut Vec<i64>| Ok::<_, ()>(((), |_: &mut Vec<i64>| Err(CannotUndo::new("spent")))))
                .unwrap();
        }
        let mended = catch_unwind(AssertUnwindSafe(|| store.mend(|_| panic!("halfway"))));
        assert!(mended.is_err());
        let faults = store.read(|_| ()).unwrap_err().faults().len();
        assert_eq!(faults, if is_sound { 1 } else { 2 });
    }
}

/// Panics when it is dropped, as what a panic carries may.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

// proves: TXN-2
#[test]
fn whatever_a_panicking_inverse_carries_the_others_are_taken_back() {
    let store = Store::new(vec![0]);
    let mut trade = store.begin();
    trade.apply(add(0, 1)).unwrap();
    let bomb = |_: &mut Vec<i64>| std::panic::resume_unwind(Box::new(Bomb));
    trade.apply(move |_: &mut Vec<i64>| Ok::<_, ()>(((), bomb))).unwrap();
    drop(trade);
    store.mend(|state| assert_eq!(*state, [0]));
}

/// What one of several transactions does next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Begin,
    Add(usize, i64),
    /// Some changes in a savepoint, in which another is nested; whether each is kept.
    Nested([(usize, i64); 3], bool, bool),
    /// A change that panics halfway; a person makes good what it left.
    PanicInside(usize, i64),
    Commit,
    Drop,
    Panic,
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0_usize..4, -50_i64..50);
    prop_oneof![
        3 => Just(Step::Begin),
        8 => change.clone().prop_map(|(at, amount)| Step::Add(at, amount)),
        4 => ([change.clone(), change.clone(), change.clone()], any::<bool>(), any::<bool>())
            .prop_map(|(changes, inner, outer)| Step::Nested(changes, inner, outer)),
        1 => change.prop_map(|(at, amount)| Step::PanicInside(at, amount)),
        3 => Just(Step::Commit),
        1 => Just(Step::Drop),
        1 => Just(Step::Panic),
    ]
}

/// What a transaction amounts to: the reference, which is copied as a whole and put back as a whole.
#[derive(Debug, Clone, Default)]
struct Sum {
    own: [i64; 3],
    aborted: bool,
}

impl Sum {
    fn add(&mut self, (at, amount): (usize, i64)) {
        match self.own.get_mut(at) {
            Some(sum) if !self.aborted => *sum += amount,
            _ => self.aborted = true,
        }
    }

    /// Savepoints inside savepoints, as the changes say.
    fn nested(&mut self, [first, second, third]: [(usize, i64); 3], keep_inner: bool, keep_outer: bool) {
        let before = self.clone();
        self.add(first);
        let inside = self.clone();
        self.add(second);
        if !keep_inner {
            *self = inside;
        }
        self.add(third);
        if !keep_outer {
            *self = before;
        }
    }
}

/// A transaction, and what it amounts to so far.
type Open<'a> = Option<(Transaction<'a, Vec<i64>>, Sum)>;

proptest! {
    /// The reference: what is committed is added in the end, what is open is added on top, and nothing else is.
    // proves: TXN-1
    // proves: TXN-2
    // proves: TXN-4
    #[test]
    fn interleaved_transactions_leave_what_the_committed_ones_add(
        steps in prop::collection::vec((0_usize..3, step()), 1..60),
    ) {
        let store = Store::new(vec![0; 3]);
        let mut open: [Open<'_>; 3] = [None, None, None];
        let mut committed = [0; 3];
        for (who, step) in steps {
            match (step, &mut open[who]) {
                (Step::Begin, slot) => *slot = Some((store.begin(), Sum::default())),
                (Step::Add(at, amount), Some((trade, sum))) => {
                    let was_aborted = sum.aborted;
                    sum.add((at, amount));
                    let expected = match (was_aborted, at < 3) {
                        (true, _) => Err(ApplyError::Aborted(Aborted)),
                        (false, true) => Ok(()),
                        (false, false) => Err(ApplyError::Refused("no such amount")),
                    };
                    prop_assert_eq!(trade.apply(add(at, amount)), expected);
                }
                (Step::Nested(changes, keep_inner, keep_outer), Some((trade, sum))) => {
                    sum.nested(changes, keep_inner, keep_outer);
                    let [first, second, third] = changes;
                    let mut outer = trade.savepoint();
                    let _refused = outer.apply(add(first.0, first.1));
                    let mut inner = outer.savepoint();
                    let _refused = inner.apply(add(second.0, second.1));
                    if keep_inner { inner.keep() } else { drop(inner) }
                    let _refused = outer.apply(add(third.0, third.1));
                    if keep_outer { outer.keep() } else { drop(outer) }
                }
                (Step::PanicInside(at, amount), Some((trade, sum))) => {
                    let panicked = catch_unwind(AssertUnwindSafe(|| {
                        trade.apply(|state: &mut Vec<i64>| -> Result<((), Undo), ()> {
                            *state.get_mut(at).ok_or(())? += amount;
                            std::panic::resume_unwind(Box::new("a panic without a message"))
                        })
                    }));
                    let faults = store.mend(|state| if panicked.is_err() { state[at] -= amount });
                    prop_assert_eq!(panicked.is_err(), at < 3 && !sum.aborted);
                    prop_assert_eq!(faults.len(), usize::from(panicked.is_err()));
                    sum.aborted = true;
                }
                (Step::Commit, slot) => if let Some((trade, sum)) = slot.take() {
                    prop_assert_eq!(trade.commit().is_err(), sum.aborted);
                    if !sum.aborted {
                        committed.iter_mut().zip(sum.own).for_each(|(all, own)| *all += own);
                    }
                },
                (Step::Drop, slot) => drop(slot.take()),
                (Step::Panic, slot) => {
                    let slot = slot.take();
                    let panicked = catch_unwind(AssertUnwindSafe(move || {
                        let _trade = slot;
                        std::panic::resume_unwind(Box::new("a panic without a message"));
                    }));
                    prop_assert!(panicked.is_err());
                }
                (_, None) => {}
            }
            let mut expected = committed;
            for (_, sum) in open.iter().flatten() {
                expected.iter_mut().zip(sum.own).for_each(|(all, own)| *all += own);
            }
            prop_assert_eq!(seen(&store), expected);
        }
    }

    /// One task is cut off at each of its awaits in turn, or panics there, while another commits between any two of them.
    // proves: TXN-1
    // proves: TXN-2
    // proves: TXN-4
    #[test]
    fn a_task_that_is_canceled_or_panics_at_any_await_leaves_what_the_others_did(
        changes in prop::collection::vec((0_usize..3, -50_i64..50, 0_u8..3), 1..8),
    ) {
        for stop in 0..=2 * changes.len() {
            for panics in [false, true] {
                let store = Store::new(vec![0; 3]);
                let mut task = Box::pin(async {
                    let mut trade = store.begin();
                    for (done, &(at, amount, kind)) in changes.iter().enumerate() {
                        if kind == 0 {
                            trade.apply(add(at, amount)).unwrap();
                        } else {
                            let mut part = trade.savepoint();
                            part.apply(add(at, amount)).unwrap();
                            tokio::task::yield_now().await;
                            if kind == 1 { part.keep() } else { drop(part) }
                        }
                        if panics && done == stop {
                            std::panic::resume_unwind(Box::new("a panic without a message"));
                        }
                        tokio::task::yield_now().await;
                    }
                    trade.commit().unwrap();
                });
                let mut others = 0;
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                for polls in 0.. {
                    let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut context)));
                    match polled {
                        Ok(std::task::Poll::Pending) if panics || polls < stop => {}
                        Ok(std::task::Poll::Pending) | Err(_) => {
                            drop(task);
                            prop_assert_eq!(seen(&store), [others, 0, 0]);
                            break;
                        }
                        Ok(std::task::Poll::Ready(())) => {
                            let mut sum = Sum { own: [others, 0, 0], aborted: false };
                            changes.iter().filter(|(_, _, kind)| *kind < 2).for_each(|(at, by, _)| sum.add((*at, *by)));
                            prop_assert_eq!(seen(&store), sum.own);
                            break;
                        }
                    }
                    let mut other = store.begin();
                    other.apply(add(0, 1_000)).unwrap();
                    other.commit().unwrap();
                    others += 1_000;
                }
            }
        }
    }
}
