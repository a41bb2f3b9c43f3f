//! Lines of several limiters over one file: what one promised, another may have been granted meanwhile.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use backstop_clock::{Clock, ManualClock};
use proptest::prelude::*;

use super::{MS, SECOND, clock, open, request};
use crate::limiter::RateLimiter;
use crate::queue::{Ticket, Turn};
use crate::request::{Priority, Request};
use crate::start::Start;
use crate::tick::Tick;

fn join(limiter: &RateLimiter, request: Request) -> Ticket {
    let joined = limiter.with_shared(request.priority, |queue, now| queue.join(now, request, Tick::LAST));
    joined.ok().unwrap().result.unwrap()
}

/// Whether it was granted.
fn look(limiter: &RateLimiter, ticket: Ticket, priority: Priority) -> bool {
    let turn = limiter.with_shared(priority, |queue, now| queue.turn(now, ticket, Waker::noop()));
    matches!(turn.ok().unwrap().result, Turn::Granted(_))
}

fn leave(limiter: &RateLimiter, ticket: Ticket) {
    limiter.with(|queue, now| queue.leave(now, ticket));
}

// proves: RATE-1, RATE-6
#[test]
fn what_was_promised_here_waits_when_another_process_is_granted_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("window"), clock());
    let [here, there] = [(); 2].map(|()| open(&path, &clock, Start::Unused));
    for priority in 0..3 {
        // Its turn comes at once, and it is slow to fetch it. Four are left, for one process as for the other.
        let slow = join(&here, request((1, priority, 2)));
        assert!(there.try_acquire(request((1, 0, 4))).is_ok());
        assert!(!look(&here, slow, Priority::ALL[priority]), "six of five");
        clock.advance(SECOND);
        assert!(look(&here, slow, Priority::ALL[priority]));
        clock.advance(SECOND);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Try((u8, usize, u32)),
    Join((u8, usize, u32)),
    Look(usize),
    Leave(usize),
    Advance(u32),
    /// It is killed, and with it all who wait in it.
    Die,
}

fn step() -> impl Strategy<Value = Step> {
    let asked = || (0..2_u8, 0..3_usize, 1..3_u32);
    prop_oneof![
        4 => asked().prop_map(Step::Try),
        6 => asked().prop_map(Step::Join),
        8 => (0..8_usize).prop_map(Step::Look),
        3 => (0..8_usize).prop_map(Step::Leave),
        6 => (0..250_u32).prop_map(Step::Advance),
        1 => Just(Step::Die),
    ]
}

struct Process {
    limiter: RateLimiter,
    waiting: Vec<(Ticket, Request)>,
}

impl Process {
    /// What it was granted.
    fn step(&mut self, step: &Step, clock: &Arc<ManualClock>, restart: impl Fn() -> RateLimiter) -> Option<Request> {
        let place = |place: usize, of: &[_]| place % of.len().max(1);
        match *step {
            Step::Try(asked) => return self.limiter.try_acquire(request(asked)).ok().map(|_permit| request(asked)),
            Step::Join(asked) => self.waiting.push((join(&self.limiter, request(asked)), request(asked))),
            Step::Look(nth) => {
                let nth = place(nth, &self.waiting);
                let (ticket, request) = *self.waiting.get(nth)?;
                if look(&self.limiter, ticket, request.priority) {
                    self.waiting.remove(nth);
                    return Some(request);
                }
            }
            Step::Leave(nth) => {
                let nth = place(nth, &self.waiting);
                if nth < self.waiting.len() {
                    leave(&self.limiter, self.waiting.remove(nth).0);
                }
            }
            Step::Advance(by) => clock.advance(MS * by),
            Step::Die => *self = Self { limiter: restart(), waiting: Vec::new() },
        }
        None
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    // proves: RATE-1, RATE-2, RATE-6
    #[test]
    fn however_processes_wait_give_up_and_cut_in_no_window_over_all_has_more_than_it_may(
        steps in prop::collection::vec((0..2_usize, step()), 1..80),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (path, clock) = (folder.path().join("window"), clock());
        let began = clock.mono();
        let restart = || open(&path, &clock, Start::UsedUp);
        let unused = || open(&path, &clock, Start::Unused);
        let mut processes = [(); 2].map(|()| Process { limiter: unused(), waiting: Vec::new() });
        let mut granted: Vec<(Duration, Request)> = Vec::new();
        for (who, step) in steps {
            let passed = processes[who].step(&step, &clock, restart);
            granted.extend(passed.map(|request| (clock.mono().since(began), request)));
        }
        for (from, _) in &granted {
            for (own, max, per) in [(true, 2, MS * 100), (true, 4, MS * 400), (false, 5, SECOND)] {
                let inside = granted.iter().filter(|(at, request)| {
                    at >= from && at.saturating_sub(*from) < per && (!own || request.class.index() == 0)
                });
                let units: u32 = inside.map(|(_, request)| request.weight.get()).sum();
                prop_assert!(units <= max, "{} of {} in {:?} from {:?}: {:?}", units, max, per, from, granted);
            }
        }
        // RATE-2: whoever gave up costs nobody anything.
        for Process { limiter, waiting } in &mut processes {
            waiting.drain(..).for_each(|(ticket, _)| leave(limiter, ticket));
        }
        clock.advance(SECOND);
        let passed = (0..10).filter(|turn| processes[turn % 2].limiter.try_acquire(request((1, 0, 1))).is_ok());
        prop_assert_eq!(passed.count(), 5);
    }
}
