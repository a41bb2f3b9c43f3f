//! The entry guard's claims, as events of the desk's own journal: one log to read after a crash, and one order of what
//! happened. A claim is in it before the intent that it is for.

use std::error::Error;
use std::num::NonZeroU16;
use std::sync::{Arc, OnceLock, Weak};

use backstop_broker::ClientOrderId;
use backstop_trade_guard::{
    self as trade_guard, Appending, ClaimStore, Claims, Grounds, Permit, ResolveError, StoreError, Verdict,
};

use super::session::OpenSession;
use super::{Inner, RecordError};
use crate::journal::JournalError;
use crate::record::{Purpose, Record};
use crate::refusal::Refusal;
use crate::state::SlotState;
use crate::told::told;
use crate::{SessionId, SlotId};

/// The guard's store: what it writes goes the way of all records.
#[derive(Debug)]
pub(super) struct JournalClaims {
    /// As they were read.
    claims: Claims,
    desk: OnceLock<Weak<Inner>>,
}

impl JournalClaims {
    pub(super) fn new(claims: Claims) -> Self {
        Self { claims, desk: OnceLock::new() }
    }

    /// From now on claims are written by `desk`.
    pub(super) fn write_to(&self, desk: &Arc<Inner>) {
        self.desk.get_or_init(|| Arc::downgrade(desk));
    }
}

impl ClaimStore for JournalClaims {
    fn load(&self) -> Result<Claims, StoreError> {
        Ok(self.claims.clone())
    }

    /// Refused: a desk writes in tasks only.
    fn append(&self, _: &trade_guard::Record) -> Result<(), StoreError> {
        Err(StoreError::Refused { source: "a desk writes its claims in tasks".into() })
    }

    fn append_async<'a>(&'a self, record: &'a trade_guard::Record) -> Appending<'a> {
        Box::pin(async move {
            let Some(desk) = self.desk.get().and_then(Weak::upgrade) else {
                return Err(StoreError::Refused { source: "the desk is gone".into() });
            };
            desk.commit(vec![Record::Attempt { of: record.clone() }]).await.map_err(|error| match error {
                RecordError::Journal(JournalError::Failed { .. }) | RecordError::Interrupted => {
                    StoreError::Failed { source: error.into() }
                }
                error => StoreError::Refused { source: error.into() },
            })
        })
    }
}

impl Inner {
    /// Lets entries of `session` pass, `limit` of them over all strategies that share the records.
    pub(super) fn open_session(&self, id: SessionId, limit: u32) -> Result<(), trade_guard::Refusal> {
        let own = &self.config.strategy;
        let others = {
            let state = self.state.lock();
            let others = state.slots.iter().filter(|(slot, became)| {
                slot.session == id && slot.strategy != *own && **became != SlotState::NotExecuted
            });
            u32::try_from(others.count()).unwrap_or(u32::MAX)
        };
        let limit = u16::try_from(limit.saturating_sub(others)).unwrap_or(u16::MAX);
        let limit = NonZeroU16::new(limit);
        if let Some(limit) = limit {
            self.guard.set_limit(own.scope(), id.guarded(), limit)?;
        }
        *self.session.lock() = Some(OpenSession { id, limit });
        Ok(())
    }

    /// What the guard cannot know: which session is open, and that a name is used up although nothing was filled under it.
    pub(super) fn check_slot(&self, slot: &SlotId) -> Result<(), Refusal> {
        let open = self.session.lock().filter(|open| open.id == slot.session && slot.strategy == self.config.strategy);
        let Some(open) = open else {
            return Err(Refusal::OtherSession { slot: slot.clone() });
        };
        let state = self.state.lock();
        if state.slots.get(slot) == Some(&SlotState::NotExecuted) {
            return Err(Refusal::SlotUsed { slot: slot.clone() });
        }
        if open.limit.is_none() {
            let taken = state.entries_in(slot.session);
            return Err(trade_guard::Refusal::Limit { key: slot.key(), taken, limit: 0, holding: None }.into());
        }
        Ok(())
    }

