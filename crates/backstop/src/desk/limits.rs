//! The limits as the desk asks them, and how they change: tightened while it runs, loosened by a start (LIMIT-1).

use std::collections::BTreeMap;
use std::sync::Arc;

use backstop_broker::{Decimal, OrderRequest};
use backstop_limits::{self as limits, Config, Limits, Look, References};

use super::{Desk, Entering, Inner, OpenError, RecordError};
use crate::SlotId;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::state::{State, kind_of};

/// Who answers for limits that are looser than those on record, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition: a record needs both")]
pub struct Loosening {
    /// The name.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Why limits were not tightened. They are what they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TightenError {
    /// It would loosen some, or is no configuration.
    #[error(transparent)]
    Limits(#[from] limits::TightenError),
    /// The name or the reason is empty.
    #[error("limits are changed by name and with a reason, and one of the two is empty")]
    Nameless,
    /// This desk opens nothing, so it has none.
    #[error("this desk was opened without limits and opens nothing")]
    NoLimits,
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Why a strategy may not be executed as often again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AllowError {
    /// The name or the reason is empty.
    #[error("more executions are allowed by name and with a reason, and one of the two is empty")]
    Nameless,
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Desk {
    /// Takes `config` into use, which allows nothing that is not allowed now. Entries that passed the limits before go on.
    ///
    /// # Errors
    /// [`TightenError`]; the limits are what they were.
    ///
    /// # Durability
    /// On disk when this returns `Ok`: a start with the former limits loosens them.
    ///
    /// # Cancel safety
    /// Dropped, it may have happened or not.
    pub async fn tighten(&self, config: Config, by: &str, reason: &str) -> Result<(), TightenError> {
        let inner = &self.inner;
        let (by, reason) = named(by, reason).ok_or(TightenError::Nameless)?;
        loop {
            let before = inner.limits().ok_or(TightenError::NoLimits)?;
            let mut limits = before.clone();
            limits.tighten(config.clone())?;
            let (by, reason) = (Some(by.clone()), Some(reason.clone()));
            let record = Record::LimitsSet { limits, loosened: Vec::new(), by, reason };
            // Somebody else may have tightened others meanwhile.
            if inner.commit_if(vec![record], move |state| state.limits.as_ref() == Some(&before)).await? {
                inner.halt_for_loss().await;
                return Ok(());
            }
        }
    }

    /// A person has looked at what this desk's strategy did, and allows as many executions again as its limit says.
    ///
    /// # Errors
    /// [`AllowError`]; the count is what it was.
    ///
    /// # Durability
    /// On disk when this returns `Ok`.
    ///
    /// # Cancel safety
    /// Dropped, it may have happened or not.
    pub async fn allow_repeats(&self, by: &str, reason: &str) -> Result<(), AllowError> {
        let (by, reason) = named(by, reason).ok_or(AllowError::Nameless)?;
        let kind = limits::Kind::new(self.inner.config.strategy.to_string());
        Ok(self.inner.commit(vec![Record::RepeatsAllowed { kind, by, reason }]).await?)
    }
}

fn named(by: &str, reason: &str) -> Option<(String, String)> {
    let (by, reason) = (by.trim(), reason.trim());
    (!by.is_empty() && !reason.is_empty()).then(|| (by.to_owned(), reason.to_owned()))
}

/// What a start with `config` writes down of it, after a run with the limits of `state`.
///
/// # Errors
/// [`OpenError`] where nobody answers for what is looser.
pub(super) fn start(
    config: Option<&Config>,
    loosening: Option<&Loosening>,
    state: &State,
) -> Result<Option<Record>, OpenError> {
    let Some(config) = config else { return Ok(None) };
    let before = state.limits.as_ref().map(Limits::config);
    let (limits, loosened) = Limits::start(config.clone(), before).map_err(OpenError::Limits)?;
    if before == Some(config) {
        return Ok(None);
    }
    let (by, reason) = match loosening.map(|loosening| named(&loosening.by, &loosening.reason)) {
        _ if loosened.is_empty() => (None, None),
        Some(Some((by, reason))) => (Some(by), Some(reason)),
        Some(None) | None => return Err(OpenError::Loosens { loosened }),
    };
    let loosened = loosened.iter().map(ToString::to_string).collect();
    Ok(Some(Record::LimitsSet { limits, loosened, by, reason }))
}

impl Inner {
    /// The limits in use; none in a desk that opens nothing.
    fn limits(&self) -> Option<Limits> {
        self.config.limits.as_ref()?;
        self.state.lock().limits.clone()
    }

    /// Whether an entry is within every limit that can be asked: those that need a price only with `references`.
    pub(super) fn check_limits(
        &self,
        slot: &SlotId,
        order: &OrderRequest,
        references: Option<&References>,
    ) -> Result<(), Refusal> {
        self.judge_limits(&self.state.lock(), &BTreeMap::new(), (slot, order), references).map(|_| ())
    }

    /// The same, on top of what is `entering`: within the limits and about to be written down. Returns what the order
    /// is worth, zero without `references`.
    pub(super) fn judge_limits(
        &self,
        state: &State,
        entering: &BTreeMap<SlotId, Entering>,
        (slot, order): (&SlotId, &OrderRequest),
        references: Option<&References>,
    ) -> Result<Decimal, Refusal> {
        let limits = state.limits.as_ref().filter(|_| self.config.limits.is_some()).ok_or(Refusal::NoLimits)?;
        let (wall, mono, marks) = (self.clock.wall(), self.clock.mono(), self.marks.lock());
        let mut exposure = state.exposure(|symbol| marks.worth(symbol, mono));
        let mut counters = state.counted();
        // LIMIT-2: once it is written down, it is in the state.
        let entering =
            entering.iter().filter(|(_, entry)| !state.operations.contains_key(entry.order.client_order_id()));
        for (slot, Entering { order, notional }) in entering {
            exposure.may_open(order, *notional);
            counters.executed(&kind_of(slot));
            counters.entry(order, wall);
            counters.message(wall);
        }
        let result = marks.open_result(state, mono);
        let (kind, nothing) = (kind_of(slot), References::new());
        let look = Look {
            references: references.unwrap_or(&nothing),
            exposure: &exposure,
            counters: &counters,
            open_result: result.as_ref().copied(),
            now: wall,
        };
        match references {
            Some(_) => Ok(limits.check(order, &kind, look)?.notional()),
            None => Ok(limits.check_unpriced(order, &kind, look).map(|()| Decimal::ZERO)?),
        }
    }

    /// HALT-2: a session that has lost what it may lose is over, and the next one waits for a person.
    pub(super) async fn halt_for_loss(self: &Arc<Self>) {
        let text = {
            let state = self.state.lock();
            let (Some(limits), Some(session)) = (&state.limits, &state.session) else { return };
            let open = self.marks.lock().open_result(&state, self.clock.mono()).unwrap_or_default();
            let limit = limits.config().loss;
            // Without the figure: it moves, and a person who has resumed has seen it.
            let text = || format!("session {} has lost {limit} or more, its limit: no more entries in it", session.id);
            limits.lost_all(&state.counters, open).map(|_| text())
        };
        if let Some(text) = text {
            self.halt_aloud("loss", text).await;
        }
    }
}
