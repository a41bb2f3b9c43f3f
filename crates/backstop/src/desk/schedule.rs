//! Comparing on a schedule: a task that is started again when it dies or hangs, and says so when the broker lets no comparison
//! through.

use std::sync::{Arc, Weak};
use std::time::Duration;

use backstop_clock::Mono;
use tokio::time::timeout;

use super::supervise::{Life, supervise};
use super::{Desk, Inner};
use crate::told::told;

/// The subject of alerts about the comparisons themselves.
const RECONCILE: &str = "reconcile";

/// After so many times the pause without a comparison somebody is told.
const PATIENCE: u32 = 3;

/// When book and broker were compared, and when to look again.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    every: Option<Duration>,
    /// When the lists of the newest comparison that could be read were asked for.
    compared: Option<Mono>,
    /// When to look at a close that is not verified: the pauses grow.
    pub(super) next: Option<Mono>,
    /// Whether the next look reads the balances too.
    pub(super) balances_due: bool,
    /// How many comparisons in a row could not be made.
    failed: u32,
}

impl Schedule {
    pub(super) fn compared(&mut self, asked: Mono) {
        self.compared = self.compared.max(Some(asked));
    }

    fn ended(&mut self, well: bool) {
        self.failed = if well { 0 } else { self.failed.saturating_add(1) };
    }
}

impl Desk {
    /// From now on book and broker are compared `every` so long, and sooner where a close waits to be verified, by a task that is
    /// started again, with an alert, when it dies or hangs. When none has come through for three times as long, that is an
    /// alert until one does. Ends with the desk. Called again, it goes on at the new pace.
    pub fn keep_reconciled(&self, every: Duration) {
        if self.inner.schedule.lock().every.replace(every).is_some() {
            return;
        }
        let (desk, clock) = (Arc::downgrade(&self.inner), Arc::clone(&self.inner.clock));
        let looks = Weak::clone(&desk);
        // A comparison takes several calls, each of which takes its time.
        let pace = every.max(self.inner.config.poll).saturating_add(self.inner.broker.call_timeout().saturating_mul(4));
        let begun = clock.mono();
        tokio::spawn(async move {
            let trouble = |what: String| {
                if let Some(inner) = desk.upgrade() {
                    let text = format!("the task that compares book and broker {what}, and was started again");
                    inner.in_a_task(|inner| async move { inner.alert(RECONCILE, text).await });
                }
            };
            supervise(&*clock, pace, |life| compare_for_ever(looks.clone(), life, pace, begun), trouble).await;
        });
    }
}

async fn compare_for_ever(desk: Weak<Inner>, life: Life, pace: Duration, begun: Mono) {
    let mut last = begun;
    loop {
        let Some(inner) = desk.upgrade() else { return };
        let (pause, rescheduled) = (inner.pause(last), Arc::clone(&inner.rescheduled));
        drop(inner);
        // Other looks may find that the next is due sooner.
        if timeout(pause, rescheduled.notified()).await.is_ok() {
            if let Some(inner) = desk.upgrade() {
                life.show(&*inner.clock, pace);
            }
            continue;
        }
        let Some(inner) = desk.upgrade() else { return };
        last = inner.clock.mono();
        inner.schedule.lock().balances_due = true;
        let failed = inner.compare().await.err();
        inner.schedule.lock().ended(failed.is_none());
        life.show(&*inner.clock, pace);
        inner.say_if_uncompared(begun, failed.map(|error| told(&error))).await;
    }
}

impl Inner {
    /// Until the next comparison, after the `last` one.
    fn pause(&self, last: Mono) -> Duration {
        let now = self.clock.mono();
        let schedule = self.schedule.lock();
        let every = schedule.every.unwrap_or_default();
        // However often it is rescheduled, it is not put off.
        let due = last.plus(every).since(now);
        let until_next = schedule.next.map_or(due, |next| next.since(now));
        // A broker that is down is not stormed for a close that waits.
        let doubled = 2_u32.saturating_pow(schedule.failed);
        let least = if schedule.failed == 0 { Duration::ZERO } else { self.config.poll.saturating_mul(doubled) };
        due.min(until_next.max(least).max(self.config.poll))
    }

    async fn say_if_uncompared(self: &Arc<Self>, begun: Mono, failed: Option<String>) {
        let (every, compared) = {
            let schedule = self.schedule.lock();
            (schedule.every.unwrap_or_default(), schedule.compared)
        };
        let Some(why) = failed else {
            if self.state.lock().alerts.contains_key(RECONCILE) {
                self.alert_over(RECONCILE).await;
            }
            return;
        };
        tracing::warn!(why, "book and broker could not be compared");
        let since = compared.unwrap_or(begun).max(begun);
        if self.clock.mono().since(since) >= every.saturating_mul(PATIENCE) {
            // Without the age: what is said again is no news.
            let text = format!(
                "book and broker could not be compared for three times as long as they may go uncompared ({why}): nothing that \
                 happens at the broker is seen; look at the account"
            );
            self.alert(RECONCILE, text).await;
        }
    }
}
