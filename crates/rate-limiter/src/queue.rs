//! Who waits, in which order, and whose turn it is. No clock and no threads: time comes in, wakers go out.
//!
//! Each class has a line: exits, then entries, then polling, each in the order of arrival. The first of a line is the
//! only one that knows when its turn comes; it is told when it becomes the first. When a turn has come, units are
//! *promised*: they count in every window until they are fetched, and are granted at the moment of fetching. So a task that
//! is polled late takes nothing from a later window, and one that is dropped leaves nothing behind.

use std::collections::BTreeMap;
use std::task::Waker;

use crate::ahead::Ahead;
use crate::budget::{Blocked, Budget};
use crate::request::{Class, Permit, Priority, Refused, Request};
#[cfg(unix)]
use crate::shared::Ring;
use crate::tick::Tick;

/// Ten for each unit of the largest window; more is a program that only asks.
const MOST_WAITING: usize = 10_000_000;

#[derive(Debug)]
pub(crate) struct Queue {
    budget: Budget,
    /// For each class.
    lines: Vec<Line>,
    /// By arrival: whose turn has come, and who has not fetched yet.
    promised: BTreeMap<u64, Waiter>,
    arrivals: u64,
    waiting: usize,
    wakers: Vec<Waker>,
    granted: Option<Request>,
}

#[derive(Debug, Default)]
struct Line {
    /// For each priority, by arrival.
    waiters: [BTreeMap<u64, Waiter>; Priority::COUNT],
    /// Who was told last that it is the first.
    told: Option<u64>,
    /// What is known of the end of the line; nothing once anything has changed but its growth.
    end: Option<End>,
}

/// When those up to the end of a priority will be granted if nobody else comes.
#[derive(Debug)]
struct End {
    priority: Priority,
    ahead: Ahead,
}

#[derive(Debug)]
struct Waiter {
    request: Request,
    waker: Option<Waker>,
}

/// A place in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    class: Class,
    priority: Priority,
    arrival: u64,
}

/// What a place in the line is worth now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Granted(Permit),
    /// First in its line: the moment at which to ask again.
    At(Tick),
    /// Somebody is before it and will say.
    Later,
}

impl Queue {
    pub(crate) fn new(budget: Budget) -> Self {
        let lines = (0..budget.classes()).map(|_| Line::default()).collect();
        Self { budget, lines, promised: BTreeMap::new(), arrivals: 0, waiting: 0, wakers: Vec::new(), granted: None }
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Whether a refusal says all that there is to say until the budget changes.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting == 0 && self.promised.is_empty()
    }

    /// Grants `request` now if nobody waits and it may be granted.
    #[expect(clippy::inline_always, reason = "see `Budget::take_if_free`")]
    #[inline(always)]
    pub(crate) fn take_at_once(&mut self, now: Tick, request: Request) -> Option<Permit> {
        // Nobody waits, so nothing is known of the end of a line that would have to be forgotten.
        if self.waiting == 0 { self.budget.take_if_free(now, request) } else { None }
    }

    /// Grants `request` now, or says at which moment it could be; then nothing has changed.
    pub(crate) fn try_take(&mut self, now: Tick, request: Request) -> Result<Permit, Full> {
        self.budget.check(request)?;
        let now = self.budget.at_least_newest(now);
        if self.waiting == 0 {
            let granted = self.take_at_once(now, request);
            self.granted = granted.is_some().then_some(request);
            return granted.ok_or_else(|| Full::Until(self.legal_at(now, request)));
        }
        self.settle(now);
        let unlearnt = self.budget.unlearnt(now, request);
        let at = self.forecast(now, request).max(unlearnt.unwrap_or(now));
        if at > now {
            return Err(Full::Until(at));
        }
        // Its own line is not in the way. Somebody in another one may be, who waits for the total.
        let blocker = self.blocker(now, request.priority);
        match blocker {
            None => Ok(self.grant(now, request)),
            Some(at) => Err(Full::Until(at)),
        }
    }

