//! How long a caller waits for the holder, and whether it is still there to be answered.

use std::time::{Duration, Instant};

/// What is left of a wait. Measured by the machine's own clock: the wait is for another process, and no virtual clock
/// makes that one hurry.
pub(crate) struct Patience<'a> {
    limit: Duration,
    /// `None` for a caller that does not wait: it need not ask what time it is.
    start: Option<Instant>,
    wanted: &'a dyn Fn() -> bool,
}

impl<'a> Patience<'a> {
    /// Until `limit` has passed, as long as `wanted` says that somebody waits for the answer.
    pub(crate) fn new(limit: Duration, wanted: &'a dyn Fn() -> bool) -> Self {
        Self { limit, start: if limit.is_zero() { None } else { Some(now()) }, wanted }
    }

    /// How long it has waited.
    pub(crate) fn spent(&self) -> Duration {
        self.start.map_or(Duration::ZERO, |start| now().saturating_duration_since(start))
    }

    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.spent())
    }

    pub(crate) fn is_out(&self) -> bool {
        self.left().is_zero() || !(self.wanted)()
    }
}

#[expect(clippy::disallowed_methods, reason = "see Patience: real processes are waited for")]
fn now() -> Instant {
    Instant::now()
}