    /// What the guard must not miss: how many entries the records have in the session, and this one. Adopted on a full disk,
    /// a late order counts in the records only, until the next start (GUARD-2).
    pub(super) fn check_records(&self, slot: &SlotId) -> Result<(), Refusal> {
        let open = *self.session.lock();
        let limit = open.and_then(|open| open.limit).map_or(0, NonZeroU16::get);
        let state = self.state.lock();
        let taken = state.slots.iter().filter(|(had, became)| {
            had.session == slot.session && had.strategy == slot.strategy && **became != SlotState::NotExecuted
        });
        if taken.clone().any(|(had, _)| had == slot) {
            return Err(Refusal::SlotUsed { slot: slot.clone() });
        }
        let taken = u32::try_from(taken.count()).unwrap_or(u32::MAX);
        if taken >= u32::from(limit) {
            return Err(trade_guard::Refusal::Limit { key: slot.key(), taken, limit, holding: None }.into());
        }
        Ok(())
    }

    /// Settles with the rest of the records what an earlier process claimed and did not end: it may have died between two
    /// records of one story. What has an order that is not at rest stays unresolved; the broker is asked about it.
    pub(super) async fn settle_claims(self: &Arc<Self>) -> Result<(), Box<dyn Error + Send + Sync>> {
        let (slots, newest) = {
            let state = self.state.lock();
            (state.slots.clone(), state.session.as_ref().map(|session| session.id.guarded()))
        };
        for left in self.guard.unresolved() {
            let attempt = left.attempt;
            let became = slots.iter().find(|(slot, _)| slot.key() == attempt.key).map(|(_, became)| *became);
            let (verdict, evidence) = match became {
                Some(SlotState::InFlight) => continue,
                Some(SlotState::Executed) => (Verdict::Executed, "in the records its order was filled"),
                Some(SlotState::NotExecuted) => {
                    (Verdict::NotExecuted, "in the records nothing of its order was filled")
                }
                // Law 2: what was sent had its intent on disk before.
                None if Some(attempt.key.session()) == newest => {
                    (Verdict::NotExecuted, "the records have no intent of it, so nothing was sent")
                }
                // What became of the slots of older sessions is not kept.
                None => (Verdict::Executed, "its order, if it had one, is at rest; its session is over"),
            };
            self.guard.resolve_async(attempt, verdict, &Grounds::evidence(evidence)?).await?;
        }
        // Slots that the guard never heard of: a former version wrote no claims.
        for (slot, became) in slots.iter().filter(|(_, became)| **became != SlotState::NotExecuted) {
            match self.guard.try_enter_async(&slot.key()).await {
                Ok(permit) if *became == SlotState::Executed => permit.executed_async().await?,
                // GUARD-3: it falls without a verdict, because nobody has one yet.
                Ok(permit) => drop(permit),
                Err(error @ trade_guard::Refusal::Store { .. }) => return Err(error.into()),
                // Known.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// GUARD-3: only evidence or an operator opens or spends what was left unresolved. Both are in the records as the end
    /// of the order `id`.
    pub(super) async fn tell_guard(&self, id: &ClientOrderId, slot: &SlotId, purpose: Purpose, executed: bool) {
        if purpose != Purpose::Open {
            return;
        }
        if let Err(error) = self.settle_claim(id, slot, executed).await {
            tracing::error!(%slot, error = told(&*error), "the guard was not told how the slot ended; the records count it");
        }
    }

    async fn settle_claim(
        &self,
        id: &ClientOrderId,
        slot: &SlotId,
        executed: bool,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let key = slot.key();
        let verdict = if executed { Verdict::Executed } else { Verdict::NotExecuted };
        if let Some(left) = self.guard.unresolved().into_iter().find(|left| left.attempt.key == key) {
            let grounds = Grounds::evidence(&format!("order {id} is at rest"))?;
            match self.guard.resolve_async(left.attempt, verdict, &grounds).await {
                Ok(()) | Err(ResolveError::NotUnresolved { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        } else if executed {
            // It was settled as not executed, and turned up late: it counts all the same.
            match self.guard.try_enter_async(&key).await {
                Ok(permit) => permit.executed_async().await?,
                Err(trade_guard::Refusal::Spent { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Ends an attempt of which certainly nothing was opened. What cannot be written down counts in this process, and the
    /// next one reads the same from the other records.
    pub(super) async fn end_not_executed(&self, permit: Permit<'static>, reason: &str) {
        if let Err(error) = permit.not_executed_async(reason).await {
            tracing::error!(error = told(&error), "the end of an attempt could not be written");
        }
    }

    /// Ends an attempt that opened something; as [`end_not_executed`](Inner::end_not_executed).
    pub(super) async fn end_executed(&self, permit: Permit<'static>) {
        if let Err(error) = permit.executed_async().await {
            tracing::error!(error = told(&error), "the end of an attempt could not be written");
        }
    }
}