    /// Takes a place in the line, or says at which moment it would be granted if that is after `deadline`.
    pub(crate) fn join(&mut self, now: Tick, request: Request, deadline: Tick) -> Result<Ticket, Full> {
        self.budget.check(request)?;
        if self.waiting >= MOST_WAITING {
            return Err(Full::Refused(Refused::Crowded { waiting: self.waiting }));
        }
        let now = self.budget.at_least_newest(now);
        self.settle(now);
        // Whoever waits for ever need not know for how long.
        let at = if deadline < Tick::LAST { Some(self.forecast(now, request)) } else { None };
        if let Some(at) = at.filter(|at| *at > deadline) {
            return Err(Full::Until(at));
        }
        let ticket = Ticket { class: request.class, priority: request.priority, arrival: self.arrivals };
        self.arrivals += 1;
        self.waiting += 1;
        let memory = self.budget.memory(request.class);
        if let Some(line) = self.lines.get_mut(request.class.index()) {
            line.of_mut(request.priority).insert(ticket.arrival, Waiter { request, waker: None });
            match (&mut line.end, at) {
                // The end of the line has moved by one, and nothing else has.
                (Some(end), Some(at)) if end.priority == request.priority => {
                    end.ahead.push(at, request.weight.get() as usize, memory);
                }
                _ => line.end = None,
            }
        }
        self.settle(now);
        Ok(ticket)
    }

