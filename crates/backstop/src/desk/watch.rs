//! The watch over positions: one that nobody has checked for too long is told of, and then dealt with (WATCH-1).
//!
//! A check is an exit rule that was evaluated on fresh quotes, by [`Desk::check`] and nothing else: a strategy that is fed old
//! quotes, or that has lost a position from its own list, has checked nothing.

mod ages;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use backstop_broker::{Decimal, OrderKind};
use backstop_clock::Mono;
use backstop_quote::{Market, MarketState, NotFresh};
use tokio::time::sleep;

use super::supervise::{Life, supervise};
use super::{Desk, ExitAt, ExitEnd, ExitPlan, Inner, Moment};
use crate::SlotId;
use crate::record::{Purpose, Record};
use crate::refusal::ExitRefusal;
use crate::state::{State, watched};
use crate::switch::Level;
use crate::told::told;

pub(super) use ages::Ages;
use ages::{Due, Held, Trading};

/// The subject of alerts about the watch itself.
const WATCH: &str = "watch";

/// How positions are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchPolicy {
    /// How long a position may go unchecked. Somebody is told before that, and past twice that the fallback acts.
    pub within: Duration,
    /// What is done then.
    pub fallback: Fallback,
}

/// What is done about a position that nobody has checked for twice as long as it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: a person, no more entries, or out")]
pub enum Fallback {
    /// A person is told once more.
    Tell,
    /// And nothing new is entered until somebody resumes.
    Halt,
    /// And the position is closed at the market, again and again until it is. For an entry of which nobody knows what it has
    /// filled, which cannot be closed, it is a halt.
    Close,
}

/// How the watch of this process fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WatchTally {
    /// The longest that anything held, or possibly held, went unchecked.
    pub longest: Duration,
    /// How often one went unchecked for too long.
    pub late: u64,
    /// How often the fallback acted.
    pub acted: u64,
}

impl Desk {
    /// Checks a position: evaluates its exit `rule` on what closing it now would do to cash, by fresh quotes of every leg, and
    /// returns what the rule says: how to leave, or `None` to stay. Leaving is the caller's to do.
    ///
    /// # Errors
    /// As [`closing_cash`](Desk::closing_cash): without fresh quotes the rule is not asked, and nothing was checked.
    pub fn check(
        &self,
        slot: &SlotId,
        rule: impl FnOnce(Decimal) -> Option<ExitPlan>,
    ) -> Result<Option<ExitPlan>, NotFresh> {
        // A rule that takes its time is as old as the quotes that it was given.
        let at = Moment::now(&*self.inner.clock);
        let plan = rule(self.closing_cash(slot)?);
        let is_over = self.inner.ages.lock().checked(slot, at);
        self.inner.watched_again(slot, is_over);
        Ok(plan)
    }

    /// From now on every open or possibly open position is watched, by a task that is started again, with an alert, when it
    /// dies or stalls. Ends with the desk. Called again, it goes on by the new policy.
    ///
    /// An entry that is not at rest is checked by each look at the broker that shows nothing of it filled; the watch asks for such
    /// a look by itself. The time in which the broker says that the market is shut does not count. Last checks are written down every quarter of
    /// [`within`](WatchPolicy::within), so a restart goes on with the age that the last process left.
    pub fn watch(&self, policy: WatchPolicy) {
        if self.inner.ages.lock().policy.replace(policy).is_some() {
            return;
        }
        let (desk, clock) = (Arc::downgrade(&self.inner), Arc::clone(&self.inner.clock));
        let looks = Weak::clone(&desk);
        let pace = self.inner.pace(policy);
        tokio::spawn(async move {
            let trouble = |what: String| {
                if let Some(inner) = desk.upgrade() {
                    let text =
                        format!("the watch over open positions {what}, and was started again: look at them yourself");
                    inner.in_a_task(|inner| async move { inner.alert(WATCH, text).await });
                }
            };
            supervise(&*clock, pace, |life| look_for_unwatched(looks.clone(), life), trouble).await;
        });
    }

    /// How the watch fared so far.
    pub fn watch_tally(&self) -> WatchTally {
        self.inner.ages.lock().tally
    }
}

async fn look_for_unwatched(desk: Weak<Inner>, life: Life) {
    loop {
        let Some(inner) = desk.upgrade() else { return };
        let Some(policy) = inner.ages.lock().policy else { return };
        inner.look_for_unwatched(policy);
        let pace = inner.pace(policy);
        life.show(&*inner.clock, pace);
        let was_troubled = inner.state.lock().alerts.contains_key(WATCH);
        if was_troubled {
            inner.in_a_task(|inner| async move { inner.alert_over(WATCH).await });
        }
        drop(inner);
        sleep(pace).await;
    }
}

impl Inner {
    /// Between two looks. An eighth of the time is lost until one is seen, and leaves one for the alert to be delivered.
    fn pace(&self, policy: WatchPolicy) -> Duration {
        policy.within.checked_div(8).unwrap_or(policy.within).max(self.config.poll)
    }

    /// A look at the broker has shown that the entry of `slot` has filled nothing so far.
    pub(super) fn note_unfilled(self: &Arc<Self>, slot: &SlotId, at: Moment) {
        let is_over = self.ages.lock().unfilled(slot, at);
        self.watched_again(slot, is_over);
    }

