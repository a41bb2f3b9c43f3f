//! What may be granted when: the tracks of all classes, and what the server said. No clock, no threads, no waiting.

use crate::ahead::Ahead;
use crate::ceiling::Ceilings;
use crate::limits::Limits;
use crate::request::{Class, Permit, Priority, Refused, Request};
#[cfg(unix)]
use crate::shared::Ring;
use crate::tick::Tick;
use crate::track::Track;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Budget {
    total: Option<Track>,
    classes: Vec<Account>,
    /// The newest grant. Callers read the clock before they get the lock, so one may come with an earlier reading than
    /// the one before it; and a clock that jumps back stands still here until it has caught up. Either grants nothing extra.
    newest: Tick,
    /// RATE-6: until then only exits pass, because what other processes were granted is not known.
    closed: Tick,
    room: Room,
}

/// So many units of a class, of whatever priority, may be granted without a look at any window. Nothing once anything has
/// changed but by these grants.
#[derive(Debug, Clone, Copy)]
struct Room {
    units: usize,
    of: Class,
}

impl Room {
    const NONE: Self = Self { units: 0, of: Class::FIRST };
}

/// It says nothing that the windows do not: with more of it or less, a budget is the same.
impl PartialEq for Room {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Room {}

/// The most units that are looked ahead for, and which part of the smallest window: one that is nearly full is looked at
/// each time.
const AHEAD: usize = 32;
const PART: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Account {
    /// `None` where only the total limits the class.
    own: Option<Track>,
    /// For each priority: the most that one request may weigh, and how many units are kept from it.
    most: [usize; Priority::COUNT],
    kept: [u64; Priority::COUNT],
    /// How many units are looked ahead for.
    ahead: usize,
    said: Ceilings,
    /// Units granted from the beginning.
    granted: u64,
    /// Units promised and not fetched.
    pending: u64,
    /// RATE-5: until then, only the first request may pass, unless the server says what is left.
    unlearnt: Option<Tick>,
}

impl Account {
    /// The first moment from `at` on at which what the server said lets `request` pass behind `ahead`.
    fn said_legal_at(&self, at: Tick, request: Request, ahead: &Ahead) -> Tick {
        // RATE-3: what is kept from this priority is kept of what the server left, too.
        let before = self.granted + self.pending + ahead.len() as u64;
        self.said.legal_at(at, before + u64::from(request.weight.get()) + request.priority.of(&self.kept))
    }
}

/// What keeps a request from being granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// Its class: others may pass.
    ByClass,
    /// The total, which all share: nobody behind it may pass.
    ByTotal,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        let track = |windows: &Vec<_>| (!windows.is_empty()).then(|| Track::new(windows));
        let total = track(&limits.total);
        let account = |windows: &Vec<_>| {
            let own = track(windows);
            let most = |priority| own.iter().chain(&total).map(|track| track.most(priority)).min().unwrap_or(0);
            let kept = |priority| own.as_ref().or(total.as_ref()).map_or(0, |track| track.kept_from(priority) as u64);
            let (most, kept) = (Priority::ALL.map(most), Priority::ALL.map(kept));
            let ahead = (*Priority::Polling.of(&most) / PART).min(AHEAD);
            Account { own, most, kept, ahead, said: Ceilings::default(), granted: 0, pending: 0, unlearnt: None }
        };
        let classes = limits.classes.iter().map(account).collect();
        Self { total, classes, newest: Tick::NEVER, closed: Tick::NEVER, room: Room::NONE }
    }

    /// How many units of those ahead of a request matter for it.
    pub(crate) fn memory(&self, class: Class) -> usize {
        let own = self.classes.get(class.index()).and_then(|account| account.own.as_ref());
        own.into_iter().chain(&self.total).map(Track::places).max().unwrap_or(0)
    }

    /// Whether somebody has been promised units that he has not fetched.
    pub(crate) fn has_pending(&self) -> bool {
        self.classes.iter().any(|account| account.pending > 0)
    }

    pub(crate) fn classes(&self) -> usize {
        self.classes.len()
    }

    /// Whether a request of that class may be so heavy.
    pub(crate) fn may_weigh(&self, request: Request) -> bool {
        let account = self.classes.get(request.class.index());
        account.is_some_and(|account| units(request) <= *request.priority.of(&account.most))
    }

    /// Whether `request` can ever be granted; if not, why.
    pub(crate) fn check(&self, request: Request) -> Result<(), Refused> {
        let Some(account) = self.classes.get(request.class.index()) else {
            return Err(Refused::NoSuchClass { class: request.class.number(), classes: self.classes.len() });
        };
        let most = *request.priority.of(&account.most);
        if units(request) > most {
            let most = u32::try_from(most).unwrap_or(u32::MAX);
            return Err(Refused::TooHeavy { weight: request.weight.get(), most });
        }
        Ok(())
    }

    /// `now`, or the newest grant if the clock shows less.
    pub(crate) fn at_least_newest(&self, now: Tick) -> Tick {
        now.max(self.newest)
    }

    /// The first moment from `now` on at which `request` may be granted, once the units of `ahead` have been, all of its
    /// class.
    pub(crate) fn legal_at(&self, now: Tick, request: Request, ahead: &Ahead) -> Tick {
        let Some(account) = self.classes.get(request.class.index()) else { return Tick::LAST };
        let of = |track: &Track| track.legal_at(now, request.priority, units(request), ahead);
        let windows = account.own.iter().chain(&self.total).map(of).max().unwrap_or(Tick::LAST);
        let at = windows.max(ahead.last()).max(now);
        let at = if request.priority == Priority::Exit { at } else { at.max(self.closed) };
        if account.said.is_empty() {
            return at;
        }
        account.said_legal_at(at, request, ahead)
    }

    /// RATE-5: until when `request` waits for the answer to the first of its class, unless that comes earlier.
    pub(crate) fn unlearnt(&self, now: Tick, request: Request) -> Option<Tick> {
        let account = self.classes.get(request.class.index())?;
        account.unlearnt.filter(|until| *until > now && account.granted + account.pending > 0)
    }

    /// Whether `request` may be granted at `now`; if not, what keeps it. A class that is full keeps it, whatever the total
    /// has: it waits for more than the total, so nobody waits behind it.
    pub(crate) fn blocked(&self, now: Tick, request: Request) -> Option<Blocked> {
        if !self.is_free_in_class(now, request) {
            return Some(Blocked::ByClass);
        }
        (!self.is_free_in_total(now, request)).then_some(Blocked::ByTotal)
    }

    /// Whether `request` may be granted at `now`.
    pub(crate) fn is_free(&self, now: Tick, request: Request) -> bool {
        self.is_free_in_class(now, request) && self.is_free_in_total(now, request)
    }

    fn is_free_in_class(&self, now: Tick, request: Request) -> bool {
        let Some(account) = self.classes.get(request.class.index()) else { return false };
        account.own.as_ref().is_none_or(|own| own.is_free(now, request.priority, units(request)))
            && (request.priority == Priority::Exit || !self.is_closed(now))
            && (account.unlearnt.is_none() || self.unlearnt(now, request).is_none())
            && (account.said.is_empty() || account.said_legal_at(now, request, &Ahead::default()) <= now)
    }

    fn is_free_in_total(&self, now: Tick, request: Request) -> bool {
        self.total.as_ref().is_none_or(|total| total.is_free(now, request.priority, units(request)))
    }

    /// Grants `request` at `now`, or later where a grant was, if it may be granted: what [`is_free`](Self::is_free) and
    /// [`grant`](Self::grant) do, in one look, because most of all requests come this way.
    #[expect(clippy::inline_always, reason = "returned through memory, a permit costs a tenth of the whole")]
    #[inline(always)]
    pub(crate) fn take_if_free(&mut self, now: Tick, request: Request) -> Option<Permit> {
        let now = self.at_least_newest(now);
        let weight = units(request);
        // RATE-1: what fits into every window at one moment fits at every later one, while nothing else is granted.
        match self.room.units.checked_sub(weight).filter(|_| self.room.of == request.class) {
            Some(left) => self.room.units = left,
            None => self.look_for_room(now, request)?,
        }
        self.newest = now;
        let account = self.classes.get_mut(request.class.index())?;
        account.granted += u64::from(request.weight.get());
        let count = account.granted;
        if let Some(own) = &mut account.own {
            own.charge(now, weight);
        }
        if let Some(total) = &mut self.total {
            total.charge(now, weight);
        }
        Some(Permit { class: request.class, at: now, count, apart: None })
    }

    /// Whether there is room for `request` at `now`; and whether there is for more behind it.
    #[inline(never)]
    fn look_for_room(&mut self, now: Tick, request: Request) -> Option<()> {
        self.room = Room::NONE;
        if !self.may_weigh(request) || !self.is_free(now, request) {
            return None;
        }
        let account = self.classes.get(request.class.index())?;
        // What the server said, and what was lost, is looked at each time.
        if self.is_closed(now) || account.unlearnt.is_some() || !account.said.is_empty() {
            return Some(());
        }
        let ahead = account.ahead;
        // For whatever priority: polling has the least.
        let free = |track: &Track| track.is_free(now, Priority::Polling, units(request) + ahead);
        if account.own.as_ref().is_none_or(free) && self.total.as_ref().is_none_or(free) {
            self.room = Room { units: ahead, of: request.class };
        }
        Some(())
    }

    /// Promises what [`blocked`](Self::blocked) said may be granted: it counts as used until it is fetched, so whoever
    /// fetches it late takes nothing from a later window.
    pub(crate) fn promise(&mut self, request: Request) {
        self.each_track(request, |track| track.promise(units(request)));
        if let Some(account) = self.classes.get_mut(request.class.index()) {
            account.pending += u64::from(request.weight.get());
        }
    }

    /// RATE-2: takes a promise back that nobody fetched. Nothing is left of it.
    pub(crate) fn take_back(&mut self, request: Request) {
        self.each_track(request, |track| track.take_back(units(request)));
        if let Some(account) = self.classes.get_mut(request.class.index()) {
            account.pending -= u64::from(request.weight.get());
        }
    }

    /// Grants what may be granted at `now`, in all windows at once.
    pub(crate) fn grant(&mut self, now: Tick, request: Request) -> Permit {
        let now = self.at_least_newest(now);
        self.newest = now;
        self.each_track(request, |track| track.charge(now, units(request)));
        let mut count = 0;
        if let Some(account) = self.classes.get_mut(request.class.index()) {
            account.granted += u64::from(request.weight.get());
            count = account.granted;
        }
        Permit { class: request.class, at: now, count, apart: None }
    }

    /// RATE-4: after the request of `count`, the server lets `left` more of its class pass until `until`.
    pub(crate) fn tighten(&mut self, now: Tick, class: Class, count: u64, left: u64, until: Tick) {
        self.room = Room::NONE;
        if let Some(account) = self.classes.get_mut(class.index()) {
            account.said.add(now, count.saturating_add(left), until);
        }
    }

    /// RATE-5: all windows count as full at `now`.
    pub(crate) fn use_up(&mut self, now: Tick) {
        self.newest = now;
        let own = self.classes.iter_mut().filter_map(|account| account.own.as_mut());
        own.chain(self.total.as_mut()).for_each(|track| track.charge(now, track.places()));
    }

    /// RATE-5: nothing is known until the first request of each class has been answered, or until `until`.
    pub(crate) fn learn_until(&mut self, until: Tick) {
        self.classes.iter_mut().for_each(|account| account.unlearnt = Some(until));
    }

    /// The server said that it has counted `used` units of `class`: those that were not granted here count as granted
    /// now, later than they were. How many count then, if that was news.
    pub(crate) fn learn(&mut self, now: Tick, class: Class, used: u64) -> Option<u64> {
        self.room = Room::NONE;
        let account = self.classes.get_mut(class.index())?;
        if account.unlearnt.take().is_none_or(|until| until <= now) {
            return None;
        }
        let granted = account.granted;
        let others = usize::try_from(used.saturating_sub(granted)).unwrap_or(usize::MAX);
        self.newest = self.newest.max(now);
        let newest = self.newest;
        let own = account.own.as_mut().into_iter();
        own.chain(self.total.as_mut()).for_each(|track| track.charge(newest, others.min(track.places())));
        Some(used.max(granted))
    }

    /// RATE-6: another process granted a unit of the class, or of the total, at `at`.
    #[cfg(unix)]
    pub(crate) fn granted_elsewhere(&mut self, ring: Ring, at: Tick) {
        self.room = Room::NONE;
        let track = match ring {
            Ring::Total => self.total.as_mut(),
            Ring::Of(class) => self.classes.get_mut(class.index()).and_then(|account| {
                // The server counts it, too.
                account.granted += 1;
                account.own.as_mut()
            }),
        };
        if let Some(track) = track {
            self.newest = self.newest.max(track.charge_elsewhere(at));
        }
    }

    /// RATE-6, law 4: until `until`, nothing but exits passes.
    #[cfg(unix)]
    pub(crate) fn close(&mut self, until: Tick) {
        self.room = Room::NONE;
        self.closed = self.closed.max(until);
    }

    /// Whether nothing but exits passes at `now`.
    pub(crate) fn is_closed(&self, now: Tick) -> bool {
        self.closed > now
    }

    fn each_track(&mut self, request: Request, act: impl Fn(&mut Track)) {
        self.room = Room::NONE;
        if let Some(own) = self.classes.get_mut(request.class.index()).and_then(|account| account.own.as_mut()) {
            act(own);
        }
        if let Some(total) = &mut self.total {
            act(total);
        }
    }
}

fn units(request: Request) -> usize {
    request.weight.get() as usize
}