    /// What `ticket` is worth at `now`. After [`Turn::Granted`] it is spent.
    pub(crate) fn turn(&mut self, now: Tick, ticket: Ticket, waker: &Waker) -> Turn {
        let now = self.budget.at_least_newest(now);
        self.settle(now);
        if let Some(waiter) = self.promised.remove(&ticket.arrival) {
            self.budget.take_back(waiter.request);
            let permit = self.grant(now, waiter.request);
            return Turn::Granted(permit);
        }
        let Some(line) = self.lines.get_mut(ticket.class.index()) else { return Turn::Later };
        let first = line.first().map(|(arrival, _)| arrival) == Some(ticket.arrival);
        let Some(waiter) = line.of_mut(ticket.priority).get_mut(&ticket.arrival) else { return Turn::Later };
        if !waiter.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            waiter.waker = Some(waker.clone());
        }
        let request = waiter.request;
        if !first {
            return Turn::Later;
        }
        line.told = Some(ticket.arrival);
        let at = self.legal_at(now, request);
        // Legal and not granted: another line waits for the total, and whoever is first there sees to both.
        if at > now { Turn::At(at) } else { Turn::Later }
    }

    /// RATE-2: gives a place up, or what was promised to it. The budget is what it was before.
    pub(crate) fn leave(&mut self, now: Tick, ticket: Ticket) {
        if let Some(waiter) = self.promised.remove(&ticket.arrival) {
            self.budget.take_back(waiter.request);
            self.changed();
        } else if let Some(line) = self.lines.get_mut(ticket.class.index()) {
            if line.of_mut(ticket.priority).remove(&ticket.arrival).is_none() {
                return;
            }
            self.waiting -= 1;
            line.end = None;
        }
        let now = self.budget.at_least_newest(now);
        self.settle(now);
    }

    /// The moment at which `request` would be granted behind all that go before it in its line, if nobody else comes. The
    /// answer to a probe is expected now.
    pub(crate) fn forecast(&mut self, now: Tick, request: Request) -> Tick {
        let now = self.budget.at_least_newest(now);
        let memory = self.budget.memory(request.class);
        // What is promised is expected to be fetched now, and now moves.
        let lasting = !self.budget.has_pending();
        let Some(line) = self.lines.get_mut(request.class.index()) else { return Tick::LAST };
        let known = line.end.take().filter(|end| lasting && end.priority == request.priority);
        let ahead = known.map_or_else(
            || {
                let mut ahead = Ahead::default();
                for waiter in line.up_to(request.priority) {
                    let at = self.budget.legal_at(now, waiter.request, &ahead);
                    ahead.push(at, waiter.request.weight.get() as usize, memory);
                }
                ahead
            },
            |end| end.ahead,
        );
        let at = self.budget.legal_at(now, request, &ahead);
        line.end = Some(End { priority: request.priority, ahead });
        at
    }

    /// RATE-4: see [`Budget::tighten`]. It holds for what was promised and not fetched, too: that goes back to its place.
    pub(crate) fn tighten(&mut self, now: Tick, class: Class, count: u64, left: u64, until: Tick) {
        let now = self.budget.at_least_newest(now);
        self.budget.tighten(now, class, count, left, until);
        self.back_to_the_lines(|request| request.class == class);
        self.changed();
        self.settle(now);
    }

    /// RATE-6: what other processes were granted, given by ring and moment. What was promised here meanwhile may be too much
    /// with it, and goes back to its place.
    #[cfg(unix)]
    pub(crate) fn granted_elsewhere(&mut self, now: Tick, units: impl Iterator<Item = (Ring, Tick)>) {
        let mut any = false;
        for (ring, at) in units {
            self.budget.granted_elsewhere(ring, at.min(now));
            any = true;
        }
        if any {
            self.back_to_the_lines(|_| true);
            self.changed();
        }
    }

    /// RATE-6: until `until` only exits pass; what was promised to others goes back to its place.
    #[cfg(unix)]
    pub(crate) fn close(&mut self, until: Tick) {
        self.budget.close(until);
        self.back_to_the_lines(|request| request.priority != Priority::Exit);
        self.changed();
    }

    fn back_to_the_lines(&mut self, which: impl Fn(&Request) -> bool) {
        let back: Vec<_> = self.promised.extract_if(.., |_, waiter| which(&waiter.request)).collect();
        for (arrival, waiter) in back {
            self.budget.take_back(waiter.request);
            if let Some(line) = self.lines.get_mut(waiter.request.class.index()) {
                self.waiting += 1;
                line.of_mut(waiter.request.priority).insert(arrival, waiter);
                line.end = None;
            }
        }
    }

    /// RATE-5: see [`Budget::learn`]. Of the total that all classes share, what was promised to another one may be too much
    /// with it, and goes back to its place.
    pub(crate) fn learn(&mut self, now: Tick, class: Class, used: u64) -> Option<u64> {
        let units = self.budget.learn(now, class, used)?;
        self.back_to_the_lines(|_| true);
        self.changed();
        // Their turns come earlier than they were told.
        self.lines.iter_mut().for_each(|line| line.told = None);
        self.settle(now);
        Some(units)
    }

    /// The first moment at which `request` may be granted if nobody else is.
    fn legal_at(&self, now: Tick, request: Request) -> Tick {
        let unlearnt = self.budget.unlearnt(now, request);
        self.budget.legal_at(now, request, &Ahead::default()).max(unlearnt.unwrap_or(now))
    }

    /// Whom to wake, once the lock is open.
    pub(crate) fn wakers(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.wakers)
    }

    /// What was granted since this was asked last: what others have to be told, where the budget is shared.
    #[cfg(unix)]
    pub(crate) fn granted(&mut self) -> Option<Request> {
        self.granted.take()
    }

    fn grant(&mut self, now: Tick, request: Request) -> Permit {
        self.changed();
        self.granted = Some(request);
        self.budget.grant(now, request)
    }

    /// What was known of the ends of the lines is so no longer.
    fn changed(&mut self) {
        if self.waiting > 0 {
            self.lines.iter_mut().for_each(|line| line.end = None);
        }
    }

    /// RATE-3: promises to whoever's turn has come: exits first; within a priority the oldest of those that are first in
    /// their lines. A class that is full holds up its own line only; a total that is full, all that come after.
    fn settle(&mut self, now: Tick) {
        if self.waiting == 0 {
            return;
        }
        let mut full: u32 = 0;
        'all: for priority in Priority::ALL {
            while let Some((arrival, request)) = self.oldest(priority, full) {
                match self.budget.blocked(now, request) {
                    Some(Blocked::ByTotal) => break 'all,
                    Some(Blocked::ByClass) => full |= 1 << request.class.number(),
                    None => self.promise(arrival, request),
                }
            }
        }
        for line in &mut self.lines {
            let told = line.told;
            if let Some((arrival, waiter)) = line.first_mut()
                && told != Some(arrival)
            {
                self.wakers.extend(waiter.waker.take());
                line.told = Some(arrival);
            }
        }
    }

    /// The oldest of `priority` that is first in its line, of all classes but the `full` ones.
    fn oldest(&self, priority: Priority, full: u32) -> Option<(u64, Request)> {
        let open = self.lines.iter().enumerate().filter(|(class, _)| full & (1 << class) == 0);
        let heads = open.filter_map(|(_, line)| line.of(priority).first_key_value());
        heads.min_by_key(|(arrival, _)| **arrival).map(|(arrival, waiter)| (*arrival, waiter.request))
    }

    fn promise(&mut self, arrival: u64, request: Request) {
        let Some(line) = self.lines.get_mut(request.class.index()) else { return };
        let Some(mut waiter) = line.of_mut(request.priority).remove(&arrival) else { return };
        self.waiting -= 1;
        self.wakers.extend(waiter.waker.take());
        self.budget.promise(request);
        self.promised.insert(arrival, waiter);
        self.changed();
        if let Some(line) = self.lines.get_mut(request.class.index()) {
            line.end = None;
        }
    }

    /// When the total has room for the first one of another line that waits for it and goes before a newcomer.
    fn blocker(&self, now: Tick, priority: Priority) -> Option<Tick> {
        let before = Priority::ALL.into_iter().filter(|other| *other <= priority);
        let heads = before.flat_map(|before| {
            self.lines
                .iter()
                .filter_map(move |line| line.of(before).first_key_value().map(|(_, waiter)| waiter.request))
        });
        let blocked = |request: &Request| self.budget.blocked(now, *request) == Some(Blocked::ByTotal);
        let waits = heads.filter(blocked).map(|request| self.budget.legal_at(now, request, &Ahead::default()));
        waits.min()
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting + self.promised.len()
    }
}

