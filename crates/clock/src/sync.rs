//! Locks: the only file of the library that names `parking_lot` or `loom`; beside it only the models in tests do.

#[cfg(not(all(test, loom)))]
pub(crate) use parking_lot::Mutex;

#[cfg(all(test, loom))]
pub(crate) use model::Mutex;

#[cfg(all(test, loom))]
mod model {
    //! loom's mutex in `parking_lot`'s shape.

    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("a model that panicked has already failed")
        }
    }
}
