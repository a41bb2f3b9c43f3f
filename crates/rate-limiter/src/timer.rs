//! Who wakes a task after some time: a parameter, like the clock.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

/// Ends after so much time.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Wakes tasks. Its time is that of the limiter's clock.
///
/// Implementors guarantee that a sleep ends, and wakes its task, once `time` has passed. One that ends too early costs a
/// look and grants nothing.
pub trait Timer: Send + Sync + fmt::Debug {
    /// Ends after `time`.
    fn sleep(&self, time: Duration) -> Sleep;
}

/// Tokio's timer, to the millisecond; with paused time in tests.
#[cfg(feature = "tokio")]
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no state")]
pub struct TokioTimer;

#[cfg(feature = "tokio")]
impl Timer for TokioTimer {
    fn sleep(&self, time: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(time))
    }
}
