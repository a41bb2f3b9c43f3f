//! Locks: the only file that names `parking_lot` or `loom`.

#[cfg(not(all(test, loom)))]
pub(crate) use self::real::{Condvar, Mutex, MutexGuard, yield_now};

#[cfg(all(test, loom))]
pub(crate) use self::model::{Condvar, Mutex, MutexGuard, yield_now};

#[cfg(not(all(test, loom)))]
mod real {
    pub(crate) use parking_lot::{Mutex, MutexGuard};
    pub(crate) use std::thread::yield_now;

    /// A condition in loom's shape: waiting takes the guard and gives it back.
    #[derive(Debug)]
    pub(crate) struct Condvar(parking_lot::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(parking_lot::Condvar::new())
        }

        pub(crate) fn wait<'a, T>(&self, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(&mut guard);
            guard
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

#[cfg(all(test, loom))]
mod model {
    //! loom's locks in `parking_lot`'s shape.

    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::thread::yield_now;

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

    #[derive(Debug)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(loom::sync::Condvar::new())
        }

        pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(guard).expect("a model that panicked has already failed")
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}
