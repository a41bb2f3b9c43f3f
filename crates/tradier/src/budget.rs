//! The request budget: every request passes here before it goes on the wire.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backstop_broker::{Grant, NotGranted, Priority};
use backstop_clock::Clock;
use backstop_rate_limiter as limiter;
use backstop_rate_limiter::{Class, Limits, Permit, RateLimiter, Refused, ServerWord, Start, Timer, Window};
use parking_lot::Mutex;
use reqwest::header::HeaderMap;

use crate::config::{BaseUrl, ConfigError};
use crate::rate::RateClass;

const MINUTE: Duration = Duration::from_mins(1);
/// How much longer one request may be on its way than another, with a record on disk between leave and submit.
const MARGIN: Duration = Duration::from_secs(2);
/// Leave that was given longer ago is not leave to send now.
const STALE: Duration = Duration::from_secs(1);
/// More leaves than submits can be on their way at once.
const MOST_GRANTS: usize = 1_000;

/// What [`TradierConfig`](crate::TradierConfig) says of the budget.
#[derive(Debug, Clone)]
pub(crate) struct Budgeting {
    pub(crate) limits: Limits,
    pub(crate) start: Start,
    pub(crate) shared: Option<PathBuf>,
    pub(crate) timer: Arc<dyn Timer>,
}

/// The budget of one token; without limits, everything passes.
#[derive(Debug)]
pub(crate) struct Budget {
    metered: Option<Metered>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Metered {
    limiter: RateLimiter,
    timer: Arc<dyn Timer>,
    granted: Mutex<Granted>,
}

/// Leaves that were given for a submit and not used yet, by number.
#[derive(Debug, Default)]
struct Granted {
    newest: u64,
    permits: BTreeMap<u64, (Priority, Permit)>,
}

/// Leave to send one request.
#[must_use = "what is not sent was budget for nothing"]
#[derive(Debug)]
pub(crate) struct Leave(Option<Permit>);

/// Tradier's limits, as documented: 120 a minute for reads, and 60 for orders; in the sandbox 60 for each.
///
/// Of orders, a sixth is kept for exits, cancels among them, and another one for entries. Reads are all polling.
pub(crate) fn documented(base: &BaseUrl) -> Result<Limits, ConfigError> {
    let refuse = |detail: String| ConfigError::Budget { detail };
    let window = |max: u32, exits: u32, entries: u32| {
        let window = Window::new(max, MINUTE).and_then(|window| window.with_margin(MARGIN));
        window.and_then(|window| window.with_reserve(exits, entries)).map_err(|error| refuse(error.to_string()))
    };
    let reads = window(if base.is_production() { 120 } else { 60 }, 0, 0)?;
    Limits::with_classes(&[], &[&[reads], &[reads], &[window(60, 10, 10)?]]).map_err(|error| refuse(error.to_string()))
}

impl Budget {
    pub(crate) fn new(budgeting: Option<Budgeting>, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let metered = budgeting.map(|Budgeting { limits, start, shared, timer }| {
            let limiter = match shared {
                Some(path) => RateLimiter::shared(&limits, Arc::clone(&clock), &path, &start)
                    .map_err(|error| ConfigError::Budget { detail: error.to_string() })?,
                None => RateLimiter::new(&limits, Arc::clone(&clock), &start),
            };
            Ok(Metered { limiter, timer, granted: Mutex::default() })
        });
        Ok(Self { metered: metered.transpose()?, clock })
    }

    /// Waits for leave to send one request, at most for `within`.
    ///
    /// # Errors
    /// How long it would take, at once, if that is longer.
    ///
    /// # Cancel safety
    /// A dropped wait costs nothing.
    pub(crate) async fn leave(&self, class: RateClass, priority: Priority, within: Duration) -> Result<Leave, Refused> {
        let Some(metered) = &self.metered else { return Ok(Leave(None)) };
        let request = limiter::Request::new(urgency(priority)).in_class(number(class));
        let deadline = self.clock.mono().plus(within);
        metered.limiter.acquire(request, deadline, metered.timer.as_ref()).await.map(|permit| Leave(Some(permit)))
    }

    /// The same for a submit that is made later.
    pub(crate) async fn grant(&self, priority: Priority, within: Duration) -> Result<Grant, NotGranted> {
        let leave = self.leave(RateClass::Trading, priority, within).await;
        let Leave(permit) = leave.map_err(|refused| NotGranted { after: after(&refused) })?;
        let (Some(metered), Some(permit)) = (&self.metered, permit) else { return Ok(Grant::unmetered()) };
        let mut granted = metered.granted.lock();
        granted.newest += 1;
        let newest = granted.newest;
        granted.permits.insert(newest, (priority, permit));
        // Leaves that nobody used.
        while granted.permits.len() > MOST_GRANTS {
            granted.permits.pop_first();
        }
        Ok(Grant::numbered(newest))
    }

    /// The leave that `grant` stands for. Where it stands for none, or for one of too long ago, somebody has to ask once more,
    /// as urgently as before: `Err`.
    pub(crate) fn spend(&self, grant: &Grant) -> Result<Leave, Priority> {
        let Some(metered) = &self.metered else { return Ok(Leave(None)) };
        let known = grant.number().and_then(|number| metered.granted.lock().permits.remove(&number));
        // Whoever submits without leave says nothing of urgency either.
        let (priority, permit) = known.ok_or(Priority::Entry)?;
        let fresh = self.clock.mono().since(permit.at()) <= STALE;
        if fresh { Ok(Leave(Some(permit))) } else { Err(priority) }
    }

    /// RATE-4: what the answer to the request of `leave` says of the budget.
    pub(crate) fn heard(&self, leave: &Leave, headers: &HeaderMap, refused: bool) {
        let (Some(metered), Leave(Some(permit))) = (&self.metered, leave) else { return };
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let word = ServerWord::read(header, self.clock.wall());
        metered.limiter.heard(permit, &if refused { word.refused() } else { word });
    }
}

/// How long it would take; where waiting does not help, as long as a window is.
pub(crate) fn after(refused: &Refused) -> Duration {
    match refused {
        Refused::Full { after } => *after,
        _ => MINUTE,
    }
}

fn number(class: RateClass) -> Class {
    Class::nth(match class {
        RateClass::Standard => 0,
        RateClass::MarketData => 1,
        RateClass::Trading => 2,
    })
}

fn urgency(priority: Priority) -> limiter::Priority {
    match priority {
        Priority::Exit => limiter::Priority::Exit,
        Priority::Entry => limiter::Priority::Entry,
        Priority::Polling => limiter::Priority::Polling,
    }
}

#[cfg(test)]
mod tests;
