//! With which budget a limiter starts (RATE-5): fresh only where that is known.

/// What is known of the last windows when a limiter is made.
///
/// There is no default: a process that died left no trace of what it sent a moment ago. On Unix
/// [`RateLimiter::shared`](crate::RateLimiter::shared) leaves one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// Nobody has used the token for the longest of the windows: it is new, or its server started just now.
    Unused,
    /// Nothing is known, and the server does not say: all windows are full.
    UsedUp,
    /// Nothing is known, and the server says what is left: of each class one request passes, and the others wait for the
    /// answer to it ([`RateLimiter::heard`](crate::RateLimiter::heard)). Without a word in it, all windows count as full.
    Probe,
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
