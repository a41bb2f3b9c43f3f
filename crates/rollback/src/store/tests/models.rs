//! Every interleaving of a transaction with whoever looks at the state.

use loom::sync::Arc;
use loom::thread;

use super::super::*;
use crate::sync::every_interleaving;

/// Back it goes through the same states as forward, so each inverse counts itself.
fn count(taken_back: &mut u32) -> Result<(), CannotUndo> {
    *taken_back += 1;
    Ok(())
}

// proves: TXN-1
#[test]
fn nobody_sees_a_rollback_half_done() {
    every_interleaving(|| {
        let taken_back = Arc::new(Store::new(0));
        let trades = {
            let taken_back = Arc::clone(&taken_back);
            thread::spawn(move || {
                let mut trade = taken_back.begin();
                trade.apply(|_| Ok::<_, CannotUndo>(((), count))).unwrap();
                trade.apply(|_| Ok::<_, CannotUndo>(((), count))).unwrap();
            })
        };
        let seen = taken_back.read(|count| *count).unwrap();
        assert!([0, 2].contains(&seen), "{seen} of 2 changes were taken back");
        trades.join().unwrap();
        assert_eq!(taken_back.read(|count| *count).unwrap(), 2);
    });
}

type Undo = Box<dyn FnOnce(&mut i32) -> Result<(), CannotUndo> + Send>;

/// Adds to a sum.
fn add(amount: i32) -> impl FnOnce(&mut i32) -> Result<((), Undo), CannotUndo> {
    move |sum| {
        *sum += amount;
        let undo: Undo = Box::new(move |sum| {
            *sum -= amount;
            Ok(())
        });
        Ok(((), undo))
    }
}

/// One is rolled back, one is committed, one looks.
// proves: TXN-1
// proves: TXN-2
#[test]
fn a_rollback_takes_its_own_back_whatever_is_committed_meanwhile() {
    every_interleaving(|| {
        let sum = Arc::new(Store::new(0));
        let rolls_back = {
            let sum = Arc::clone(&sum);
            thread::spawn(move || {
                let mut trade = sum.begin();
                trade.apply(add(1)).unwrap();
                trade.apply(add(2)).unwrap();
            })
        };
        let commits = {
            let sum = Arc::clone(&sum);
            thread::spawn(move || {
                let mut trade = sum.begin();
                trade.apply(add(10)).unwrap();
                let mut part = trade.savepoint();
                part.apply(add(100)).unwrap();
                drop(part);
                trade.commit().unwrap();
            })
        };
        let seen = sum.read(|sum| *sum).unwrap();
        assert!([0, 1, 3].iter().any(|own| [0, 10, 110].iter().any(|other| own + other == seen)), "{seen}");
        rolls_back.join().unwrap();
        commits.join().unwrap();
        assert_eq!(sum.read(|sum| *sum).unwrap(), 10);
    });
}
