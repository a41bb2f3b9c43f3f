//! Every interleaving of a transaction with whoever looks at the state.

use loom::sync::Arc;
use loom::thread;

use super::super::*;

/// Back it goes through the same states as forward, so each inverse counts itself.
fn count(taken_back: &mut u32) -> Result<(), CannotUndo> {
    *taken_back += 1;
    Ok(())
}

// proves: TXN-1
#[test]
fn nobody_sees_a_rollback_half_done() {
    loom::model(|| {
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
