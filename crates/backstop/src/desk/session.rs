//! Sessions: which one entries may be of, and why none begins.

use std::num::{NonZeroU16, NonZeroU32};

use backstop_broker::{ClientOrderId, OrderList, PositionEffect, Progress, ReadError};
use backstop_trade_guard as trade_guard;
use jiff::civil::Date;

use super::listed::named;
use super::{Desk, RecordError, book};
use crate::record::Record;
use crate::state::{Session, State};
use crate::{SessionId, SlotId};

/// The session that has begun in this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenSession {
    pub(super) id: SessionId,
    /// The most entries that this strategy may have in it; `None` for none.
    pub(super) limit: Option<NonZeroU16>,
}

impl Desk {
    /// Begins a session of `day`, or goes on with the newest one of that day while it has slots left (a slot is left
    /// when it had no intent) and while the records have all its names that the broker lists. A new one is numbered above
    /// all that the journal or the broker's list has seen.
    ///
    /// The session may have `entries` entries, a million at most, and with `per_day` no more than that leaves for the day over all
    /// sessions, possible entries included.
    ///
    /// # Errors
    /// [`SessionError`]; entries stay shut.
    ///
    /// # Cancel safety
    /// Dropped, the session may or may not have begun; calling again goes on with it.
    pub async fn begin_session(
        &self,
        day: Date,
        entries: u32,
        per_day: Option<u32>,
    ) -> Result<SessionId, SessionError> {
        let inner = &self.inner;
        // Above that the slots are those of adopted positions.
        let entries = entries.min(book::ADOPTED);
        if inner.config.limits.is_none() {
            return Err(SessionError::NoLimits);
        }
        // GUARD-6: one wrong answer must not shut the days until then. No exchange is more than a day away from UTC.
        let today = inner.clock.wall().to_zoned(jiff::tz::TimeZone::UTC).date();
        if (day - today).get_days().unsigned_abs() > 1 {
            return Err(SessionError::Implausible { day, today });
        }
        // GUARD-6: yesterday's slots do not open again because a clock was set back.
        let newest = inner.state.lock().session.as_ref().map(|session| session.id.day);
        if let Some(newest) = newest.filter(|newest| *newest > day) {
            return Err(SessionError::Older { day, newest });
        }
        // An earlier state directory may have traded on this account today: its names must not be used again.
        let (orders, _) = inner.list().await?;
        let ours = |slot: &SlotId| slot.strategy == inner.config.strategy && slot.session.day == day;
        let foreign = orders.orders().iter().filter_map(|order| SlotId::of_label(order.label.as_deref()?)).filter(ours);
        let (id, limit, behind) = {
            let state = inner.state.lock();
            let unknown = entries_unknown_to(&state, &orders, ours);
            let limit = |own: u32| {
                let others = state.entries_on(day).saturating_sub(own).saturating_add(unknown);
                entries.min(per_day.map_or(u32::MAX, |most| most.saturating_sub(others)))
            };
            let newest = state.session.as_ref().filter(|session| session.id.day == day).map(|session| session.id);
            let has_slots_left = |id: &SessionId| {
                (1..=entries).any(|slot| !state.slots.keys().any(|had| had.session == *id && had.slot.get() == slot))
            };
            // DESK-2: the records are of an earlier moment, so nobody knows which of its slots are taken.
            let behind =
                newest.filter(|id| has_unknown_names(&state, &orders, |slot| ours(slot) && slot.session == *id));
            if let Some(id) = newest.filter(|id| behind.is_none() && has_slots_left(id)) {
                (id, limit(state.entries_in(id)), behind)
            } else {
                let seen = foreign.map(|slot| slot.session.number).chain(newest.map(|id| id.number)).max();
                let number = seen.map_or(NonZeroU32::MIN, |seen| seen.saturating_add(1));
                (SessionId { day, number }, limit(0), behind)
            }
        };
        let is_new =
            inner.state.lock().session.as_ref().map(|session| (session.id, session.limit)) != Some((id, limit));
        if is_new {
            inner.commit(vec![Record::SessionBegun { session: id, limit }]).await?;
        }
        if let Some(behind) = behind {
            let text = format!(
                "the broker lists orders of session {behind} that are not in the records: the journal is an earlier copy, or \
                 another instance trades under this name. Session {id} begins instead; see what those orders hold"
            );
            inner.alert("session", text).await;
        }
        inner.refused.lock().clear();
        inner.open_session(id, limit)?;
        Ok(id)
    }

    /// The slot of the open session with this number, from 1; `None` without a session.
    pub fn slot(&self, number: u32) -> Option<SlotId> {
        let session = self.inner.state.lock().session.as_ref().map(|session: &Session| session.id)?;
        Some(SlotId { strategy: self.inner.config.strategy.clone(), session, slot: NonZeroU32::new(number)? })
    }
}

/// Entries that the broker lists, of which something was or may be filled, and of which there is no record: an earlier
/// state directory's. They count for the day all the same.
fn entries_unknown_to(state: &State, orders: &OrderList, ours: impl Fn(&SlotId) -> bool) -> u32 {
    let unknown = orders.orders().iter().filter(|order| {
        let opens = order.legs.iter().all(|leg| leg.effect == PositionEffect::Open);
        let holds_nothing = matches!(order.progress(), Progress::Final(fills) if fills.is_empty());
        let is_unknown = named(order).is_some_and(|(id, slot)| ours(&slot) && !state.issued.contains_key(&id));
        is_unknown && opens && !holds_nothing
    });
    u32::try_from(unknown.count()).unwrap_or(u32::MAX)
}

/// Whether the broker lists names of these slots that are not in the records.
fn has_unknown_names(state: &State, orders: &OrderList, of: impl Fn(&SlotId) -> bool) -> bool {
    let mut labels = orders.orders().iter().filter_map(|order| order.label.as_deref());
    labels.any(|label| {
        let is_known = || ClientOrderId::new(label).is_ok_and(|id| state.issued.contains_key(&id));
        SlotId::of_label(label).is_some_and(|slot| of(&slot)) && !is_known()
    })
}

/// Why a session did not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The desk was opened without limits, so it opens nothing (LIMIT-1).
    #[error("the desk was opened without limits, and opens nothing without them")]
    NoLimits,
    /// The day's orders could not be read, so names might be used twice.
    #[error("the day's orders could not be read")]
    Broker(#[from] ReadError),
    /// The day lies before one that had a session.
    #[error("the broker says that today is {day}, but there was a session on {newest}; check the clocks")]
    Older {
        /// The day that was asked for.
        day: Date,
        /// The newest day that had a session.
        newest: Date,
    },
    /// The day is not today.
    #[error("the broker says that today is {day}, and our clock says {today}; check the clocks")]
    Implausible {
        /// The day that was asked for.
        day: Date,
        /// Our own clock's day, in UTC.
        today: Date,
    },
    /// The session could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The guard has seen a newer one.
    #[error(transparent)]
    Guard(#[from] trade_guard::Refusal),
}
