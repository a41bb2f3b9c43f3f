//! The entry guard: one attempt at a time for a slot, and at most so many executed entries a session.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::state::SlotState;
use crate::{SessionId, SlotId, State};

/// Why the guard turned an entry away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuardRefusal {
    /// Another attempt is inside.
    #[error("slot {slot} is being entered since {since}")]
    InProgress {
        /// The slot.
        slot: SlotId,
        /// Since when.
        since: Timestamp,
    },
    /// An earlier attempt ended without anybody knowing how.
    #[error("slot {slot} is unresolved since {since}: an order may live; see `status`")]
    Unresolved {
        /// The slot.
        slot: SlotId,
        /// Since when.
        since: Timestamp,
    },
    /// The slot had its entry.
    #[error("slot {slot} has had its order")]
    Spent {
        /// The slot.
        slot: SlotId,
    },
    /// The session has had its entries.
    #[error("session {session} has had {taken} of {limit} entries, possible ones included")]
    Limit {
        /// The session.
        session: SessionId,
        /// Executed, in progress and unresolved.
        taken: u32,
        /// The bound.
        limit: u32,
    },
    /// No session has begun, or the slot is of another one.
    #[error("slot {slot} is not of the session that is open")]
    OtherSession {
        /// The slot.
        slot: SlotId,
    },
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Something was filled.
    Executed,
    /// An order was named, and provably nothing was filled. The name is used up, so the slot is not tried again.
    NotExecuted,
    /// Turned away before an order was named: the slot may be tried again.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    InProgress { since: Timestamp },
    Unresolved { since: Timestamp },
    Executed,
    NotExecuted,
}

/// The claims of one session.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    claims: Mutex<Claims>,
}

#[derive(Debug, Default)]
struct Claims {
    session: Option<(SessionId, u32)>,
    slots: BTreeMap<SlotId, Claim>,
}

impl Guard {
    /// Takes over what the records say of the newest session. What was in flight when they were read is unresolved.
    /// Claims of this process that are not in the records yet, or never came to be, stay (GUARD-3).
    pub(crate) fn begin(&self, state: &State) {
        let mut claims = self.claims.lock();
        claims.session = state.session.as_ref().map(|session| (session.id, session.limit));
        let mut earlier = std::mem::take(&mut claims.slots);
        for (slot, became) in &state.slots {
            let claim = match (earlier.get(slot), became) {
                // A permit of this process is still out.
                (Some(claim @ Claim::InProgress { .. }), SlotState::InFlight) => *claim,
                (_, SlotState::InFlight) => {
                    let mut since = state.operations.values().filter(|operation| operation.slot == *slot);
                    Claim::Unresolved { since: since.next().map_or(Timestamp::MIN, |operation| operation.since) }
                }
                (_, SlotState::Executed) => Claim::Executed,
                (_, SlotState::NotExecuted) => Claim::NotExecuted,
            };
            claims.slots.insert(slot.clone(), claim);
        }
        earlier.retain(|slot, claim| {
            matches!(claim, Claim::InProgress { .. } | Claim::Unresolved { .. }) && !state.slots.contains_key(slot)
        });
        claims.slots.extend(earlier);
    }

    /// Decides at once. All layers are judged under one lock, so no two callers can both pass (GUARD-1).
    pub(crate) fn try_enter(self: &Arc<Self>, slot: &SlotId, now: Timestamp) -> Result<Permit, GuardRefusal> {
        let mut claims = self.claims.lock();
        let slot = slot.clone();
        let Some((session, limit)) = claims.session.filter(|(session, _)| *session == slot.session) else {
            return Err(GuardRefusal::OtherSession { slot });
        };
        match claims.slots.get(&slot) {
            None => {}
            Some(Claim::InProgress { since }) => return Err(GuardRefusal::InProgress { since: *since, slot }),
            Some(Claim::Unresolved { since }) => return Err(GuardRefusal::Unresolved { since: *since, slot }),
            Some(Claim::Executed | Claim::NotExecuted) => return Err(GuardRefusal::Spent { slot }),
        }
        // GUARD-2: what may have been executed counts as executed.
        let of_session = claims.slots.iter().filter(|(other, _)| other.session == session);
        let taken = of_session.filter(|(_, claim)| **claim != Claim::NotExecuted).count();
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        if taken >= limit {
            return Err(GuardRefusal::Limit { session, taken, limit });
        }
        claims.slots.insert(slot.clone(), Claim::InProgress { since: now });
        Ok(Permit { guard: Arc::clone(self), slot, since: now, verdict: None })
    }

    /// Settles a slot that was left unresolved, on evidence.
    pub(crate) fn resolve(&self, slot: &SlotId, verdict: Verdict) {
        self.claims.lock().set(slot, Some(verdict), Timestamp::MIN);
    }
}

impl Claims {
    fn set(&mut self, slot: &SlotId, verdict: Option<Verdict>, since: Timestamp) {
        let claim = match verdict {
            Some(Verdict::Executed) => Claim::Executed,
            Some(Verdict::NotExecuted) => Claim::NotExecuted,
            Some(Verdict::Refused) => {
                self.slots.remove(slot);
                return;
            }
            None => Claim::Unresolved { since },
        };
        self.slots.insert(slot.clone(), claim);
    }
}

/// Leave to try one slot.
#[must_use = "dropping a permit without a verdict shuts the slot until it is resolved"]
#[derive(Debug)]
pub(crate) struct Permit {
    guard: Arc<Guard>,
    slot: SlotId,
    since: Timestamp,
    verdict: Option<Verdict>,
}

impl Permit {
    /// Ends the attempt with what is certain about it.
    pub(crate) fn end(mut self, verdict: Verdict) {
        self.verdict = Some(verdict);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // GUARD-3: without a verdict the slot is unresolved, whatever dropped the permit.
        self.guard.claims.lock().set(&self.slot, self.verdict, self.since);
    }
}

#[cfg(test)]
mod tests;
