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
    kept.commit();
    assert_eq!(seen(&store), [1, 10]);

    let fails = || -> Result<(), ApplyError<&'static str>> {
        let mut failing = store.begin();
        failing.apply(add(0, 5))?;
        failing.apply(add(7, 5))?;
        failing.commit();
        Ok(())
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
        trade.commit();
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
    other.commit();
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
    trade.commit();
    assert_eq!(seen(&store), [1]);
}

/// What one of several transactions does next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Begin,
    Add(usize, i64),
    /// Some changes in a savepoint, in which another is nested; whether each is kept.
    Nested([(usize, i64); 3], bool, bool),
    Commit,
    Drop,
    Panic,
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0_usize..4, -50_i64..50);
    prop_oneof![
        2 => Just(Step::Begin),
        6 => change.clone().prop_map(|(at, amount)| Step::Add(at, amount)),
        3 => ([change.clone(), change.clone(), change], any::<bool>(), any::<bool>())
            .prop_map(|(changes, inner, outer)| Step::Nested(changes, inner, outer)),
        1 => Just(Step::Commit),
        1 => Just(Step::Drop),
        1 => Just(Step::Panic),
    ]
}

/// A transaction, and what it added so far.
type Open<'a> = Option<(Transaction<'a, Vec<i64>>, Vec<i64>)>;

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
        let mut committed = vec![0; 3];
        for (who, step) in steps {
            match (step, &mut open[who]) {
                (Step::Begin, slot) => *slot = Some((store.begin(), vec![0; 3])),
                (Step::Add(at, amount), Some((trade, own))) => {
                    let made = trade.apply(add(at, amount));
                    prop_assert_eq!(made.is_ok(), at < 3);
                    if let Some(own) = own.get_mut(at) {
                        *own += amount;
                    }
                }
                (Step::Nested(changes, keep_inner, keep_outer), Some((trade, own))) => {
                    let mut change = |at: usize, amount, is_kept: bool| if let Some(own) = own.get_mut(at) {
                        *own += if is_kept { amount } else { 0 };
                    };
                    let [first, second, third] = changes;
                    let mut outer = trade.savepoint();
                    let _refused = outer.apply(add(first.0, first.1));
                    change(first.0, first.1, keep_outer);
                    let mut inner = outer.savepoint();
                    let _refused = inner.apply(add(second.0, second.1));
                    change(second.0, second.1, keep_inner && keep_outer);
                    if keep_inner { inner.keep() } else { drop(inner) }
                    let _refused = outer.apply(add(third.0, third.1));
                    change(third.0, third.1, keep_outer);
                    if keep_outer { outer.keep() } else { drop(outer) }
                }
                (Step::Commit, slot) => if let Some((trade, own)) = slot.take() {
                    trade.commit();
                    committed.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
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
            let mut expected = committed.clone();
            for (_, own) in open.iter().flatten() {
                expected.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
            }
            prop_assert_eq!(seen(&store), expected);
        }
    }
}
