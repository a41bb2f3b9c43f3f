//! How far a source's clock is behind ours, learnt from its fastest messages.
//!
//! Two clocks that nobody compares differ, in recordings by up to 1.5 s, and drift. What is stable is how much longer a
//! message took than the fastest one before it. Kept on the **monotonic** clock, so that no setting of the wall clock
//! changes what is late.

/// One part in 2¹² (244 ppm) is how fast the two clocks may drift apart without messages passing for late: the steepest
/// that was recorded is about 180 ppm, by a clock that was being steered. A queue that builds up more slowly is learnt for
/// a drift; 0.9 s an hour.
const DRIFT_SHIFT: u32 = 12;

/// The lowest of `received - stamp`, raised by the drift since then.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Floor {
    /// The least of `(received - stamp) * 2¹² - received`: so that one number stands for all messages, whenever asked.
    lowest: Option<i128>,
}

impl Floor {
    /// A message stamped `stamp` was received at `received` on the monotonic clock.
    pub(crate) fn note(&mut self, stamp: i64, received: i64) {
        let (stamp, received) = (i128::from(stamp), i128::from(received));
        let scaled = ((received - stamp) << DRIFT_SHIFT) - received;
        self.lowest = Some(self.lowest.map_or(scaled, |lowest| lowest.min(scaled)));
    }

    /// How much longer ago `stamp` is at `now` than the fastest message would make it. Grows with `now`.
    pub(crate) fn age(self, stamp: i64, now: i64) -> i64 {
        let Some(lowest) = self.lowest else { return 0 };
        let floor = (lowest + i128::from(now)) >> DRIFT_SHIFT;
        let age = i128::from(now) - i128::from(stamp) - floor;
        i64::try_from(age).unwrap_or(if age.is_negative() { i64::MIN } else { i64::MAX })
    }
}

#[cfg(test)]
mod tests;
