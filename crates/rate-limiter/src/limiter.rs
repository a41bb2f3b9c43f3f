//! The limiter that threads and tasks share: the queue behind a lock, and in front of it what was refused last.

use std::fmt;
use std::io::ErrorKind;
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backstop_clock::Clock;

use crate::budget::Budget;
use crate::limits::Limits;
use crate::queue::{Full, Queue};
use crate::request::{Permit, Priority, Refused, Request};
#[cfg(unix)]
use crate::shared::{Session, Shared, SharedError, stamp};
use crate::start::Start;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use crate::tick::{Tick, nanos};
use crate::word::ServerWord;

/// After a shared window was busy.
const BUSY: Duration = Duration::from_millis(1);
/// So long an exit waits for a shared window that is busy: whoever keeps it longer has been stopped.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_millis(50);

/// The request budget of one token. Share it behind an `Arc`.
pub struct RateLimiter {
    clock: Arc<dyn Clock>,
    longest: Duration,
    queue: Mutex<Guarded>,
    /// For each class and priority: before this tick a request of one unit has no room. Set by whoever was refused, taken
    /// back by whoever changes the budget; so a storm of requests that are refused takes no lock. Zero: ask the queue.
    not_before: Box<[[AtomicU64; Priority::COUNT]]>,
}

pub(crate) struct Guarded {
    pub(crate) queue: Queue,
    /// Whether any tick of `not_before` is set.
    hinted: bool,
    #[cfg(unix)]
    shared: Option<Shared>,
}

impl Guarded {
    #[cfg(unix)]
    fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, reason = "the same call with and without a shared window")]
    fn is_shared(&self) -> bool {
        false
    }
}

/// What was done, with what others were granted if they could be asked.
pub(crate) struct Acted<R> {
    now: Tick,
    pub(crate) result: R,
    /// Why they could not: see [`Permit::apart`].
    pub(crate) apart: Option<ErrorKind>,
}

/// Why nothing was done.
#[cfg_attr(not(unix), expect(dead_code, reason = "only a shared window is ever in the way"))]
pub(crate) enum Held {
    /// Somebody has the shared window for longer than granting takes: worth another try after that.
    Busy(Duration),
    /// It cannot be used.
    Lost(Refused),
}

impl From<Held> for Refused {
    fn from(held: Held) -> Self {
        match held {
            Held::Busy(after) => Self::Full { after },
            Held::Lost(refused) => refused,
        }
    }
}

