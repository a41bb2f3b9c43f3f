//! What a caller may ask for beyond the default: to wait, and to use a network file system.

use std::time::Duration;

/// How [`Lock::acquire_with`](crate::Lock::acquire_with) goes about it. The default is what
/// [`Lock::acquire`](crate::Lock::acquire) does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "made by users; a new field is a new question they have to answer")]
pub struct AcquireOptions {
    /// How long to wait for a holder to release the lock or die. Zero, the default, does not wait; [`Duration::MAX`] waits
    /// for ever. Waiters are not served in any order.
    pub wait: Duration,
    /// What to do on a network file system.
    pub network_fs: NetworkFs,
}

/// What to do with a lock file that other machines may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "a choice of two")]
pub enum NetworkFs {
    /// Refuse it with [`AcquireError::NetworkFs`](crate::AcquireError::NetworkFs) (LOCK-7).
    #[default]
    Refuse,
    /// Use it: the caller knows that locks work between all machines that reach the file (`NFSv4`, say),
    /// or that no other machine does. LOCK-1 and LOCK-3 are then the server's promise, not ours.
    Allow,
}
