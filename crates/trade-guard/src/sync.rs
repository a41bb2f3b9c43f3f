//! Atomics and locks: the only file that names `parking_lot`, `loom`, or the atomics of the standard library.

#[cfg(not(all(test, loom)))]
pub(crate) use self::real::{AtomicU16, AtomicU32, AtomicU64, Mutex, RwLock};

#[cfg(all(test, loom))]
pub(crate) use self::model::{AtomicU16, AtomicU32, AtomicU64, Mutex, RwLock};

#[cfg(all(feature = "wal", not(all(test, loom))))]
pub(crate) use self::real::Condvar;

#[cfg(all(test, loom))]
pub(crate) use self::model::Condvar;

pub(crate) use std::sync::atomic::Ordering;

#[cfg(not(all(test, loom)))]
mod real {
    pub(crate) use parking_lot::{Mutex, RwLock};
    pub(crate) use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};

    /// A condition in loom's shape: waiting takes the guard and gives it back.
    #[cfg(feature = "wal")]
    #[derive(Debug, Default)]
    pub(crate) struct Condvar(parking_lot::Condvar);

    #[cfg(feature = "wal")]
    impl Condvar {
        pub(crate) fn wait<'a, T>(&self, mut guard: parking_lot::MutexGuard<'a, T>) -> parking_lot::MutexGuard<'a, T> {
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

    pub(crate) use loom::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};
    use loom::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

    const FAILED: &str = "a model that panicked has already failed";

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect(FAILED)
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().expect(FAILED)
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().expect(FAILED)
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(guard).expect(FAILED)
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}
