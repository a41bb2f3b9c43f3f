//! Locks: the only file that names `parking_lot` or `loom`.

#[cfg(not(all(test, loom)))]
pub(crate) use parking_lot::Mutex;

#[cfg(all(test, loom))]
pub(crate) use self::model::{Mutex, every_interleaving};

#[cfg(all(test, loom))]
mod model {
    //! loom's lock in `parking_lot`'s shape.

    use loom::sync::MutexGuard;

    /// Runs a model in every interleaving there is, whatever bound the environment sets: these are small enough.
    pub(crate) fn every_interleaving(model: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = None;
        builder.check(model);
    }

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("a model that panicked has already failed")
        }
    }
}