    fn watched_again(self: &Arc<Self>, slot: &SlotId, is_over: bool) {
        if is_over {
            let subject = watched(slot);
            self.in_a_task(|inner| async move { inner.alert_over(&subject).await });
        }
    }

    /// Waits for nothing: what takes time is done by tasks.
    fn look_for_unwatched(self: &Arc<Self>, policy: WatchPolicy) {
        let now = Moment::now(&*self.clock);
        let (held, recorded) = {
            let state = self.state.lock();
            (may_be_held(&state), state.checks.clone())
        };
        let looked = self.ages.lock().look(policy, now, &held, self.trading());
        for slot in looked.over {
            self.in_a_task(|inner| async move { inner.alert_over(&watched(&slot)).await });
        }
        for (slot, text) in looked.late {
            self.in_a_task(|inner| async move { inner.alert_of_watched(&slot, text).await });
        }
        for due in looked.due {
            self.in_a_task(move |inner| async move { inner.fall_back(due, policy.fallback).await });
        }
        if looked.wants_orders && self.reconciling.try_lock().is_ok() {
            let desk = Desk { inner: Arc::clone(self), guard: self.guard.clone() };
            self.in_a_task(|_| async move {
                if let Err(error) = desk.reconcile().await {
                    tracing::debug!(error = told(&error), "nobody knows what an entry has filled");
                }
            });
        }
        if looked.wants_market && self.market_is_older_than(self.pace(policy), now.mono) {
            self.in_a_task(|inner| async move {
                match inner.market_clock().await {
                    // What waited for the word waits no longer.
                    Ok(_) => inner.look_for_unwatched(policy),
                    Err(error) => tracing::debug!(error = told(&error), "nobody knows whether the market is open"),
                }
            });
        }
        if ages::is_behind(&recorded, &looked.checks, policy.within) {
            let checks = looked.checks;
            self.in_a_task(|inner| async move { inner.note(vec![Record::Checked { checks }]).await });
        }
    }

    /// The broker's newest word on whether there is a session. A trading halt, and a word that nobody knows, count as one: the
    /// position may be in trouble.
    fn trading(&self) -> Trading {
        match &*self.market.lock() {
            None => Trading::Unknown,
            Some(Market { state: MarketState::PreMarket | MarketState::PostMarket | MarketState::Closed, asked }) => {
                Trading::Shut { asked: *asked }
            }
            Some(_) => Trading::Open,
        }
    }

    fn market_is_older_than(&self, age: Duration, now: Mono) -> bool {
        self.market.lock().as_ref().is_none_or(|newest| now.since(newest.asked) >= age)
    }

    async fn alert_of_watched(self: &Arc<Self>, slot: &SlotId, text: String) {
        let of = slot.clone();
        self.alert_while(&watched(slot), text, move |state| may_be_held(state).contains_key(&of)).await;
    }

    async fn fall_back(self: Arc<Self>, due: Due, fallback: Fallback) {
        let Due { slot, held, text, is_first } = due;
        let closes = fallback == Fallback::Close && held.is_open();
        let then = match fallback {
            _ if closes => "it is closed at the market",
            Fallback::Tell => "see to it by hand, now",
            Fallback::Halt | Fallback::Close => "nothing new is entered until somebody resumes",
        };
        let text = format!("{text}, twice as long as it may be: {then}");
        if is_first {
            // Beside the halt or the exit, which wait for no alert.
            let (of, said) = (slot.clone(), text.clone());
            self.in_a_task(|inner| async move { inner.alert_of_watched(&of, said).await });
        }
        if closes {
            let plan = ExitPlan { at: ExitAt::Order(OrderKind::Market), reason: "nobody checks it".to_owned() };
            // DESK-4, EXIT-2: as every exit, past halts and limits, and not before an earlier one is at rest.
            match Arc::clone(&self).exit(&slot, plan).await {
                ExitEnd::Refused(ExitRefusal::Closing { .. } | ExitRefusal::NoPosition { .. }) => {}
                ExitEnd::Refused(refusal) => {
                    self.alert_of_watched(&slot, format!("{text}, but that was refused: {}", told(&refusal))).await;
                }
                end => tracing::warn!(%slot, ?end, "closed by the watch"),
            }
        } else if fallback != Fallback::Tell
            && is_first
            && let Err(error) = self.pull(Level::Halt, "the watch", &text).await
        {
            tracing::error!(error = told(&error), "the halt is known to this process only");
        }
    }
}

/// What is held or may be, and since when it has gone unchecked by the records.
fn may_be_held(state: &State) -> BTreeMap<SlotId, Held> {
    let entering = state.operations.values().filter(|operation| operation.purpose == Purpose::Open);
    let entering = entering.map(|operation| (operation.slot.clone(), Held::Perhaps { since: operation.since }));
    // What is closed waits for its proof, and is told of by whoever waits.
    let open = state.positions().filter(|(_, position)| !position.is_flat());
    let open = open.map(|(slot, position)| {
        let checked = state.checks.get(&slot).copied();
        (slot, Held::Open { since: position.opened_at(), checked })
    });
    entering.chain(open).collect()
}

#[cfg(test)]
mod tests;
