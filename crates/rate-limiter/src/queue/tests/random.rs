//! Random limits and schedules, with waits, fetches, cancellations and clocks that jump, against adding up.

use std::task::Waker;

use proptest::prelude::*;

use super::brute::History;
use super::{queue, tick};
use crate::limits::Limits;
use crate::queue::{Full, Queue, Ticket, Turn};
use crate::request::{Class, Priority, Refused, Request};
use crate::tick::Tick;
use crate::window::Window;
use std::time::Duration;

#[derive(Debug, Clone)]
enum Step {
    Try(Request),
    /// With so many nanoseconds to the deadline, or none.
    Join(Request, Option<u64>),
    /// The k-th of those that wait is polled.
    Poll(usize),
    Leave(usize),
    Advance(u64),
    /// The clock alone steps back.
    Back(u64),
    /// The server says that so many are left, for so long.
    Said(Class, u64, u64),
}

fn windows() -> impl Strategy<Value = Vec<Window>> {
    // Small ones, which are full at once, and such as have room for requests that are not looked at one by one.
    let units = prop_oneof![3 => 1..4_u32, 2 => 4..24_u32];
    let window = (units, 1..12_u64, 0..3_u64, 0..3_u32, 0..2_u32);
    prop::collection::vec(window, 1..3).prop_map(|drawn| {
        let (mut max, mut length) = (0, 0);
        let grow = |(more, longer, margin, exits, entries): (u32, u64, u64, u32, u32)| {
            max += more;
            // The margin makes a window longer, so the next one begins beyond it.
            length += longer + 3;
            let window = Window::new(max, Duration::from_nanos(length)).unwrap();
            let window = window.with_margin(Duration::from_nanos(margin)).unwrap();
            window.with_reserve(exits, entries).unwrap_or(window)
        };
        drawn.into_iter().map(grow).collect()
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let classes = prop::collection::vec(windows(), 1..4);
    (prop::option::of(windows()), classes).prop_map(|(total, classes)| {
        let classes: Vec<&[Window]> = classes.iter().map(Vec::as_slice).collect();
        Limits::with_classes(&total.unwrap_or_default(), &classes).unwrap()
    })
}

fn requests() -> impl Strategy<Value = Request> {
    (0..3_u8, 0..3_usize, 1..4_u32).prop_map(|(class, priority, weight)| {
        let request = Request::new(Priority::ALL[priority]).in_class(Class::nth(class));
        request.weighing(weight.try_into().unwrap())
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => requests().prop_map(Step::Try),
        4 => (requests(), prop::option::of(0..60_u64)).prop_map(|(request, within)| Step::Join(request, within)),
        4 => (0..8_usize).prop_map(Step::Poll),
        2 => (0..8_usize).prop_map(Step::Leave),
        5 => (1..9_u64).prop_map(Step::Advance),
        1 => (1..30_u64).prop_map(Step::Back),
        1 => (0..3_u8, 0..5_u64, 1..30_u64).prop_map(|(class, left, long)| Step::Said(Class::nth(class), left, long)),
    ];
    prop::collection::vec(step, 1..80)
}

struct Run {
    limits: Limits,
    queue: Queue,
    /// The machine's time, which never steps back, and by how much the clock is behind it.
    real: u64,
    behind: u64,
    granted: History,
    waiting: Vec<(Ticket, Request)>,
    /// Of a class: units granted when the server spoke, how many it left, and until when.
    said: Vec<(Class, u32, u64, u64)>,
}

impl Run {
    fn now(&self) -> Tick {
        tick(1000 + self.real - self.behind)
    }

    fn units(&self, class: Class) -> u32 {
        self.granted.0.iter().filter(|g| g.request.class == class).map(|g| g.request.weight.get()).sum()
    }

    fn grant(&mut self, request: Request) {
        self.granted.add(self.real, request);
        // RATE-4
        for (class, before, left, until) in self.said.clone() {
            if class == request.class && self.real < until {
                assert!(u64::from(self.units(class) - before) <= left, "over what the server left");
            }
        }
    }

    fn step(&mut self, step: &Step) {
        let before = self.places();
        let said = matches!(step, Step::Said(..));
        match *step {
            Step::Try(request) => match self.queue.try_take(self.now(), request) {
                Ok(_permit) => {
                    let class = before.iter().filter(|(class, ..)| *class == request.class);
                    assert!(class.clone().all(|(_, priority, _)| *priority > request.priority), "overtook in its line");
                    self.grant(request);
                }
                Err(Full::Until(at)) => assert!(at > self.now()),
                Err(Full::Refused(Refused::NoSuchClass { .. } | Refused::TooHeavy { .. })) => {}
                Err(Full::Refused(refused)) => panic!("{refused}"),
            },
            Step::Join(request, within) => {
                let deadline = within.map_or(Tick::LAST, |within| tick(1000 + self.real - self.behind + within));
                let budget = self.queue.budget().clone();
                match self.queue.join(self.now(), request, deadline) {
                    Ok(ticket) => self.waiting.push((ticket, request)),
                    // RATE-2: nothing is left of a refused wait.
                    Err(refused) => {
                        assert!(!matches!(refused, Full::Until(at) if at <= deadline));
                        if before.len() == self.places().len() {
                            assert_eq!(&budget, self.queue.budget());
                        }
                    }
                }
            }
            Step::Poll(place) if !self.waiting.is_empty() => {
                let place = place % self.waiting.len();
                let (ticket, request) = self.waiting[place];
                match self.queue.turn(self.now(), ticket, Waker::noop()) {
                    Turn::Granted(_permit) => {
                        self.waiting.remove(place);
                        self.grant(request);
                    }
                    Turn::At(at) => assert!(at > self.now()),
                    Turn::Later => {}
                }
            }
            Step::Leave(place) if !self.waiting.is_empty() => {
                let (ticket, _) = self.waiting.remove(place % self.waiting.len());
                self.queue.leave(self.now(), ticket);
            }
            Step::Poll(_) | Step::Leave(_) => {}
            Step::Advance(by) => self.real += by,
            Step::Back(by) => self.behind = (self.behind + by).min(900 + self.real),
            Step::Said(class, left, long) => {
                if class.index() < self.limits.classes.len() && self.behind == 0 {
                    let (now, count) = (self.now(), u64::from(self.units(class)));
                    self.queue.tighten(now, class, count, left, tick(1000 + self.real + long));
                    self.said.push((class, self.units(class), left, self.real + long));
                }
            }
        }
        if !said {
            self.check_order(&before);
        }
        self.check_turns();
    }

    fn places(&self) -> Vec<(Class, Priority, u64)> {
        let lines = self.queue.lines.iter().flat_map(|line| line.waiters.iter().flatten());
        lines.map(|(arrival, waiter)| (waiter.request.class, waiter.request.priority, *arrival)).collect()
    }

    /// RATE-3: whose turn came in this step was first in its line.
    fn check_order(&self, before: &[(Class, Priority, u64)]) {
        for (arrival, waiter) in &self.queue.promised {
            let (class, priority) = (waiter.request.class, waiter.request.priority);
            if !before.contains(&(class, priority, *arrival)) {
                continue;
            }
            let overtaken = self.places().into_iter().find(|(other, prior, earlier)| {
                *other == class
                    && before.contains(&(*other, *prior, *earlier))
                    && (*prior, *earlier) < (priority, *arrival)
            });
            assert_eq!(overtaken, None, "overtaken by {waiter:?}");
        }
    }

    /// Nobody who could go waits: of those that are first in their lines, none may be granted now, unless somebody who
    /// goes before it waits for the total.
    fn check_turns(&mut self) {
        let now = self.queue.budget.at_least_newest(self.now());
        self.queue.settle(now);
        let free = |line: &super::super::Line| {
            let first = line.first().map(|(_, waiter)| waiter.request)?;
            self.queue.budget.blocked(now, first).is_none().then_some(first)
        };
        if self.limits.total.is_empty() {
            assert_eq!(self.queue.lines.iter().find_map(free), None);
        }
        assert_eq!(self.queue.waiting(), self.waiting.len());
    }
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 3_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    // proves: RATE-1, RATE-3, RATE-4
    #[test]
    fn whatever_happens_no_window_wherever_it_begins_has_more_than_it_may(limits in limits(), steps in steps()) {
        let mut run = Run {
            queue: queue(&limits),
            limits,
            real: 0,
            behind: 0,
            granted: History::default(),
            waiting: Vec::new(),
            said: Vec::new(),
        };
        for step in steps {
            run.step(&step);
        }
        run.granted.check(&run.limits);
        // RATE-2: when all have left, what was granted is all that is left of them.
        for (ticket, _) in std::mem::take(&mut run.waiting) {
            run.queue.leave(run.now(), ticket);
        }
        prop_assert_eq!(run.queue.waiting(), 0);
        prop_assert!(!run.queue.budget().has_pending());
    }

    // proves: RATE-2
    #[test]
    fn a_wait_that_is_given_up_leaves_the_budget_bit_by_bit_as_it_was(
        limits in limits(),
        before in prop::collection::vec(steps(), 1),
        request in requests(),
        polled in any::<bool>(),
    ) {
        let mut run = Run {
            queue: queue(&limits),
            limits,
            real: 0,
            behind: 0,
            granted: History::default(),
            waiting: Vec::new(),
            said: Vec::new(),
        };
        for step in before.into_iter().flatten() {
            run.step(&step);
        }
        let now = run.now();
        let (budget, places) = (run.queue.budget().clone(), run.places());
        if let Ok(ticket) = run.queue.join(now, request, Tick::LAST) {
            // What was promised is not yet anybody's; what was fetched cannot be given up any more.
            if polled && !run.queue.promised.contains_key(&ticket.arrival) {
                prop_assert!(!matches!(run.queue.turn(now, ticket, Waker::noop()), Turn::Granted(_)));
            }
            run.queue.leave(now, ticket);
        }
        prop_assert_eq!(&budget, run.queue.budget());
        prop_assert_eq!(places, run.places());
    }
}