impl RateLimiter {
    /// A limiter for a token of which `start` is known.
    pub fn new(limits: &Limits, clock: Arc<dyn Clock>, start: Start) -> Self {
        let mut budget = Budget::new(limits);
        let now = Tick::of(clock.mono());
        match start {
            Start::Unused => {}
            Start::UsedUp => budget.use_up(now),
            Start::Probe => budget.learn_until(now.plus(nanos(limits.longest()))),
        }
        let hints = || [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)];
        let not_before = (0..budget.classes()).map(|_| hints()).collect();
        let longest = limits.longest();
        let guarded = Guarded {
            queue: Queue::new(budget),
            hinted: false,
            #[cfg(unix)]
            shared: None,
        };
        Self { clock, longest, queue: Mutex::new(guarded), not_before }
    }

    /// A limiter that shares its budget with all processes that give the same `path` (RATE-6): exact over all of them,
    /// whichever is killed at whatever moment. What each keeps for whom is its own affair.
    ///
    /// The file is made if there is none; it must be on a local disk. With it, a process knows what those before it were
    /// granted, so a restart needs nothing else. Where it knows nothing (a new file, or the machine has started anew), all
    /// windows count as full, unless `start` is [`Start::Unused`]. With [`Start::Probe`] whoever makes the file sends one request
    /// of each class, and what the server answers counts for all.
    ///
    /// Every attempt that is not refused from memory locks and reads the file: some ten microseconds. Waiting is each
    /// process' own: there is no order between the lines of two.
    ///
    /// # Errors
    /// [`SharedError`] when the file is something else, is shared under other limits, or cannot be used.
    #[cfg(unix)]
    pub fn shared(limits: &Limits, clock: Arc<dyn Clock>, path: &Path, start: Start) -> Result<Self, SharedError> {
        let shared = Shared::open(path, limits, start, clock.wall())?;
        let known = match start {
            Start::Probe if shared.probes() => start,
            _ => Start::Unused,
        };
        let limiter = Self::new(limits, clock, known);
        limiter.queue.lock().shared = Some(shared);
        Ok(limiter)
    }

    /// Leave to send `request` now, or how long it would take. Never waits, and does not overtake who does.
    ///
    /// # Errors
    /// [`Refused::Full`], with the time after which it would be granted if nobody else asked: exact as long as no line of
    /// another class waits for a total that is shared, and never too long. Otherwise, what is wrong with the request.
    pub fn try_acquire(&self, request: Request) -> Result<Permit, Refused> {
        let now = Tick::of(self.clock.mono());
        let hint = if request.weight.get() == 1 { self.hint(request) } else { None };
        if let Some(hint) = hint {
            // Acquire: with the Release of whoever set or took it back. It was so at the moment of this load.
            let not_before = Tick::from_bits(hint.load(Ordering::Acquire));
            if not_before > now {
                return Err(Refused::Full { after: not_before.since(now) });
            }
        }
        let mut guarded = self.queue.lock();
        // Most of all requests, where the budget is not shared: nobody waits, so nobody has to be woken either.
        if !guarded.is_shared()
            && let Some(permit) = guarded.queue.take_at_once(now, request)
        {
            if guarded.hinted {
                self.changed(&mut guarded);
            }
            return Ok(permit);
        }
        self.take_or_say(guarded, now, request, hint)
    }

    /// What is left of [`try_acquire`](Self::try_acquire). Apart, so that what most requests take stays short.
    #[cold]
    #[inline(never)]
    fn take_or_say(
        &self,
        mut guarded: MutexGuard<'_, Guarded>,
        now: Tick,
        request: Request,
        hint: Option<&AtomicU64>,
    ) -> Result<Permit, Refused> {
        let act = |queue: &mut Queue, now| queue.try_take(now, request);
        let Acted { now, result, apart } = self.shared_first(&mut guarded, now, request.priority, act)?;
        match result {
            Ok(permit) => {
                self.changed(&mut guarded);
                self.open(guarded);
                Ok(Permit { apart, ..permit })
            }
            Err(Full::Until(at)) => {
                if let Some(hint) = hint.filter(|_| guarded.queue.is_idle()) {
                    hint.store(at.to_bits(), Ordering::Release);
                    guarded.hinted = true;
                }
                self.open(guarded);
                Err(Refused::Full { after: at.since(now) })
            }
            Err(Full::Refused(refused)) => Err(refused),
        }
    }

    /// Takes the server's word, from the answer to the request of `permit`: until it expires, no more pass than it says
    /// (RATE-4). What was granted after `permit` counts as not yet counted by the server. Never allows anything more; only
    /// after [`Start::Probe`], the first word of a class ends the waiting for it.
    pub fn heard(&self, permit: &Permit, word: &ServerWord) {
        let Some((left, lasts)) = word.limit(self.longest) else { return };
        let learnt = self.with(|queue, now| {
            let until = now.plus(nanos(lasts));
            queue.tighten(now, permit.class, permit.count, left, until);
            word.used.filter(|_| until > now).and_then(|used| queue.learn(now, permit.class, used))
        });
        #[cfg(unix)]
        if let (Some(units), Some(shared)) = (learnt, &mut self.queue.lock().shared) {
            // What fails leaves others with what they had to think: that all is used.
            let wall = self.clock.wall();
            let told = shared.begin(wall).and_then(|mut session| session.learnt(permit.class, units, wall));
            drop(told);
        }
    }

    /// Runs `act` under the lock, and wakes afterwards whom it made to be woken.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Queue, Tick) -> R) -> R {
        let now = Tick::of(self.clock.mono());
        let mut guarded = self.queue.lock();
        let result = act(&mut guarded.queue, now);
        self.changed(&mut guarded);
        self.open(guarded);
        result
    }

    /// The same for what may grant something: where the budget is shared, with what others were granted.
    pub(crate) fn with_shared<R>(
        &self,
        priority: Priority,
        act: impl FnOnce(&mut Queue, Tick) -> R,
    ) -> Result<Acted<R>, Held> {
        let now = Tick::of(self.clock.mono());
        let mut guarded = self.queue.lock();
        let result = self.shared_first(&mut guarded, now, priority, act);
        self.changed(&mut guarded);
        self.open(guarded);
        result
    }

    /// Runs `act` at `now`; where the budget is shared, at the moment at which it was got.
    ///
    /// Law 4: an exit is not refused because the shared window is lost. It passes by what is known here, and is written as soon
    /// as that can be done.
    #[cfg(unix)]
    fn shared_first<R>(
        &self,
        guarded: &mut Guarded,
        now: Tick,
        priority: Priority,
        act: impl FnOnce(&mut Queue, Tick) -> R,
    ) -> Result<Acted<R>, Held> {
        let Guarded { queue, shared, .. } = guarded;
        let Some(shared) = shared else { return Ok(Acted { now, result: act(queue, now), apart: None }) };
        let is_exit = priority == Priority::Exit;
        let error = match self.look(queue, shared) {
            Ok((mut session, now)) => {
                let apart = queue.budget().is_closed(now).then_some(ErrorKind::NotFound);
                let result = act(queue, now);
                let Some(request) = queue.granted() else { return Ok(Acted { now, result, apart }) };
                let Err(error) = session.append(request, self.clock.wall()) else {
                    return Ok(Acted { now, result, apart });
                };
                // Also for one that is refused: it is used up here, and until it is written nothing else is.
                session.owe(request);
                let apart = Some(kind(&error));
                return if is_exit { Ok(Acted { now, result, apart }) } else { Err(Held::Lost(refused(&error))) };
            }
            Err(error) => error,
        };
        let is_busy = matches!(error, SharedError::Busy { .. });
        if is_busy && !(is_exit && now.since(shared.busy_since(now)) >= PATIENCE) {
            return Err(Held::Busy(BUSY));
        }
        if !is_exit {
            return Err(Held::Lost(refused(&error)));
        }
        let result = act(queue, now);
        if let Some(request) = queue.granted() {
            shared.owe(request);
        }
        Ok(Acted { now, result, apart: Some(kind(&error)) })
    }

    /// Locks the shared window, and charges what others were granted since it was looked at last. Where that is lost, only
    /// exits pass until it can no longer matter.
    #[cfg(unix)]
    fn look<'s>(&self, queue: &mut Queue, shared: &'s mut Shared) -> Result<(Session<'s>, Tick), SharedError> {
        let mut session = shared.begin(self.clock.wall())?;
        let news = session.news()?;
        // In this order, so that others' units are rather too young than too old; their clock is ours.
        let wall = self.clock.wall();
        let now = Tick::of(self.clock.mono());
        if session.take_lost() {
            // What counts as granted there says nothing of what was, and is over by then.
            queue.close(now.plus(nanos(self.longest)));
        } else {
            let wall = stamp(wall);
            let at = |unit: u64| now.before(Duration::from_nanos(wall.saturating_sub(unit)));
            let units = news.into_iter().flat_map(|(ring, units)| units.into_iter().map(move |unit| (ring, at(unit))));
            queue.granted_elsewhere(now, units);
        }
        session.pay(wall)?;
        Ok((session, now))
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the same call with and without a shared window")]
    fn shared_first<R>(
        &self,
        guarded: &mut Guarded,
        now: Tick,
        _priority: Priority,
        act: impl FnOnce(&mut Queue, Tick) -> R,
    ) -> Result<Acted<R>, Held> {
        Ok(Acted { now, result: act(&mut guarded.queue, now), apart: None })
    }

    fn hint(&self, request: Request) -> Option<&AtomicU64> {
        self.not_before.get(request.class.index()).map(|each| request.priority.of(each))
    }

    /// RATE-2: what was refused before says nothing of what is now.
    #[cold]
    fn changed(&self, guarded: &mut Guarded) {
        if guarded.hinted {
            guarded.hinted = false;
            self.not_before.iter().flatten().for_each(|hint| hint.store(0, Ordering::Release));
        }
    }

    #[expect(clippy::unused_self, reason = "the end of what the other methods begin")]
    fn open(&self, mut guarded: impl std::ops::DerefMut<Target = Guarded>) {
        let wakers = guarded.queue.wakers();
        drop(guarded);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }
}

/// All but a lock that others hold needs somebody to look at it.
#[cfg(unix)]
fn refused(error: &SharedError) -> Refused {
    match error {
        SharedError::Io { action, .. } => Refused::Shared { action, kind: kind(error) },
        SharedError::Busy { .. } => Refused::Shared { action: "lock", kind: kind(error) },
        SharedError::Foreign { .. } | SharedError::OtherLimits { .. } => {
            Refused::Shared { action: "recognize", kind: kind(error) }
        }
    }
}

#[cfg(unix)]
fn kind(error: &SharedError) -> ErrorKind {
    match error {
        SharedError::Io { source, .. } => source.kind(),
        SharedError::Busy { .. } => ErrorKind::WouldBlock,
        SharedError::Foreign { .. } | SharedError::OtherLimits { .. } => ErrorKind::InvalidData,
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").field("classes", &self.not_before.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
