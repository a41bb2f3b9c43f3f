//! The request budget: every request passes here before it goes on the wire.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backstop_broker::{Grant, NotGranted, Priority};
use backstop_clock::{Clock, Mono};
use backstop_rate_limiter as limiter;
use backstop_rate_limiter::{Class, Limits, Permit, RateLimiter, Refused, ServerWord, Start, Timer, Window};
use parking_lot::Mutex;
use reqwest::header::HeaderMap;

use crate::config::{BaseUrl, ConfigError};
use crate::rate::RateClass;
use crate::waits::{BudgetUse, Counted};

const MINUTE: Duration = Duration::from_mins(1);
/// How much longer one request may be on its way than another, with a record on disk between leave and submit.
const MARGIN: Duration = Duration::from_secs(2);
/// Of a minute's reads, no more than this part in this part of a minute.
const SPREAD: u32 = 6;
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
    counted: Counted,
    /// Whether the window that is shared with other processes could not be used the last time.
    is_lost: AtomicBool,
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
pub(crate) fn documented(base: &BaseUrl) -> Result<Limits, ConfigError> {
    a_minute(if base.is_production() { 120 } else { 60 }, 60)
}

/// So many `reads` a minute of the account, as many of market data, and `orders`. There is no total: Tradier counts the
/// three apart, per token, and documents nothing over them.
///
/// Of orders, a sixth is kept for exits, cancels among them, and another one for entries. Reads are polling but for the clock, and
/// spread: a burst that used up the minute would leave nobody to see what becomes of an order for the rest of it.
pub(crate) fn a_minute(reads: u32, orders: u32) -> Result<Limits, ConfigError> {
    let refuse = |detail: String| ConfigError::Budget { detail };
    let window = |max: u32, kept: u32, per: Duration| {
        let window = Window::new(max, per).and_then(|window| window.with_margin(MARGIN));
        window.and_then(|window| window.with_reserve(kept, kept)).map_err(|error| refuse(error.to_string()))
    };
    let mut spread = vec![window(reads, 0, MINUTE)?];
    let at_once = reads.div_ceil(SPREAD);
    if at_once < reads {
        spread.push(window(at_once, 0, MINUTE / SPREAD)?);
    }
    let orders = window(orders, orders / SPREAD, MINUTE)?;
    Limits::with_classes(&[], &[&spread, &spread, &[orders]]).map_err(|error| refuse(error.to_string()))
}

impl Budget {
    pub(crate) fn new(budgeting: Option<Budgeting>, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let metered = budgeting.map(|Budgeting { limits, start, shared, timer }| {
            let limiter = match shared {
                Some(path) => RateLimiter::shared(&limits, Arc::clone(&clock), &path, start)
                    .map_err(|error| ConfigError::Budget { detail: error.to_string() })?,
                None => RateLimiter::new(&limits, Arc::clone(&clock), start),
            };
            Ok(Metered {
                limiter,
                timer,
                granted: Mutex::default(),
                counted: Counted::default(),
                is_lost: AtomicBool::new(false),
            })
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
        let (clock, counted) = (self.clock.as_ref(), &metered.counted);
        let mut waiting = Waiting { clock, counted, class, priority, since: clock.mono(), granted: false };
        let deadline = waiting.since.plus(within);
        let permit = metered.limiter.acquire(request, deadline, metered.timer.as_ref()).await;
        let permit = permit.inspect_err(|refused| metered.say_refused(refused))?;
        waiting.granted = true;
        metered.say_granted(class, &permit);
        Ok(Leave(Some(permit)))
    }

    /// What passed so far.
    pub(crate) fn so_far(&self) -> BudgetUse {
        self.metered.as_ref().map(|metered| metered.counted.so_far()).unwrap_or_default()
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
    pub(crate) fn heard(&self, class: RateClass, leave: &Leave, headers: &HeaderMap, refused: bool) {
        let (Some(metered), Leave(Some(permit))) = (&self.metered, leave) else { return };
        if refused {
            metered.counted.turned_away(class);
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let word = ServerWord::read(header, self.clock.wall());
        metered.limiter.heard(permit, &if refused { word.refused() } else { word });
    }
}

impl Metered {
    /// Law 6: each time that the shared window is lost, once.
    fn say_refused(&self, refused: &Refused) {
        if matches!(refused, Refused::Shared { .. }) && !self.is_lost.swap(true, Ordering::Relaxed) {
            tracing::error!(%refused, "the request budget is lost: only exits go out. See to the file, or start without it");
        }
    }

    /// Law 4: an exit goes out without it, and is counted as one that did.
    fn say_granted(&self, class: RateClass, permit: &Permit) {
        let Some(kind) = permit.apart() else {
            if self.is_lost.swap(false, Ordering::Relaxed) {
                tracing::warn!("the request budget is back");
            }
            return;
        };
        self.counted.apart(class);
        if !self.is_lost.swap(true, Ordering::Relaxed) {
            tracing::error!(
                %kind,
                "an exit goes out uncounted by other processes: the file with their requests is lost. See to it; all else is refused"
            );
        }
    }
}

/// Somebody who waits for budget, counted when the wait is over, also when it is dropped.
struct Waiting<'a> {
    clock: &'a dyn Clock,
    counted: &'a Counted,
    class: RateClass,
    priority: Priority,
    since: Mono,
    granted: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = self.clock.mono().since(self.since);
        self.counted.waited(self.class, self.priority, waited, self.granted);
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
