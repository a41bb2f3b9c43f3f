#[cfg(loom)]
mod models {
    use std::sync::Arc;

    use loom::cell::UnsafeCell;
    use loom::thread;

    use crate::store::gate::Gate;

    /// Something that must not be looked at while a checkpoint is written.
    struct Guarded {
        gate: Gate,
        log: UnsafeCell<()>,
    }

    #[test]
    fn nobody_appends_during_a_checkpoint_and_nobody_is_left_waiting() {
        loom::model(|| {
            let shared = Arc::new(Guarded { gate: Gate::default(), log: UnsafeCell::new(()) });
            let thread = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let _pass = shared.gate.pass();
                    shared.log.with(|_| ());
                })
            };
            let task = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    loom::future::block_on(async {
                        let _pass = shared.gate.pass_async().await;
                        shared.log.with(|_| ());
                    });
                })
            };
            if let Some(_shut) = shared.gate.try_shut() {
                shared.log.with_mut(|_| ());
            }
            thread.join().unwrap();
            task.join().unwrap();
        });
    }
}
