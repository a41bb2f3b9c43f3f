//! Atomics and locks: the only file that names `parking_lot`, `loom`, or the atomics of the standard library.

#[cfg(not(all(test, loom)))]
pub(crate) use self::real::{AtomicU64, Mutex, MutexGuard};

#[cfg(all(test, loom))]
pub(crate) use self::model::{AtomicU64, Mutex, MutexGuard};

pub(crate) use std::sync::atomic::Ordering;

#[cfg(not(all(test, loom)))]
mod real {
    pub(crate) use parking_lot::{Mutex, MutexGuard};
    pub(crate) use std::sync::atomic::AtomicU64;
}

#[cfg(all(test, loom))]
mod model {
    //! loom's mutex in `parking_lot`'s shape.

    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::AtomicU64;

    #[derive(Debug)]
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