impl Line {
    fn of(&self, priority: Priority) -> &BTreeMap<u64, Waiter> {
        priority.of(&self.waiters)
    }

    fn of_mut(&mut self, priority: Priority) -> &mut BTreeMap<u64, Waiter> {
        priority.of_mut(&mut self.waiters)
    }

    fn first(&self) -> Option<(u64, &Waiter)> {
        let mut heads = self.waiters.iter().filter_map(BTreeMap::first_key_value);
        heads.next().map(|(arrival, waiter)| (*arrival, waiter))
    }

    fn first_mut(&mut self) -> Option<(u64, &mut Waiter)> {
        let waiters = self.waiters.iter_mut().find(|waiters| !waiters.is_empty())?;
        waiters.iter_mut().next().map(|(arrival, waiter)| (*arrival, waiter))
    }

    /// All that go before a newcomer of `priority`.
    fn up_to(&self, priority: Priority) -> impl Iterator<Item = &Waiter> {
        Priority::ALL.into_iter().filter(move |other| *other <= priority).flat_map(|other| self.of(other).values())
    }
}

/// Why nothing was granted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Up to that moment there is no room.
    Until(Tick),
    /// Waiting changes nothing.
    Refused(Refused),
}

impl Full {
    /// The same for a caller who asked at `now`.
    pub(crate) fn refused(self, now: Tick) -> Refused {
        match self {
            Self::Until(at) => Refused::Full { after: at.since(now) },
            Self::Refused(refused) => refused,
        }
    }
}

impl From<Refused> for Full {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
